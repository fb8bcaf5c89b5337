//! Trees as they print; the traces are made up by hand.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::context::TraceParent;
use crate::exchange::{AppliedFault, Body, Outcome, Protocol, ProviderSide, Request, Response};
use crate::ids::{ExchangeId, TraceId};
use crate::span::{Resource, SpanLink};
use crate::time::Nanos;

fn trace(number: u8) -> TraceId {
    TraceId::from_bytes([number; 16]).unwrap()
}

fn id(number: u64) -> SpanId {
    SpanId::from_bytes(number.to_be_bytes()).unwrap()
}

fn span(number: u64, parent: Option<u64>, service: &str, kind: SpanKind, name: &str) -> Span {
    let instance = Some(format!("{service}-1").into());
    let resource = Resource { service: service.into(), instance, attributes: Default::default() };
    Span {
        trace_id: trace(1),
        span_id: id(number),
        parent_id: parent.map(id),
        name: name.to_owned(),
        kind,
        start_unix: 1_000 + number,
        end_unix: 1_000 + number + 12_000_000,
        status: SpanStatus::Unset,
        attributes: Default::default(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Arc::new(resource),
        scope: "test".to_owned(),
        received: Nanos(0),
    }
}

fn failed(mut span: Span, message: &str) -> Span {
    span.status = SpanStatus::Error(message.to_owned());
    span
}

fn exchange(number: u64, edge: &str, parent: u64, path: &str, status: u16) -> Exchange {
    let edge: EdgeId = edge.parse().unwrap();
    let response = Response {
        status,
        grpc_status: None,
        headers: Vec::new(),
        trailers: Vec::new(),
        body: Body::default(),
        first_byte: Nanos(number + 1),
        last_byte: Some(Nanos(number + 2)),
    };
    Exchange {
        id: ExchangeId(number),
        protocol: Protocol::Http1,
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: None,
        trace: Some(TraceParent { trace_id: trace(1), parent_id: id(parent), sampled: true }),
        invalid_traceparent: None,
        correlation_id: Some("c-1".to_owned()),
        baggage: Vec::new(),
        started: Nanos(number),
        ended: Some(Nanos(number + 3)),
        request: Request { headers: Vec::new(), body: Body::default() },
        response: Some(response.clone()),
        outcome: Outcome::Answered,
        provider: Some(ProviderSide {
            instance: Some(format!("{}-1", edge.provider).into()),
            started: Nanos(number),
            ended: Some(Nanos(number + 3)),
            response: Some(response),
            outcome: Outcome::Answered,
        }),
        faults: Vec::new(),
        edge,
    }
}

fn faulted(mut exchange: Exchange, action: &str, reached: bool) -> Exchange {
    let action = action.to_owned();
    exchange.faults.push(AppliedFault { fault: "f".into(), action, at: Nanos(1), until: Some(Nanos(2)) });
    if !reached {
        exchange.provider = None;
    }
    exchange
}

/// An order that calls payments and then inventory.
fn order() -> (Vec<Span>, Vec<Exchange>) {
    use SpanKind::{Client, Internal, Server};
    let spans = vec![
        span(6, Some(5), "payments", Server, "POST /payments"),
        span(2, Some(1), "gateway", Server, "POST /orders"),
        span(8, Some(7), "inventory", Server, "inventory.Stock/Reserve"),
        span(3, Some(2), "gateway", Client, "POST orders"),
        span(9, Some(4), "orders", Internal, "commit 7f9c24e5-2c1b-4d3a-9a52-0f6f1e2d3c4b"),
        span(4, Some(3), "orders", Server, "POST /orders"),
        span(5, Some(4), "orders", Client, "POST payments"),
        span(7, Some(4), "orders", Client, "Reserve"),
    ];
    let exchanges = vec![
        exchange(1, "ingress -> gateway", 1, "/orders", 201),
        exchange(2, "gateway -> orders", 3, "/orders", 201),
        exchange(3, "orders -> payments", 5, "/payments", 201),
        exchange(4, "orders -> inventory", 7, "/inventory.Stock/Reserve", 200),
    ];
    (spans, exchanges)
}

#[test]
fn a_whole_trace_prints_without_ids_and_times() {
    let (spans, exchanges) = order();
    insta::assert_snapshot!(TraceTree::build(&spans, &exchanges));
}

#[test]
fn the_order_in_which_spans_came_does_not_show() {
    let (mut spans, mut exchanges) = order();
    let before = TraceTree::build(&spans, &exchanges).to_string();
    spans.reverse();
    exchanges.reverse();
    assert_eq!(TraceTree::build(&spans, &exchanges).to_string(), before);
}

#[test]
fn spans_that_never_came_are_shown_where_they_belong() {
    let (mut spans, exchanges) = order();
    spans.retain(|span| ![id(6), id(7), id(2)].contains(&span.span_id));
    insta::assert_snapshot!(TraceTree::build(&spans, &exchanges));
}

#[test]
fn a_service_without_telemetry_misses_nothing() {
    let (mut spans, exchanges) = order();
    spans.retain(|span| span.span_id != id(6));
    let options = TreeOptions { without_telemetry: ["payments".into()].into(), ..Default::default() };
    let text = TraceTree::build(&spans, &exchanges).render(&options);
    assert!(text.contains("(payments has no telemetry)") && !text.contains("missing"), "{text}");
}

#[test]
fn faults_stand_between_client_and_server_and_marks_point_at_spans() {
    use SpanKind::{Client, Server};
    let spans = vec![
        failed(span(2, Some(1), "gateway", Server, "POST /orders"), "no payment"),
        failed(span(3, Some(2), "gateway", Client, "POST payments"), "127.0.0.1:41234 gave 503 after 31 ms"),
        span(4, Some(3), "payments", Server, "POST /payments"),
        span(5, Some(3), "payments", Server, "POST /payments"),
    ];
    let exchanges = vec![
        exchange(1, "ingress -> gateway", 1, "/orders", 502),
        faulted(exchange(2, "gateway -> payments", 3, "/payments/4711", 503), "abort", false),
        faulted(exchange(3, "gateway -> payments", 3, "/payments/4711", 504), "stall", true),
        exchange(4, "gateway -> payments", 3, "/payments/4711", 201),
    ];
    let options = TreeOptions { with_durations: true, ..Default::default() }.mark(id(3));
    insta::assert_snapshot!(TraceTree::build(&spans, &exchanges).render(&options));
}

#[test]
fn what_is_linked_in_flight_or_without_traceparent_is_shown() {
    use SpanKind::{Consumer, Internal, Producer, Server};
    let mut consumer = span(21, None, "notifications", Consumer, "process order-placed");
    consumer.trace_id = trace(2);
    consumer.links = vec![SpanLink { trace_id: trace(1), span_id: id(3), attributes: Default::default() }];
    let mut inside = span(22, Some(21), "notifications", Internal, "render");
    inside.trace_id = trace(2);
    let spans = vec![
        inside,
        consumer,
        span(2, Some(1), "orders", Server, "POST /orders"),
        span(3, Some(2), "orders", Producer, "send order-placed"),
    ];
    let mut open = exchange(5, "orders -> shipping", 4, "/shipments", 200);
    (open.outcome, open.ended, open.response, open.provider) = (Outcome::InFlight, None, None, None);
    let mut lost = exchange(6, "notifications -> mailbox", 9, "/mails", 202);
    lost.trace = None;
    let exchanges = vec![
        exchange(1, "ingress -> orders", 1, "/orders", 201),
        exchange(2, "orders -> notifications", 3, "/events", 202),
        open,
        lost,
    ];
    insta::assert_snapshot!(TraceTree::build(&spans, &exchanges));
}

#[test]
fn a_parent_that_nobody_knows_is_one_node_above_all_its_children() {
    use SpanKind::Internal;
    let spans = vec![span(2, Some(1), "orders", Internal, "b"), span(3, Some(1), "orders", Internal, "a")];
    insta::assert_snapshot!(TraceTree::build(&spans, &[]));
}

#[test]
fn an_empty_trace_says_so() {
    assert_eq!(TraceTree::build(&[], &[]).to_string(), "(no spans)");
}

#[test]
fn a_chain_without_end_is_cut() {
    let chain: Vec<Span> =
        (2..5_000).map(|at| span(at, Some(at - 1), "orders", SpanKind::Internal, "deep")).collect();
    let text = TraceTree::build(&chain, &[]).to_string();
    assert!(text.ends_with("(deeper levels are left out)"));
    assert!(text.lines().count() < 300);
}

proptest! {
    /// Whatever hangs where, spans in circles included: each span shows once (none is lost, none is repeated).
    #[test]
    fn each_span_shows_once(parents in proptest::collection::vec(proptest::option::of(1u64..40), 0..40)) {
        let spans: Vec<Span> = parents
            .iter()
            .zip(1..)
            .map(|(parent, at)| span(at, *parent, "s", SpanKind::Internal, &format!("span{at}.")))
            .collect();
        let text = TraceTree::build(&spans, &[]).to_string();
        for at in 1..=parents.len() {
            prop_assert_eq!(text.matches(&format!("\"span{at}.\"")).count(), 1, "{}", text);
        }
    }
}
