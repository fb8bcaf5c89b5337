//! OTLP over HTTP: what is taken, and how each kind of bad request is answered.

use http::{Method, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use seaworthy_core::ids::TraceId;
use seaworthy_core::span::{SpanKind, SpanStatus, Value};
use seaworthy_telemetry::ReceiverLimits;

use crate::client::{Running, Status, gzip, gzip_bomb, post, send};
use crate::sample;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

fn trace() -> TraceId {
    TraceId::from_bytes([7; 16]).unwrap()
}

fn small() -> ReceiverLimits {
    ReceiverLimits { wire_bytes: 64 << 10, body_bytes: 256 << 10, ..Default::default() }
}

#[tokio::test]
async fn a_span_arrives_with_all_its_parts() {
    let running = Running::start().await;
    let body = sample::traces("payments", vec![sample::span()]).encode_to_vec();
    let reply = post(running.address(), "/v1/traces", &[PROTOBUF], body).await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/x-protobuf"));
    assert_eq!(ExportTraceServiceResponse::decode(reply.body), Ok(ExportTraceServiceResponse::default()));

    let spans = running.store.spans_of(trace());
    let [span] = spans.as_slice() else { panic!("one span, not {}", spans.len()) };
    assert_eq!(span.name, "POST /payments");
    assert_eq!(span.kind, SpanKind::Server);
    assert_eq!(span.parent_id.unwrap().to_string(), "0909090909090909");
    assert_eq!(span.status, SpanStatus::Error("gave up".to_owned()));
    assert_eq!(span.duration().as_millis(), 250);
    assert_eq!(span.attribute("http.response.status_code"), Some(&Value::Int(503)));
    assert_eq!(span.attribute("share"), Some(&Value::Double(0.25)));
    assert_eq!(span.attribute("blob"), Some(&Value::Bytes { bytes: "AQL/".to_owned() }));
    assert_eq!(span.attribute("list"), Some(&Value::Array(vec![Value::Int(-1), Value::Empty])));
    assert_eq!(span.events[0].attributes["exception.type"], Value::from("Timeout"));
    assert_eq!(span.links[0].span_id.to_string(), "0606060606060606");
    assert_eq!(span.scope, "shop.http");
    assert_eq!(span.resource.service, "payments");
    assert_eq!(span.resource.instance.as_ref().unwrap(), &"payments-1");
}

#[tokio::test]
async fn a_compressed_body_is_inflated() {
    let running = Running::start().await;
    let body = gzip(&sample::traces("payments", vec![sample::span()]).encode_to_vec());
    let reply = post(running.address(), "/v1/traces", &[PROTOBUF, GZIP], body).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(running.store.counts().spans, 1);
}

#[tokio::test]
async fn json_is_answered_in_json() {
    let running = Running::start().await;
    let body = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"07070707070707070707070707070707","spanId":"EEE19B7EC3C1B174","name":"a","kind":"SPAN_KIND_CLIENT"}
    ]}]}]}"#;
    let reply =
        post(running.address(), "/v1/traces", &[("content-type", "application/json; charset=utf-8")], body)
            .await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(&reply.body[..], b"{}");
    let spans = running.store.spans_of(trace());
    assert_eq!(
        (spans[0].kind, spans[0].span_id.to_string()),
        (SpanKind::Client, "eee19b7ec3c1b174".to_owned())
    );
    assert_eq!(spans[0].resource.service, "unknown");
}

#[tokio::test]
async fn garbage_is_a_bad_request_with_a_status_in_the_same_encoding() {
    let running = Running::start().await;
    let reply = post(running.address(), "/v1/traces", &[PROTOBUF], "\u{7f}garbage").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (StatusCode::BAD_REQUEST, "application/x-protobuf")
    );
    let status = Status::decode(reply.body).unwrap();
    assert_eq!(status.code, 3);
    assert!(status.message.contains("not a valid body"), "{}", status.message);

    let reply = post(running.address(), "/v1/logs", &[JSON], r#"{"resourceLogs": 7}"#).await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::BAD_REQUEST, "application/json"));
    let status: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(status["code"], 3);

    let reply = post(running.address(), "/v1/traces", &[PROTOBUF, GZIP], "this is not gzip").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);

    let losses = running.store.losses();
    let counted: u64 = losses
        .iter()
        .filter(|loss| loss.harmful && loss.what == "export requests")
        .map(|loss| loss.count)
        .sum();
    assert_eq!(counted, 3, "{losses:?}");
    assert_eq!(running.store.counts().spans, 0);
}

