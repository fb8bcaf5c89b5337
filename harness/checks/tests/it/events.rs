//! `outbox` and `idempotency`.

use seaworthy_core::evidence::Purpose;
use serde_json::json;

use crate::world::{Context, World, assert_passes, assert_skipped, assert_undecided, blamed, event, request};

/// A request to orders by which it has something to tell.
fn work(world: &mut World) -> Context {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.call(&gateway, request("gateway -> orders", "POST /orders"), 201);
    world.answer(&gateway, 201);
    orders
}

fn audit(world: &mut World, event: &Context, status: Option<u16>) {
    let purpose = Purpose::Audit { event: event.exchange.unwrap(), subject: "o-1".to_owned() };
    world.step_for(purpose);
    world.last_step().status = status;
}

#[test]
fn an_event_that_gets_through_in_the_end_passes() {
    let mut world = World::plain();
    let orders = work(&mut world);
    world.aborted(&orders, event("orders -> mail", "e-1"), 503);
    world.call(&orders, event("orders -> mail", "e-1"), 200);
    assert_passes("outbox", &world.finish());
}

#[test]
fn an_event_whose_acknowledgement_is_lost_got_through() {
    let mut world = World::plain();
    let orders = work(&mut world);
    let told = world.call(&orders, event("orders -> mail", "e-1"), 200);
    world.lose_answer(&told);
    assert_passes("outbox", &world.finish());
}

#[test]
fn an_event_that_never_gets_through_is_lost() {
    let mut world = World::plain();
    let orders = work(&mut world);
    world.aborted(&orders, event("orders -> mail", "e-1"), 503);
    world.call(&orders, event("orders -> mail", "e-2"), 200);
    assert_eq!(blamed("outbox", &world.finish()), ["outbox.event-lost@orders->mail"]);
}

#[test]
fn an_event_of_a_producer_that_ended_for_good_is_undecided() {
    let mut world = World::plain();
    let orders = work(&mut world);
    world.aborted(&orders, event("orders -> mail", "e-1"), 503);
    world.kill("orders");
    assert_undecided("outbox", &world.finish());
}

#[test]
fn an_event_of_a_producer_that_a_step_ended_for_good_is_undecided() {
    let mut world = World::plain();
    let orders = work(&mut world);
    world.aborted(&orders, event("orders -> mail", "e-1"), 503);
    let instance = world.instance("orders");
    world.last_step().instance_fault = Some((seaworthy_core::instance::InstanceFault::Term, instance));
    world.stop("orders");
    assert_undecided("outbox", &world.finish());
}

#[test]
fn an_event_of_a_producer_that_was_started_again_is_lost_all_the_same() {
    let mut world = World::plain();
    let orders = work(&mut world);
    world.aborted(&orders, event("orders -> mail", "e-1"), 503);
    world.kill("orders");
    world.start("orders");
    assert_eq!(blamed("outbox", &world.finish()), ["outbox.event-lost@orders->mail"]);
}

#[test]
fn an_event_about_nothing_is_blamed_on_its_producer() {
    let mut world = World::plain();
    let orders = work(&mut world);
    let told = world.call(&orders, event("orders -> mail", "e-1"), 200);
    audit(&mut world, &told, Some(404));
    assert_eq!(blamed("outbox", &world.finish()), ["outbox.event-without-state@orders"]);
}

#[test]
fn an_audit_that_finds_the_thing_passes_and_one_without_answer_is_undecided() {
    for (status, decided) in [(Some(200), true), (Some(503), false), (None, false)] {
        let mut world = World::plain();
        let orders = work(&mut world);
        let told = world.call(&orders, event("orders -> mail", "e-1"), 200);
        audit(&mut world, &told, status);
        let evidence = world.finish();
        if decided { assert_passes("outbox", &evidence) } else { assert_undecided("outbox", &evidence) }
    }
}

#[test]
fn a_declared_edge_without_events_is_undecided_and_none_at_all_is_skipped() {
    let mut declared = World::new(json!({"events": {"orders -> mail": {}}}));
    work(&mut declared);
    assert_undecided("outbox", &declared.finish());
    let mut world = World::plain();
    work(&mut world);
    assert_skipped("outbox", &world.finish(), "facts.events");
}

/// The same payment twice, with these answers.
fn paid_twice(answers: [(u16, &str); 2], keys: [&str; 2], bodies: [&str; 2]) -> World {
    let mut world = World::plain();
    let orders = work(&mut world);
    for ((answer, key), body) in answers.iter().zip(keys).zip(bodies) {
        let sending = request("orders -> payments", "POST /payments").key(key).body(body);
        let call = world.open(&orders, sending);
        world.answer_with(&call, answer.0, answer.1);
    }
    world
}

