//! Each rule of completeness by an example.

use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::instance::InstanceEventKind::{Killed, Started};
use seaworthy_core::span::{Span, SpanKind, SpanStatus, Value};
use seaworthy_core::time::Nanos;

use super::made::{
    event, exchange, gaps, id, judge, judge_with, linked, span, system, trace, unreached, with,
};
use SpanKind::{Client, Consumer, Internal, Producer, Server};

const SERVICES: [&str; 4] = ["gateway", "orders", "payments", "[legacy]"];

/// The world calls the gateway (1 → 2), it calls orders (3 → 4).
fn two_hops() -> (Vec<Exchange>, Vec<Span>) {
    let exchanges = vec![exchange(1, "ingress -> gateway", 1), exchange(2, "gateway -> orders", 3)];
    let spans = vec![
        span(2, Some(1), "gateway", Server),
        span(3, Some(2), "gateway", Client),
        span(4, Some(3), "orders", Server),
    ];
    (exchanges, spans)
}

#[test]
fn a_whole_trace_is_complete() {
    let (exchanges, spans) = two_hops();
    let result = judge(&system(&SERVICES), &exchanges, &spans);
    assert_eq!((gaps(&result), result.owed, result.waived.len()), (vec![], 3, 0));
    assert!(result.is_complete());
}

#[test]
fn a_trace_of_which_nothing_is_known_is_complete_and_owes_nothing() {
    let result = judge(&system(&SERVICES), &[], &[]);
    assert_eq!((result.is_complete(), result.owed), (true, 0));
}

#[test]
fn what_is_in_flight_is_named_and_its_spans_are_not_owed_yet() {
    let (mut exchanges, mut spans) = two_hops();
    exchanges[1].ended = None;
    exchanges[1].outcome = Outcome::InFlight;
    spans.truncate(1);
    let result = judge(&system(&SERVICES), &exchanges, &spans);
    assert_eq!(gaps(&result), ["in flight: x2 gateway -> orders"]);
    let (mut exchanges, spans) = two_hops();
    exchanges[1].provider.as_mut().unwrap().ended = None;
    let result = judge(&system(&SERVICES), &exchanges, &spans);
    assert_eq!(gaps(&result), ["in flight: x2 gateway -> orders"], "the provider is still at it");
}

#[test]
fn the_hop_that_lost_a_span_is_named() {
    let (exchanges, spans) = two_hops();
    for (lost, expected) in [
        (2, "missing: x1 ingress -> gateway Receiver of gateway (gateway-1) 0/1"),
        (3, "missing: x2 gateway -> orders Sender of gateway 0/1"),
        (4, "missing: x2 gateway -> orders Receiver of orders (orders-1) 0/1"),
    ] {
        let left: Vec<Span> = spans.iter().filter(|span| span.span_id != id(lost)).cloned().collect();
        assert_eq!(gaps(&judge(&system(&SERVICES), &exchanges, &left)), [expected]);
    }
}

#[test]
fn a_span_of_the_wrong_kind_pays_no_debt() {
    let (exchanges, mut spans) = two_hops();
    spans[1].kind = Internal;
    spans[2].kind = Internal;
    assert_eq!(
        gaps(&judge(&system(&SERVICES), &exchanges, &spans)),
        [
            "missing: x2 gateway -> orders Sender of gateway 0/1",
            "missing: x2 gateway -> orders Receiver of orders (orders-1) 0/1"
        ]
    );
}

#[test]
fn attempts_under_one_parent_owe_a_receiver_each_and_one_sender() {
    let (mut exchanges, mut spans) = two_hops();
    exchanges.push(unreached(exchange(3, "gateway -> orders", 3)));
    exchanges.push(exchange(4, "gateway -> orders", 3));
    exchanges.push(exchange(5, "gateway -> orders", 3));
    spans.push(span(5, Some(3), "orders", Server));
    let result = judge(&system(&SERVICES), &exchanges, &spans);
    assert_eq!(gaps(&result), ["missing: x5 gateway -> orders Receiver of orders (orders-1) 2/3"]);
    assert_eq!(result.owed, 1 + 1 + 3);
    spans.push(span(6, Some(3), "orders", Server));
    assert!(judge(&system(&SERVICES), &exchanges, &spans).is_complete());
}

#[test]
fn what_the_provider_got_is_owed_though_nobody_waited_for_the_answer() {
    let (mut exchanges, mut spans) = two_hops();
    exchanges[1].outcome = Outcome::Cancelled;
    exchanges[1].response = None;
    spans.pop();
    assert_eq!(
        gaps(&judge(&system(&SERVICES), &exchanges, &spans)),
        ["missing: x2 gateway -> orders Receiver of orders (orders-1) 0/1"]
    );
}

