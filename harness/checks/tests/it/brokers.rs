//! Messages over a broker: `dead-letters`, and what `outbox`, `idempotency` and the others make of them.

use seaworthy_core::exchange::{AppliedFault, Protocol};
use seaworthy_core::span::{SpanKind, SpanStatus};
use seaworthy_core::system::{Broker, Call};

use crate::world::{Context, World, assert_passes, assert_skipped, assert_undecided, blamed, event, request};

/// `orders` and `shipping` publish to `mail` over the broker `events`.
fn world() -> World {
    let mut world = World::new(serde_json::json!({"events": {"orders -> mail": {}, "shipping -> mail": {}}}));
    for publisher in ["orders", "shipping"] {
        let calls = &mut world.set.system.services.get_mut(publisher).unwrap().calls;
        calls.insert("mail".to_owned(), Call::Broker { broker: "events".to_owned() });
    }
    let broker = Broker {
        service: "rabbit".into(),
        port: None,
        url: "amqp://localhost".to_owned(),
        dead_letters: [("mail".into(), "mail.dead".to_owned())].into(),
    };
    world.set.system.brokers.insert("events".to_owned(), broker);
    world
}

/// `orders` publishes an event in this context, and the harness carries it to `mail`, which takes it.
fn publish(world: &mut World, context: &Context, id: &str) -> Context {
    let span =
        world.span("orders", SpanKind::Producer, context.trace, Some(context.span), &context.correlation);
    let sent = world.open_under(context, span, event("orders -> mail", id));
    world.exchange(&sent).protocol = Protocol::Message;
    world.span_of(sent.span).kind = SpanKind::Consumer;
    world.answer(&sent, 202);
    sent
}

fn poison(world: &mut World, message: &Context) {
    let at = world.at();
    let fault = AppliedFault { fault: "p".into(), action: "poison".to_owned(), at, until: None };
    world.exchange(message).faults.push(fault);
}

fn dead_letter(world: &mut World, context: &Context, id: &str, reason: Option<&str>) {
    let mut letter = request("mail -> dead-letters", "SEND /shop.order.created").header("ce-id", id);
    if let Some(reason) = reason {
        letter = letter.header("x-reason", reason);
    }
    let sent = world.open_unserved(context, letter);
    world.exchange(&sent).protocol = Protocol::Message;
}

/// What `mail` took of a message is taken back.
fn never_taken(world: &mut World, message: &Context) {
    world.set.spans.retain(|span| span.span_id != message.span);
}

#[test]
fn a_poisoned_message_that_is_put_aside_with_its_reason_is_well_kept() {
    let mut world = world();
    let step = world.step();
    let message = publish(&mut world, &step, "e-1");
    poison(&mut world, &message);
    dead_letter(&mut world, &step, "e-1", Some("not JSON"));
    publish(&mut world, &step, "e-2");
    assert_passes("dead-letters", &world.finish());
}

#[test]
fn a_poisoned_message_that_is_nowhere_is_lost() {
    let mut world = world();
    let step = world.step();
    let message = publish(&mut world, &step, "e-1");
    poison(&mut world, &message);
    // Another's letter is not this one.
    dead_letter(&mut world, &step, "e-0", Some("not JSON"));
    publish(&mut world, &step, "e-2");
    assert_eq!(blamed("dead-letters", &world.finish()), ["dead-letters.lost@mail"]);
}

#[test]
fn dead_letters_that_nobody_could_look_at_prove_nothing() {
    let mut world = world();
    let step = world.step();
    let message = publish(&mut world, &step, "e-1");
    poison(&mut world, &message);
    world.set.losses.push(seaworthy_core::evidence::Loss {
        what: "dead letters".to_owned(),
        why: "the broker has no exchange `mail.daed`".to_owned(),
        count: 1,
        service: None,
        harmful: true,
    });
    assert_undecided("dead-letters", &world.finish());
}

#[test]
fn a_message_behind_one_that_nobody_can_handle_is_blocked_when_it_is_never_taken() {
    let mut world = world();
    let step = world.step();
    let message = publish(&mut world, &step, "e-1");
    poison(&mut world, &message);
    let behind = publish(&mut world, &step, "e-2");
    never_taken(&mut world, &behind);
    assert_eq!(blamed("dead-letters", &world.finish()), ["dead-letters.blocked@mail"]);
}

#[test]
fn a_dead_letter_says_why_it_is_one() {
    let mut world = world();
    let step = world.step();
    let message = publish(&mut world, &step, "e-1");
    poison(&mut world, &message);
    dead_letter(&mut world, &step, "e-1", None);
    assert_eq!(blamed("dead-letters", &world.finish()), ["dead-letters.no-reason@mail"]);
}

