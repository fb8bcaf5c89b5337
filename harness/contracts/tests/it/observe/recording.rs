//! Pacts from what was seen.

use seaworthy_contracts::document::to_text;
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::observe::record;
use seaworthy_contracts::observe::sighting::LeftOut;
use seaworthy_core::exchange::{Exchange, Outcome, Protocol};
use seaworthy_core::ids::ExchangeId;

use super::world::{body, event, exchange, faulted, with_header};

fn descriptions(contract: &Contract) -> Vec<&str> {
    contract.interactions.iter().map(|interaction| interaction.description.as_str()).collect()
}

/// What `orders` and `payments` said to each other in a day.
fn payments() -> Vec<Exchange> {
    let asked = |id, order: &str, amount: u32, token: &str, status, received: &str| {
        let sent =
            format!(r#"{{"orderId": "{order}", "amount": {amount}, "currency": "EUR", "token": "{token}"}}"#);
        let asked = exchange(id, "orders -> payments", "POST /payments", &sent, status, received);
        let asked = with_header(asked, "authorization", "Bearer [redacted header f5868e00]");
        with_header(asked, "idempotency-key", &format!("{order}:authorize"))
    };
    let paid = |id: &str, order: &str, amount: u32| {
        format!(
            r#"{{"id": "{id}", "orderId": "{order}", "amount": {amount}, "currency": "EUR", "status": "AUTHORIZED"}}"#
        )
    };
    vec![
        asked(1, "ord_60483834", 2490, "tok_visa", 201, &paid("pay_673d85fc", "ord_60483834", 2490)),
        asked(2, "ord_99119911", 100, "tok_visa", 201, &paid("pay_11223344", "ord_99119911", 100)),
        asked(3, "ord_55555555", 100, "tok_broke", 402, r#"{"title": "card declined", "code": 7}"#),
        exchange(
            4,
            "orders -> payments",
            "GET /payments/pay_673d85fc",
            "",
            200,
            &paid("pay_673d85fc", "ord_60483834", 2490),
        ),
        exchange(5, "orders -> payments", "GET /payments/pay_0?full=true", "", 404, ""),
    ]
}

#[test]
fn an_edge_becomes_a_pact_that_people_can_read() {
    let recording = record(&payments(), &[]);
    let [contract] = recording.contracts.as_slice() else { panic!("{recording:?}") };
    insta::assert_snapshot!(to_text(contract));
    assert_eq!(recording.recorded, 5);
    assert!(recording.left_out.is_empty());
}

#[test]
fn events_become_messages_of_their_publisher() {
    let created = |id, event_id: &str, order: &str, extra: &str| {
        let data = format!(
            r#"{{"orderId": "{order}", "amount": 10, "items": [{{"sku": "book", "quantity": 1}}]{extra}}}"#
        );
        event(id, "orders -> notifications", "shop.order.created", event_id, &data)
    };
    let mut poisoned = faulted(created(3, "e-3", "ord_3", ""), "poison");
    poisoned.outcome = Outcome::Answered;
    let exchanges = [
        created(1, "3b8c01fd-fbdd-4b76-972f-62f18cd315c4", "ord_1", ""),
        created(2, "605efab0-51e6-4214-b59f-c55b96b4a481", "ord_2", r#", "note": "gift""#),
        created(4, "605efab0-51e6-4214-b59f-c55b96b4a481", "ord_2", r#", "note": "gift""#),
        poisoned,
    ];
    let recording = record(&exchanges, &["orders -> notifications".parse().unwrap()]);
    let [contract] = recording.contracts.as_slice() else { panic!("{recording:?}") };
    assert_eq!((contract.consumer.as_str(), contract.provider.as_str()), ("notifications", "orders"));
    assert_eq!(recording.recorded, 4, "the second delivery of an event counts, too");
    insta::assert_snapshot!(to_text(contract));
}

#[test]
fn an_event_in_structured_mode_keeps_what_tells_its_type() {
    let whole = r#"{"specversion": "1.0", "id": "e-17", "type": "shop.order.created", "source": "/orders",
        "time": "2026-11-20T18:46:41Z", "data": {"orderId": "o-1"}}"#;
    let mut structured = exchange(1, "orders -> notifications", "POST /events", whole, 204, "");
    structured.request.headers = vec![("content-type".to_owned(), "application/cloudevents+json".to_owned())];
    let recording = record(&[structured], &[]);
    let text = to_text(&recording.contracts[0]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let message = &document["interactions"][0];
    assert_eq!(message["description"], "a shop.order.created event");
    assert_eq!(message["contents"]["content"]["type"], "shop.order.created");
    assert_eq!(message["matchingRules"]["body"]["$.type"]["matchers"][0]["match"], "equality");
    assert_eq!(message["matchingRules"]["body"]["$.id"]["matchers"][0]["regex"], "^e-[0-9A-Za-z-]+$");
    assert_eq!(message["metadata"]["contentType"], "application/cloudevents+json");
}

#[test]
fn what_says_nothing_of_a_contract_is_left_out_and_counted() {
    let plain = |id| exchange(id, "orders -> payments", "GET /payments/p-1", "", 200, r#"{"id": "p-1"}"#);
    let mut grpc = plain(1);
    grpc.protocol = Protocol::Grpc;
    let mut cut = plain(2);
    cut.request.body.truncated = true;
    let mut binary = plain(3);
    let response = binary.response.as_mut().unwrap();
    response.body.bytes = 7;
    response.body.text = None;
    let mut broken = plain(4);
    broken.outcome = Outcome::Reset;
    let mut probe = plain(5);
    probe.edge = "probe -> payments".parse().unwrap();
    let mut dead = plain(6);
    dead.edge = "notifications -> dead-letters".parse().unwrap();
    let mut world = plain(7);
    world.edge = "ingress -> gateway".parse().unwrap();
    let failed = exchange(8, "orders -> payments", "GET /payments/p-1", "", 503, "");
    let exchanges = [grpc, cut, binary, broken, probe, dead, world, failed, faulted(plain(9), "delay")];
    let recording = record(&exchanges, &[]);
    assert!(recording.contracts.is_empty(), "{recording:?}");
    let expected = [
        LeftOut::Probe,
        LeftOut::DeadLetter,
        LeftOut::Faulted,
        LeftOut::Unanswered,
        LeftOut::Grpc,
        LeftOut::Truncated,
        LeftOut::NotText,
        LeftOut::ServerError,
    ];
    assert_eq!(recording.left_out, expected.map(|why| (why, 1)).into());
}

#[test]
fn the_world_outside_is_recorded_where_it_is_asked_for() {
    let exchanges =
        [exchange(1, "ingress -> gateway.http#2", "GET /orders/o-1", "", 200, r#"{"id": "o-1"}"#)];
    let recording = record(&exchanges, &["ingress -> gateway".parse().unwrap()]);
    assert_eq!(descriptions(&recording.contracts[0]), ["GET /orders/{id} is answered 200"]);
}

#[test]
fn a_field_that_is_only_sometimes_sent_makes_two_interactions_and_one_that_is_only_sometimes_received_none() {
    let exchanges = [
        exchange(1, "a -> b", "POST /things", r#"{"n": 1}"#, 200, r#"{"id": "t-1"}"#),
        exchange(
            2,
            "a -> b",
            "POST /things",
            r#"{"n": 2, "note": "x"}"#,
            200,
            r#"{"id": "t-2", "note": "x"}"#,
        ),
    ];
    let recording = record(&exchanges, &[]);
    assert_eq!(
        descriptions(&recording.contracts[0]),
        ["POST /things is answered 200", "POST /things is answered 200 (with note)"]
    );
    let mut other_way = exchanges.clone();
    other_way.iter_mut().for_each(|exchange| exchange.request.body = body(r#"{"n": 1}"#));
    let recording = record(&other_way, &[]);
    assert_eq!(descriptions(&recording.contracts[0]), ["POST /things is answered 200"]);
    assert!(!to_text(&recording.contracts[0]).contains("note"));
}

#[test]
fn recorded_again_with_other_ids_it_reads_the_same() {
    let text = |exchanges: &[Exchange]| {
        record(exchanges, &[]).contracts.iter().map(to_text).collect::<Vec<_>>().join("\n")
    };
    let first = text(&payments());
    let mut again = payments();
    for exchange in &mut again {
        exchange.id = ExchangeId(exchange.id.0 + 100);
        exchange.path = exchange.path.replace("673d85fc", "0badcafe");
        let replace = |body: &mut seaworthy_core::exchange::Body| {
            let text = body.text.take().unwrap_or_default();
            *body = super::world::body(&text.replace("60483834", "12121212").replace("673d85fc", "0badcafe"));
        };
        replace(&mut exchange.request.body);
        exchange.response.iter_mut().for_each(|response| replace(&mut response.body));
        let key = exchange.request.headers.iter_mut().find(|(name, _)| name == "idempotency-key");
        if let Some((_, key)) = key {
            *key = key.replace("60483834", "12121212");
        }
    }
    again.reverse();
    assert_eq!(text(&again), first);
}
