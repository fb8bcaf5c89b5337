//! A step's request: put together from its template, sent, and the answer read up to a limit.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use seaworthy_core::context::{EXPERIMENT_BAGGAGE, TraceParent};
use seaworthy_core::system::System;

use crate::flow::expect::Answer;
use crate::flow::model::RequestTemplate;
use crate::flow::text::{Scope, TextError};
use crate::session::client_builder;

/// The most of an answer's body that is read; a larger one is cut off and the connection dropped.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A client that never sends a request twice, follows no redirect and keeps no connection: what it sends is what
/// the flow says, and no answer comes from a connection that another request has spoiled.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    client_builder().pool_max_idle_per_host(0).build()
}

/// A request that is ready to go.
#[derive(Debug)]
pub(super) struct Prepared {
    request: reqwest::Request,
    patience: Duration,
}

/// Why a request could not be put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("it is no valid request: {0}")]
    Invalid(String),
}

/// What a request carries besides what its template says.
#[derive(Debug)]
pub(super) struct Identity<'i> {
    pub(super) trace: TraceParent,
    pub(super) correlation_id: &'i str,
    pub(super) experiment: &'i str,
}

/// The correlation id that the template's own headers give, if they do.
pub(super) fn given_correlation(
    template: &RequestTemplate,
    system: &System,
    scope: &Scope,
) -> Result<Option<String>, TextError> {
    for declared in correlation_headers(system) {
        for (name, value) in &template.headers {
            if name.eq_ignore_ascii_case(&declared) {
                return scope.fill(value).map(Some);
            }
        }
    }
    Ok(None)
}

fn correlation_headers(system: &System) -> Vec<String> {
    system.facts.correlation.clone().unwrap_or_default().headers
}

/// Puts a request together.
pub(super) fn prepare(
    client: &reqwest::Client,
    template: &RequestTemplate,
    address: SocketAddr,
    identity: &Identity<'_>,
    system: &System,
    scope: &Scope,
) -> Result<Prepared, PrepareError> {
    let invalid = |error: &dyn std::fmt::Display| PrepareError::Invalid(error.to_string());
    let method = reqwest::Method::from_bytes(template.method.as_bytes()).map_err(|error| invalid(&error))?;
    let path = scope.fill(&template.path)?;
    // A captured `Location` may be a whole URL; only its path is ours to use, the way in stays the proxy.
    let path = match path.find("://") {
        Some(at) if !path.starts_with('/') => {
            let rest = &path[at + 3..];
            rest.find('/').map_or("/", |at| &rest[at..]).to_owned()
        }
        _ => path,
    };
    let mut request = client.request(method, format!("http://{address}{path}"));
    if !template.query.is_empty() {
        request = request.query(&scope.fill_map(&template.query)?);
    }
    let headers = scope.fill_map(&template.headers)?;
    let has = |name: &str| headers.keys().any(|have| have.eq_ignore_ascii_case(name));
    for declared in correlation_headers(system).iter().filter(|declared| !has(declared)) {
        request = request.header(declared, identity.correlation_id);
    }
    let mut baggage = format!("{EXPERIMENT_BAGGAGE}={}", percent_encode(identity.experiment));
    for (name, value) in &headers {
        if name.eq_ignore_ascii_case("baggage") {
            baggage = format!("{value},{baggage}");
        } else {
            request = request.header(name, value);
        }
    }
    request = request.header("baggage", baggage).header("traceparent", identity.trace.to_string());
    if let Some(json) = &template.json {
        if !has("content-type") {
            request = request.header("content-type", "application/json");
        }
        request = request.body(scope.fill_json(json)?.to_string());
    } else if let Some(body) = &template.body {
        request = request.body(scope.fill(body)?);
    }
    let request = request.build().map_err(|error| invalid(&error.without_url()))?;
    Ok(Prepared { request, patience: template.patience() })
}

/// Sends it and reads the answer. Whatever happens is an answer: a broken one says why.
pub(super) async fn send(client: &reqwest::Client, prepared: Prepared) -> Answer {
    let Prepared { request, patience } = prepared;
    let started = Instant::now();
    let answer = tokio::time::timeout(patience, exchange(client, request)).await;
    let mut answer = answer.unwrap_or_else(|_| Answer {
        broken: Some(format!(
            "none within {}, the client gave up",
            seaworthy_core::time::HumanDuration(patience)
        )),
        ..Answer::default()
    });
    answer.took = started.elapsed();
    answer
}

async fn exchange(client: &reqwest::Client, request: reqwest::Request) -> Answer {
    let broken = |error: reqwest::Error| Answer { broken: Some(plainly(&error)), ..Answer::default() };
    let mut response = match client.execute(request).await {
        Ok(response) => response,
        Err(error) => return broken(error),
    };
    let mut answer = Answer { status: Some(response.status().as_u16()), ..Answer::default() };
    for (name, value) in response.headers() {
        answer.headers.push((name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = MAX_ANSWER - answer.body.len();
                answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    answer.broken = Some("its body is larger than 4 MiB and was cut off".to_owned());
                    return answer;
                }
            }
            Ok(None) => return answer,
            Err(error) => {
                let status = response.status();
                return Answer {
                    broken: Some(format!("status {status} came, then {}", plainly(&error))),
                    ..Answer::default()
                };
            }
        }
    }
}

/// The error's innermost reason, which is the one that says something.
fn plainly(error: &reqwest::Error) -> String {
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let text = reason.to_string();
    if error.is_connect() { format!("could not connect: {text}") } else { text }
}

/// Encodes what may not stand in a baggage value (W3C Baggage, section 3.3.1.3).
fn percent_encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!#$&'()*+/:<=>?@[]^`{|}".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use seaworthy_core::context::parse_baggage;

    proptest! {
        #[test]
        fn an_encoded_experiment_reads_back(name in "[^\\x00-\\x1f]{0,40}") {
            let header = format!("k={}", percent_encode(&name));
            prop_assert_eq!(parse_baggage(&header), vec![("k".to_owned(), name)]);
        }
    }
}
