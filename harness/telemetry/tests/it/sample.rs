//! Export requests as exporters send them.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

pub(crate) fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(crate) fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..Default::default() }
}

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.to_owned()))
}

pub(crate) fn resource(service: &str) -> Resource {
    let instance = format!("{service}-1");
    let attributes = vec![text("service.name", service), text("service.instance.id", &instance)];
    Resource { attributes, ..Default::default() }
}

/// A span that uses every part that is kept.
pub(crate) fn span() -> Span {
    Span {
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        parent_span_id: vec![9; 8],
        name: "POST /payments".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_001,
        end_time_unix_nano: 1_700_000_000_250_000_001,
        attributes: vec![
            text("http.request.method", "POST"),
            attribute("http.response.status_code", Any::IntValue(503)),
            attribute("share", Any::DoubleValue(0.25)),
            attribute("sampled", Any::BoolValue(true)),
            attribute("blob", Any::BytesValue(vec![1, 2, 255])),
            attribute(
                "list",
                Any::ArrayValue(ArrayValue {
                    values: vec![any(Any::IntValue(-1)), AnyValue { value: None }],
                }),
            ),
            attribute(
                "map",
                Any::KvlistValue(KeyValueList { values: vec![text("inner", "x"), text("other", "y")] }),
            ),
        ],
        events: vec![Event {
            time_unix_nano: 1_700_000_000_100_000_000,
            name: "exception".to_owned(),
            attributes: vec![text("exception.type", "Timeout")],
            ..Default::default()
        }],
        links: vec![Link {
            trace_id: vec![5; 16],
            span_id: vec![6; 8],
            attributes: vec![text("why", "batch")],
            ..Default::default()
        }],
        status: Some(Status { message: "gave up".to_owned(), code: 2 }),
        ..Default::default()
    }
}

pub(crate) fn traces(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope { name: "shop.http".to_owned(), ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }];
    let group = ResourceSpans { resource: Some(resource(service)), scope_spans, ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![group] }
}

pub(crate) fn logs(service: &str, records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { log_records: records, ..Default::default() }];
    let group = ResourceLogs { resource: Some(resource(service)), scope_logs, ..Default::default() };
    ExportLogsServiceRequest { resource_logs: vec![group] }
}

pub(crate) fn log(body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: 1_700_000_000_000_000_000,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(any(Any::StringValue(body.to_owned()))),
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        ..Default::default()
    }
}

pub(crate) fn metrics(service: &str, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    let group = ResourceMetrics { resource: Some(resource(service)), scope_metrics, ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![group] }
}

/// A counter with one point for each of these (attribute, start, time, value).
pub(crate) fn counter(name: &str, temporality: i32, points: &[(&str, u64, u64, i64)]) -> Metric {
    let point = |&(route, start, time, value): &(&str, u64, u64, i64)| NumberDataPoint {
        attributes: vec![text("http.route", route)],
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsInt(value)),
        ..Default::default()
    };
    let data_points = points.iter().map(point).collect();
    let sum = Sum { data_points, aggregation_temporality: temporality, is_monotonic: true };
    Metric {
        name: name.to_owned(),
        unit: "{request}".to_owned(),
        data: Some(metric::Data::Sum(sum)),
        ..Default::default()
    }
}
