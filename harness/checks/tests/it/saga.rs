//! `saga`.

use seaworthy_core::exchange::Outcome;
use serde_json::json;

use crate::world::{Context, World, assert_passes, assert_skipped, assert_undecided, blamed, judge, request};

fn world() -> World {
    World::new(json!({"sagas": [{"name": "order", "owner": "orders", "steps": [
        {"forward": "orders -> payments POST /payments", "undo": "orders -> payments POST /payments/cancel"},
        {"forward": "orders -> shipping POST /shipments", "undo": "orders -> shipping POST /shipments/cancel"},
        {"forward": "orders -> payments POST /payments/{id}/capture"}
    ]}]}))
}

/// One order; `work` is what orders does for it.
fn order(world: &mut World, step: &Context, work: impl FnOnce(&mut World, &Context)) {
    let gateway = world.open(step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    work(world, &orders);
    world.answer(&orders, 201);
    world.answer(&gateway, 201);
}

fn pay(world: &mut World, orders: &Context, status: u16) -> Context {
    world.call(orders, request("orders -> payments", "POST /payments"), status)
}
fn ship(world: &mut World, orders: &Context, status: u16) -> Context {
    world.call(orders, request("orders -> shipping", "POST /shipments"), status)
}
fn capture(world: &mut World, orders: &Context, status: u16) -> Context {
    world.call(orders, request("orders -> payments", "POST /payments/p-1/capture"), status)
}
fn cancel_payment(world: &mut World, orders: &Context) -> Context {
    world.call(orders, request("orders -> payments", "POST /payments/cancel"), 200)
}
fn cancel_shipment(world: &mut World, orders: &Context) -> Context {
    world.call(orders, request("orders -> shipping", "POST /shipments/cancel"), 200)
}

/// An order that is taken back in order, so that compensation has been seen.
fn taken_back(world: &mut World) {
    let step = world.step();
    order(world, &step, |world, orders| {
        pay(world, orders, 201);
        ship(world, orders, 503);
        cancel_shipment(world, orders);
        cancel_payment(world, orders);
    });
}

#[test]
fn an_order_that_goes_through_and_one_that_is_taken_back_pass() {
    let mut world = world();
    taken_back(&mut world);
    let step = world.step();
    order(&mut world, &step, |world, orders| {
        pay(world, orders, 201);
        ship(world, orders, 201);
        capture(world, orders, 200);
    });
    assert_passes("saga", &world.finish());
}

#[test]
fn a_failure_after_which_nothing_is_taken_back_is_not_compensated() {
    let mut world = world();
    taken_back(&mut world);
    let step = world.step();
    order(&mut world, &step, |world, orders| {
        pay(world, orders, 201);
        ship(world, orders, 422);
    });
    assert_eq!(blamed("saga", &world.finish()), ["saga.not-compensated@orders"]);
}

#[test]
fn a_step_whose_answer_was_lost_is_done_and_must_be_taken_back() {
    for undone in [false, true] {
        let mut world = world();
        let step = world.step();
        order(&mut world, &step, |world, orders| {
            pay(world, orders, 201);
            let shipment = ship(world, orders, 201);
            world.lose_answer(&shipment);
            if undone {
                cancel_shipment(world, orders);
            }
            cancel_payment(world, orders);
        });
        let evidence = world.finish();
        let expected: &[&str] = if undone { &[] } else { &["saga.not-compensated@orders"] };
        assert_eq!(blamed("saga", &evidence), expected);
    }
}

#[test]
fn a_retried_step_counts_once() {
    let mut world = world();
    taken_back(&mut world);
    let step = world.step();
    order(&mut world, &step, |world, orders| {
        pay(world, orders, 503);
        let lost = pay(world, orders, 201);
        world.lose_answer(&lost);
        pay(world, orders, 201);
        ship(world, orders, 503);
        cancel_payment(world, orders);
    });
    assert_passes("saga", &world.finish());
}

#[test]
fn steps_taken_back_in_forward_order_are_found() {
    let mut world = world();
    let step = world.step();
    order(&mut world, &step, |world, orders| {
        pay(world, orders, 201);
        ship(world, orders, 201);
        capture(world, orders, 503);
        cancel_payment(world, orders);
        cancel_shipment(world, orders);
    });
    assert_eq!(blamed("saga", &world.finish()), ["saga.wrong-order@orders"]);
}

/// Orders pays, and is killed while it waits for the shipment.
fn killed_half_way(world: &mut World, again: bool) -> Context {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    pay(world, &orders, 201);
    let shipment = world.open(&orders, request("orders -> shipping", "POST /shipments"));
    world.never_arrived(&shipment);
    world.kill("orders");
    let now = world.at();
    let exchange = world.exchange(&shipment);
    (exchange.outcome, exchange.ended) = (Outcome::Cancelled, Some(now));
    world.break_off(&orders, Outcome::Reset, Outcome::Reset);
    world.answer(&gateway, 502);
    if again {
        world.start("orders");
    }
    orders
}

#[test]
fn a_saga_that_a_killed_owner_forgets_is_unfinished() {
    let mut world = world();
    killed_half_way(&mut world, true);
    let evidence = world.finish();
    assert_eq!(blamed("saga", &evidence), ["saga.unfinished@orders"]);
    assert!(judge("saga", &evidence).findings[0].message.contains("POST /payments"));
}

#[test]
fn a_saga_that_is_taken_up_after_a_kill_passes() {
    let mut world = world();
    let orders = killed_half_way(&mut world, true);
    // The span under which the new instance goes on was lost with the old one.
    let lost = Context { span: world.span_id(), ..orders };
    cancel_shipment(&mut world, &lost);
    cancel_payment(&mut world, &lost);
    assert_passes("saga", &world.finish());
}

#[test]
fn a_saga_whose_owner_is_not_started_again_is_undecided() {
    let mut world = world();
    killed_half_way(&mut world, false);
    assert_undecided("saga", &world.finish());
}

#[test]
fn two_orders_of_one_trace_are_told_apart() {
    let mut world = world();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    for status in [503, 201] {
        let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
        pay(&mut world, &orders, 201);
        ship(&mut world, &orders, status);
        if status == 201 {
            capture(&mut world, &orders, 200);
        }
        world.answer(&orders, status);
    }
    world.answer(&gateway, 201);
    assert_eq!(blamed("saga", &world.finish()), ["saga.not-compensated@orders"]);
}

#[test]
fn a_saga_that_was_never_seen_or_never_failed_is_undecided() {
    assert_undecided("saga", &world().finish());
    let mut world = world();
    let step = world.step();
    order(&mut world, &step, |world, orders| {
        pay(world, orders, 201);
        ship(world, orders, 201);
        capture(world, orders, 200);
    });
    assert_undecided("saga", &world.finish());
}

#[test]
fn a_saga_that_is_still_under_way_is_undecided() {
    let mut world = world();
    taken_back(&mut world);
    let step = world.step();
    order(&mut world, &step, |world, orders| {
        pay(world, orders, 201);
        world.open(orders, request("orders -> shipping", "POST /shipments"));
    });
    assert_undecided("saga", &world.finish());
}

#[test]
fn without_sagas_it_is_skipped() {
    assert_skipped("saga", &World::plain().finish(), "facts.sagas");
}
