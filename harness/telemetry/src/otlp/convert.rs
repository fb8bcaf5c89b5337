//! From OTLP's messages to the vocabulary of the harness.
//!
//! A single item that is not valid (a span whose id is all zero, say) is refused alone and the others are taken, as
//! OTLP's partial success has it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    self as metric, AggregationTemporality, DataPointFlags, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1 as trace;
use opentelemetry_proto::tonic::{logs::v1 as log, resource::v1 as resource};
use seaworthy_core::ids::{SpanId, TraceId};
use seaworthy_core::log::LogRecord;
use seaworthy_core::metric::{MetricPoint, MetricValue, Temporality};
use seaworthy_core::span::{Attributes, Resource, Span, SpanEvent, SpanKind, SpanLink, SpanStatus, Value};
use seaworthy_core::time::Nanos;

use crate::store::Refusal;

/// The items of an export request that can be used, and how many cannot.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<T> {
    /// What can be used.
    pub items: Vec<T>,
    /// What cannot.
    pub refused: Refusal,
}

impl<T> Decoded<T> {
    fn none() -> Self {
        Self { items: Vec::new(), refused: Refusal::default() }
    }

    fn take(&mut self, item: Result<T, &str>) {
        match item {
            Ok(item) => self.items.push(item),
            Err(why) => self.refused.one(why),
        }
    }
}

/// The spans of an export request.
pub(super) fn spans(request: ExportTraceServiceRequest, received: Nanos) -> Decoded<Span> {
    let mut decoded = Decoded::none();
    for group in request.resource_spans {
        let resource = read_resource(group.resource);
        for scope in group.scope_spans {
            let name = scope.scope.map(|scope| scope.name).unwrap_or_default();
            for span in scope.spans {
                decoded.take(read_span(span, &name, &resource, received));
            }
        }
    }
    decoded
}

/// The log records of an export request.
pub(super) fn logs(request: ExportLogsServiceRequest, received: Nanos) -> Decoded<LogRecord> {
    let mut decoded = Decoded::none();
    for group in request.resource_logs {
        let resource = read_resource(group.resource);
        for record in group.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            decoded.take(read_log(record, &resource, received));
        }
    }
    decoded
}

/// The metric points of an export request.
pub(super) fn metrics(request: ExportMetricsServiceRequest, received: Nanos) -> Decoded<MetricPoint> {
    let mut decoded = Decoded::none();
    for group in request.resource_metrics {
        let resource = read_resource(group.resource);
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            read_metric(metric, &resource, received, &mut decoded);
        }
    }
    decoded
}

fn read_resource(resource: Option<resource::Resource>) -> Arc<Resource> {
    let attributes = read_attributes(resource.map(|resource| resource.attributes).unwrap_or_default());
    let text = |key: &str| attributes.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    Arc::new(Resource {
        service: text("service.name").unwrap_or("unknown").into(),
        instance: text("service.instance.id").map(Into::into),
        attributes,
    })
}

const BAD_TRACE_ID: &str = "a trace id that is not 16 bytes, not all zero";
const BAD_SPAN_ID: &str = "a span id that is not 8 bytes, not all zero";

fn trace_id(bytes: &[u8]) -> Result<TraceId, &'static str> {
    bytes.try_into().ok().and_then(TraceId::from_bytes).ok_or(BAD_TRACE_ID)
}

fn span_id(bytes: &[u8]) -> Result<SpanId, &'static str> {
    bytes.try_into().ok().and_then(SpanId::from_bytes).ok_or(BAD_SPAN_ID)
}