#[tokio::test]
async fn a_gzip_bomb_is_given_up_at_the_limit() {
    let running = Running::start().await;
    // 1 GiB of zeros in about 1 MiB: under the limit on the wire, far over it inflated.
    let reply = post(running.address(), "/v1/traces", &[PROTOBUF, GZIP], gzip_bomb(1024)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(Status::decode(reply.body).unwrap().code, 8);
    assert!(
        running.store.losses().iter().any(|loss| loss.why.contains("larger than 16 MiB") && loss.harmful)
    );
}

#[tokio::test]
async fn a_body_over_the_limit_on_the_wire_is_refused() {
    let running = Running::with(small()).await;
    let reply = post(running.address(), "/v1/metrics", &[JSON], vec![b' '; 100 << 10]).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (StatusCode::PAYLOAD_TOO_LARGE, "application/json")
    );
    let just_fits = post(
        running.address(),
        "/v1/metrics",
        &[JSON],
        [vec![b' '; (64 << 10) - 2], b"{}".to_vec()].concat(),
    )
    .await;
    assert_eq!(just_fits.status, StatusCode::OK);
}

#[tokio::test]
async fn a_small_body_that_grows_to_many_parts_is_refused() {
    let running = Running::with(ReceiverLimits { parts: 10_000, ..Default::default() }).await;
    // An empty span takes two bytes here and some hundred in memory.
    let spans = vec![opentelemetry_proto::tonic::trace::v1::Span::default(); 10_000];
    let body = sample::traces("payments", spans).encode_to_vec();
    let reply = post(running.address(), "/v1/traces", &[PROTOBUF], body).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_is_no_export_is_told_so() {
    let running = Running::start().await;
    let address = running.address();
    let wrong_type = post(address, "/v1/traces", &[("content-type", "text/plain")], "x").await;
    assert_eq!(wrong_type.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let no_type = post(address, "/v1/traces", &[], "x").await;
    assert_eq!(no_type.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let wrong_encoding = post(address, "/v1/traces", &[PROTOBUF, ("content-encoding", "zstd")], "x").await;
    assert_eq!(wrong_encoding.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(wrong_encoding.header("accept-encoding"), "gzip, identity");
    let wrong_method = send(address, Method::GET, "/v1/traces", &[], "").await;
    assert_eq!((wrong_method.status, wrong_method.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let nowhere = post(address, "/v1/profiles", &[PROTOBUF], "").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_span_without_valid_ids_is_refused_alone() {
    let running = Running::start().await;
    let mut bad = sample::span();
    bad.trace_id = vec![0; 16];
    let body = sample::traces("payments", vec![bad, sample::span()]).encode_to_vec();
    let reply = post(running.address(), "/v1/traces", &[PROTOBUF], body).await;
    assert_eq!(reply.status, StatusCode::OK);
    let partial = ExportTraceServiceResponse::decode(reply.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.contains("trace id"), "{}", partial.error_message);
    assert_eq!(running.store.counts().spans, 1);
    assert_eq!(running.store.counts().dropped, 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_leaves_the_receiver_well() {
    use tokio::io::AsyncWriteExt;
    let running = Running::start().await;
    let mut changes = running.store.changes();
    let mut stream = tokio::net::TcpStream::connect(running.address()).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000\r\n\r\nhalf";
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    let noticed = tokio::time::timeout(std::time::Duration::from_secs(20), changes.changed()).await;
    assert!(noticed.is_ok_and(|noticed| noticed.is_ok()));
    assert!(running.store.losses().iter().any(|loss| loss.why == "refused: the body did not come"));
    let body = sample::traces("payments", vec![sample::span()]).encode_to_vec();
    assert_eq!(post(running.address(), "/v1/traces", &[PROTOBUF], body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_closed_receiver_listens_no_more() {
    let running = Running::start().await;
    let address = running.address();
    let idle = tokio::net::TcpStream::connect(address).await.unwrap();
    running.receiver.close().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop(idle);
}
