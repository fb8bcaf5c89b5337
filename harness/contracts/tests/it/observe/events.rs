//! A provider's messages, verified from what it published.

use seaworthy_contracts::model::Contract;
use seaworthy_contracts::observe::events::verify;
use seaworthy_contracts::outcome::{Outcome, Warning};
use seaworthy_core::exchange::{Exchange, Outcome as Ended, Protocol};
use seaworthy_core::ids::ExchangeId;
use serde_json::json;

use super::world::{contract, event, exchange, faulted};

const CREATED: &str = "shop.order.created";

/// What notifications relies on of orders; `metadata` says how its author writes the type.
fn created(metadata: serde_json::Value) -> Contract {
    contract(
        "notifications",
        "orders",
        json!([{
            "type": "Asynchronous/Messages",
            "description": "an order was created",
            "pending": false,
            "contents": {"contentType": "application/json", "encoded": false, "content": {"orderId": "o-1", "amount": 10}},
            "metadata": metadata,
            "matchingRules": {"body": {
                "$.orderId": {"combine": "AND", "matchers": [{"match": "regex", "regex": "^o-[0-9]+$"}]},
                "$.amount": {"combine": "AND", "matchers": [{"match": "type"}]}
            }}
        }]),
    )
}

fn published(id: u64, event_id: &str, data: &str) -> Exchange {
    event(id, "orders -> notifications", CREATED, event_id, data)
}

fn seen(warnings: &[Warning]) -> (u64, u64) {
    let [Warning::SeenOnTheWire { compared, differing }] = warnings else { panic!("{warnings:?}") };
    (*compared, *differing)
}

