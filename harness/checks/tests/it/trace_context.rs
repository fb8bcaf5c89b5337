//! `trace-context`.

use seaworthy_core::span::{Attributes, SpanKind, SpanLink};

use crate::world::{Context, World, assert_passes, assert_undecided, blamed, request, verdict};
use seaworthy_core::finding::Verdict;

/// A request that goes through gateway and orders to payments; gives back the three calls.
fn order(world: &mut World) -> [Context; 3] {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    let payments = world.call(&orders, request("orders -> payments", "POST /payments"), 201);
    world.answer(&orders, 201);
    world.answer(&gateway, 201);
    [gateway, orders, payments]
}

#[test]
fn context_on_every_call_passes() {
    let mut world = World::plain();
    order(&mut world);
    assert_passes("trace-context", &world.finish());
}

#[test]
fn a_call_without_context_is_placed_by_its_correlation_id() {
    let mut world = World::plain();
    let [.., payments] = order(&mut world);
    world.exchange(&payments).trace = None;
    assert_eq!(blamed("trace-context", &world.finish()), ["trace.context-lost@orders->payments"]);
}

#[test]
fn a_call_without_any_id_made_while_a_request_is_handled_is_lost() {
    let mut world = World::plain();
    let [.., payments] = order(&mut world);
    let exchange = world.exchange(&payments);
    (exchange.trace, exchange.correlation_id) = (None, None);
    assert_eq!(blamed("trace-context", &world.finish()), ["trace.context-lost@orders->payments"]);
}

#[test]
fn a_call_without_any_id_at_a_quiet_time_is_worth_a_warning() {
    let mut world = World::plain();
    order(&mut world);
    world.wait(500);
    let [.., payments] = order(&mut world);
    let started = world.at();
    let exchange = world.exchange(&payments);
    (exchange.trace, exchange.correlation_id) = (None, None);
    exchange.started = started.plus(crate::world::millis(500));
    let evidence = world.finish();
    assert_eq!(blamed("trace-context", &evidence), ["trace.context-lost@orders->payments"]);
    assert_eq!(verdict("trace-context", &evidence).0, Verdict::Pass);
}

#[test]
fn a_probe_of_a_neighbours_health_needs_no_context() {
    let mut world = World::plain();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "GET /ready"));
    let health = world.call(&gateway, request("gateway -> orders", "GET /live"), 200);
    world.exchange(&health).trace = None;
    let other = world.call(&gateway, request("gateway -> orders", "GET /orders"), 200);
    assert!(world.exchange(&other).trace.is_some());
    world.answer(&gateway, 200);
    assert_passes("trace-context", &world.finish());
}

#[test]
fn a_context_that_cannot_be_read_is_invalid() {
    let mut world = World::plain();
    let [_, orders, _] = order(&mut world);
    let exchange = world.exchange(&orders);
    (exchange.trace, exchange.invalid_traceparent) = (None, Some("00-zzz".to_owned()));
    let evidence = world.finish();
    assert_eq!(blamed("trace-context", &evidence), ["trace.context-invalid@gateway->orders"]);
}

/// Orders calls payments in a trace of its own, and payments calls mail in that.
fn anew(world: &mut World, linked: bool) {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.call(&gateway, request("gateway -> orders", "POST /orders"), 201);
    world.answer(&gateway, 201);
    let trace = world.trace_id();
    let root = world.span("orders", SpanKind::Consumer, trace, None, &step.correlation);
    if linked {
        let link = SpanLink { trace_id: orders.trace, span_id: orders.span, attributes: Attributes::new() };
        world.span_of(root).links.push(link);
    }
    let own = Context { trace, span: root, ..orders };
    let payments = world.open(&own, request("orders -> payments", "POST /payments"));
    world.call(&payments, request("payments -> mail", "POST /mail"), 202);
    world.answer(&payments, 201);
}

#[test]
fn a_trace_of_its_own_is_blamed_on_the_first_hop_in_it() {
    let mut world = World::plain();
    anew(&mut world, false);
    assert_eq!(blamed("trace-context", &world.finish()), ["trace.context-foreign@orders->payments"]);
}

#[test]
fn a_trace_of_its_own_that_is_linked_is_fine() {
    let mut world = World::plain();
    anew(&mut world, true);
    assert_passes("trace-context", &world.finish());
}

#[test]
fn without_a_call_between_services_it_is_undecided() {
    let mut world = World::plain();
    let step = world.step();
    world.call(&step, request("ingress -> gateway", "GET /"), 200);
    assert_undecided("trace-context", &world.finish());
}
