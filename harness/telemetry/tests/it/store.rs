//! What the store keeps, and what it does not.

use std::sync::Arc;

use prost::Message;
use seaworthy_core::ids::TraceId;
use seaworthy_core::metric::MetricValue;
use seaworthy_core::span::Value;
use seaworthy_core::time::{Nanos, RunClock};
use seaworthy_telemetry::otlp::{self, Format};
use seaworthy_telemetry::{Store, StoreLimits};

use crate::client::{Running, post};
use crate::sample;

fn store(limits: StoreLimits) -> Store {
    Store::new(RunClock::start(), limits)
}

const PARTS: usize = 1_000_000;

/// Items as the receiver decodes them from what an exporter sends.
fn decode_spans(request: &impl Message) -> Vec<seaworthy_core::span::Span> {
    otlp::spans(&request.encode_to_vec(), Format::Protobuf, PARTS, Nanos(1)).unwrap().items
}

fn decode_logs(request: &impl Message) -> Vec<seaworthy_core::log::LogRecord> {
    otlp::logs(&request.encode_to_vec(), Format::Protobuf, PARTS, Nanos(1)).unwrap().items
}

fn decode_metrics(request: &impl Message) -> otlp::Decoded<seaworthy_core::metric::MetricPoint> {
    otlp::metrics(&request.encode_to_vec(), Format::Protobuf, PARTS, Nanos(1)).unwrap()
}

fn spans(numbers: std::ops::Range<u8>) -> Vec<seaworthy_core::span::Span> {
    let spans = numbers.map(|number| {
        let mut span = sample::span();
        span.span_id = vec![number; 8];
        span
    });
    decode_spans(&sample::traces("payments", spans.collect()))
}

#[test]
fn a_span_is_kept_once() {
    let store = store(StoreLimits::default());
    assert_eq!(store.add_spans(spans(1..4)).count, 0);
    assert_eq!(store.add_spans(spans(2..6)).count, 0, "a duplicate is no refusal");
    let counts = store.counts();
    assert_eq!((counts.spans, counts.duplicates, counts.dropped), (5, 2, 0));
    let losses = store.losses();
    assert_eq!((losses[0].why.as_str(), losses[0].count, losses[0].harmful), ("duplicate", 2, false));
    assert_eq!(losses[0].service.as_ref().unwrap(), &"payments");
}

#[test]
fn what_does_not_fit_is_counted_as_harmful() {
    let store = store(StoreLimits { spans: 2, ..Default::default() });
    assert_eq!(store.add_spans(spans(1..6)).count, 3);
    let losses = store.losses();
    assert_eq!(
        (losses[0].what.as_str(), losses[0].why.as_str(), losses[0].count),
        ("spans", "store full", 3)
    );
    assert!(losses[0].harmful);
}

#[test]
fn bytes_are_bounded_too() {
    let store = store(StoreLimits { bytes: 4_000, ..Default::default() });
    let refused = store.add_spans(spans(1..100)).count;
    let counts = store.counts();
    assert!(refused > 0 && counts.bytes <= 4_000, "{counts:?}");
    assert_eq!(refused + counts.spans as u64, 99);
}

#[test]
fn exporters_share_one_resource() {
    let store = store(StoreLimits::default());
    store.add_spans(spans(1..3));
    store.add_spans(spans(3..5));
    let kept = store.snapshot().spans;
    assert!(kept.iter().all(|span| Arc::ptr_eq(&span.resource, &kept[0].resource)));
}

#[test]
fn of_a_total_the_last_point_stays_and_a_new_start_is_a_new_total() {
    let store = store(StoreLimits::default());
    let add = |points: &[(&str, u64, u64, i64)]| {
        let request = sample::metrics("payments", vec![sample::counter("requests", 2, points)]);
        store.add_metrics(decode_metrics(&request).items);
    };
    add(&[("/a", 10, 20, 1), ("/b", 10, 20, 5)]);
    add(&[("/a", 10, 40, 3)]);
    add(&[("/a", 10, 30, 2)]); // overtaken on the way
    add(&[("/a", 50, 60, 1)]); // counted from the start again
    let mut totals: Vec<(u64, f64)> = store
        .snapshot()
        .metrics
        .iter()
        .map(|point| match point.value {
            MetricValue::Sum { value, .. } => (point.start_unix, value),
            _ => panic!("a sum"),
        })
        .collect();
    totals.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(totals, [(10, 3.0), (10, 5.0), (50, 1.0)]);
}

#[test]
fn of_deltas_every_point_stays_up_to_the_limit() {
    let store = store(StoreLimits { delta_points: 3, ..Default::default() });
    let points: Vec<(&str, u64, u64, i64)> = (0..5).map(|at| ("/a", at, at + 1, 1)).collect();
    let request = sample::metrics("payments", vec![sample::counter("requests", 1, &points)]);
    assert_eq!(store.add_metrics(decode_metrics(&request).items).count, 2);
    assert_eq!(store.counts().metric_points, 3);
}

