//! `auth`.

use seaworthy_core::evidence::Purpose;
use serde_json::json;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed, request};

fn world() -> World {
    World::new(json!({"protected": [{"edge": "ingress -> gateway", "route": "GET /orders/{id}"}]}))
}

fn probe(world: &mut World, status: u16) -> crate::world::Context {
    let step = world.step_for(Purpose::AuthProbe { credentials: "no token".to_owned() });
    world.call(&step, request("ingress -> gateway", "GET /orders/1"), status)
}

#[test]
fn a_route_that_answers_a_stranger_is_open() {
    let mut world = world();
    probe(&mut world, 401);
    probe(&mut world, 200);
    assert_eq!(blamed("auth", &world.finish()), ["auth.open-route@gateway"]);
}

#[test]
fn a_refusal_for_want_of_credentials_or_rights_closes_a_route() {
    let mut world = world();
    probe(&mut world, 401);
    probe(&mut world, 403);
    assert_passes("auth", &world.finish());
}

#[test]
fn a_server_error_proves_a_route_open_only_when_the_request_went_on() {
    let mut failing = world();
    probe(&mut failing, 503);
    assert_undecided("auth", &failing.finish());

    let mut world = world();
    let step = world.step_for(Purpose::AuthProbe { credentials: "no token".to_owned() });
    let gateway = world.open(&step, request("ingress -> gateway", "GET /orders/1"));
    world.call(&gateway, request("gateway -> orders", "GET /orders/1"), 503);
    world.answer(&gateway, 503);
    assert_eq!(blamed("auth", &world.finish()), ["auth.open-route@gateway"]);
}

#[test]
fn a_route_that_nobody_asked_is_undecided() {
    let mut world = world();
    let step = world.step();
    world.call(&step, request("ingress -> gateway", "GET /orders/1"), 200);
    assert_undecided("auth", &world.finish());
}

#[test]
fn without_protected_routes_it_is_skipped() {
    assert_skipped("auth", &World::plain().finish(), "facts.protected");
}
