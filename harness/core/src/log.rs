//! What services say of themselves, part two: log records over OTLP, and lines on stdout and stderr.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, ServiceName, SpanId, TraceId};
use crate::span::{Attributes, Resource, Value};
use crate::time::Nanos;

/// One OTLP log record. Secrets in it are already replaced by fingerprints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// When it was written, by the service's clock, nanoseconds since the Unix epoch (observed time when that
    /// is missing).
    pub time_unix: u64,
    /// OTLP severity number, 1 to 24; 0 when not said.
    pub severity: u8,
    /// Severity as the source names it.
    pub severity_text: String,
    /// What it says.
    pub body: Value,
    /// Its attributes.
    pub attributes: Attributes,
    /// The trace it was written in.
    pub trace_id: Option<TraceId>,
    /// The span it was written in.
    pub span_id: Option<SpanId>,
    /// The event name, for events.
    pub event_name: String,
    /// Who exported it.
    pub resource: Arc<Resource>,
    /// When the receiver got it.
    pub received: Nanos,
}

/// Where an instance wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that an instance wrote. Secrets in it are already replaced by fingerprints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputLine {
    /// Who wrote it.
    pub service: ServiceName,
    /// Which copy of it.
    pub instance: InstanceId,
    /// Where.
    pub stream: Stream,
    /// When the harness read it.
    pub at: Nanos,
    /// The line without its end.
    pub text: String,
    /// Whether it was longer than what is kept.
    pub truncated: bool,
}
