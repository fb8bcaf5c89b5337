//! `correlation`.

use serde_json::json;

use crate::world::{Context, World, assert_passes, assert_skipped, assert_undecided, blamed, event, request};

fn world() -> World {
    World::new(json!({"correlation": {}}))
}

/// An order that goes through to payments and is told to mail by an event; gives back the calls.
fn order(world: &mut World) -> [Context; 5] {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    let payments = world.open(&orders, request("orders -> payments", "POST /payments"));
    let shipping = world.call(&payments, request("payments -> shipping", "POST /x"), 200);
    world.answer(&payments, 201);
    world.answer(&orders, 201);
    world.answer(&gateway, 201);
    let mail = world.call(&orders, event("orders -> mail", "e-1"), 200);
    [gateway, orders, payments, shipping, mail]
}

fn drop_id(world: &mut World, call: &Context, other: Option<&str>) {
    world.exchange(call).correlation_id = other.map(str::to_owned);
}

fn drop_event_id(world: &mut World, call: &Context) {
    world.exchange(call).request.headers.retain(|(name, _)| name != "ce-correlationid");
}

#[test]
fn one_id_everywhere_passes() {
    let mut world = world();
    order(&mut world);
    assert_passes("correlation", &world.finish());
}

#[test]
fn the_hop_that_loses_the_id_is_blamed_and_not_those_below() {
    let mut world = world();
    let [_, _, payments, shipping, _] = order(&mut world);
    drop_id(&mut world, &payments, None);
    drop_id(&mut world, &shipping, None);
    // What payments was not given it cannot say.
    for call in [&payments, &shipping] {
        world.span_of(call.span).attributes.clear();
    }
    world.set.logs.retain(|log| log.span_id != Some(payments.span) && log.span_id != Some(shipping.span));
    let client = world.exchange(&shipping).trace.unwrap().parent_id;
    world.span_of(client).attributes.clear();
    assert_eq!(blamed("correlation", &world.finish()), ["correlation.wire@orders->payments"]);
}

#[test]
fn another_id_is_as_bad_as_none() {
    let mut world = world();
    let [.., shipping, _] = order(&mut world);
    drop_id(&mut world, &shipping, Some("made-up"));
    assert_eq!(blamed("correlation", &world.finish()), ["correlation.wire@payments->shipping"]);
}

#[test]
fn an_event_bears_the_id_itself() {
    let mut world = world();
    let [.., mail] = order(&mut world);
    drop_event_id(&mut world, &mail);
    assert_eq!(blamed("correlation", &world.finish()), ["correlation.event@orders->mail"]);
}

#[test]
fn deliveries_that_are_handled_at_once_are_told_apart() {
    let mut world = world();
    let [_, orders, ..] = order(&mut world);
    let kind = seaworthy_core::span::SpanKind::Producer;
    let producer = world.span("orders", kind, orders.trace, Some(orders.span), &orders.correlation);
    let first = world.open_under(&orders, producer, request("orders -> mail", "POST /events"));
    let second = world.open_under(&orders, producer, request("orders -> mail", "POST /events"));
    // Mail loses the id of the first, which it was given, while it works on the second, where it was not.
    drop_id(&mut world, &second, None);
    let made = world.call(&first, request("mail -> shipping", "POST /mail"), 202);
    drop_id(&mut world, &made, None);
    for call in [&first, &second] {
        world.answer(call, 200);
    }
    assert_eq!(
        blamed("correlation", &world.finish()),
        ["correlation.wire@mail->shipping", "correlation.wire@orders->mail"]
    );
}

#[test]
fn an_event_without_any_id_excuses_its_consumer() {
    let mut world = world();
    let [.., mail] = order(&mut world);
    drop_id(&mut world, &mail, None);
    drop_event_id(&mut world, &mail);
    world.span_of(mail.span).attributes.clear();
    world
        .set
        .logs
        .iter_mut()
        .filter(|log| log.span_id == Some(mail.span))
        .for_each(|log| log.attributes.clear());
    let evidence = world.finish();
    assert_eq!(
        blamed("correlation", &evidence),
        ["correlation.wire@orders->mail", "correlation.event@orders->mail"]
    );
}

#[test]
fn the_client_gets_its_id_back_also_with_a_refusal() {
    let mut world = world();
    order(&mut world);
    let step = world.step();
    let refused = world.call(&step, request("ingress -> gateway", "POST /orders"), 401);
    let exchange = world.exchange(&refused);
    exchange.provider.as_mut().unwrap().response.as_mut().unwrap().headers.clear();
    assert_eq!(blamed("correlation", &world.finish()), ["correlation.echo@gateway"]);
}

#[test]
fn an_answer_of_a_fault_of_ours_need_not_give_the_id_back() {
    let mut world = world();
    order(&mut world);
    let step = world.step();
    world.aborted(&step, request("ingress -> gateway", "POST /orders"), 503);
    assert_passes("correlation", &world.finish());
}

#[test]
fn a_span_that_does_not_say_the_id_is_its_services_fault() {
    let mut world = world();
    let [_, _, payments, ..] = order(&mut world);
    world.span_of(payments.span).attributes.clear();
    assert_eq!(blamed("correlation", &world.finish()), ["correlation.span@payments"]);
}

#[test]
fn a_span_of_a_database_call_need_not_say_the_id() {
    let mut world = world();
    let [_, orders, ..] = order(&mut world);
    let kind = seaworthy_core::span::SpanKind::Client;
    let span = world.span("orders", kind, orders.trace, Some(orders.span), "");
    let attributes = &mut world.span_of(span).attributes;
    attributes.clear();
    attributes.insert("db.system.name".to_owned(), "postgresql".into());
    assert_passes("correlation", &world.finish());
}

#[test]
fn a_log_record_that_does_not_say_the_id_is_its_services_fault() {
    let mut world = world();
    let [_, _, payments, ..] = order(&mut world);
    world
        .set
        .logs
        .iter_mut()
        .filter(|log| log.span_id == Some(payments.span))
        .for_each(|log| log.attributes.clear());
    assert_eq!(blamed("correlation", &world.finish()), ["correlation.log@payments"]);
}

#[test]
fn without_declaration_services_that_never_say_the_id_are_left_alone() {
    let mut world = World::plain();
    let [_, _, payments, ..] = order(&mut world);
    world.span_of(payments.span).attributes.clear();
    world
        .set
        .spans
        .iter_mut()
        .filter(|span| span.resource.service == "payments")
        .for_each(|span| span.attributes.clear());
    assert_passes("correlation", &world.finish());
}

#[test]
fn a_system_that_knows_no_correlation_id_is_skipped() {
    let mut world = World::plain();
    let calls = order(&mut world);
    for call in &calls {
        let exchange = world.exchange(call);
        if exchange.edge.is_internal() {
            exchange.correlation_id = None;
        }
        exchange.provider.as_mut().unwrap().response.as_mut().unwrap().headers.clear();
    }
    assert_skipped("correlation", &world.finish(), "facts.correlation");
}

#[test]
fn without_a_request_that_has_an_id_it_is_undecided() {
    let mut world = world();
    let [gateway, ..] = order(&mut world);
    drop_id(&mut world, &gateway, None);
    assert_undecided("correlation", &world.finish());
}
