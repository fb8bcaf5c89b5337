//! OTLP's messages as a table: field names in JSON, numbers in protobuf, kinds. It is what the JSON reader and the
//! counter of parts go by.
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-proto>, version 1.

use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};

/// A message's fields.
#[derive(Debug)]
pub(crate) struct MessageType {
    pub(crate) fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name in JSON: lower camel case, as the OTLP specification demands.
    pub(crate) name: &'static str,
    /// Its number in protobuf.
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// An id: bytes in protobuf, hex digits in JSON.
    Hex,
    /// Bytes, in base64 in JSON.
    Bytes,
    Bool,
    Int64,
    Sint32,
    /// `uint32` and `uint64`.
    Uint,
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    /// By number, or by the name that this reads.
    Enum(fn(&str) -> Option<i32>),
    Message(&'static MessageType),
}

const fn one(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, repeated: false }
}

const fn many(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, repeated: true }
}

use Kind::{Bool, Bytes, Double, Enum, Fixed32, Fixed64, Hex, Int64, Message, Sfixed64, Sint32, Text, Uint};

fn span_kind(name: &str) -> Option<i32> {
    SpanKind::from_str_name(name).map(|kind| kind as i32)
}
fn status_code(name: &str) -> Option<i32> {
    StatusCode::from_str_name(name).map(|code| code as i32)
}
fn severity(name: &str) -> Option<i32> {
    SeverityNumber::from_str_name(name).map(|severity| severity as i32)
}
fn temporality(name: &str) -> Option<i32> {
    AggregationTemporality::from_str_name(name).map(|temporality| temporality as i32)
}

static ANY_VALUE: MessageType = MessageType {
    fields: &[
        one("stringValue", 1, Text),
        one("boolValue", 2, Bool),
        one("intValue", 3, Int64),
        one("doubleValue", 4, Double),
        one("arrayValue", 5, Message(&ARRAY_VALUE)),
        one("kvlistValue", 6, Message(&KEY_VALUE_LIST)),
        one("bytesValue", 7, Bytes),
    ],
};
static ARRAY_VALUE: MessageType = MessageType { fields: &[many("values", 1, Message(&ANY_VALUE))] };
static KEY_VALUE_LIST: MessageType = MessageType { fields: &[many("values", 1, Message(&KEY_VALUE))] };
static KEY_VALUE: MessageType =
    MessageType { fields: &[one("key", 1, Text), one("value", 2, Message(&ANY_VALUE))] };
static SCOPE: MessageType = MessageType {
    fields: &[
        one("name", 1, Text),
        one("version", 2, Text),
        many("attributes", 3, Message(&KEY_VALUE)),
        one("droppedAttributesCount", 4, Uint),
    ],
};
static ENTITY_REF: MessageType = MessageType {
    fields: &[
        one("schemaUrl", 1, Text),
        one("type", 2, Text),
        many("idKeys", 3, Text),
        many("descriptionKeys", 4, Text),
    ],
};
static RESOURCE: MessageType = MessageType {
    fields: &[
        many("attributes", 1, Message(&KEY_VALUE)),
        one("droppedAttributesCount", 2, Uint),
        many("entityRefs", 3, Message(&ENTITY_REF)),
    ],
};

/// `ExportTraceServiceRequest`.
pub(crate) static TRACES: MessageType =
    MessageType { fields: &[many("resourceSpans", 1, Message(&RESOURCE_SPANS))] };