#[test]
fn what_is_not_sampled_owes_nothing() {
    let (mut exchanges, _) = two_hops();
    for exchange in &mut exchanges {
        exchange.trace.as_mut().unwrap().sampled = false;
    }
    let result = judge(&system(&SERVICES), &exchanges, &[]);
    assert_eq!((gaps(&result), result.owed, result.waived), (vec![], 0, vec!["not sampled".to_owned()]));
}

#[test]
fn a_service_without_telemetry_owes_nothing_and_is_bridged() {
    let mut spans = vec![
        span(2, Some(1), "gateway", Server),
        span(3, Some(2), "gateway", Client),
        // The legacy service made an id of its own (9) that nobody exports.
        span(4, Some(9), "orders", Server),
    ];
    let exchanges = vec![
        exchange(1, "ingress -> gateway", 1),
        exchange(2, "gateway -> legacy", 3),
        exchange(3, "legacy -> orders", 9),
    ];
    let result = judge(&system(&SERVICES), &exchanges, &spans);
    assert_eq!((gaps(&result), result.waived), (vec![], vec!["legacy has telemetry: none".to_owned()]));
    spans.pop();
    assert_eq!(
        gaps(&judge(&system(&SERVICES), &exchanges, &spans)),
        ["missing: x3 legacy -> orders Receiver of orders (orders-1) 0/1"]
    );
    // Or it passes on what it got.
    let passed_on = vec![exchanges[0].clone(), exchanges[1].clone(), exchange(3, "legacy -> orders", 3)];
    spans.push(span(4, Some(3), "orders", Server));
    assert!(judge(&system(&SERVICES), &passed_on, &spans).is_complete());
}

#[test]
fn a_provider_outside_the_system_owes_nothing() {
    let (mut exchanges, mut spans) = two_hops();
    exchanges.push(exchange(3, "orders -> bank", 5));
    spans.push(span(5, Some(4), "orders", Client));
    let result = judge(&system(&SERVICES), &exchanges, &spans);
    assert_eq!((gaps(&result), result.waived.len()), (vec![], 0));
}

#[test]
fn a_parent_that_nobody_knows_is_named_once() {
    let (exchanges, mut spans) = two_hops();
    spans.push(span(11, Some(10), "orders", Internal));
    spans.push(span(12, Some(10), "orders", Internal));
    assert_eq!(gaps(&judge(&system(&SERVICES), &exchanges, &spans)), ["no parent 10 of 11 of orders"]);
}

#[test]
fn the_children_of_a_missing_span_are_no_second_finding() {
    let (mut exchanges, mut spans) = two_hops();
    exchanges.push(exchange(3, "orders -> payments", 6));
    spans.push(span(5, Some(4), "orders", Internal));
    spans.push(span(6, Some(5), "orders", Client));
    spans.push(span(7, Some(6), "payments", Server));
    assert!(judge(&system(&SERVICES), &exchanges, &spans).is_complete());
    spans.retain(|span| span.span_id != id(4));
    assert_eq!(
        gaps(&judge(&system(&SERVICES), &exchanges, &spans)),
        ["missing: x2 gateway -> orders Receiver of orders (orders-1) 0/1"]
    );
    spans.retain(|span| span.span_id != id(5));
    assert_eq!(
        gaps(&judge(&system(&SERVICES), &exchanges, &spans)),
        ["missing: x2 gateway -> orders Receiver of orders (orders-1) 0/1"],
        "5 may be the missing span, as far as anyone can tell"
    );
}

#[test]
fn a_killed_instance_owes_nothing_that_it_could_not_flush() {
    let (exchanges, mut spans) = two_hops();
    spans.truncate(2);
    // The exchange with orders ended at 230; exports are out 3.1 s later at the latest.
    let killed = |at| {
        [
            event(0, "orders", "orders-1", Started { pid: None, container: None }),
            event(at, "orders", "orders-1", Killed),
        ]
    };
    let soon = judge_with(&system(&SERVICES), &exchanges, &spans, &killed(300), &[]);
    assert_eq!((gaps(&soon), soon.waived), (vec![], vec!["orders-1 was killed".to_owned()]));
    let late = judge_with(&system(&SERVICES), &exchanges, &spans, &killed(10_000_000_000), &[]);
    assert_eq!(gaps(&late), ["missing: x2 gateway -> orders Receiver of orders (orders-1) 0/1"]);
    let mut retried = exchange(3, "gateway -> orders", 3);
    retried.provider.as_mut().unwrap().instance = Some("orders-2".into());
    let both = [exchanges.clone(), vec![retried]].concat();
    let result = judge_with(&system(&SERVICES), &both, &spans, &killed(300), &[]);
    assert_eq!(gaps(&result), ["missing: x3 gateway -> orders Receiver of orders (orders-2) 0/1"]);
    assert_eq!(result.owed, 3);
    let other = [event(300, "orders", "orders-2", Killed)];
    assert_eq!(gaps(&judge_with(&system(&SERVICES), &exchanges, &spans, &other, &[])).len(), 1);
}

