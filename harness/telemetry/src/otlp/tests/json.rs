//! OTLP/JSON: read as the specification says, checked against another reader where that can read it.

use super::super::{DecodeError, Format, convert, spans};
use super::{PARTS, logs_from_json, metrics_from_json, sample, traces_from_json};
use proptest::prelude::*;
use prost::Message;
use seaworthy_core::metric::MetricValue;
use seaworthy_core::span::{SpanKind, Value};
use seaworthy_core::time::Nanos;

fn span_json(fields: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174"{fields}}}]}}]}}]}}"#
    )
}

fn read(fields: &str) -> Result<seaworthy_core::span::Span, DecodeError> {
    let request = traces_from_json(span_json(fields).as_bytes())?;
    Ok(convert::spans(request, Nanos(0)).items.remove(0))
}

#[test]
fn integers_are_text_or_numbers() {
    for fields in [
        r#","startTimeUnixNano":"1544712660000000000","kind":2"#,
        r#","startTimeUnixNano":1544712660000000000,"kind":"2""#,
        r#","startTimeUnixNano":"1544712660000000000","kind":"SPAN_KIND_SERVER""#,
        r#","kind":2.0,"startTimeUnixNano":1544712660e9"#,
    ] {
        let span = read(fields).unwrap();
        assert_eq!((span.start_unix, span.kind), (1_544_712_660_000_000_000, SpanKind::Server), "{fields}");
    }
}

#[test]
fn unknown_fields_are_passed_over_at_every_level() {
    let span = read(
        r#","new":{"deep":[1,{"x":null}]},"attributes":[{"key":"a","extra":1,"value":{"futureValue":{},"stringValue":"b"}},
            {"key":"empty","value":{}},{"key":"later","value":{"futureValue":7}}]"#,
    )
    .unwrap();
    assert_eq!(span.attribute("a"), Some(&Value::from("b")));
    assert_eq!(span.attribute("empty"), Some(&Value::Empty));
    assert_eq!(span.attribute("later"), Some(&Value::Empty));
    assert!(traces_from_json(br#"{"future":1}"#).is_ok());
}

#[test]
fn null_is_as_good_as_absent() {
    let span = read(r#","name":null,"attributes":null,"status":null,"parentSpanId":null"#).unwrap();
    assert_eq!((span.name.as_str(), span.parent_id), ("", None));
}

#[test]
fn numbers_that_json_has_no_words_for_are_text() {
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"a","gauge":{"dataPoints":[{"asDouble":"NaN"},{"asDouble":"-Infinity"},{"asDouble":"1.5"},{"asInt":"-7"}]}},
        {"name":"h","histogram":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","dataPoints":[
            {"count":"2","sum":3,"bucketCounts":["1",1],"explicitBounds":[0.5]}]}}]}]}]}"#;
    let points = convert::metrics(metrics_from_json(json.as_bytes()).unwrap(), Nanos(0)).items;
    let gauges: Vec<f64> = points
        .iter()
        .filter_map(|point| match point.value {
            MetricValue::Gauge { value } => Some(value),
            _ => None,
        })
        .collect();
    assert!(gauges[0].is_nan());
    assert_eq!(gauges[1..], [f64::NEG_INFINITY, 1.5, -7.0]);
    assert!(matches!(&points[4].value, MetricValue::Histogram { buckets, .. } if buckets == &[1, 1]));
}

