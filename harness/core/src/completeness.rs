//! The result of asking whether a trace is all there. The rule itself lives in `seaworthy-telemetry`.

use serde::{Deserialize, Serialize};

use crate::ids::{EdgeId, ExchangeId, InstanceId, ServiceName, SpanId, TraceId};

/// Which end of an exchange owes a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The consumer: a CLIENT or PRODUCER span.
    Sender,
    /// The provider: a SERVER or CONSUMER span.
    Receiver,
}

/// Something that a complete trace would have and this one has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gap", rename_all = "kebab-case")]
pub enum Gap {
    /// An exchange of the trace has not ended.
    InFlight {
        /// Which.
        exchange: ExchangeId,
        /// Where.
        edge: EdgeId,
    },
    /// A span that the wire says must exist did not come.
    MissingSpan {
        /// The exchange that proves the debt.
        exchange: ExchangeId,
        /// Where.
        edge: EdgeId,
        /// Which end owes it.
        end: End,
        /// The service that owes it: the hop that lost it.
        service: ServiceName,
        /// The instance that owes it, where known.
        instance: Option<InstanceId>,
        /// How many of the exchanges under this parent owe one, and how many came.
        owed: u32,
        /// How many came.
        came: u32,
        /// A root span of another trace by which the receiver seems to have handled this exchange: it began
        /// a new trace and linked nothing.
        started_anew: Option<(TraceId, SpanId)>,
    },
    /// A span names a parent that neither the telemetry nor the wire knows.
    MissingParent {
        /// The child.
        span: SpanId,
        /// The parent that never came.
        parent: SpanId,
        /// Who exported the child.
        service: ServiceName,
    },
    /// A CLIENT span towards a proxy of ours for which the wire has no exchange.
    NoExchange {
        /// The span.
        span: SpanId,
        /// Who exported it.
        service: ServiceName,
        /// The edge whose proxy it names.
        edge: EdgeId,
    },
    /// An exchange inside the system without valid `traceparent`, placed here by its correlation id.
    Untraced {
        /// Which.
        exchange: ExchangeId,
        /// Where.
        edge: EdgeId,
    },
}

/// What is missing of one trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// The trace.
    pub trace_id: TraceId,
    /// What is missing, in the order of the exchanges; empty: the trace is complete.
    pub gaps: Vec<Gap>,
    /// How many spans were owed in all.
    pub owed: u32,
    /// Debts that were waived, with the reason (`not sampled`, `orders-1 was killed`, `telemetry: none`).
    pub waived: Vec<String>,
}

impl Completeness {
    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }
}
