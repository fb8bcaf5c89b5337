//! `health`.

use seaworthy_core::evidence::{Health, Purpose};
use serde_json::json;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed};

fn world() -> World {
    let mut world = World::new(json!({"readiness": ["orders -> payments"]}));
    let orders = world.set.system.services.get_mut("orders").unwrap();
    orders.calls.insert("payments".to_owned(), seaworthy_core::system::Call::Env("PAYMENTS_URL".to_owned()));
    world
}

fn asked(world: &mut World, asked: Health, cut: bool, status: Option<u16>) {
    let edge = "orders -> payments".parse().unwrap();
    world.step_for(Purpose::HealthProbe { edge, asked, cut });
    world.last_step().status = status;
}

/// A service that notices, lives on, and comes back.
fn healthy(world: &mut World) {
    asked(world, Health::Ready, true, Some(200));
    asked(world, Health::Ready, true, Some(503));
    asked(world, Health::Live, true, Some(200));
    asked(world, Health::Ready, false, Some(503));
    asked(world, Health::Ready, false, Some(200));
}

#[test]
fn a_service_that_notices_lives_on_and_comes_back_is_well() {
    let mut world = world();
    healthy(&mut world);
    assert_passes("health", &world.finish());
}

#[test]
fn one_that_goes_on_saying_that_it_is_ready_lies() {
    let mut world = world();
    asked(&mut world, Health::Ready, true, Some(200));
    asked(&mut world, Health::Ready, true, Some(200));
    asked(&mut world, Health::Live, true, Some(200));
    asked(&mut world, Health::Ready, false, Some(200));
    assert_eq!(blamed("health", &world.finish()), ["health.ready-lies@orders->payments"]);
}

#[test]
fn one_that_does_not_answer_at_all_is_not_ready_and_no_liar() {
    let mut world = world();
    asked(&mut world, Health::Ready, true, None);
    asked(&mut world, Health::Live, true, Some(200));
    asked(&mut world, Health::Ready, false, Some(200));
    assert_passes("health", &world.finish());
}

#[test]
fn one_whose_liveness_looks_at_others_would_be_restarted() {
    for status in [Some(503), None] {
        let mut world = world();
        healthy(&mut world);
        asked(&mut world, Health::Live, true, status);
        assert_eq!(blamed("health", &world.finish()), ["health.live-checks-deps@orders->payments"]);
    }
}

#[test]
fn one_that_stays_down_is_found() {
    let mut world = world();
    asked(&mut world, Health::Ready, true, Some(503));
    asked(&mut world, Health::Ready, false, Some(503));
    assert_eq!(blamed("health", &world.finish()), ["health.not-ready-again@orders->payments"]);
}

#[test]
fn what_was_not_asked_is_undecided() {
    assert_undecided("health", &world().finish());
    let mut world = world();
    asked(&mut world, Health::Ready, true, Some(503));
    assert_undecided("health", &world.finish());
}

#[test]
fn without_the_fact_it_is_skipped() {
    assert_skipped("health", &World::plain().finish(), "facts.readiness");
}
