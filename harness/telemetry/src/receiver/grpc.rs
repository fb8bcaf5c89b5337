//! OTLP over gRPC: three unary calls, framed by hand over HTTP/2.
//!
//! Framing: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>. A message is one byte that says
//! whether it is compressed, four bytes of length, and the message.

use ::http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::body::{self, Encoding};
use super::intake::{self, Signal};
use super::rejection::Rejection;
use super::{Answer, Desk, ReceiverLimits, whole};
use crate::otlp::Format;
use crate::store::Refusal;

const PREFIX: usize = 5;

/// Whether a request is a gRPC call.
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    request.version() == Version::HTTP_2
        && content_type.is_some_and(|value| value.starts_with("application/grpc"))
}

/// Answers a gRPC call.
pub(super) async fn answer(request: Request<Incoming>, desk: &Desk) -> Response<Answer> {
    match handle(request, desk).await {
        Ok((signal, refusal)) => {
            let message = intake::success(signal, &refusal);
            let mut framed = BytesMut::with_capacity(PREFIX + message.len());
            framed.put_u8(0);
            framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
            framed.extend_from_slice(&message);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = whole(framed.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
            reply(body.boxed())
        }
        Err(rejection) => {
            tracing::debug!(%rejection, "a telemetry export was refused");
            if let Some(loss) = rejection.loss() {
                desk.store.add_loss(loss);
            }
            refuse(&rejection)
        }
    }
}

async fn handle(request: Request<Incoming>, desk: &Desk) -> Result<(Signal, Refusal), Rejection> {
    let signal = match request.uri().path() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Signal::Metrics,
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        other => return Err(Rejection::Unknown(other.chars().take(120).collect())),
    };
    if request.method() != Method::POST {
        return Err(Rejection::Method(request.method().as_str().chars().take(20).collect()));
    }
    match request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        Some(b"application/grpc" | b"application/grpc+proto") => {}
        other => {
            let other = String::from_utf8_lossy(other.unwrap_or_default());
            return Err(Rejection::ContentType(other.chars().take(80).collect()));
        }
    }
    let encoding = request.headers().get("grpc-encoding").map(|value| value.to_str().unwrap_or("?"));
    let encoding = Encoding::read(encoding)?;
    let _turn = desk.requests.acquire().await;
    let framed = body::read(request.into_body(), &desk.limits).await?;
    let message = unframe(framed, encoding, &desk.limits)?;
    Ok((signal, intake::take(&desk.store, signal, &message, Format::Protobuf, &desk.limits)?))
}

/// The one message of a unary call, inflated when its own flag says that it is compressed.
fn unframe(mut framed: Bytes, encoding: Encoding, limits: &ReceiverLimits) -> Result<Bytes, Rejection> {
    let garbage = |what: &str| Err(Rejection::Garbage(what.to_owned()));
    let &[compressed, a, b, c, d, ..] = &*framed else {
        return garbage("no gRPC message");
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > limits.wire_bytes {
        return Err(Rejection::wire(limits));
    }
    let message = framed.split_off(PREFIX);
    if message.len() != length {
        return garbage("the gRPC message is not as long as it says, or there is more than one");
    }
    let encoding = match (compressed, encoding) {
        (0, _) => Encoding::Identity,
        (1, Encoding::Gzip) => Encoding::Gzip,
        (1, Encoding::Identity) => return garbage("a compressed message without grpc-encoding"),
        _ => return garbage("the compressed flag is neither 0 nor 1"),
    };
    body::inflate(message, encoding, limits)
}

fn refuse(rejection: &Rejection) -> Response<Answer> {
    let status = rejection.status();
    let mut response = reply(whole(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert("grpc-status", HeaderValue::from(status.code));
    if let Ok(message) = HeaderValue::from_str(&percent_encode(&status.message)) {
        headers.insert("grpc-message", message);
    }
    response
}

fn reply(body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip"));
    response
}

/// `grpc-message` is percent-encoded: printable ASCII but `%` stands for itself.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => encoded += &format!("%{byte:02X}"),
            plain => encoded.push(char::from(plain)),
        }
    }
    encoded
}
