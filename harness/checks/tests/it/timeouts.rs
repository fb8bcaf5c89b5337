//! `timeouts`.

use serde_json::json;

use crate::world::{Context, World, assert_passes, assert_skipped, assert_undecided, blamed, request};

fn world() -> World {
    World::new(json!({"budgets": {
        "ingress -> gateway": "5s", "gateway -> orders": "4s", "orders -> payments": "1s"
    }}))
}

/// A request that is in the hands of payments; gives back the three calls.
fn in_payments(world: &mut World) -> [Context; 3] {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    let payments = world.open(&orders, request("orders -> payments", "POST /payments"));
    [gateway, orders, payments]
}

fn answer_all(world: &mut World, calls: [&Context; 2]) {
    calls.into_iter().for_each(|call| world.answer(call, 201));
}

#[test]
fn a_consumer_that_gives_up_in_time_passes() {
    let mut world = world();
    let [gateway, orders, payments] = in_payments(&mut world);
    world.wait(1000);
    world.give_up(&payments);
    answer_all(&mut world, [&orders, &gateway]);
    assert_passes("timeouts", &world.finish());
}

#[test]
fn a_consumer_that_waits_past_its_budget_is_blamed_and_the_ingress_above_is_not() {
    let mut world = world();
    let [gateway, orders, payments] = in_payments(&mut world);
    world.wait(3000);
    world.answer(&payments, 201);
    world.wait(700);
    world.answer(&orders, 201);
    world.wait(3000);
    world.answer(&gateway, 201);
    assert_eq!(blamed("timeouts", &world.finish()), ["timeout.missing@orders->payments"]);
}

#[test]
fn a_service_at_the_ingress_that_answers_too_late_is_blamed_when_nothing_below_is() {
    let mut world = world();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "GET /"));
    world.wait(6000);
    world.answer(&gateway, 200);
    assert_eq!(blamed("timeouts", &world.finish()), ["timeout.missing@ingress->gateway"]);
}

#[test]
fn a_call_that_never_ends_outlasts_its_budget() {
    let mut world = world();
    let [gateway, orders, _] = in_payments(&mut world);
    world.wait(3000);
    answer_all(&mut world, [&orders, &gateway]);
    assert_eq!(blamed("timeouts", &world.finish()), ["timeout.missing@orders->payments"]);
}

#[test]
fn a_caller_that_gives_up_before_its_callee_is_blamed() {
    let mut world = world();
    let [gateway, orders, payments] = in_payments(&mut world);
    world.wait(600);
    world.give_up(&orders);
    world.answer(&gateway, 504);
    world.answer(&payments, 201);
    assert_eq!(blamed("timeouts", &world.finish()), ["timeout.inversion@gateway->orders"]);
}

#[test]
fn of_a_cascade_only_the_topmost_is_to_blame() {
    let mut world = world();
    let [gateway, orders, payments] = in_payments(&mut world);
    world.wait(600);
    // The client leaves, and everyone behind it gives up in turn.
    world.give_up(&gateway);
    world.give_up(&orders);
    world.wait(1);
    world.give_up(&payments);
    assert!(blamed("timeouts", &world.finish()).is_empty());
}

#[test]
fn a_caller_whose_callee_overran_its_own_budget_may_give_up() {
    let mut world = world();
    let [gateway, orders, payments] = in_payments(&mut world);
    world.wait(1100);
    world.give_up(&orders);
    world.wait(1);
    world.give_up(&payments);
    world.answer(&gateway, 504);
    assert_passes("timeouts", &world.finish());
}

#[test]
fn a_caller_that_gives_up_at_the_end_of_its_budget_may_do_so() {
    let mut world = world();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    world.wait(3800);
    let payments = world.open(&orders, request("orders -> payments", "POST /payments"));
    world.wait(200);
    world.give_up(&orders);
    world.answer(&gateway, 504);
    world.answer(&payments, 201);
    assert_passes("timeouts", &world.finish());
}

#[test]
fn a_caller_that_was_killed_did_not_give_up() {
    let mut world = world();
    let [gateway, orders, payments] = in_payments(&mut world);
    world.wait(600);
    world.kill("gateway");
    world.give_up(&orders);
    world.break_off(
        &gateway,
        seaworthy_core::exchange::Outcome::Reset,
        seaworthy_core::exchange::Outcome::Reset,
    );
    world.answer(&payments, 201);
    assert_passes("timeouts", &world.finish());
}

#[test]
fn a_run_in_which_all_was_fast_is_undecided() {
    let mut world = world();
    let [gateway, orders, payments] = in_payments(&mut world);
    world.answer(&payments, 201);
    answer_all(&mut world, [&orders, &gateway]);
    assert_undecided("timeouts", &world.finish());
}

#[test]
fn without_budgets_it_is_skipped() {
    assert_skipped("timeouts", &World::plain().finish(), "facts.budgets");
}