#[test]
fn bytes_are_base64_of_any_dialect() {
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        let span =
            read(&format!(r#","attributes":[{{"key":"b","value":{{"bytesValue":"{text}"}}}}]"#)).unwrap();
        assert_eq!(span.attribute("b"), Some(&Value::Bytes { bytes: "+/8=".to_owned() }), "{text}");
    }
}

#[test]
fn what_a_field_cannot_hold_is_an_error() {
    for fields in [
        r#","name":7"#,
        r#","kind":"SPAN_KIND_TELEPATHIC""#,
        r#","kind":3000000000"#,
        r#","startTimeUnixNano":-1"#,
        r#","startTimeUnixNano":"soon""#,
        r#","startTimeUnixNano":1.5"#,
        r#","attributes":{"key":"a"}"#,
        r#","attributes":[[]]"#,
        r#","status":[]"#,
        r#","parentSpanId":"xyz""#,
        r#","parentSpanId":"abc""#,
        r#","name":"unterminated"#,
    ] {
        assert!(read(fields).is_err(), "{fields}");
    }
    assert!(traces_from_json(b"{} {}").is_err(), "text after the message");
    assert!(traces_from_json(b"").is_err());
}

#[test]
fn nesting_without_end_is_an_error_and_no_overflow() {
    let deep = format!(
        r#","attributes":[{{"key":"a","value":{}{}}}]"#,
        r#"{"arrayValue":{"values":["#.repeat(100_000),
        "]}}".repeat(100_000)
    );
    assert!(read(&deep).is_err());
    let mut protobuf = Vec::new();
    for _ in 0..10_000 {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(protobuf.len() as u64, &mut outer);
        outer.extend_from_slice(&protobuf);
        protobuf = outer;
    }
    // What is nested that deep is no attribute and no value; all that matters is that there is an answer.
    let _ = spans(&protobuf, Format::Protobuf, PARTS, Nanos(0));
}

#[test]
fn a_message_reads_the_same_in_both_encodings() {
    let request = sample::traces("payments", vec![sample::span()]);
    let json = serde_json::to_vec(&request).unwrap();
    assert_eq!(traces_from_json(&json).unwrap(), request);
    let logs = sample::logs("payments", vec![sample::log("paid")]);
    assert_eq!(logs_from_json(&serde_json::to_vec(&logs).unwrap()).unwrap(), logs);
    let metrics = sample::metrics("payments", vec![sample::counter("a", 2, &[("/a", 1, 2, i64::MIN)])]);
    assert_eq!(metrics_from_json(&serde_json::to_vec(&metrics).unwrap()).unwrap(), metrics);
}

proptest! {
    #[test]
    fn a_span_of_any_content_reads_the_same_in_both_encodings(
        name in ".*",
        ids in any::<([u8; 16], [u8; 8])>(),
        times in any::<(u64, u64)>(),
        kind in 0i32..6,
        key in ".*",
        number in any::<i64>(),
        bytes in any::<Vec<u8>>(),
    ) {
        use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
        let mut span = sample::span();
        span.name = name;
        span.trace_id = ids.0.to_vec();
        span.span_id = ids.1.to_vec();
        (span.start_time_unix_nano, span.end_time_unix_nano) = times;
        span.kind = kind;
        span.attributes.push(sample::attribute(&key, Any::IntValue(number)));
        span.attributes.push(sample::attribute("bytes", Any::BytesValue(bytes)));
        let request = sample::traces("payments", vec![span]);
        let json = serde_json::to_vec(&request).unwrap();
        prop_assert_eq!(traces_from_json(&json).unwrap(), request.clone());
        let protobuf = request.encode_to_vec();
        let read = spans(&protobuf, Format::Protobuf, PARTS, Nanos(0));
        prop_assert_eq!(read, spans(&json, Format::Json, PARTS, Nanos(0)));
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in any::<Vec<u8>>()) {
        for format in [Format::Protobuf, Format::Json] {
            let _ = spans(&bytes, format, 1_000, Nanos(0));
            let _ = super::super::logs(&bytes, format, 1_000, Nanos(0));
            let _ = super::super::metrics(&bytes, format, 1_000, Nanos(0));
        }
    }

    /// Damage to a valid message reaches deeper than bytes at random.
    #[test]
    fn no_damage_makes_the_decoders_panic(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let request = sample::traces("payments", vec![sample::span()]);
        let mut protobuf = request.encode_to_vec();
        let index = at.index(protobuf.len());
        protobuf[index] = byte;
        protobuf.truncate(cut.index(protobuf.len()) + 1);
        let _ = spans(&protobuf, Format::Protobuf, 1_000, Nanos(0));
        let mut json = serde_json::to_vec(&request).unwrap();
        let index = at.index(json.len());
        json[index] = byte;
        let _ = spans(&json, Format::Json, 1_000, Nanos(0));
    }
}
