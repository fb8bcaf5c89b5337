//! `shutdown` and `instances`.

use seaworthy_core::exchange::{AppliedFault, Outcome};
use seaworthy_core::instance::InstanceEventKind;
use serde_json::json;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed, request};

fn exited(code: Option<i32>, signal: Option<i32>, expected: bool) -> InstanceEventKind {
    InstanceEventKind::Exited { code, signal, expected }
}

#[test]
fn a_request_that_is_finished_after_the_signal_is_not_lost() {
    let mut world = World::plain();
    let step = world.step();
    let call = world.open(&step, request("ingress -> gateway", "GET /"));
    world.happened("gateway", InstanceEventKind::AskedToEnd);
    world.answer(&call, 200);
    world.happened("gateway", exited(Some(0), None, true));
    let evidence = world.finish();
    assert_passes("shutdown", &evidence);
    assert_passes("instances", &evidence);
}

#[test]
fn a_request_that_is_dropped_at_the_signal_is_lost() {
    let mut world = World::plain();
    let step = world.step();
    let call = world.open(&step, request("ingress -> gateway", "GET /"));
    world.happened("gateway", InstanceEventKind::AskedToEnd);
    world.wait(5);
    world.break_off(&call, Outcome::Reset, Outcome::Reset);
    world.happened("gateway", exited(Some(0), None, true));
    assert_eq!(blamed("shutdown", &world.finish()), ["shutdown.in-flight-lost@gateway"]);
}

#[test]
fn a_request_that_the_consumer_or_a_fault_broke_off_is_not_lost() {
    for by_fault in [false, true] {
        let mut world = World::plain();
        let step = world.step();
        let call = world.open(&step, request("ingress -> gateway", "GET /"));
        world.happened("gateway", InstanceEventKind::AskedToEnd);
        world.wait(5);
        let outcome = if by_fault { Outcome::Reset } else { Outcome::Cancelled };
        world.break_off(&call, outcome, Outcome::Reset);
        if by_fault {
            let at = world.at();
            let fault = AppliedFault { fault: "f".into(), action: "reset".to_owned(), at, until: None };
            world.exchange(&call).faults.push(fault);
        }
        world.happened("gateway", exited(Some(0), None, true));
        assert_passes("shutdown", &world.finish());
    }
}

#[test]
fn an_end_that_takes_too_long_is_blamed_where_a_limit_is_declared() {
    for (facts, expected) in
        [(json!({}), vec![]), (json!({"shutdown": "1s"}), vec!["shutdown.too-slow@orders"])]
    {
        let mut world = World::new(facts);
        world.happened("orders", InstanceEventKind::AskedToEnd);
        world.wait(1400);
        world.happened("orders", exited(Some(0), None, true));
        assert_eq!(blamed("shutdown", &world.finish()), expected);
    }
}

#[test]
fn an_end_within_the_limit_and_its_slack_passes() {
    let mut world = World::new(json!({"shutdown": "1s"}));
    world.happened("orders", InstanceEventKind::AskedToEnd);
    world.wait(1200);
    world.happened("orders", exited(Some(0), None, true));
    assert_passes("shutdown", &world.finish());
}

#[test]
fn a_kill_because_it_did_not_end_is_too_slow() {
    let mut world = World::new(json!({"shutdown": "1s"}));
    world.happened("orders", InstanceEventKind::AskedToEnd);
    world.wait(2000);
    world.kill("orders");
    assert_eq!(blamed("shutdown", &world.finish()), ["shutdown.too-slow@orders"]);
}

#[test]
fn an_end_by_the_signal_itself_is_in_order_and_an_error_code_is_not() {
    for (code, signal, expected) in [
        (Some(143), None, vec![]),
        (None, Some(15), vec![]),
        (Some(1), None, vec!["shutdown.crashed@orders"]),
        (None, Some(11), vec!["shutdown.crashed@orders"]),
    ] {
        let mut world = World::plain();
        world.happened("orders", InstanceEventKind::AskedToEnd);
        world.happened("orders", exited(code, signal, true));
        assert_eq!(blamed("shutdown", &world.finish()), expected);
    }
}

#[test]
fn a_system_that_nobody_stopped_is_undecided() {
    let mut evidence = World::plain().finish();
    evidence.instances.retain(|event| event.kind == InstanceEventKind::Ready);
    assert_undecided("shutdown", &evidence);
}

#[test]
fn an_end_that_nobody_asked_for_is_blamed() {
    let mut world = World::plain();
    world.happened("payments", exited(Some(101), None, false));
    world.start("payments");
    assert_eq!(blamed("instances", &world.finish()), ["instance.died@payments"]);
}

#[test]
fn a_kill_by_the_harness_is_not_blamed() {
    let mut world = World::plain();
    world.kill("payments");
    let evidence = world.finish();
    assert_passes("instances", &evidence);
    assert_passes("shutdown", &evidence);
}

#[test]
fn a_system_that_the_harness_did_not_start_is_skipped() {
    let mut evidence = World::plain().finish();
    evidence.instances.clear();
    assert_skipped("instances", &evidence, "process:");
}
