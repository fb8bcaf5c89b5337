//! OTLP over HTTP: `/v1/traces`, `/v1/metrics`, `/v1/logs`, in protobuf or JSON; the answer has the request's
//! content type.

use ::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use prost::Message;

use super::body::{self, Encoding};
use super::intake::{self, Signal};
use super::rejection::Rejection;
use super::{Answer, Desk, whole};
use crate::otlp::Format;
use crate::store::Refusal;

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Protobuf => "application/x-protobuf",
        Format::Json => "application/json",
    }
}

/// Reads the content type; parameters (`; charset=utf-8`) take no part.
fn read_content_type(headers: &HeaderMap) -> Result<Format, Rejection> {
    let value = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-protobuf" => Ok(Format::Protobuf),
        "application/json" => Ok(Format::Json),
        _ => Err(Rejection::ContentType(value.chars().take(80).collect())),
    }
}

/// Answers an export request over HTTP.
pub(super) async fn answer(request: Request<Incoming>, desk: &Desk) -> Response<Answer> {
    let format = read_content_type(request.headers());
    match handle(request, format.clone(), desk).await {
        Ok((signal, refusal)) => {
            let (body, format) = match format {
                Ok(Format::Json) => (intake::success_json(signal, &refusal), Format::Json),
                _ => (intake::success(signal, &refusal), Format::Protobuf),
            };
            reply(StatusCode::OK, format, body)
        }
        Err(rejection) => {
            tracing::debug!(%rejection, "a telemetry export was refused");
            if let Some(loss) = rejection.loss() {
                desk.store.add_loss(loss);
            }
            refuse(&rejection, format.unwrap_or(Format::Protobuf))
        }
    }
}

async fn handle(
    request: Request<Incoming>,
    format: Result<Format, Rejection>,
    desk: &Desk,
) -> Result<(Signal, Refusal), Rejection> {
    let signal = match request.uri().path() {
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        other => return Err(Rejection::Unknown(other.chars().take(80).collect())),
    };
    if request.method() != Method::POST {
        return Err(Rejection::Method(request.method().as_str().chars().take(20).collect()));
    }
    let format = format?;
    let encoding = Encoding::read(text(request.headers(), header::CONTENT_ENCODING.as_str()))?;
    let _turn = desk.requests.acquire().await;
    let body = body::read(request.into_body(), &desk.limits).await?;
    let body = body::inflate(body, encoding, &desk.limits)?;
    let refusal = intake::take(&desk.store, signal, &body, format, &desk.limits)?;
    Ok((signal, refusal))
}

fn refuse(rejection: &Rejection, format: Format) -> Response<Answer> {
    let status = rejection.status();
    let body = match format {
        Format::Protobuf => status.encode_to_vec(),
        Format::Json => {
            serde_json::json!({ "code": status.code, "message": status.message }).to_string().into_bytes()
        }
    };
    let mut response = reply(rejection.http_status(), format, body);
    let advice = match rejection {
        Rejection::Method(_) => Some((header::ALLOW, "POST")),
        Rejection::Encoding(_) => Some((header::ACCEPT_ENCODING, "gzip, identity")),
        _ => None,
    };
    if let Some((name, value)) = advice {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

fn reply(status: StatusCode, format: Format, body: Vec<u8>) -> Response<Answer> {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type(format));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
