//! From a whole body to the store, the same for gRPC and HTTP.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use seaworthy_core::evidence::Loss;

use super::ReceiverLimits;
use super::rejection::Rejection;
use crate::otlp::{self, Format};
use crate::store::{Refusal, Store};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// What the items are called in a [`Loss`].
    fn items(self) -> &'static str {
        match self {
            Signal::Traces => "spans",
            Signal::Metrics => "metric points",
            Signal::Logs => "logs",
        }
    }

    /// The name of the partial success's count in JSON.
    fn rejected_field(self) -> &'static str {
        match self {
            Signal::Traces => "rejectedSpans",
            Signal::Metrics => "rejectedDataPoints",
            Signal::Logs => "rejectedLogRecords",
        }
    }
}

/// Decodes an export request and stores what is valid of it. Returns what was refused of it.
pub(super) fn take(
    store: &Store,
    signal: Signal,
    body: &[u8],
    format: Format,
    limits: &ReceiverLimits,
) -> Result<Refusal, Rejection> {
    let (parts, received) = (limits.parts, store.now());
    let (invalid, full) = match signal {
        Signal::Traces => {
            let decoded = otlp::spans(body, format, parts, received)?;
            (decoded.refused, store.add_spans(decoded.items))
        }
        Signal::Metrics => {
            let decoded = otlp::metrics(body, format, parts, received)?;
            (decoded.refused, store.add_metrics(decoded.items))
        }
        Signal::Logs => {
            let decoded = otlp::logs(body, format, parts, received)?;
            (decoded.refused, store.add_logs(decoded.items))
        }
    };
    if invalid.count > 0 {
        store.add_loss(Loss {
            what: signal.items().to_owned(),
            why: format!("refused: {}", invalid.why),
            count: invalid.count,
            service: None,
            harmful: true,
        });
    }
    Ok(invalid.and(full))
}

/// The body of the answer to a request that was taken, in protobuf.
pub(super) fn success(signal: Signal, refusal: &Refusal) -> Vec<u8> {
    let rejected = i64::try_from(refusal.count).unwrap_or(i64::MAX);
    let why = || refusal.why.clone();
    let partial = rejected > 0;
    match signal {
        Signal::Traces => {
            let refused = ExportTracePartialSuccess { rejected_spans: rejected, error_message: why() };
            ExportTraceServiceResponse { partial_success: partial.then_some(refused) }.encode_to_vec()
        }
        Signal::Metrics => {
            let refused =
                ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message: why() };
            ExportMetricsServiceResponse { partial_success: partial.then_some(refused) }.encode_to_vec()
        }
        Signal::Logs => {
            let refused = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message: why() };
            ExportLogsServiceResponse { partial_success: partial.then_some(refused) }.encode_to_vec()
        }
    }
}

/// The body of the answer to a request that was taken, in JSON.
pub(super) fn success_json(signal: Signal, refusal: &Refusal) -> Vec<u8> {
    let answer = if refusal.count == 0 {
        serde_json::json!({})
    } else {
        let mut partial = serde_json::Map::new();
        // ProtoJSON writes 64-bit integers as text.
        partial.insert(signal.rejected_field().to_owned(), refusal.count.to_string().into());
        partial.insert("errorMessage".to_owned(), refusal.why.clone().into());
        serde_json::json!({ "partialSuccess": partial })
    };
    answer.to_string().into_bytes()
}
