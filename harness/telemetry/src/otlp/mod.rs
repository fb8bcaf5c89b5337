//! OTLP messages: from bytes (protobuf or JSON) to the words of `seaworthy-core`. Pure functions.
//!
//! JSON is written over as protobuf while it is read, the parts of the protobuf are counted before it is decoded,
//! and what was decoded is put into our words: one way for both encodings.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/>, protocol version 1.

mod convert;
mod json;
mod parts;
mod schema;
#[cfg(test)]
mod tests;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use seaworthy_core::log::LogRecord;
use seaworthy_core::metric::MetricPoint;
use seaworthy_core::span::Span;
use seaworthy_core::time::Nanos;

pub use convert::Decoded;
use schema::MessageType;

/// How an export request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Binary protobuf.
    Protobuf,
    /// OTLP's dialect of ProtoJSON.
    Json,
}

/// Why bytes are no export request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It would grow to more than allowed.
    #[error("more than {0} spans, points, attributes and values in one request")]
    TooManyParts(usize),
    /// It is not what it should be.
    #[error("{0}")]
    Malformed(String),
}

/// The spans of an `ExportTraceServiceRequest` of at most `parts` parts, as received at that time.
///
/// # Errors
/// When it is not valid as a whole; single spans that are not valid are counted in [`Decoded::refused`].
pub fn spans(
    body: &[u8],
    format: Format,
    parts: usize,
    received: Nanos,
) -> Result<Decoded<Span>, DecodeError> {
    let request: ExportTraceServiceRequest = message(body, format, &schema::TRACES, parts)?;
    Ok(convert::spans(request, received))
}

/// The log records of an `ExportLogsServiceRequest` of at most `parts` parts, as received at that time.
///
/// # Errors
/// When it is not valid as a whole; single records that are not valid are counted in [`Decoded::refused`].
pub fn logs(
    body: &[u8],
    format: Format,
    parts: usize,
    received: Nanos,
) -> Result<Decoded<LogRecord>, DecodeError> {
    let request: ExportLogsServiceRequest = message(body, format, &schema::LOGS, parts)?;
    Ok(convert::logs(request, received))
}

/// The metric points of an `ExportMetricsServiceRequest` of at most `parts` parts, as received at that time.
///
/// # Errors
/// When it is not valid as a whole; single points that are not valid are counted in [`Decoded::refused`].
pub fn metrics(
    body: &[u8],
    format: Format,
    parts: usize,
    received: Nanos,
) -> Result<Decoded<MetricPoint>, DecodeError> {
    let request: ExportMetricsServiceRequest = message(body, format, &schema::METRICS, parts)?;
    Ok(convert::metrics(request, received))
}

fn message<M: Message + Default>(
    body: &[u8],
    format: Format,
    message: &'static MessageType,
    parts: usize,
) -> Result<M, DecodeError> {
    let malformed = |error: &dyn std::error::Error| DecodeError::Malformed(error.to_string());
    let transcoded;
    let protobuf = match format {
        Format::Protobuf => body,
        Format::Json => {
            transcoded = json::to_protobuf(body, message).map_err(|error| malformed(&error))?;
            &transcoded
        }
    };
    if parts::count(protobuf, message) > parts {
        return Err(DecodeError::TooManyParts(parts));
    }
    M::decode(protobuf).map_err(|error| malformed(&error))
}