/// An id that may be left out: no bytes, or all zero, as some exporters write it.
fn optional<T>(bytes: &[u8], read: fn(&[u8]) -> Result<T, &'static str>) -> Result<Option<T>, &'static str> {
    if bytes.iter().all(|&byte| byte == 0) { Ok(None) } else { read(bytes).map(Some) }
}

fn read_span(
    span: trace::Span,
    scope: &str,
    resource: &Arc<Resource>,
    received: Nanos,
) -> Result<Span, &'static str> {
    let link = |link: trace::span::Link| -> Option<SpanLink> {
        Some(SpanLink {
            trace_id: trace_id(&link.trace_id).ok()?,
            span_id: span_id(&link.span_id).ok()?,
            attributes: read_attributes(link.attributes),
        })
    };
    let event = |event: trace::span::Event| SpanEvent {
        name: event.name,
        time_unix: event.time_unix_nano,
        attributes: read_attributes(event.attributes),
    };
    Ok(Span {
        trace_id: trace_id(&span.trace_id)?,
        span_id: span_id(&span.span_id)?,
        parent_id: optional(&span.parent_span_id, span_id)?,
        name: span.name,
        kind: match trace::span::SpanKind::try_from(span.kind) {
            Ok(trace::span::SpanKind::Internal) => SpanKind::Internal,
            Ok(trace::span::SpanKind::Server) => SpanKind::Server,
            Ok(trace::span::SpanKind::Client) => SpanKind::Client,
            Ok(trace::span::SpanKind::Producer) => SpanKind::Producer,
            Ok(trace::span::SpanKind::Consumer) => SpanKind::Consumer,
            Ok(trace::span::SpanKind::Unspecified) | Err(_) => SpanKind::Unspecified,
        },
        start_unix: span.start_time_unix_nano,
        end_unix: span.end_time_unix_nano,
        status: read_status(span.status),
        attributes: read_attributes(span.attributes),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.into_iter().filter_map(link).collect(),
        resource: Arc::clone(resource),
        scope: scope.to_owned(),
        received,
    })
}

fn read_status(status: Option<trace::Status>) -> SpanStatus {
    use trace::status::StatusCode;
    let Some(status) = status else { return SpanStatus::Unset };
    match StatusCode::try_from(status.code) {
        Ok(StatusCode::Ok) => SpanStatus::Ok,
        Ok(StatusCode::Error) => SpanStatus::Error(status.message),
        Ok(StatusCode::Unset) | Err(_) => SpanStatus::Unset,
    }
}

fn read_log(
    record: log::LogRecord,
    resource: &Arc<Resource>,
    received: Nanos,
) -> Result<LogRecord, &'static str> {
    let time = record.time_unix_nano;
    Ok(LogRecord {
        time_unix: if time == 0 { record.observed_time_unix_nano } else { time },
        severity: u8::try_from(record.severity_number).ok().filter(|number| *number <= 24).unwrap_or(0),
        severity_text: record.severity_text,
        body: read_value(record.body),
        attributes: read_attributes(record.attributes),
        trace_id: optional(&record.trace_id, trace_id)?,
        span_id: optional(&record.span_id, span_id)?,
        event_name: record.event_name,
        resource: Arc::clone(resource),
        received,
    })
}

/// One point before it has a name: attributes, start, time, value.
type Point = (Vec<KeyValue>, u64, u64, Option<MetricValue>);

