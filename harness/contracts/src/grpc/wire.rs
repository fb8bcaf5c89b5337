//! A call sent over HTTP/2 and its answer read, with limits on time and size.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use reqwest::Url;

use super::answer::Answer;
use super::call::{Call, Outgoing};
use super::frame::{Frames, framed};
use super::status::{Status, decode_message};
use crate::verify::Reached;

/// Metadata that belongs to the protocol: it is set for what is really sent, and no contract speaks of it.
const OF_THE_PROTOCOL: [&str; 15] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "date",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-timeout",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];

/// How long and how much an answer may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    /// In bytes, all messages together.
    pub(super) body: usize,
}

/// Why no whole answer came.
#[derive(Debug)]
pub(super) struct Broken {
    /// In one sentence.
    pub(super) message: String,
    pub(super) reached: Reached,
}

/// Sends a call to the provider at `base` and reads the answer as far as the contract needs it.
///
/// # Errors
/// With why no whole answer came.
pub(super) async fn send(
    client: &reqwest::Client,
    base: &Url,
    call: &Call,
    outgoing: &Outgoing,
    headers: &[(String, String)],
    limits: Limits,
) -> Result<(Answer, Duration), Broken> {
    let broken = |reached| move |message| Broken { message, reached };
    let request = request(base, call, outgoing, headers, limits.timeout).map_err(broken(Reached::Nobody))?;
    let started = Instant::now();
    let whole = async {
        let answer = client.execute(request).await.map_err(|error| {
            let why = deepest(&error);
            if error.is_connect() {
                broken(Reached::Silence)(format!("the provider could not be reached: {why}"))
            } else {
                broken(Reached::Provider)(format!("the provider did not answer the call: {why}"))
            }
        })?;
        read(answer, call, limits.body).await.map_err(broken(Reached::Provider))
    };
    match tokio::time::timeout(limits.timeout, whole).await {
        Ok(answer) => Ok((answer?, started.elapsed())),
        Err(_) => {
            Err(broken(Reached::Timeout)(format!("the provider did not answer within {:?}", limits.timeout)))
        }
    }
}

fn request(
    base: &Url,
    call: &Call,
    outgoing: &Outgoing,
    headers: &[(String, String)],
    timeout: Duration,
) -> Result<reqwest::Request, String> {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), call.path()));
    let mut request = reqwest::Request::new(http::Method::POST, url);
    let into = request.headers_mut();
    // The contract's own come first and stand.
    for (name, value) in outgoing.metadata.iter().chain(headers) {
        let lower = name.to_ascii_lowercase();
        if OF_THE_PROTOCOL.contains(&lower.as_str()) || into.contains_key(&lower) {
            continue;
        }
        let header =
            HeaderName::from_bytes(lower.as_bytes()).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        let (name, value) = header.ok_or_else(|| format!("the metadata `{name}` could not be sent"))?;
        into.insert(name, value);
    }
    into.insert("content-type", HeaderValue::from_static("application/grpc"));
    into.insert("te", HeaderValue::from_static("trailers"));
    // At most eight digits; what is longer than a day is no limit anyway.
    let millis = timeout.as_millis().clamp(1, 86_400_000);
    if let Ok(value) = HeaderValue::from_str(&format!("{millis}m")) {
        into.insert("grpc-timeout", value);
    }
    let framed = framed(&outgoing.message).ok_or("the request's message is longer than gRPC can send")?;
    *request.body_mut() = Some(framed.into());
    Ok(request)
}

async fn read(response: reqwest::Response, call: &Call, limit: usize) -> Result<Answer, String> {
    let (head, mut body) = http::Response::from(response).into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("the provider answered with HTTP {}, not with gRPC", head.status));
    }
    let content_type =
        head.headers.get("content-type").map(|value| String::from_utf8_lossy(value.as_bytes()));
    if !content_type.as_deref().is_some_and(|content_type| content_type.starts_with("application/grpc")) {
        let came = content_type.as_deref().unwrap_or("no content type");
        return Err(format!("the provider answered with {came}, not with application/grpc"));
    }
    let mut metadata = metadata_of(&head.headers);
    let mut messages = Vec::new();
    // An answer that has nothing but its end tells it in the first headers.
    let mut status = status_of(&head.headers);
    let mut frames = Frames::new(limit);
    let enough = |messages: &Vec<Bytes>| {
        !call.waits_for_the_end()
            && call.expected_messages().is_some_and(|expected| messages.len() >= expected)
    };
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| format!("the provider broke off its answer: {}", deepest(&error)))?;
        match frame.into_data() {
            Ok(mut data) => {
                while data.has_remaining() {
                    let chunk = data.chunk().len();
                    frames.push(data.chunk());
                    data.advance(chunk);
                }
                while let Some(message) =
                    frames.next().map_err(|why| format!("the provider's answer: {why}"))?
                {
                    messages.push(message);
                    if enough(&messages) {
                        return Ok(Answer { messages, status, metadata });
                    }
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    metadata.extend(metadata_of(&trailers));
                    status = status_of(&trailers).or(status);
                }
            }
        }
    }
    if !frames.is_whole() {
        return Err("the provider's answer ended in the middle of a message".to_owned());
    }
    if status.is_none() {
        return Err("the provider's answer ended without a grpc-status".to_owned());
    }
    Ok(Answer { messages, status, metadata })
}

fn status_of(headers: &HeaderMap) -> Option<Status> {
    let code = headers.get("grpc-status")?.to_str().ok()?.trim().parse().ok()?;
    let message =
        headers.get("grpc-message").map(|value| decode_message(value.as_bytes())).unwrap_or_default();
    Some(Status { code, message })
}

/// Headers as metadata, those of the protocol left out.
pub(super) fn metadata_of(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !OF_THE_PROTOCOL.contains(&name.as_str()))
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// The innermost reason, which is the one that says something.
fn deepest(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
