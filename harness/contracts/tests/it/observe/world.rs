//! Exchanges written by hand.

use seaworthy_contracts::model::Contract;
use seaworthy_core::context::TraceParent;
use seaworthy_core::exchange::{
    AppliedFault, Body, Exchange, Headers, Outcome, Protocol, ProviderSide, Request, Response,
};
use seaworthy_core::ids::{ExchangeId, SpanId, TraceId};
use seaworthy_core::time::Nanos;
use sha2::{Digest, Sha256};

pub(super) fn body(text: &str) -> Body {
    let digest = if text.is_empty() {
        String::new()
    } else {
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    Body { bytes: text.len() as u64, digest, text: Some(text.to_owned()), truncated: false }
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn response(status: u16, text: &str) -> Response {
    let kind: &[(&str, &str)] = if text.is_empty() { &[] } else { &[("content-type", "application/json")] };
    let mut headers = headers(kind);
    headers.push(("date".to_owned(), "Fri, 20 Nov 2026 18:46:41 GMT".to_owned()));
    Response {
        status,
        grpc_status: None,
        headers,
        trailers: Vec::new(),
        body: body(text),
        first_byte: Nanos(2),
        last_byte: Some(Nanos(3)),
    }
}

/// `edge` as `orders -> payments`, `asked` as `POST /payments?verbose=1`; bodies are JSON or empty.
pub(super) fn exchange(
    id: u64,
    edge: &str,
    asked: &str,
    sent: &str,
    status: u16,
    received: &str,
) -> Exchange {
    let (method, target) = asked.split_once(' ').unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let mut request_headers =
        headers(&[("accept", "*/*"), ("host", "127.0.0.1:4711"), ("x-correlation-id", "c-1")]);
    if !sent.is_empty() {
        request_headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let response = response(status, received);
    Exchange {
        id: ExchangeId(id),
        edge: edge.parse().unwrap(),
        protocol: Protocol::Http1,
        method: method.to_owned(),
        path: path.to_owned(),
        query,
        trace: Some(TraceParent { trace_id: TraceId::random(), parent_id: SpanId::random(), sampled: true }),
        invalid_traceparent: None,
        correlation_id: Some("c-1".to_owned()),
        baggage: Vec::new(),
        started: Nanos(1),
        ended: Some(Nanos(4)),
        request: Request { headers: request_headers, body: body(sent) },
        response: Some(response.clone()),
        outcome: Outcome::Answered,
        provider: Some(ProviderSide {
            instance: None,
            started: Nanos(1),
            ended: Some(Nanos(4)),
            response: Some(response),
            outcome: Outcome::Answered,
        }),
        faults: Vec::new(),
    }
}

/// A CloudEvent in binary mode, carried by a broker.
pub(super) fn event(id: u64, edge: &str, kind: &str, event: &str, data: &str) -> Exchange {
    let mut exchange = exchange(id, edge, &format!("SEND /{kind}"), data, 202, "");
    exchange.protocol = Protocol::Message;
    exchange.request.headers = headers(&[
        ("ce-id", event),
        ("ce-source", "/orders"),
        ("ce-specversion", "1.0"),
        ("ce-time", "2026-11-20T18:46:41.416Z"),
        ("ce-traceparent", "00-7d74dbaeb2790ae6afabba15dde35ddd-c320bec71d01d0c0-01"),
        ("ce-type", kind),
        ("content-type", "application/json"),
        ("message-id", event),
        ("type", kind),
    ]);
    exchange
}

pub(super) fn with_header(mut exchange: Exchange, name: &str, value: &str) -> Exchange {
    exchange.request.headers.push((name.to_owned(), value.to_owned()));
    exchange
}

pub(super) fn faulted(mut exchange: Exchange, action: &str) -> Exchange {
    exchange.faults.push(AppliedFault {
        fault: "f-1".into(),
        action: action.to_owned(),
        at: Nanos(1),
        until: None,
    });
    exchange
}

/// A contract as a consumer's test writes it.
pub(super) fn contract(consumer: &str, provider: &str, interactions: serde_json::Value) -> Contract {
    let document = serde_json::json!({
        "consumer": {"name": consumer}, "provider": {"name": provider}, "interactions": interactions,
        "metadata": {"pactSpecification": {"version": "4.0"}}
    });
    seaworthy_contracts::document::parse("pacts/test.json", &serde_json::to_vec_pretty(&document).unwrap())
        .unwrap()
}