static RESOURCE_SPANS: MessageType = MessageType {
    fields: &[
        one("resource", 1, Message(&RESOURCE)),
        many("scopeSpans", 2, Message(&SCOPE_SPANS)),
        one("schemaUrl", 3, Text),
    ],
};
static SCOPE_SPANS: MessageType = MessageType {
    fields: &[one("scope", 1, Message(&SCOPE)), many("spans", 2, Message(&SPAN)), one("schemaUrl", 3, Text)],
};
static SPAN: MessageType = MessageType {
    fields: &[
        one("traceId", 1, Hex),
        one("spanId", 2, Hex),
        one("traceState", 3, Text),
        one("parentSpanId", 4, Hex),
        one("flags", 16, Fixed32),
        one("name", 5, Text),
        one("kind", 6, Enum(span_kind)),
        one("startTimeUnixNano", 7, Fixed64),
        one("endTimeUnixNano", 8, Fixed64),
        many("attributes", 9, Message(&KEY_VALUE)),
        one("droppedAttributesCount", 10, Uint),
        many("events", 11, Message(&EVENT)),
        one("droppedEventsCount", 12, Uint),
        many("links", 13, Message(&LINK)),
        one("droppedLinksCount", 14, Uint),
        one("status", 15, Message(&STATUS)),
    ],
};
static EVENT: MessageType = MessageType {
    fields: &[
        one("timeUnixNano", 1, Fixed64),
        one("name", 2, Text),
        many("attributes", 3, Message(&KEY_VALUE)),
        one("droppedAttributesCount", 4, Uint),
    ],
};
static LINK: MessageType = MessageType {
    fields: &[
        one("traceId", 1, Hex),
        one("spanId", 2, Hex),
        one("traceState", 3, Text),
        many("attributes", 4, Message(&KEY_VALUE)),
        one("droppedAttributesCount", 5, Uint),
        one("flags", 6, Fixed32),
    ],
};
static STATUS: MessageType =
    MessageType { fields: &[one("message", 2, Text), one("code", 3, Enum(status_code))] };

/// `ExportLogsServiceRequest`.
pub(crate) static LOGS: MessageType =
    MessageType { fields: &[many("resourceLogs", 1, Message(&RESOURCE_LOGS))] };
static RESOURCE_LOGS: MessageType = MessageType {
    fields: &[
        one("resource", 1, Message(&RESOURCE)),
        many("scopeLogs", 2, Message(&SCOPE_LOGS)),
        one("schemaUrl", 3, Text),
    ],
};
static SCOPE_LOGS: MessageType = MessageType {
    fields: &[
        one("scope", 1, Message(&SCOPE)),
        many("logRecords", 2, Message(&LOG_RECORD)),
        one("schemaUrl", 3, Text),
    ],
};
static LOG_RECORD: MessageType = MessageType {
    fields: &[
        one("timeUnixNano", 1, Fixed64),
        one("observedTimeUnixNano", 11, Fixed64),
        one("severityNumber", 2, Enum(severity)),
        one("severityText", 3, Text),
        one("body", 5, Message(&ANY_VALUE)),
        many("attributes", 6, Message(&KEY_VALUE)),
        one("droppedAttributesCount", 7, Uint),
        one("flags", 8, Fixed32),
        one("traceId", 9, Hex),
        one("spanId", 10, Hex),
        one("eventName", 12, Text),
    ],
};

/// `ExportMetricsServiceRequest`.
pub(crate) static METRICS: MessageType =
    MessageType { fields: &[many("resourceMetrics", 1, Message(&RESOURCE_METRICS))] };
