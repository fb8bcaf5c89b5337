//! OTLP over gRPC, framed by hand.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use seaworthy_core::ids::TraceId;
use seaworthy_telemetry::ReceiverLimits;

use crate::client::{Running, call, frame, gzip, gzip_bomb};
use crate::sample;

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const GZIP: (&str, &str) = ("grpc-encoding", "gzip");

fn message() -> Vec<u8> {
    sample::traces("payments", vec![sample::span()]).encode_to_vec()
}

#[tokio::test]
async fn all_three_signals_arrive() {
    let running = Running::start().await;
    let reply = call(running.address(), TRACES, &[], frame(0, &message())).await;
    assert_eq!((reply.grpc_status(), reply.header("content-type")), ("0", "application/grpc"));
    assert_eq!(
        ExportTraceServiceResponse::decode(&reply.body[5..]),
        Ok(ExportTraceServiceResponse::default())
    );

    let logs = sample::logs("payments", vec![sample::log("paid")]).encode_to_vec();
    let reply = call(running.address(), LOGS, &[], frame(0, &logs)).await;
    assert_eq!(reply.grpc_status(), "0");

    let counter = sample::counter("http.server.requests", 2, &[("/payments", 1, 2, 3)]);
    let metrics = sample::metrics("payments", vec![counter]).encode_to_vec();
    let reply = call(running.address(), METRICS, &[], frame(0, &metrics)).await;
    assert_eq!(reply.grpc_status(), "0");

    let counts = running.store.counts();
    assert_eq!((counts.spans, counts.logs, counts.metric_points), (1, 1, 1));
    assert_eq!(running.store.logs_of(TraceId::from_bytes([7; 16]).unwrap()).len(), 1);
}

#[tokio::test]
async fn each_message_says_itself_whether_it_is_compressed() {
    let running = Running::start().await;
    let reply = call(running.address(), TRACES, &[GZIP], frame(1, &gzip(&message()))).await;
    assert_eq!(reply.grpc_status(), "0");
    let plain = call(running.address(), TRACES, &[GZIP], frame(0, &message())).await;
    assert_eq!(plain.grpc_status(), "0");
    assert_eq!((running.store.counts().spans, running.store.counts().duplicates), (1, 1));
}

#[tokio::test]
async fn what_is_not_one_valid_message_is_an_invalid_argument() {
    let running = Running::start().await;
    let good = frame(0, &message());
    let cases: Vec<(&str, Bytes)> = vec![
        ("nothing", Bytes::new()),
        ("half a prefix", good.slice(..3)),
        ("half a message", good.slice(..good.len() - 1)),
        ("two messages", [good.clone(), good.clone()].concat().into()),
        ("garbage", frame(0, b"\x7fgarbage")),
        ("a flag of 2", frame(2, &message())),
        ("compressed, but by what", frame(1, &gzip(&message()))),
    ];
    for (what, body) in cases {
        let reply = call(running.address(), TRACES, &[], body).await;
        assert_eq!(reply.grpc_status(), "3", "{what}: {reply:?}");
        assert!(!reply.header("grpc-message").is_empty(), "{what}");
    }
    assert_eq!(running.store.counts().spans, 0);
}

#[tokio::test]
async fn what_is_too_large_exhausts_resources() {
    let limits = ReceiverLimits { wire_bytes: 64 << 10, body_bytes: 256 << 10, ..Default::default() };
    let running = Running::with(limits).await;
    let wire = call(running.address(), TRACES, &[], frame(0, &vec![0; 70 << 10])).await;
    assert_eq!(wire.grpc_status(), "8", "{wire:?}");
    let bomb = call(running.address(), TRACES, &[GZIP], frame(1, &gzip_bomb(32))).await;
    assert_eq!(bomb.grpc_status(), "8", "{bomb:?}");
}

#[tokio::test]
async fn what_is_unknown_is_unimplemented() {
    let running = Running::start().await;
    let method =
        call(running.address(), "/opentelemetry.proto.collector.trace.v1.TraceService/Import", &[], "").await;
    assert_eq!((method.grpc_status(), method.status.as_u16()), ("12", 200));
    let encoding = call(running.address(), TRACES, &[("grpc-encoding", "zstd")], frame(1, b"x")).await;
    assert_eq!(encoding.grpc_status(), "12");
    assert_eq!(encoding.header("grpc-accept-encoding"), "identity,gzip");
}

#[tokio::test]
async fn a_log_record_without_valid_ids_is_refused_alone() {
    let running = Running::start().await;
    let mut bad = sample::log("who wrote this");
    bad.trace_id = vec![1, 2, 3];
    let body = sample::logs("payments", vec![bad, sample::log("fine")]).encode_to_vec();
    let reply = call(running.address(), LOGS, &[], frame(0, &body)).await;
    let partial = ExportLogsServiceResponse::decode(&reply.body[5..]).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_log_records, 1);
    assert_eq!(running.store.counts().logs, 1);
}