#[test]
fn a_killed_consumer_owes_neither_its_client_span_nor_parents() {
    let (mut exchanges, _) = two_hops();
    exchanges.push(exchange(3, "orders -> payments", 6));
    // Of orders came one internal span only; its parent and its client span went down.
    let spans = vec![
        span(2, Some(1), "gateway", Server),
        span(3, Some(2), "gateway", Client),
        span(5, Some(44), "orders", Internal),
        span(55, Some(45), "orders", Internal),
        span(7, Some(6), "payments", Server),
    ];
    let events = [
        event(0, "orders", "orders-1", Started { pid: None, container: None }),
        event(400, "orders", "orders-1", Killed),
    ];
    let result = judge_with(&system(&SERVICES), &exchanges, &spans, &events, &[]);
    assert_eq!((gaps(&result), result.waived), (vec![], vec!["orders-1 was killed".to_owned()]));
    // The signal is noted before it is sent: until the next instance starts, requests can only be the dying one's.
    let replaced = |at| {
        [
            event(0, "orders", "orders-1", Started { pid: None, container: None }),
            event(290, "orders", "orders-1", Killed),
            event(at, "orders", "orders-2", Started { pid: None, container: None }),
        ]
    };
    let dying = judge_with(&system(&SERVICES), &exchanges, &spans, &replaced(500), &[]);
    assert_eq!((gaps(&dying), dying.waived), (vec![], vec!["orders-1 was killed".to_owned()]));
    let next = judge_with(&system(&SERVICES), &exchanges, &spans, &replaced(295), &[]);
    assert!(!next.is_complete(), "the next instance may have sent it, and it lives");
    // An instance that was started after the request cannot have sent it.
    let events = [
        event(9_999, "orders", "orders-2", Started { pid: None, container: None }),
        event(10_000, "orders", "orders-2", Killed),
    ];
    assert!(!judge_with(&system(&SERVICES), &exchanges, &spans, &events, &[]).is_complete());
}

#[test]
fn an_exchange_without_traceparent_is_placed_by_its_correlation_id() {
    let (mut exchanges, mut spans) = two_hops();
    let mut lost = exchange(3, "orders -> payments", 6);
    lost.trace = None;
    exchanges.push(lost.clone());
    let mut stranger = lost.clone();
    stranger.correlation_id = Some("c-2".to_owned());
    exchanges.push(stranger);
    // The client span exists and names the proxy: that its exchange hangs nowhere is the same finding.
    spans.push(with(span(6, Some(4), "orders", Client), "server.port", 4000));
    let proxies = [("orders -> payments", 4000)];
    let result = judge_with(&system(&SERVICES), &exchanges, &spans, &[], &proxies);
    assert_eq!(gaps(&result), ["untraced: x3 orders -> payments"]);
    lost.edge = "legacy -> payments".parse().unwrap();
    exchanges[2] = lost;
    spans.pop();
    let result = judge(&system(&SERVICES), &exchanges, &spans);
    assert_eq!((gaps(&result), result.waived), (vec![], vec!["legacy has telemetry: none".to_owned()]));
}

#[test]
fn a_client_span_towards_a_proxy_without_exchange_is_named() {
    let (exchanges, spans) = two_hops();
    let proxies = [("orders -> payments", 4000), ("gateway -> orders", 4001)];
    let judge_span = |span: Span| {
        let spans = [spans.clone(), vec![span]].concat();
        gaps(&judge_with(&system(&SERVICES), &exchanges, &spans, &[], &proxies))
    };
    let client = || span(6, Some(4), "orders", Client);
    let found = ["no exchange on orders -> payments for 6 of orders"];
    let here = || with(with(client(), "server.address", "127.0.0.1"), "server.port", 4000);
    assert_eq!(judge_span(here()), found);
    assert_eq!(judge_span(with(client(), "url.full", "http://localhost:4000/payments?x=http://a:1/")), found);
    assert_eq!(judge_span(with(client(), "http.url", "http://user@127.0.0.1:4000")), found);
    assert_eq!(judge_span(with(client(), "net.peer.port", 4000)), found);
    // Elsewhere.
    assert_eq!(
        judge_span(with(with(client(), "server.address", "db.example"), "server.port", 4000)),
        [""; 0]
    );
    assert_eq!(judge_span(with(client(), "server.port", 5432)), [""; 0]);
    assert_eq!(judge_span(client()), [""; 0]);
    // No connection, or an open breaker: no request was sent.
    let failed = |mut span: Span| {
        span.status = SpanStatus::Error("connection refused".to_owned());
        span
    };
    assert_eq!(judge_span(failed(here())), [""; 0]);
    assert_eq!(judge_span(failed(with(here(), "rpc.grpc.status_code", 14))), [""; 0]);
    assert_eq!(judge_span(failed(with(here(), "rpc.response.status_code", "UNAVAILABLE"))), [""; 0]);
    // It failed, but somebody answered.
    assert_eq!(judge_span(failed(with(here(), "http.response.status_code", 503))), found);
    assert_eq!(judge_span(failed(with(here(), "rpc.grpc.status_code", 5))), found);
}