static RESOURCE_METRICS: MessageType = MessageType {
    fields: &[
        one("resource", 1, Message(&RESOURCE)),
        many("scopeMetrics", 2, Message(&SCOPE_METRICS)),
        one("schemaUrl", 3, Text),
    ],
};
static SCOPE_METRICS: MessageType = MessageType {
    fields: &[
        one("scope", 1, Message(&SCOPE)),
        many("metrics", 2, Message(&METRIC)),
        one("schemaUrl", 3, Text),
    ],
};
static METRIC: MessageType = MessageType {
    fields: &[
        one("name", 1, Text),
        one("description", 2, Text),
        one("unit", 3, Text),
        one("gauge", 5, Message(&GAUGE)),
        one("sum", 7, Message(&SUM)),
        one("histogram", 9, Message(&HISTOGRAM)),
        one("exponentialHistogram", 10, Message(&EXPONENTIAL)),
        one("summary", 11, Message(&SUMMARY)),
        many("metadata", 12, Message(&KEY_VALUE)),
    ],
};
static GAUGE: MessageType = MessageType { fields: &[many("dataPoints", 1, Message(&NUMBER_POINT))] };
static SUM: MessageType = MessageType {
    fields: &[
        many("dataPoints", 1, Message(&NUMBER_POINT)),
        one("aggregationTemporality", 2, Enum(temporality)),
        one("isMonotonic", 3, Bool),
    ],
};
static HISTOGRAM: MessageType = MessageType {
    fields: &[
        many("dataPoints", 1, Message(&HISTOGRAM_POINT)),
        one("aggregationTemporality", 2, Enum(temporality)),
    ],
};
static EXPONENTIAL: MessageType = MessageType {
    fields: &[
        many("dataPoints", 1, Message(&EXPONENTIAL_POINT)),
        one("aggregationTemporality", 2, Enum(temporality)),
    ],
};
static SUMMARY: MessageType = MessageType { fields: &[many("dataPoints", 1, Message(&SUMMARY_POINT))] };
static NUMBER_POINT: MessageType = MessageType {
    fields: &[
        one("startTimeUnixNano", 2, Fixed64),
        one("timeUnixNano", 3, Fixed64),
        one("asDouble", 4, Double),
        many("exemplars", 5, Message(&EXEMPLAR)),
        one("asInt", 6, Sfixed64),
        many("attributes", 7, Message(&KEY_VALUE)),
        one("flags", 8, Uint),
    ],
};
static HISTOGRAM_POINT: MessageType = MessageType {
    fields: &[
        one("startTimeUnixNano", 2, Fixed64),
        one("timeUnixNano", 3, Fixed64),
        one("count", 4, Fixed64),
        one("sum", 5, Double),
        many("bucketCounts", 6, Fixed64),
        many("explicitBounds", 7, Double),
        many("exemplars", 8, Message(&EXEMPLAR)),
        many("attributes", 9, Message(&KEY_VALUE)),
        one("flags", 10, Uint),
        one("min", 11, Double),
        one("max", 12, Double),
    ],
};
static EXPONENTIAL_POINT: MessageType = MessageType {
    fields: &[
        many("attributes", 1, Message(&KEY_VALUE)),
        one("startTimeUnixNano", 2, Fixed64),
        one("timeUnixNano", 3, Fixed64),
        one("count", 4, Fixed64),
        one("sum", 5, Double),
        one("scale", 6, Sint32),
        one("zeroCount", 7, Fixed64),
        one("positive", 8, Message(&BUCKETS)),
        one("negative", 9, Message(&BUCKETS)),
        one("flags", 10, Uint),
        many("exemplars", 11, Message(&EXEMPLAR)),
        one("min", 12, Double),
        one("max", 13, Double),
        one("zeroThreshold", 14, Double),
    ],
};
static BUCKETS: MessageType =
    MessageType { fields: &[one("offset", 1, Sint32), many("bucketCounts", 2, Uint)] };
static SUMMARY_POINT: MessageType = MessageType {
    fields: &[
        one("startTimeUnixNano", 2, Fixed64),
        one("timeUnixNano", 3, Fixed64),
        one("count", 4, Fixed64),
        one("sum", 5, Double),
        many("quantileValues", 6, Message(&QUANTILE)),
        many("attributes", 7, Message(&KEY_VALUE)),
        one("flags", 8, Uint),
    ],
};
static QUANTILE: MessageType = MessageType { fields: &[one("quantile", 1, Double), one("value", 2, Double)] };
static EXEMPLAR: MessageType = MessageType {
    fields: &[
        one("timeUnixNano", 2, Fixed64),
        one("asDouble", 3, Double),
        one("spanId", 4, Hex),
        one("traceId", 5, Hex),
        one("asInt", 6, Sfixed64),
        many("filteredAttributes", 7, Message(&KEY_VALUE)),
    ],
};
