//! `breaker`.

use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule};
use seaworthy_core::time::Nanos;
use serde_json::json;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed, judge, request};

const WINDOW: usize = 4;

fn world() -> World {
    World::new(json!({"breakers": {"orders -> payments": {"window": WINDOW, "open": "1s", "trials": 2}}}))
}

fn whole_edge(action: FaultAction) -> FaultRule {
    let matcher =
        FaultMatcher { edge: Some("orders -> payments".parse().unwrap()), ..FaultMatcher::default() };
    FaultRule::new("f-1", matcher, action)
}

fn abort() -> FaultRule {
    let headers = Default::default();
    let when = seaworthy_core::fault::When::Before;
    whole_edge(FaultAction::Abort { status: Some(503), grpc_status: None, headers, when })
}

/// A request to orders, for which it calls payments with this answer, or not at all.
fn order(world: &mut World, payments: Option<u16>) {
    let step = world.step();
    let orders = world.open(&step, request("ingress -> orders", "POST /orders"));
    match payments {
        Some(201) => drop(world.call(&orders, request("orders -> payments", "POST /payments"), 201)),
        Some(status) => drop(world.aborted(&orders, request("orders -> payments", "POST /payments"), status)),
        None => {}
    }
    world.answer(&orders, if payments == Some(201) { 201 } else { 503 });
}

/// An outage: requests that fail on the edge, then requests that come while a breaker must be open.
fn outage(world: &mut World, later_call: bool, later: usize) -> Nanos {
    let since = world.at();
    for _ in 0..WINDOW {
        order(world, Some(503));
    }
    for _ in 0..later {
        order(world, later_call.then_some(503));
    }
    world.fault(abort(), since, 1);
    since
}

fn recovery(world: &mut World, called: bool) {
    world.wait(2000);
    for _ in 0..3 {
        order(world, called.then_some(201));
    }
}

#[test]
fn a_breaker_that_opens_and_closes_passes() {
    let mut world = world();
    order(&mut world, Some(201));
    outage(&mut world, false, 5);
    recovery(&mut world, true);
    assert_passes("breaker", &world.finish());
}

#[test]
fn a_few_trials_are_allowed() {
    let mut world = world();
    let since = world.at();
    for _ in 0..WINDOW {
        order(&mut world, Some(503));
    }
    for _ in 0..3 {
        order(&mut world, None);
        world.wait(1000);
        order(&mut world, Some(503));
    }
    world.fault(abort(), since, 7);
    recovery(&mut world, true);
    assert_passes("breaker", &world.finish());
}

#[test]
fn calls_that_go_on_while_it_must_be_open_are_found() {
    let mut world = world();
    outage(&mut world, true, 5);
    recovery(&mut world, true);
    let evidence = world.finish();
    assert_eq!(blamed("breaker", &evidence), ["breaker.missing@orders->payments"]);
}

#[test]
fn refused_connections_are_counted_by_the_rule() {
    for (fired, expected) in [(6, vec![]), (40, vec!["breaker.missing@orders->payments"])] {
        let mut world = world();
        order(&mut world, Some(201));
        let since = world.at();
        for _ in 0..8 {
            order(&mut world, None);
        }
        world.fault(whole_edge(FaultAction::Refuse), since, fired);
        recovery(&mut world, true);
        assert_eq!(blamed("breaker", &world.finish()), expected);
    }
}

#[test]
fn a_breaker_that_never_closes_is_found() {
    let mut world = world();
    order(&mut world, Some(201));
    outage(&mut world, false, 5);
    recovery(&mut world, false);
    let evidence = world.finish();
    assert_eq!(blamed("breaker", &evidence), ["breaker.stuck-open@orders->payments"]);
    assert!(judge("breaker", &evidence).findings[0].message.contains("3 requests"));
}

#[test]
fn requests_that_were_refused_for_what_they_are_need_no_call() {
    let mut world = world();
    order(&mut world, Some(201));
    outage(&mut world, false, 5);
    world.wait(2000);
    let step = world.step();
    world.call(&step, request("ingress -> orders", "POST /orders"), 422);
    assert_undecided("breaker", &world.finish());
}

#[test]
fn an_outage_that_nobody_notices_or_that_nobody_returns_from_is_undecided() {
    let mut short = world();
    let since = short.at();
    order(&mut short, Some(503));
    short.fault(abort(), since, 1);
    recovery(&mut short, true);
    assert_undecided("breaker", &short.finish());
    let mut last = world();
    outage(&mut last, false, 5);
    assert_undecided("breaker", &last.finish());
}

#[test]
fn a_fault_for_one_request_is_no_outage() {
    let mut world = world();
    let since = world.at();
    order(&mut world, Some(503));
    let mut rule = abort();
    rule.matcher.trace_id = Some(world.trace_id());
    world.fault(rule, since, 1);
    assert_undecided("breaker", &world.finish());
}

#[test]
fn without_breakers_it_is_skipped() {
    assert_skipped("breaker", &World::plain().finish(), "facts.breakers");
}
