//! `retries`.

use serde_json::json;

use crate::world::{Context, Sending, World, assert_passes, assert_undecided, blamed, judge, request};

fn world() -> World {
    World::new(json!({
        "retries": {"least-delay": "100ms", "max-attempts": 3},
        "idempotent": ["orders -> payments POST /payments/cancel"]
    }))
}

/// A request that orders works on.
fn work(world: &mut World) -> Context {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    world.answer(&orders, 201);
    world.answer(&gateway, 201);
    orders
}

fn pay() -> Sending {
    request("orders -> payments", "POST /payments").key("k").body("10")
}

/// Tries with this pause between them, the last of which succeeds.
fn tries(world: &mut World, orders: &Context, failures: &[u16], pause: u64, sending: impl Fn() -> Sending) {
    for status in failures {
        world.aborted(orders, sending(), *status);
        world.wait(pause);
    }
    world.call(orders, sending(), 200);
}

#[test]
fn a_keyed_request_that_is_retried_after_a_pause_passes() {
    let mut world = world();
    let orders = work(&mut world);
    tries(&mut world, &orders, &[503, 429], 120, pay);
    assert_passes("retries", &world.finish());
}

#[test]
fn a_retry_after_a_final_answer_is_found() {
    for status in [400, 404, 422] {
        let mut world = world();
        let orders = work(&mut world);
        tries(&mut world, &orders, &[status], 120, pay);
        assert_eq!(blamed("retries", &world.finish()), ["retry.final-answer@orders->payments"]);
    }
}

#[test]
fn a_grpc_retry_is_judged_by_its_own_status() {
    for (status, expected) in [(14, vec![]), (9, vec!["retry.final-answer@orders->payments"])] {
        let mut world = world();
        let orders = work(&mut world);
        let sending = || request("orders -> payments", "POST /shop.Payments/Pay").grpc().key("k");
        world.call(&orders, sending(), status);
        world.wait(120);
        world.call(&orders, sending(), 0);
        assert_eq!(blamed("retries", &world.finish()), expected);
    }
}

#[test]
fn a_retry_at_once_is_found_and_a_tenth_less_than_the_pause_is_not() {
    for (pause, expected) in [(5, vec!["retry.no-backoff@orders->payments"]), (92, vec![])] {
        let mut world = world();
        let orders = work(&mut world);
        tries(&mut world, &orders, &[503], pause, pay);
        assert_eq!(blamed("retries", &world.finish()), expected);
    }
}

#[test]
fn a_retry_at_once_after_giving_up_is_not_judged_by_the_clock() {
    let mut world = world();
    let orders = work(&mut world);
    let slow = world.open(&orders, pay());
    world.wait(500);
    world.give_up(&slow);
    world.call(&orders, pay(), 200);
    assert_passes("retries", &world.finish());
}

#[test]
fn without_declared_retries_pauses_are_not_judged() {
    let mut world = World::plain();
    let orders = work(&mut world);
    tries(&mut world, &orders, &[503; 9], 0, pay);
    assert_passes("retries", &world.finish());
}

#[test]
fn an_unsafe_request_without_a_key_must_not_be_repeated() {
    let cases: [(&str, &[&str]); 4] = [
        ("POST /shipments", &["retry.not-idempotent@orders->payments"]),
        ("POST /payments/cancel", &[]),
        ("GET /payments", &[]),
        ("PUT /payments/1", &[]),
    ];
    for (what, expected) in cases {
        let mut world = world();
        let orders = work(&mut world);
        tries(&mut world, &orders, &[503], 120, || request("orders -> payments", what));
        assert_eq!(blamed("retries", &world.finish()), expected, "{what}");
    }
}

#[test]
fn an_unsafe_request_that_was_not_begun_may_be_repeated() {
    let mut world = world();
    let orders = work(&mut world);
    tries(&mut world, &orders, &[429], 120, || request("orders -> payments", "POST /shipments"));
    assert_passes("retries", &world.finish());
}

#[test]
fn a_new_key_on_the_second_try_is_no_key() {
    let mut world = world();
    let orders = work(&mut world);
    world.aborted(&orders, pay(), 503);
    world.wait(120);
    let other = request("orders -> payments", "POST /payments").key("another").body("10");
    world.call(&orders, other, 200);
    assert_eq!(blamed("retries", &world.finish()), ["retry.not-idempotent@orders->payments"]);
}

#[test]
fn a_body_that_did_not_pass_whole_is_still_the_same_request() {
    let mut world = world();
    let orders = work(&mut world);
    let sending =
        || request("orders -> payments", "POST /shipments").header("content-length", "2").body("10");
    let first = world.aborted(&orders, sending(), 503);
    let exchange = world.set.exchanges.iter_mut().find(|exchange| exchange.id == first).unwrap();
    exchange.request.body = crate::world::body("");
    world.wait(120);
    world.call(&orders, sending(), 200);
    assert_eq!(blamed("retries", &world.finish()), ["retry.not-idempotent@orders->payments"]);
}

