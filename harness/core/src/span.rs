//! What services say of themselves, part one: spans, in the words of OpenTelemetry.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, ServiceName, SpanId, TraceId};
use crate::time::Nanos;

/// A value of an attribute (OTLP `AnyValue`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A 64-bit float.
    Double(f64),
    /// Text.
    String(String),
    /// Bytes, in base64.
    Bytes {
        /// The base64 text.
        bytes: String,
    },
    /// A list.
    Array(Vec<Value>),
    /// Keys with values.
    Map(BTreeMap<String, Value>),
    /// No value at all.
    Empty,
}

impl Value {
    /// The text, when it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// The integer, when it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value}"),
            Value::String(value) => f.write_str(value),
            Value::Bytes { bytes } => write!(f, "base64:{bytes}"),
            Value::Array(values) => f.debug_list().entries(values.iter().map(ToString::to_string)).finish(),
            Value::Map(values) => {
                f.debug_map().entries(values.iter().map(|(key, value)| (key, value.to_string()))).finish()
            }
            Value::Empty => Ok(()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

/// Attributes by key.
pub type Attributes = BTreeMap<String, Value>;

/// Who exported a piece of telemetry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// `service.name`; `unknown` when the resource has none.
    pub service: ServiceName,
    /// `service.instance.id`.
    pub instance: Option<InstanceId>,
    /// All resource attributes.
    pub attributes: Attributes,
}

/// OTLP's span kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Work inside a service.
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
    /// Publishes a message.
    Producer,
    /// Handles a message.
    Consumer,
}

impl SpanKind {
    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            SpanKind::Unspecified => "unspecified",
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        }
    }

    /// CLIENT or PRODUCER: the sending end of an exchange.
    pub fn is_sender(self) -> bool {
        matches!(self, SpanKind::Client | SpanKind::Producer)
    }

    /// SERVER or CONSUMER: the receiving end of an exchange.
    pub fn is_receiver(self) -> bool {
        matches!(self, SpanKind::Server | SpanKind::Consumer)
    }
}

/// OTLP's span status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SpanStatus {
    /// Not said.
    #[default]
    Unset,
    /// Said to be fine.
    Ok,
    /// Failed, with the message given.
    Error(String),
}

impl SpanStatus {
    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, SpanStatus::Error(_))
    }
}

/// A reference from one span to another, maybe of another trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanLink {
    /// The other's trace.
    pub trace_id: TraceId,
    /// The other.
    pub span_id: SpanId,
    /// What is said of it.
    pub attributes: Attributes,
}

/// Something that happened at a point in a span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// Its name.
    pub name: String,
    /// When, by the service's clock, in nanoseconds since the Unix epoch.
    pub time_unix: u64,
    /// What is said of it.
    pub attributes: Attributes,
}

/// One span as exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its trace.
    pub trace_id: TraceId,
    /// Itself.
    pub span_id: SpanId,
    /// What caused it; `None` for a root.
    pub parent_id: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// Start by the service's clock, nanoseconds since the Unix epoch.
    pub start_unix: u64,
    /// End by the service's clock, nanoseconds since the Unix epoch.
    pub end_unix: u64,
    /// Its status.
    pub status: SpanStatus,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its events.
    pub events: Vec<SpanEvent>,
    /// Its links.
    pub links: Vec<SpanLink>,
    /// Who exported it.
    pub resource: Arc<Resource>,
    /// The instrumentation scope's name.
    pub scope: String,
    /// When the receiver got it.
    pub received: Nanos,
}

impl Span {
    /// How long it took by the service's clock; zero when it ended before it started.
    pub fn duration(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.end_unix.saturating_sub(self.start_unix))
    }

    /// The attribute of this name.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.get(key)
    }
}
