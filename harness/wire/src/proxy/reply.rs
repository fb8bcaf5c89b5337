//! Answers of our own: what an abort sends in the provider's place.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use seaworthy_core::fault::{FaultAction, FaultRule};

/// The answer of an abort; `None` for any other action.
///
/// An HTTP status comes with a problem document (RFC 9457) as body. A gRPC status comes as gRPC's own "trailers-only"
/// response: HTTP status 200, no body, `grpc-status` in the only header block.
pub(crate) fn abort(rule: &FaultRule) -> Option<(http::response::Parts, Bytes)> {
    let FaultAction::Abort { status, grpc_status, headers, .. } = &rule.action else { return None };
    let mut response = Response::new(());
    let body = match grpc_status {
        Some(status) => {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response.headers_mut().insert("grpc-status", HeaderValue::from(*status));
            let message = format!("injected by fault rule {}", rule.id);
            if let Ok(message) = HeaderValue::try_from(percent_encode(&message)) {
                response.headers_mut().insert("grpc-message", message);
            }
            Bytes::new()
        }
        None => {
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            *response.status_mut() = status;
            let problem = serde_json::json!({
                "type": "about:blank",
                "title": status.canonical_reason().unwrap_or("Error"),
                "status": status.as_u16(),
                "detail": format!("injected by fault rule {}", rule.id),
            });
            let body = Bytes::from(problem.to_string());
            let problem = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(CONTENT_TYPE, problem);
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            body
        }
    };
    add(response.headers_mut(), headers);
    Some((response.into_parts().0, body))
}

/// Adds the rule's own headers over ours; one that cannot stand in a response is left out.
fn add(response: &mut http::HeaderMap, headers: &BTreeMap<String, String>) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value.as_str()))
            && name != CONTENT_LENGTH
        {
            response.insert(name, value);
        }
    }
}

/// As gRPC has it for `grpc-message`: everything but printable ASCII, and `%`, as `%XX`.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
        out
    })
}