#[test]
fn a_body_cut_short_under_another_key_is_another_request() {
    let mut world = world();
    let orders = work(&mut world);
    let sending = |key| {
        request("orders -> payments", "POST /shipments").key(key).header("content-length", "2").body("10")
    };
    let first = world.aborted(&orders, sending("a"), 503);
    let exchange = world.set.exchanges.iter_mut().find(|exchange| exchange.id == first).unwrap();
    exchange.request.body = crate::world::body("");
    world.call(&orders, sending("b"), 200);
    assert_passes("retries", &world.finish());
}

#[test]
fn more_tries_than_declared_are_too_many() {
    let mut world = world();
    let orders = work(&mut world);
    tries(&mut world, &orders, &[503, 503, 503], 120, pay);
    let evidence = world.finish();
    assert_eq!(blamed("retries", &evidence), ["retry.too-many@orders->payments"]);
    assert!(judge("retries", &evidence).findings[0].message.contains("more than 3 times"));
}

#[test]
fn the_undo_of_a_saga_is_tried_until_it_succeeds() {
    let mut world = World::new(json!({
        "retries": {"least-delay": "100ms", "max-attempts": 3},
        "sagas": [{"name": "order", "owner": "orders", "steps": [
            {"forward": "orders -> payments POST /payments", "undo": "orders -> payments POST /payments/cancel"}
        ]}]
    }));
    let orders = work(&mut world);
    let undo = || request("orders -> payments", "POST /payments/cancel").key("k");
    tries(&mut world, &orders, &[503; 6], 120, undo);
    assert_passes("retries", &world.finish());
}

#[test]
fn another_request_after_a_failed_one_is_no_retry() {
    let mut world = world();
    let orders = work(&mut world);
    for body in ["10", "11"] {
        world.aborted(&orders, request("orders -> payments", "POST /shipments").body(body), 503);
    }
    assert_passes("retries", &world.finish());
}

#[test]
fn tries_of_a_new_instance_are_counted_anew() {
    let mut world = world();
    let orders = work(&mut world);
    for _ in 0..3 {
        world.aborted(&orders, pay(), 503);
        world.wait(120);
    }
    world.kill("orders");
    world.start("orders");
    tries(&mut world, &orders, &[503, 503], 120, pay);
    assert_passes("retries", &world.finish());
}

#[test]
fn an_event_may_be_delivered_as_often_as_it_takes_but_not_without_a_pause() {
    for (pause, expected) in [(120, vec![]), (0, vec!["retry.no-backoff@orders->mail"])] {
        let mut world = world();
        let orders = work(&mut world);
        tries(&mut world, &orders, &[503, 400, 503, 503, 503], pause, || {
            crate::world::event("orders -> mail", "e-1")
        });
        assert_eq!(blamed("retries", &world.finish()), expected);
    }
}

#[test]
fn the_same_request_for_two_callers_is_no_retry() {
    let mut world = world();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    for _ in 0..2 {
        let orders = world.open(&gateway, request("gateway -> orders", "GET /orders"));
        world.aborted(&orders, request("orders -> payments", "POST /payments"), 400);
        world.answer(&orders, 200);
    }
    world.answer(&gateway, 200);
    assert_passes("retries", &world.finish());
}

/// Gateway tries three times; each time orders tries this often.
fn both_try(below: usize) -> World {
    let mut world = world();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    for _ in 0..3 {
        let orders = world.open(&gateway, request("gateway -> orders", "POST /orders").key("o"));
        for _ in 0..below {
            world.aborted(&orders, pay(), 503);
            world.wait(120);
        }
        world.answer(&orders, 503);
        world.wait(120);
    }
    world.answer(&gateway, 503);
    world
}

#[test]
fn retries_on_two_hops_multiply_and_the_upper_one_is_blamed() {
    assert_eq!(blamed("retries", &both_try(3).finish()), ["retry.amplification@gateway->orders"]);
    assert_passes("retries", &both_try(1).finish());
}

#[test]
fn one_retry_above_after_retries_below_is_enough() {
    let mut world = world();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    for below in [2, 0] {
        let orders = world.open(&gateway, request("gateway -> orders", "POST /orders").key("o"));
        for _ in 0..below {
            world.aborted(&orders, pay(), 503);
            world.wait(120);
        }
        world.answer(&orders, 503);
        world.wait(120);
    }
    world.answer(&gateway, 503);
    assert_eq!(blamed("retries", &world.finish()), ["retry.amplification@gateway->orders"]);
}

#[test]
fn without_a_failure_it_is_undecided() {
    let mut world = world();
    work(&mut world);
    assert_undecided("retries", &world.finish());
}