#[test]
fn a_client_span_round_those_of_its_attempts_needs_no_exchange_of_its_own() {
    let (exchanges, mut spans) = two_hops();
    let proxies = [("gateway -> orders", 4001)];
    spans[1] = with(span(3, Some(33), "gateway", Client), "server.port", 4001);
    spans.push(with(span(33, Some(2), "gateway", Client), "server.port", 4001));
    assert!(judge_with(&system(&SERVICES), &exchanges, &spans, &[], &proxies).is_complete());
}

#[test]
fn a_linked_trace_is_followed() {
    let (mut exchanges, mut spans) = two_hops();
    exchanges.push(exchange(3, "orders -> payments", 6));
    spans.push(span(6, Some(4), "orders", Producer));
    assert!(!judge(&system(&SERVICES), &exchanges, &spans).is_complete());
    spans.push(linked(span(7, None, "payments", Consumer), 2, 6));
    assert!(judge(&system(&SERVICES), &exchanges, &spans).is_complete());

    // What goes on in the linked trace is owed too.
    let mut onward = exchange(4, "payments -> gateway", 8);
    onward.trace.as_mut().unwrap().trace_id = trace(2);
    exchanges.push(onward);
    assert_eq!(
        gaps(&judge(&system(&SERVICES), &exchanges, &spans)),
        [
            "missing: x4 payments -> gateway Sender of payments 0/1",
            "missing: x4 payments -> gateway Receiver of gateway (gateway-1) 0/1"
        ]
    );
}

#[test]
fn a_receiver_that_began_anew_is_pointed_at() {
    let (mut exchanges, mut spans) = two_hops();
    exchanges.push(exchange(3, "orders -> payments", 6));
    spans.push(span(6, Some(4), "orders", Producer));
    let anew = |service: &str, correlation: Option<&str>, path: Option<&str>| {
        let mut root = span(7, None, service, Consumer);
        root.trace_id = trace(3);
        for (key, value) in [("correlation_id", correlation), ("url.path", path)] {
            if let Some(value) = value {
                root.attributes.insert(key.to_owned(), Value::from(value));
            }
        }
        root
    };
    let missing = "missing: x3 orders -> payments Receiver of payments (payments-1) 0/1";
    for (root, found) in [
        (anew("payments", Some("c-1"), None), true),
        (anew("payments", Some("c-2"), Some("/things")), false),
        (anew("payments", None, Some("/things")), true),
        (anew("payments", None, Some("/health")), false),
        (anew("payments", None, None), false),
        (anew("gateway", Some("c-1"), None), false),
    ] {
        let attributes = format!("{:?}", root.attributes);
        let spans = [spans.clone(), vec![root]].concat();
        let expected = if found { format!("{missing}, anew in 3") } else { missing.to_owned() };
        assert_eq!(gaps(&judge(&system(&SERVICES), &exchanges, &spans)), [expected], "{attributes}");
    }
    // What had come before the request was sent did not handle it.
    let mut early = anew("payments", Some("c-1"), None);
    early.received = Nanos(5);
    spans.push(early);
    assert_eq!(gaps(&judge(&system(&SERVICES), &exchanges, &spans)), [missing]);
}

#[test]
fn a_service_may_export_under_another_name_if_its_instance_tells() {
    let (exchanges, mut spans) = two_hops();
    let mut resource = seaworthy_core::span::Resource::clone(&spans[2].resource);
    resource.service = "Order Service".into();
    spans[2].resource = resource.into();
    assert!(judge(&system(&SERVICES), &exchanges, &spans).is_complete());
}

#[test]
fn gaps_come_in_the_order_of_the_exchanges() {
    let (mut exchanges, _) = two_hops();
    exchanges.reverse();
    let result = judge(&system(&SERVICES), &exchanges, &[]);
    assert_eq!(
        gaps(&result),
        [
            "missing: x1 ingress -> gateway Receiver of gateway (gateway-1) 0/1",
            "missing: x2 gateway -> orders Sender of gateway 0/1",
            "missing: x2 gateway -> orders Receiver of orders (orders-1) 0/1"
        ]
    );
    assert_eq!(result.owed, 3);
}
