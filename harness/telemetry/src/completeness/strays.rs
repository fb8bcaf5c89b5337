//! CLIENT spans towards a proxy of ours for which the wire has no exchange.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use seaworthy_core::completeness::Gap;
use seaworthy_core::ids::EdgeId;
use seaworthy_core::span::{Span, SpanKind, Value};
use seaworthy_core::system::PortProtocol;

use super::Ledger;
use super::trail::{Place, Trail};

/// The spans that say they sent a request to a proxy that saw none.
pub(super) fn find(trail: &Trail<'_>, ledger: &Ledger<'_>) -> Vec<Gap> {
    let with_exchange = with_exchange(trail);
    // A request without `traceparent` hangs under no span; it was sent by one all the same.
    let mut untraced: HashMap<&EdgeId, usize> = HashMap::new();
    for exchange in &trail.untraced {
        *untraced.entry(&exchange.edge).or_default() += 1;
    }
    let mut gaps = Vec::new();
    for span in &trail.spans {
        if span.kind != SpanKind::Client
            || with_exchange.contains(&(span.trace_id, span.span_id))
            || !says_it_sent(span)
        {
            continue;
        }
        let Some(edge) = target(span, ledger) else { continue };
        if let Some(left) = untraced.get_mut(edge).filter(|left| **left > 0) {
            *left -= 1;
            continue;
        }
        let service = span.resource.service.clone();
        gaps.push(Gap::NoExchange { span: span.span_id, service, edge: edge.clone() });
    }
    gaps
}

/// Sender spans under which something was sent, or under whose sender descendants something was: a client library
/// may put a span of its own round those of its attempts.
fn with_exchange(trail: &Trail<'_>) -> HashSet<Place> {
    let mut found = HashSet::new();
    for &place in &trail.on_the_wire {
        let mut next = Some(place);
        while let Some(place) = next {
            if !found.insert(place) {
                break;
            }
            let span = trail.by_place.get(&place).filter(|span| span.kind.is_sender());
            next = span.and_then(|span| Some((span.trace_id, span.parent_id?)));
        }
    }
    found
}

/// Whether a span shows that a request went out: it did not fail, or it had a response. One that failed without
/// may have found its breaker open or its connection refused, and then there is nothing on the wire.
fn says_it_sent(span: &Span) -> bool {
    let answered =
        ["http.response.status_code", "http.status_code"].iter().any(|key| span.attribute(key).is_some());
    // gRPC clients make these up themselves: CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE.
    let by_server = |value: &Value| match value {
        Value::Int(code) => !matches!(code, 1 | 4 | 14),
        Value::String(code) => !matches!(code.as_str(), "CANCELLED" | "DEADLINE_EXCEEDED" | "UNAVAILABLE"),
        _ => false,
    };
    let grpc = ["rpc.grpc.status_code", "rpc.response.status_code"];
    !span.status.is_error() || answered || grpc.iter().filter_map(|key| span.attribute(key)).any(by_server)
}

/// The edge whose proxy the span names as its server; of several at one address, the one of its own service.
fn target<'l>(span: &Span, ledger: &Ledger<'l>) -> Option<&'l EdgeId> {
    let (host, port) = server(span)?;
    let is_here = |address: &SocketAddr| {
        let same_host = match host.as_deref() {
            None | Some("localhost" | "host.docker.internal") => true,
            Some(host) => host.trim_matches(['[', ']']) == address.ip().to_string(),
        };
        same_host && address.port() == port
    };
    // On an edge whose bytes nobody understands, a database's, there are no exchanges to be had.
    let understood = |edge: &EdgeId| ledger.system.protocol(edge) != Some(PortProtocol::Tcp);
    let mut here: Vec<&EdgeId> = ledger
        .proxies
        .iter()
        .filter(|(edge, address)| is_here(address) && understood(edge))
        .map(|(edge, _)| edge)
        .collect();
    here.sort_by_key(|edge| edge.consumer != span.resource.service);
    here.first().copied()
}

/// Host and port of the server as the span tells them: by the stable conventions, by the older ones, or by its URL.
fn server(span: &Span) -> Option<(Option<String>, u16)> {
    let text = |key: &str| span.attribute(key).and_then(Value::as_str).map(str::to_owned);
    let port = |key: &str| match span.attribute(key)? {
        Value::Int(port) => u16::try_from(*port).ok(),
        Value::String(port) => port.parse().ok(),
        _ => None,
    };
    for (host, number) in [
        ("server.address", "server.port"),
        ("net.peer.name", "net.peer.port"),
        ("network.peer.address", "network.peer.port"),
    ] {
        if let Some(port) = port(number) {
            return Some((text(host), port));
        }
    }
    let url = text("url.full").or_else(|| text("http.url"))?;
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = host_and_port.rsplit_once(':')?;
    Some((Some(host.to_owned()), port.parse().ok()?))
}