#[test]
fn without_a_poisoned_message_nobody_knows_and_without_dead_letters_nobody_asks() {
    let mut world = world();
    let step = world.step();
    publish(&mut world, &step, "e-1");
    assert_undecided("dead-letters", &world.finish());
    assert_skipped("dead-letters", &World::plain().finish(), "dead-letters");
}

#[test]
fn an_event_that_its_publisher_speaks_of_and_the_broker_never_got_is_lost() {
    let mut world = world();
    let step = world.step();
    publish(&mut world, &step, "e-1");
    let quiet = world.step();
    world.span("orders", SpanKind::Producer, quiet.trace, Some(quiet.span), &quiet.correlation);
    assert_eq!(blamed("outbox", &world.finish()), ["outbox.event-lost@orders->mail"]);
}

#[test]
fn a_span_that_names_the_exchange_is_about_whatever_event_came_in_its_trace() {
    for (destination, routing_key) in [
        ("seaworthy.events.in.orders", "shop.order.created"),
        ("seaworthy.events.in.orders", "a.key.of.its.own"),
        ("shop.order.created", ""),
    ] {
        let mut world = world();
        let step = world.step();
        let sent = publish(&mut world, &step, "e-1");
        let producer = world.exchange(&sent).trace.unwrap().parent_id;
        let attributes = &mut world.span_of(producer).attributes;
        attributes.insert("messaging.destination.name".to_owned(), destination.into());
        if !routing_key.is_empty() {
            attributes.insert("messaging.rabbitmq.destination.routing_key".to_owned(), routing_key.into());
        }
        assert_passes("outbox", &world.finish());
    }
}

#[test]
fn an_event_of_another_type_in_the_same_trace_does_not_stand_for_it() {
    let mut world = world();
    let step = world.step();
    publish(&mut world, &step, "e-1");
    let other = world.step();
    let sent = publish(&mut world, &other, "e-2");
    let headers = &mut world.exchange(&sent).request.headers;
    headers
        .iter_mut()
        .filter(|(name, _)| name == "ce-type")
        .for_each(|(_, value)| *value = "shop.other".to_owned());
    let lost = world.span("orders", SpanKind::Producer, other.trace, Some(other.span), &other.correlation);
    let key = "messaging.rabbitmq.destination.routing_key".to_owned();
    world.span_of(lost).attributes.insert(key, "shop.order.created".into());
    assert_eq!(blamed("outbox", &world.finish()), ["outbox.event-lost@orders->mail"]);
}

#[test]
fn an_event_that_was_taken_back_with_its_work_is_not_lost() {
    let mut world = world();
    let step = world.step();
    publish(&mut world, &step, "e-1");
    let failing = world.step();
    let order = world.call(&failing, request("gateway -> orders", "POST /orders"), 503);
    world.span_of(order.span).status = SpanStatus::Error("database".to_owned());
    world.span("orders", SpanKind::Producer, failing.trace, Some(order.span), &failing.correlation);
    assert_passes("outbox", &world.finish());
}

#[test]
fn a_message_for_which_a_subscriber_has_no_queue_is_not_for_it() {
    let mut world = world();
    let step = world.step();
    publish(&mut world, &step, "e-1");
    let other = world.step();
    let unwanted = publish(&mut world, &other, "e-2");
    let exchange = world.exchange(&unwanted);
    exchange.provider = None;
    exchange.response.as_mut().unwrap().status = 404;
    assert_passes("outbox", &world.finish());
}

#[test]
fn a_message_that_the_harness_dropped_is_not_its_publishers_loss() {
    let mut world = world();
    let step = world.step();
    let message = publish(&mut world, &step, "e-1");
    let at = world.at();
    let exchange = world.exchange(&message);
    exchange.provider = None;
    exchange.faults.push(AppliedFault { fault: "d".into(), action: "drop".to_owned(), at, until: None });
    assert_passes("outbox", &world.finish());
}

#[test]
fn a_message_carried_twice_may_be_taken_twice_and_done_once() {
    let mut healthy = world();
    let step = healthy.step();
    for _ in 0..2 {
        publish(&mut healthy, &step, "e-1");
    }
    assert_passes("idempotency", &healthy.finish());

    let mut world = world();
    let step = world.step();
    for _ in 0..2 {
        let taken = publish(&mut world, &step, "e-1");
        world.call(&taken, request("mail -> payments", "POST /mail").body("once"), 201);
    }
    assert_eq!(blamed("idempotency", &world.finish()), ["idempotency.event-twice@mail"]);
}

#[test]
fn a_message_that_nobody_could_take_yet_is_no_call_that_failed() {
    let mut world = world();
    let step = world.step();
    for status in [404, 202] {
        let message = publish(&mut world, &step, "e-1");
        world.exchange(&message).response.as_mut().unwrap().status = status;
    }
    assert_undecided("retries", &world.finish());
}
