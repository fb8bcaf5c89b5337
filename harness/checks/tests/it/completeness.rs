//! `trace-completeness`: how gaps become findings. What a gap is, telemetry tests.

use seaworthy_core::completeness::{End, Gap};
use seaworthy_core::evidence::Loss;

use crate::world::{Context, World, assert_passes, assert_undecided, blamed, judge, request, service};

fn world() -> (World, Context) {
    let mut world = World::plain();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.call(&gateway, request("gateway -> orders", "POST /orders"), 201);
    world.answer(&gateway, 201);
    (world, orders)
}

fn gap(world: &mut World, call: &Context, gap: Gap) {
    world.set.completeness.get_mut(&call.trace).unwrap().gaps.push(gap);
}

fn missing(call: &Context, anew: bool, world: &mut World) -> Gap {
    Gap::MissingSpan {
        exchange: call.exchange.unwrap(),
        edge: "gateway -> orders".parse().unwrap(),
        end: End::Receiver,
        service: service("orders"),
        instance: None,
        owed: 1,
        came: 0,
        started_anew: anew.then(|| (world.trace_id(), world.span_id())),
    }
}

#[test]
fn a_complete_trace_passes() {
    assert_passes("trace-completeness", &world().0.finish());
}

#[test]
fn missing_spans_of_one_end_make_one_finding() {
    let (mut world, orders) = world();
    for _ in 0..5 {
        let missing = missing(&orders, false, &mut world);
        gap(&mut world, &orders, missing);
    }
    let evidence = world.finish();
    let report = judge("trace-completeness", &evidence);
    assert_eq!(report.findings.len(), 1);
    let finding = &report.findings[0];
    assert_eq!(
        (finding.service.as_ref().unwrap().as_str(), finding.rule.as_str()),
        ("orders", "trace.span-missing")
    );
    assert!(finding.message.contains("5 requests"), "{}", finding.message);
    assert_eq!(finding.evidence.iter().filter(|piece| piece.kind == "exchange").count(), 3);
}

#[test]
fn each_gap_has_its_rule_and_untraced_calls_are_left_to_trace_context() {
    let (mut world, orders) = world();
    let (exchange, edge) = (orders.exchange.unwrap(), "gateway -> orders".parse().unwrap());
    let anew = missing(&orders, true, &mut world);
    gap(&mut world, &orders, anew);
    let (span, parent) = (world.span_id(), world.span_id());
    gap(&mut world, &orders, Gap::MissingParent { span, parent, service: service("orders") });
    gap(&mut world, &orders, Gap::NoExchange { span, service: service("gateway"), edge });
    let edge = "gateway -> orders".parse().unwrap();
    gap(&mut world, &orders, Gap::Untraced { exchange, edge });
    assert_eq!(
        blamed("trace-completeness", &world.finish()),
        [
            "trace.not-linked@gateway->orders",
            "trace.parent-missing@orders",
            "trace.no-exchange@gateway->orders",
        ]
    );
}

#[test]
fn a_call_that_has_not_ended_leaves_its_trace_undecided() {
    let (mut world, orders) = world();
    let (exchange, edge) = (orders.exchange.unwrap(), "gateway -> orders".parse().unwrap());
    gap(&mut world, &orders, Gap::InFlight { exchange, edge });
    assert_undecided("trace-completeness", &world.finish());
}

#[test]
fn gaps_beside_lost_spans_are_undecided() {
    let (mut world, orders) = world();
    let missing = missing(&orders, false, &mut world);
    gap(&mut world, &orders, missing);
    world.set.losses.push(Loss {
        what: "spans".to_owned(),
        why: "store full".to_owned(),
        count: 3,
        service: None,
        harmful: true,
    });
    let evidence = world.finish();
    assert_undecided("trace-completeness", &evidence);
    assert_undecided("evidence", &evidence);
}

#[test]
fn without_a_started_trace_it_is_undecided() {
    let (mut world, _) = world();
    world.set.completeness.clear();
    assert_undecided("trace-completeness", &world.finish());
}
