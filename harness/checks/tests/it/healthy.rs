//! Healthy traffic, made up at random, is never blamed.

use proptest::prelude::*;
use seaworthy_core::check::run_check;
use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::finding::Finding;
use serde_json::json;

use crate::world::{Context, World, event, request};

/// What happens to one order.
#[derive(Debug, Clone)]
struct Order {
    /// How often paying fails before it goes through.
    busy: usize,
    /// Whether the answer to the first payment that was made is lost.
    payment_lost: bool,
    /// How shipping answers.
    shipping: u16,
    /// Whether the answer of shipping is lost.
    shipping_lost: bool,
    /// How often the event is refused before it is taken.
    refused: usize,
    /// Whether the first acknowledgement of the event is lost.
    ack_lost: bool,
    /// How long shipping takes, in milliseconds.
    slow: u64,
    /// Whether orders is killed before it ships, and started again.
    killed: bool,
}

fn any_order() -> impl Strategy<Value = Order> {
    let shipping = prop_oneof![3 => Just(201_u16), 1 => Just(422), 1 => Just(503)];
    (
        0..2_usize,
        any::<bool>(),
        shipping,
        any::<bool>(),
        0..4_usize,
        any::<bool>(),
        0..900_u64,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(busy, payment_lost, shipping, shipping_lost, refused, ack_lost, slow, killed)| {
            Order { busy, payment_lost, shipping, shipping_lost, refused, ack_lost, slow, killed }
        })
}

fn world() -> World {
    World::new(json!({
        "sagas": [{"name": "order", "owner": "orders", "steps": [
            {"forward": "orders -> payments POST /payments", "undo": "orders -> payments POST /payments/cancel"},
            {"forward": "orders -> shipping POST /shipments", "undo": "orders -> shipping POST /shipments/cancel"},
            {"forward": "orders -> payments POST /payments/{id}/capture"}
        ]}],
        "retries": {"least-delay": "100ms", "max-attempts": 3},
        "idempotent": [
            "orders -> payments POST /payments/cancel",
            "orders -> shipping POST /shipments/cancel",
            "orders -> payments POST /payments/{id}/capture"
        ],
        "budgets": {"ingress -> gateway": "20s", "gateway -> orders": "15s", "orders -> shipping": "1s"},
        "correlation": {},
        "events": {"orders -> mail": {}},
        "shutdown": "1s"
    }))
}

fn play(world: &mut World, number: usize, order: &Order) {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders =
        world.open(&gateway, request("gateway -> orders", "POST /orders").key(&format!("g-{number}")));
    pay(world, number, order, &orders);
    if order.killed {
        resume(world, &gateway, &orders);
    } else {
        let stands = ship(world, order, &orders);
        world.answer(&orders, if stands { 201 } else { 503 });
        world.answer(&gateway, if stands { 201 } else { 503 });
    }
    tell(world, number, order, &orders);
}

fn pay(world: &mut World, number: usize, order: &Order, orders: &Context) {
    let key = format!("k-{number}");
    let pay = || request("orders -> payments", "POST /payments").key(&key).body("10");
    for _ in 0..order.busy {
        world.aborted(orders, pay(), 503);
        world.wait(100);
    }
    if order.payment_lost {
        let lost = world.open(orders, pay());
        world.answer_with(&lost, 201, &key);
        world.lose_answer(&lost);
        world.wait(100);
    }
    let paid = world.open(orders, pay());
    world.answer_with(&paid, 201, &key);
}

/// The new instance takes the order back.
fn resume(world: &mut World, gateway: &Context, orders: &Context) {
    world.kill("orders");
    world.break_off(
        orders,
        seaworthy_core::exchange::Outcome::Reset,
        seaworthy_core::exchange::Outcome::Reset,
    );
    world.answer(gateway, 502);
    // The span in which it was handled went with the instance.
    world.set.spans.retain(|span| span.span_id != orders.span);
    world.start("orders");
    world.call(orders, request("orders -> payments", "POST /payments/cancel"), 200);
}

/// Ships and captures, or takes all back; says whether the order stands.
fn ship(world: &mut World, order: &Order, orders: &Context) -> bool {
    let shipment = world.open(orders, request("orders -> shipping", "POST /shipments"));
    world.wait(order.slow);
    world.answer(&shipment, order.shipping);
    if order.shipping_lost {
        world.lose_answer(&shipment);
    }
    let stands = order.shipping == 201 && !order.shipping_lost;
    if stands {
        world.call(orders, request("orders -> payments", "POST /payments/p-1/capture"), 200);
    } else {
        world.call(orders, request("orders -> shipping", "POST /shipments/cancel"), 200);
        world.call(orders, request("orders -> payments", "POST /payments/cancel"), 200);
    }
    stands
}

/// Delivers the event until it is acknowledged; mail acts on it once.
fn tell(world: &mut World, number: usize, order: &Order, orders: &Context) {
    let id = format!("e-{number}");
    let kind = seaworthy_core::span::SpanKind::Producer;
    let producer = world.span("orders", kind, orders.trace, Some(orders.span), &orders.correlation);
    for _ in 0..order.refused {
        let told = world.open_under(orders, producer, event("orders -> mail", &id));
        world.answer(&told, 503);
        world.wait(100);
    }
    for delivery in 0..=usize::from(order.ack_lost) {
        let told = world.open_under(orders, producer, event("orders -> mail", &id));
        if delivery == 0 {
            world.call(&told, request("mail -> shipping", "POST /mail").body("hello"), 202);
        }
        world.answer(&told, 200);
        if delivery == 0 && order.ack_lost {
            world.lose_answer(&told);
            world.wait(100);
        }
    }
}

fn violations(evidence: &EvidenceSet) -> Vec<Finding> {
    let checks = seaworthy_checks::catalogue();
    let findings = checks.iter().flat_map(|check| run_check(check.as_ref(), evidence).findings);
    findings.filter(Finding::is_violation).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn healthy_traffic_is_never_blamed(orders in prop::collection::vec(any_order(), 1..6)) {
        let mut world = world();
        for (number, order) in orders.iter().enumerate() {
            play(&mut world, number, order);
            world.wait(50);
        }
        let violations = violations(&world.finish());
        prop_assert!(violations.is_empty(), "{violations:#?}");
    }

    #[test]
    fn the_order_in_which_evidence_arrived_does_not_matter(
        orders in prop::collection::vec(any_order(), 1..4),
        by in 0..50_usize,
    ) {
        let mut world = world();
        for (number, order) in orders.iter().enumerate() {
            play(&mut world, number, order);
        }
        // One call is spoilt, so that there is something to say.
        if let Some(exchange) = world.set.exchanges.iter_mut().rev().find(|exchange| exchange.edge.is_internal()) {
            (exchange.trace, exchange.correlation_id) = (None, Some("other".to_owned()));
        }
        let mut evidence = world.finish();
        let said = |evidence: &EvidenceSet| -> Vec<Finding> {
            seaworthy_checks::catalogue().iter().flat_map(|check| run_check(check.as_ref(), evidence).findings).collect()
        };
        let before = said(&evidence);
        let (exchanges, spans) = (evidence.exchanges.len(), evidence.spans.len());
        evidence.exchanges.rotate_left(by % exchanges);
        evidence.spans.rotate_left(by % spans);
        evidence.index();
        let blame = |findings: Vec<Finding>| -> Vec<_> {
            findings.into_iter().map(|finding| (finding.fingerprint(), finding.message)).collect()
        };
        prop_assert_eq!(blame(before), blame(said(&evidence)));
    }
}