#[test]
fn a_metric_without_temporality_is_refused() {
    let request = sample::metrics("payments", vec![sample::counter("requests", 0, &[("/a", 1, 2, 3)])]);
    assert_eq!(decode_metrics(&request).refused.count, 1);
}

#[test]
fn secrets_are_replaced_wherever_they_stand() {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    let store = store(StoreLimits::default());
    let mut span = sample::span();
    span.attributes.push(sample::text("db.connection", "postgres://shop:hunter2hunter2@db/x"));
    span.attributes.push(sample::text("http.request.header.authorization", "Token opaque-opaque-opaque"));
    span.attributes.push(sample::text("user.password", "correct horse battery"));
    span.events[0].attributes.push(sample::text("exception.message", "Bearer abcdef0123456789 was refused"));
    store.add_spans(decode_spans(&sample::traces("gateway", vec![span])));
    let mut log = sample::log("login with password=swordfish99 failed");
    log.attributes.push(sample::attribute(
        "headers",
        Any::KvlistValue(opentelemetry_proto::tonic::common::v1::KeyValueList {
            values: vec![sample::text("api_key", "k-1234567890")],
        }),
    ));
    store.add_logs(decode_logs(&sample::logs("gateway", vec![log])));

    let snapshot = store.snapshot();
    let kept = format!("{:?}{:?}{:?}", snapshot.spans, snapshot.logs, snapshot.secrets);
    for secret in [
        "hunter2hunter2",
        "opaque-opaque",
        "correct horse",
        "abcdef0123456789",
        "swordfish99",
        "k-1234567890",
    ] {
        assert!(!kept.contains(secret), "{secret} is still in {kept}");
    }
    let mut places: Vec<&str> = snapshot.secrets.iter().map(|hit| hit.place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "log attribute headers.api_key",
            "log body",
            "span attribute db.connection",
            "span attribute http.request.header.authorization",
            "span attribute user.password",
            "span event exception attribute exception.message",
        ]
    );
    assert!(snapshot.secrets.iter().all(|hit| hit.service == "gateway" && hit.trace_id.is_some()));
    assert!(snapshot.secrets.iter().all(|hit| hit.excerpt.chars().count() <= 200));
}

#[test]
fn a_secret_in_a_series_is_one_finding_however_often_it_is_exported() {
    let store = store(StoreLimits::default());
    for time in 2..5 {
        let points = [("/login?password=swordfish99", 1, time, 1)];
        store.add_metrics(
            decode_metrics(&sample::metrics("payments", vec![sample::counter("requests", 2, &points)])).items,
        );
    }
    let snapshot = store.snapshot();
    assert_eq!((snapshot.secrets.len(), snapshot.metrics.len()), (1, 1));
    assert_eq!(snapshot.secrets[0].place, "metric attribute http.route");
}

#[test]
fn harmless_texts_stay_as_they_are() {
    let store = store(StoreLimits::default());
    store.add_spans(spans(1..2));
    store.add_logs(decode_logs(&sample::logs("payments", vec![sample::log("the bearer of news")])));
    let snapshot = store.snapshot();
    assert_eq!(snapshot.secrets, []);
    assert_eq!(snapshot.logs[0].body, Value::from("the bearer of news"));
}

#[test]
fn linked_traces_are_found_over_several_steps() {
    let store = store(StoreLimits::default());
    let trace = |number: u8| TraceId::from_bytes([number; 16]).unwrap();
    for (from, to) in [(1, 2), (2, 3), (9, 8)] {
        let mut span = sample::span();
        span.trace_id = vec![to; 16];
        span.links[0].trace_id = vec![from; 16];
        store.add_spans(decode_spans(&sample::traces("orders", vec![span])));
    }
    assert_eq!(store.traces_from(trace(1)), [trace(1), trace(2), trace(3)].into());
    assert_eq!(store.spans_near(trace(1)).len(), 2);
}

#[tokio::test]
async fn a_change_wakes_whoever_waits() {
    let running = Running::start().await;
    let mut changes = running.store.changes();
    let body = sample::traces("payments", vec![sample::span()]).encode_to_vec();
    let headers = [("content-type", "application/x-protobuf")];
    let (reply, woken) = tokio::join!(
        post(running.address(), "/v1/traces", &headers, body),
        tokio::time::timeout(std::time::Duration::from_secs(20), changes.changed()),
    );
    assert!(reply.status.is_success());
    assert!(woken.is_ok_and(|woken| woken.is_ok()));
}