fn read_metric(
    metric: metric::Metric,
    resource: &Arc<Resource>,
    received: Nanos,
    decoded: &mut Decoded<MetricPoint>,
) {
    use metric::metric::Data;
    // Points flagged so say that a series ended; they have no value and are no error.
    let recorded = |flags: u32| flags & DataPointFlags::NoRecordedValueMask as u32 == 0;
    let points: Vec<Point> = match metric.data {
        None => Vec::new(),
        Some(Data::Gauge(gauge)) => gauge
            .data_points
            .into_iter()
            .filter(|point| recorded(point.flags))
            .map(|point| {
                let value = number(&point).map(|value| MetricValue::Gauge { value });
                (point.attributes, point.start_time_unix_nano, point.time_unix_nano, value)
            })
            .collect(),
        Some(Data::Sum(sum)) => {
            let (monotonic, temporality) = (sum.is_monotonic, temporality(sum.aggregation_temporality));
            let value = |value| Some(MetricValue::Sum { value, monotonic, temporality: temporality? });
            let points = sum.data_points.into_iter().filter(|point| recorded(point.flags)).map(|point| {
                let value = number(&point).and_then(value);
                (point.attributes, point.start_time_unix_nano, point.time_unix_nano, value)
            });
            points.collect()
        }
        Some(Data::Histogram(histogram)) => {
            let temporality = temporality(histogram.aggregation_temporality);
            let points = histogram.data_points.into_iter().filter(|point| recorded(point.flags));
            points.map(|point| read_histogram(point, temporality)).collect()
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let temporality = temporality(histogram.aggregation_temporality);
            let points =
                histogram.data_points.into_iter().filter(|point| recorded(point.flags)).map(|point| {
                    let (count, sum) = (point.count, point.sum);
                    let value = temporality.map(|temporality| MetricValue::ExponentialHistogram {
                        count,
                        sum,
                        temporality,
                    });
                    (point.attributes, point.start_time_unix_nano, point.time_unix_nano, value)
                });
            points.collect()
        }
        Some(Data::Summary(summary)) => summary
            .data_points
            .into_iter()
            .filter(|point| recorded(point.flags))
            .map(|point| {
                let value = Some(MetricValue::Summary { count: point.count, sum: point.sum });
                (point.attributes, point.start_time_unix_nano, point.time_unix_nano, value)
            })
            .collect(),
    };
    for (attributes, start_unix, time_unix, value) in points {
        let point = match value {
            _ if metric.name.is_empty() => Err("a metric without a name"),
            None => Err("a metric point without value or temporality, or with buckets that do not fit"),
            Some(value) => Ok(MetricPoint {
                name: metric.name.clone(),
                unit: metric.unit.clone(),
                attributes: read_attributes(attributes),
                start_unix,
                time_unix,
                value,
                resource: Arc::clone(resource),
                received,
            }),
        };
        decoded.take(point);
    }
}

/// A histogram's point; it has no value when its buckets are not one more than its bounds.
fn read_histogram(point: metric::HistogramDataPoint, temporality: Option<Temporality>) -> Point {
    // OTLP allows a histogram without any buckets: then only count and sum are known.
    let fits = match (point.explicit_bounds.len(), point.bucket_counts.len()) {
        (0, 0) => true,
        (bounds, buckets) => buckets == bounds + 1,
    };
    let value = temporality.filter(|_| fits).map(|temporality| MetricValue::Histogram {
        count: point.count,
        sum: point.sum,
        bounds: point.explicit_bounds,
        buckets: point.bucket_counts,
        min: point.min,
        max: point.max,
        temporality,
    });
    (point.attributes, point.start_time_unix_nano, point.time_unix_nano, value)
}

fn number(point: &metric::NumberDataPoint) -> Option<f64> {
    match point.value? {
        number_data_point::Value::AsDouble(value) => Some(value),
        number_data_point::Value::AsInt(value) => Some(value as f64),
    }
}

fn temporality(number: i32) -> Option<Temporality> {
    match AggregationTemporality::try_from(number) {
        Ok(AggregationTemporality::Cumulative) => Some(Temporality::Cumulative),
        Ok(AggregationTemporality::Delta) => Some(Temporality::Delta),
        Ok(AggregationTemporality::Unspecified) | Err(_) => None,
    }
}

fn read_attributes(attributes: Vec<KeyValue>) -> Attributes {
    attributes.into_iter().map(|entry| (entry.key, read_value(entry.value))).collect()
}

/// A value. Its depth is limited by the decoders, which refuse messages nested deeper than 100.
fn read_value(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        None => Value::Empty,
        Some(any_value::Value::StringValue(text)) => Value::String(text),
        Some(any_value::Value::BoolValue(value)) => Value::Bool(value),
        Some(any_value::Value::IntValue(value)) => Value::Int(value),
        Some(any_value::Value::DoubleValue(value)) => Value::Double(value),
        Some(any_value::Value::ArrayValue(list)) => {
            Value::Array(list.values.into_iter().map(|value| read_value(Some(value))).collect())
        }
        Some(any_value::Value::KvlistValue(list)) => Value::Map(read_attributes(list.values)),
        Some(any_value::Value::BytesValue(bytes)) => Value::Bytes { bytes: BASE64.encode(bytes) },
        // An index into a dictionary that only profiles have.
        Some(any_value::Value::StringValueStrindex(_)) => Value::Empty,
    }
}
