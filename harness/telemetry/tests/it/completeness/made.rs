//! Traces made by hand: a system, exchanges and spans with little ado.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use seaworthy_core::completeness::{Completeness, Gap};
use seaworthy_core::context::TraceParent;
use seaworthy_core::exchange::{Body, Exchange, Outcome, Protocol, ProviderSide, Request, Response};
use seaworthy_core::ids::{EdgeId, ExchangeId, SpanId, TraceId};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind};
use seaworthy_core::span::{Attributes, Resource, Span, SpanKind, SpanLink, SpanStatus, Value};
use seaworthy_core::system::System;
use seaworthy_core::time::Nanos;
use seaworthy_telemetry::{Ledger, completeness};

pub(crate) fn trace(number: u8) -> TraceId {
    TraceId::from_bytes([number; 16]).unwrap()
}

pub(crate) fn id(number: u64) -> SpanId {
    SpanId::from_bytes(number.to_be_bytes()).unwrap()
}

/// A system of these services; a name in brackets has no telemetry.
pub(crate) fn system(services: &[&str]) -> System {
    let mut described = serde_json::Map::new();
    for name in services {
        let (name, service) = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(silent) => (silent, serde_json::json!({"telemetry": "none"})),
            None => (*name, serde_json::json!({})),
        };
        described.insert(name.to_owned(), service);
    }
    serde_json::from_value(serde_json::json!({"version": 1, "name": "test", "services": described})).unwrap()
}

/// A span of trace 1.
pub(crate) fn span(number: u64, parent: Option<u64>, service: &str, kind: SpanKind) -> Span {
    let instance = Some(format!("{service}-1").into());
    Span {
        trace_id: trace(1),
        span_id: id(number),
        parent_id: parent.map(id),
        name: format!("{service} {}", kind.as_str()),
        kind,
        start_unix: 1_000 + number,
        end_unix: 2_000 + number,
        status: SpanStatus::Unset,
        attributes: Attributes::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Arc::new(Resource { service: service.into(), instance, attributes: Attributes::new() }),
        scope: String::new(),
        received: Nanos(1_000_000),
    }
}

pub(crate) fn with(mut span: Span, key: &str, value: impl Into<Value>) -> Span {
    span.attributes.insert(key.to_owned(), value.into());
    span
}

pub(crate) fn linked(mut span: Span, in_trace: u8, to: u64) -> Span {
    span.links.push(SpanLink { trace_id: trace(1), span_id: id(to), attributes: Attributes::new() });
    span.trace_id = trace(in_trace);
    span
}

/// An exchange of trace 1 that reached the first instance of its provider and was answered.
pub(crate) fn exchange(number: u64, edge: &str, parent: u64) -> Exchange {
    let edge: EdgeId = edge.parse().unwrap();
    let response = Response {
        status: 200,
        grpc_status: None,
        headers: Vec::new(),
        trailers: Vec::new(),
        body: Body::default(),
        first_byte: Nanos(number * 100 + 10),
        last_byte: Some(Nanos(number * 100 + 20)),
    };
    Exchange {
        id: ExchangeId(number),
        protocol: Protocol::Http1,
        method: "POST".to_owned(),
        path: "/things".to_owned(),
        query: None,
        trace: Some(TraceParent { trace_id: trace(1), parent_id: id(parent), sampled: true }),
        invalid_traceparent: None,
        correlation_id: Some("c-1".to_owned()),
        baggage: Vec::new(),
        started: Nanos(number * 100),
        ended: Some(Nanos(number * 100 + 30)),
        request: Request { headers: Vec::new(), body: Body::default() },
        response: Some(response.clone()),
        outcome: Outcome::Answered,
        provider: Some(ProviderSide {
            instance: Some(format!("{}-1", edge.provider).into()),
            started: Nanos(number * 100 + 1),
            ended: Some(Nanos(number * 100 + 29)),
            response: Some(response),
            outcome: Outcome::Answered,
        }),
        faults: Vec::new(),
        edge,
    }
}

/// The same exchange, aborted before the provider saw it.
pub(crate) fn unreached(mut exchange: Exchange) -> Exchange {
    exchange.provider = None;
    exchange
}

pub(crate) fn event(at: u64, service: &str, instance: &str, kind: InstanceEventKind) -> InstanceEvent {
    InstanceEvent { at: Nanos(at), service: service.into(), instance: instance.into(), kind }
}

/// Completeness of trace 1 with proxies at these ports.
pub(crate) fn judge_with(
    system: &System,
    exchanges: &[Exchange],
    spans: &[Span],
    instances: &[InstanceEvent],
    proxies: &[(&str, u16)],
) -> Completeness {
    let proxies: BTreeMap<EdgeId, SocketAddr> = proxies
        .iter()
        .map(|(edge, port)| (edge.parse().unwrap(), SocketAddr::from(([127, 0, 0, 1], *port))))
        .collect();
    completeness(trace(1), exchanges, spans, &Ledger { system, instances, proxies: &proxies })
}

/// Completeness of trace 1.
pub(crate) fn judge(system: &System, exchanges: &[Exchange], spans: &[Span]) -> Completeness {
    judge_with(system, exchanges, spans, &[], &[])
}

/// A gap in one line.
pub(crate) fn describe(gap: &Gap) -> String {
    match gap {
        Gap::InFlight { exchange, edge } => format!("in flight: {exchange} {edge}"),
        Gap::MissingSpan { exchange, edge, end, service, instance, owed, came, started_anew } => {
            let instance = instance.as_ref().map(|instance| format!(" ({instance})")).unwrap_or_default();
            let anew = started_anew
                .map(|(trace, _)| format!(", anew in {}", trace.as_bytes()[0]))
                .unwrap_or_default();
            format!("missing: {exchange} {edge} {end:?} of {service}{instance} {came}/{owed}{anew}")
        }
        Gap::MissingParent { span, parent, service } => {
            format!("no parent {} of {} of {service}", parent.as_bytes()[7], span.as_bytes()[7])
        }
        Gap::NoExchange { span, service, edge } => {
            format!("no exchange on {edge} for {} of {service}", span.as_bytes()[7])
        }
        Gap::Untraced { exchange, edge } => format!("untraced: {exchange} {edge}"),
    }
}

pub(crate) fn gaps(completeness: &Completeness) -> Vec<String> {
    completeness.gaps.iter().map(describe).collect()
}
