//! What is seen outside every contract.

use seaworthy_contracts::model::Contract;
use seaworthy_contracts::observe::drift::{self, drift};
use seaworthy_core::check::verdict_of;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::{Finding, Severity, Verdict};
use serde_json::json;

use super::world::{contract, event, exchange, faulted};

/// What orders relies on of payments, and notifications of orders.
pub(super) fn contracts() -> Vec<Contract> {
    let by_type = json!({"combine": "AND", "matchers": [{"match": "type"}]});
    let http = json!({
        "type": "Synchronous/HTTP", "description": "a payment", "pending": false,
        "request": {
            "method": "POST", "path": "/payments", "headers": {"content-type": ["application/json"]},
            "body": {"contentType": "application/json", "encoded": false, "content": {"amount": 10}},
            "matchingRules": {"body": {"$": by_type}}
        },
        "response": {
            "status": 201, "headers": {"content-type": ["application/json"]},
            "body": {"contentType": "application/json", "encoded": false, "content": {"id": "p-1", "status": "PAID"}},
            "matchingRules": {"body": {"$": by_type}}
        }
    });
    let look = json!({
        "type": "Synchronous/HTTP", "description": "a look at a payment", "pending": false,
        "providerStates": [{"name": "payment p-1"}],
        "request": {
            "method": "GET", "path": "/payments/p-1",
            "matchingRules": {"path": {"combine": "AND", "matchers": [{"match": "regex", "regex": "^/payments/p-[0-9]+$"}]}}
        },
        "response": {"status": 200}
    });
    let missing = json!({
        "type": "Synchronous/HTTP", "description": "a look at no payment", "pending": false,
        "request": {"method": "GET", "path": "/payments/p-404"},
        "response": {"status": 404}
    });
    let created = json!({
        "type": "Asynchronous/Messages", "description": "an order was created", "pending": false,
        "contents": {"contentType": "application/json", "encoded": false, "content": {"orderId": "o-1"}},
        "metadata": {"ce-type": "order.created"},
        "matchingRules": {"body": {"$": by_type}}
    });
    vec![
        contract("orders", "payments", json!([http, look, missing])),
        contract("notifications", "orders", json!([created])),
    ]
}