#[test]
fn the_same_answer_to_the_same_key_passes() {
    let world = paid_twice([(201, "p-1"), (201, "p-1")], ["k", "k"], ["10", "10"]);
    assert_passes("idempotency", &world.finish());
}

#[test]
fn another_answer_to_the_same_key_is_found_though_the_first_was_lost() {
    let mut world = World::plain();
    let orders = work(&mut world);
    for id in ["p-1", "p-2"] {
        let call = world.open(&orders, request("orders -> payments", "POST /payments").key("k").body("10"));
        world.answer_with(&call, 201, id);
        if id == "p-1" {
            world.lose_answer(&call);
        }
    }
    assert_eq!(blamed("idempotency", &world.finish()), ["idempotency.different-answer@payments"]);
}

#[test]
fn a_refusal_for_now_or_for_another_body_is_not_another_answer() {
    for first in [(503, "busy"), (409, "in progress"), (425, "early"), (401, "who")] {
        let world = paid_twice([first, (201, "p-1")], ["k", "k"], ["10", "10"]);
        assert!(blamed("idempotency", &world.finish()).is_empty(), "{first:?}");
    }
    let mut world = paid_twice([(201, "p-1"), (422, "no")], ["k", "k"], ["10", "11"]);
    let orders = work(&mut world);
    world.call(&orders, request("orders -> payments", "POST /payments").key("j"), 201);
    world.call(&orders, request("orders -> payments", "POST /payments").key("j"), 201);
    assert_passes("idempotency", &world.finish());
}

#[test]
fn what_the_harness_itself_asks_twice_proves_nothing() {
    let mut world = paid_twice([(201, "p-1"), (201, "p-1")], ["k", "k"], ["10", "10"]);
    let step = world.step();
    for id in ["p-2", "p-3"] {
        // Between the two a provider state has made the service forget.
        let call = world.open(&step, request("probe -> payments", "POST /payments").key("j").body("10"));
        world.answer_with(&call, 201, id);
    }
    assert_passes("idempotency", &world.finish());
}

/// An event delivered twice, for each of which mail sends these keys (or no mail at all).
fn told_twice(mails: [Option<Option<&str>>; 2]) -> World {
    let mut world = World::plain();
    let orders = work(&mut world);
    let producer = world.span(
        "orders",
        seaworthy_core::span::SpanKind::Producer,
        orders.trace,
        Some(orders.span),
        &orders.correlation,
    );
    for (number, mail) in mails.into_iter().enumerate() {
        let told = world.open_under(&orders, producer, event("orders -> mail", "e-1"));
        if let Some(key) = mail {
            let sending = request("mail -> shipping", "POST /mail").body("hello");
            world.call(&told, if let Some(key) = key { sending.key(key) } else { sending }, 202);
        }
        world.answer(&told, 200);
        if number == 0 {
            world.lose_answer(&told);
        }
    }
    world
}

#[test]
fn an_event_that_is_handled_once_passes() {
    assert_passes("idempotency", &told_twice([Some(None), None]).finish());
}

#[test]
fn an_event_that_is_handled_twice_is_found() {
    let world = told_twice([Some(None), Some(None)]);
    assert_eq!(blamed("idempotency", &world.finish()), ["idempotency.event-twice@mail"]);
}

#[test]
fn an_event_that_was_not_done_may_be_handled_again() {
    let mut world = World::plain();
    let orders = work(&mut world);
    for status in [503, 200] {
        let told = world.open(&orders, event("orders -> mail", "e-1"));
        world.call(&told, request("mail -> shipping", "POST /mail").body("hello"), 202);
        world.answer(&told, status);
    }
    assert_undecided("idempotency", &world.finish());
}

#[test]
fn a_second_call_with_the_key_of_the_first_is_allowed_and_with_another_is_not() {
    assert_passes("idempotency", &told_twice([Some(Some("e-1")), Some(Some("e-1"))]).finish());
    let world = told_twice([Some(Some("e-1")), Some(Some("e-2"))]);
    assert_eq!(blamed("idempotency", &world.finish()), ["idempotency.event-twice@mail"]);
}

#[test]
fn two_events_that_cause_the_same_call_are_two() {
    let mut world = told_twice([Some(None), None]);
    let orders = work(&mut world);
    let told = world.open(&orders, event("orders -> mail", "e-2"));
    world.call(&told, request("mail -> shipping", "POST /mail").body("hello"), 202);
    world.answer(&told, 200);
    assert_passes("idempotency", &world.finish());
}

#[test]
fn without_a_repetition_it_is_undecided_and_without_keys_and_events_skipped() {
    let mut world = World::plain();
    let orders = work(&mut world);
    world.call(&orders, request("orders -> payments", "POST /payments").key("k"), 201);
    assert_undecided("idempotency", &world.finish());
    let mut world = World::plain();
    work(&mut world);
    assert_skipped("idempotency", &world.finish(), "facts.idempotency-key");
}