#[test]
fn every_event_of_the_type_must_be_what_was_agreed() {
    let contracts = [created(json!({"ce-type": CREATED, "contentType": "application/json"}))];
    let mut exchanges = vec![
        published(1, "e-1", r#"{"orderId": "o-7", "amount": 3, "more": true}"#),
        published(2, "e-2", r#"{"orderId": "o-8", "amount": 4}"#),
        event(3, "orders -> notifications", "shop.order.cancelled", "e-3", "{}"),
        event(4, "orders -> shipping", CREATED, "e-4", "{}"),
        event(5, "shipping -> notifications", CREATED, "e-5", "{}"),
    ];
    let results = verify(&contracts, "orders", &exchanges);
    let [result] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(result.outcome, Outcome::Verified);
    assert_eq!(seen(&result.warnings), (2, 0));
    assert_eq!(result.exchange, Some(ExchangeId(1)));

    exchanges.push(published(6, "e-6", r#"{"orderId": "o-9"}"#));
    exchanges.push(published(7, "e-7", r#"{"orderId": "order 9", "amount": "much"}"#));
    let results = verify(&contracts, "orders", &exchanges);
    let Outcome::Mismatched { mismatches } = &results[0].outcome else { panic!("{results:?}") };
    let paths: Vec<&str> = mismatches.iter().map(|mismatch| mismatch.path.as_str()).collect();
    assert_eq!(paths, ["$.amount", "$.orderId"], "the worst event is shown");
    assert_eq!((results[0].exchange, results[0].trace), (Some(ExchangeId(7)), exchanges[6].trace_id()));
    assert_eq!(seen(&results[0].warnings), (4, 2));
}

#[test]
fn the_type_is_found_however_it_is_written() {
    let good = [published(1, "e-1", r#"{"orderId": "o-7", "amount": 3}"#)];
    for metadata in [
        json!({"ce-type": CREATED}),
        json!({"ce_type": CREATED}),
        json!({"cloudEvents:type": CREATED}),
        json!({"type": CREATED, "contentType": "application/json"}),
        json!({"Type": CREATED, "ce_specversion": "1.0", "content-type": "application/json"}),
        json!({"eventType": CREATED}),
        json!({"destination": CREATED}),
        json!({}),
    ] {
        let results = verify(&[created(metadata.clone())], "orders", &good);
        assert_eq!(results[0].outcome, Outcome::Verified, "{metadata}");
    }
}

#[test]
fn metadata_that_the_contract_has_must_be_there_and_right() {
    let contracts = [created(json!({"ce-type": CREATED, "ce-source": "/elsewhere", "ce-dataversion": "1"}))];
    let results = verify(&contracts, "orders", &[published(1, "e-1", r#"{"orderId": "o-7", "amount": 3}"#)]);
    let Outcome::Mismatched { mismatches } = &results[0].outcome else { panic!("{results:?}") };
    let paths: Vec<&str> = mismatches.iter().map(|mismatch| mismatch.path.as_str()).collect();
    assert_eq!(paths, ["ce-dataversion", "ce-source"]);
}

#[test]
fn what_was_published_counts_and_not_what_was_done_to_its_delivery() {
    let contracts = [created(json!({"ce-type": CREATED}))];
    let data = r#"{"orderId": "o-7", "amount": 3}"#;
    let mut lost = faulted(published(3, "e-3", data), "drop");
    lost.response = None;
    lost.outcome = Ended::InFlight;
    let exchanges =
        [faulted(published(1, "e-1", data), "poison"), faulted(published(2, "e-1", data), "duplicate"), lost];
    let results = verify(&contracts, "orders", &exchanges);
    assert_eq!(results[0].outcome, Outcome::Verified);
    assert_eq!(seen(&results[0].warnings), (2, 0), "a duplicate is the same event");
}

#[test]
fn what_was_never_published_is_undecided_and_says_what_would_decide_it() {
    let undecided = |contracts: &[Contract], exchanges: &[Exchange]| {
        let results = verify(contracts, "orders", exchanges);
        let Outcome::Undecided { message } = &results[0].outcome else { panic!("{results:?}") };
        message.clone()
    };
    let contracts = [created(json!({"ce-type": CREATED}))];
    let message = undecided(&contracts, &[exchange(1, "orders -> notifications", "GET /", "", 200, "")]);
    assert!(
        message.contains("no event of type `shop.order.created`") && message.contains("flow"),
        "{message}"
    );
    let mut unread = published(1, "e-1", "x");
    unread.request.body.text = None;
    let message = undecided(&contracts, &[unread]);
    assert!(message.contains("no body of theirs could be read"), "{message}");
    let message = undecided(&[created(json!({}))], &[published(1, "e-1", "{}")]);
    assert!(message.contains("names no event type"), "{message}");
}

#[test]
fn events_in_structured_mode_are_compared_whole() {
    let contracts = [contract(
        "notifications",
        "orders",
        json!([{
            "type": "Asynchronous/Messages",
            "description": "an order was created",
            "contents": {"contentType": "application/cloudevents+json", "encoded": false, "content": {
                "specversion": "1.0", "type": CREATED, "data": {"orderId": "o-1"}
            }},
            "matchingRules": {"body": {"$.data": {"combine": "AND", "matchers": [{"match": "type"}]}}}
        }]),
    )];
    let structured = |id, data: &str| {
        let whole = format!(
            r#"{{"specversion": "1.0", "id": "e-{id}", "type": "{CREATED}", "source": "/o", "data": {data}}}"#
        );
        let mut exchange = exchange(id, "orders -> notifications", "POST /events", &whole, 204, "");
        exchange.request.headers =
            vec![("content-type".to_owned(), "application/cloudevents+json".to_owned())];
        exchange
    };
    let results = verify(&contracts, "orders", &[structured(1, r#"{"orderId": "o-2"}"#)]);
    assert_eq!(results[0].outcome, Outcome::Verified);
    let results = verify(&contracts, "orders", &[structured(1, r#"{"order": "o-2"}"#)]);
    assert!(results[0].outcome.is_failure(), "{results:?}");
}

#[test]
fn a_value_that_was_redacted_is_held_against_nobody() {
    let contracts = [created(json!({"ce-type": CREATED}))];
    let data = r#"{"orderId": "[redacted jwt 0a1b2c3d]", "amount": 3}"#;
    assert_eq!(verify(&contracts, "orders", &[published(1, "e-1", data)])[0].outcome, Outcome::Verified);
}

#[test]
fn an_event_that_was_refused_before_its_body_was_read_shows_nothing() {
    let contracts = [created(json!({"ce-type": CREATED, "contentType": "application/json"}))];
    let mut unread = published(1, "e-1", "");
    unread.protocol = Protocol::Http1;
    unread.request.headers.push(("content-length".to_owned(), "31".to_owned()));
    let mut streamed = published(2, "e-2", "");
    streamed.protocol = Protocol::Http1;
    streamed.provider = None;
    let mut exchanges = vec![unread, streamed];
    let results = verify(&contracts, "orders", &exchanges);
    assert!(matches!(results[0].outcome, Outcome::Undecided { .. }), "{results:?}");

    exchanges.push(published(3, "e-3", r#"{"orderId": "o-7", "amount": 3}"#));
    let results = verify(&contracts, "orders", &exchanges);
    assert_eq!(results[0].outcome, Outcome::Verified);
    assert_eq!(seen(&results[0].warnings), (1, 0));
}