pub(super) fn in_line() -> Vec<Exchange> {
    vec![
        exchange(
            1,
            "orders -> payments",
            "POST /payments",
            r#"{"amount": 7}"#,
            201,
            r#"{"id": "x", "status": "y"}"#,
        ),
        exchange(2, "orders -> payments", "GET /payments/p-17", "", 200, r#"{"id": "p-17"}"#),
        event(3, "orders -> notifications", "order.created", "e-1", r#"{"orderId": "o-2"}"#),
        exchange(4, "orders -> payments#2", "GET /payments/p-3", "", 200, ""),
    ]
}

fn findings(exchanges: &[Exchange]) -> Vec<Finding> {
    drift(&contracts(), exchanges, &[]).findings
}

#[test]
fn what_is_in_line_yields_nothing() {
    let drift = drift(&contracts(), &in_line(), &[]);
    assert!(drift.findings.is_empty(), "{:#?}", drift.findings);
    assert_eq!((drift.held, drift.in_line), (4, 4));
    assert_eq!(verdict_of(&drift.findings), Verdict::Pass);
}

#[test]
fn each_way_to_be_outside_is_told_once_with_how_often_and_an_example() {
    let mut exchanges = in_line();
    exchanges.extend([
        exchange(10, "orders -> payments", "POST /payments/p-1/refund", "", 200, ""),
        exchange(11, "orders -> payments", "POST /payments/p-2/refund", "", 200, ""),
        exchange(12, "orders -> payments", "DELETE /payments/p-2", "", 204, ""),
        exchange(13, "orders -> payments", "POST /payments", r#"{"amount": 7, "note": "x"}"#, 201, ""),
        exchange(14, "orders -> payments", "POST /payments", r#"{"amount": 8, "note": "y"}"#, 201, ""),
        exchange(15, "orders -> payments", "POST /payments", r#"{"amount": 7}"#, 201, r#"{"id": 12}"#),
        exchange(16, "orders -> payments", "POST /payments", r#"{"amount": 7}"#, 409, ""),
        exchange(17, "orders -> payments", "POST /payments", r#"{"amount": 7}"#, 422, ""),
        exchange(18, "orders -> payments", "GET /payments/p-5", "", 404, ""),
        event(19, "orders -> notifications", "order.created", "e-2", r#"{"id": "o-2"}"#),
        event(20, "orders -> notifications", "order.cancelled", "e-3", "{}"),
        exchange(21, "orders -> shipping", "POST /shipments", "{}", 201, ""),
        exchange(22, "orders -> shipping", "GET /shipments/s-1", "", 200, ""),
        event(23, "shipping -> notifications", "shipment.created", "e-4", "{}"),
        faulted(exchange(24, "orders -> payments", "GET /nowhere", "", 200, ""), "delay"),
    ]);
    let drift = drift(&contracts(), &exchanges, &[]);
    let lines: Vec<String> = drift
        .findings
        .iter()
        .map(|finding| {
            let evidence: Vec<&str> = finding
                .evidence
                .iter()
                .filter(|evidence| evidence.kind == "exchange")
                .map(|evidence| evidence.id.as_str())
                .collect();
            let severity = format!("{:?}", finding.severity).to_lowercase();
            format!(
                "{severity} {}\n  {}\n  hint: {}\n  {}",
                finding.fingerprint(),
                finding.message,
                finding.hint,
                evidence.join(" ")
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n\n"));
    let mut fingerprints: Vec<String> = drift.findings.iter().map(Finding::fingerprint).collect();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), drift.findings.len());
    assert_eq!((drift.held, drift.in_line), (18, 5));
}

#[test]
fn an_answer_that_another_state_gives_is_in_line() {
    // The pact has 404 for p-404; that p-5 was answered so is a matter of the provider's state.
    let finding = findings(&[exchange(1, "orders -> payments", "GET /payments/p-5", "", 404, "")]);
    assert!(finding.is_empty(), "{finding:#?}");
}

#[test]
fn other_values_of_the_same_form_are_no_drift_and_other_forms_are() {
    let pact = contract(
        "orders",
        "payments",
        json!([{
            "type": "Synchronous/HTTP", "description": "a capture", "pending": false,
            "request": {
                "method": "POST", "path": "/payments/pay-1/capture", "query": {"fast": ["yes"]},
                "headers": {"X-Tenant": ["north"], "Content-Type": ["application/json"]},
                "body": {"contentType": "application/json", "encoded": false, "content": {"amount": 10}}
            },
            "response": {
                "status": 200,
                "body": {"contentType": "application/json", "encoded": false, "content": {"captured": 10}}
            }
        }]),
    );
    let asked = |path: &str, tenant: &str, sent: &str, received: &str| {
        let asked = exchange(1, "orders -> payments", &format!("POST {path}"), sent, 200, received);
        super::world::with_header(asked, "x-tenant", tenant)
    };
    let rules = |exchange: Exchange| -> Vec<String> {
        let findings = drift(std::slice::from_ref(&pact), &[exchange], &[]).findings;
        findings.into_iter().map(|finding| finding.rule).collect()
    };
    let (path, sent) = ("/payments/pay-77/capture?fast=no", r#"{"amount": 7}"#);
    assert!(rules(asked(path, "south", sent, r#"{"captured": 7}"#)).is_empty());
    assert_eq!(rules(asked(path, "south", sent, r#"{"captured": "7"}"#)), [drift::RESPONSE]);
    assert_eq!(rules(asked(path, "south", r#"{"amount": "7"}"#, "{}")), [drift::REQUEST]);
    assert_eq!(rules(asked("/payments/pay-77/capture?slow=no", "south", sent, "{}")), [drift::REQUEST]);
    assert_eq!(rules(asked("/payments/pay-77/refund", "south", sent, "{}")), [drift::OPERATION]);
    // What is asked to the letter is answered to the letter.
    let letter =
        |received: &str| asked("/payments/pay-1/capture?fast=yes", "north", r#"{"amount": 10}"#, received);
    assert!(rules(letter(r#"{"captured": 10}"#)).is_empty());
    assert_eq!(rules(letter(r#"{"captured": 9}"#)), [drift::RESPONSE]);
}

#[test]
fn a_status_that_nobody_mentions_is_only_info() {
    let finding = findings(&[exchange(1, "orders -> payments", "GET /payments/p-5", "", 410, "")]);
    let [finding] = finding.as_slice() else { panic!("{finding:#?}") };
    assert_eq!((finding.rule.as_str(), finding.severity), (drift::STATUS, Severity::Info));
}

#[test]
fn events_that_are_agreed_as_requests_are_judged_as_requests() {
    let pact = contract(
        "orders",
        "notifications",
        json!([{
            "type": "Synchronous/HTTP", "description": "an event is taken", "pending": false,
            "request": {"method": "POST", "path": "/events"}, "response": {"status": 204}
        }]),
    );
    let mut delivered = exchange(1, "orders -> notifications", "POST /events", "", 204, "");
    delivered.request.headers.push(("ce-specversion".to_owned(), "1.0".to_owned()));
    delivered.request.headers.push(("ce-type".to_owned(), "order.created".to_owned()));
    let drift = drift(&[pact], &[delivered], &[]);
    assert!(drift.findings.is_empty(), "{:#?}", drift.findings);
}

#[test]
fn a_value_that_was_redacted_is_no_drift() {
    let exchanges = [exchange(
        1,
        "orders -> payments",
        "POST /payments",
        r#"{"amount": [redacted named 0a1b2c3d]}"#,
        201,
        r#"{"id": "p", "status": "s"}"#,
    )];
    assert!(findings(&exchanges).is_empty());
}

#[test]
fn where_nothing_could_be_judged_it_is_undecided() {
    let faulted = faulted(exchange(1, "orders -> payments", "GET /payments/p-1", "", 200, ""), "abort");
    let finding = findings(&[faulted]);
    assert_eq!(verdict_of(&finding), Verdict::Inconclusive);
    assert!(finding[0].message.contains("1 with an injected fault"), "{}", finding[0].message);
}

#[test]
fn only_the_edges_that_are_named_are_judged() {
    let exchanges = [
        exchange(1, "orders -> shipping", "POST /shipments", "{}", 201, ""),
        exchange(2, "orders -> payments.http", "GET /payments/p-1", "", 200, ""),
    ];
    let drift = drift(&contracts(), &exchanges, &["orders -> payments".parse().unwrap()]);
    assert!(drift.findings.is_empty(), "{:#?}", drift.findings);
    assert_eq!(drift.held, 1);
}
