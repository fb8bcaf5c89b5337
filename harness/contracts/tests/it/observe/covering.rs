//! Which interactions were exercised.

use seaworthy_contracts::observe::coverage::{self, coverage};
use seaworthy_core::check::verdict_of;
use seaworthy_core::exchange::Protocol;
use seaworthy_core::finding::Verdict;
use serde_json::json;

use super::drifting::{contracts, in_line};
use super::world::{contract, exchange};

#[test]
fn what_was_exercised_and_what_not_is_told_by_operation() {
    let mut exchanges = in_line();
    exchanges.push(exchange(5, "orders -> payments", "POST /payments", r#"{"amount": 7}"#, 409, ""));
    let mut grpc = exchange(6, "orders -> inventory", "POST /shop.v1.Inventory/Reserve", "", 200, "");
    grpc.protocol = Protocol::Grpc;
    exchanges.push(grpc);
    let mut contracts = contracts();
    contracts.push(contract(
        "orders",
        "inventory",
        json!([{
            "type": "Synchronous/Messages", "description": "a reservation", "transport": "grpc",
            "request": {"contents": {"content": "CgRib29r", "contentType": "application/protobuf", "encoded": "base64"}},
            "response": [{"contents": {"content": "CAE=", "contentType": "application/protobuf", "encoded": "base64"}}],
            "pluginConfiguration": {"protobuf": {"service": "Inventory/Reserve"}}
        }]),
    ));
    let report = coverage(&contracts, &exchanges, &[]);
    insta::assert_snapshot!(report.to_text());
    assert_eq!(report.exercised(), (3, 4));
    let findings = report.findings();
    let rules: Vec<(&str, &str)> = findings
        .iter()
        .map(|finding| {
            (finding.rule.as_str(), finding.location.as_ref().unwrap().pointer.as_deref().unwrap())
        })
        .collect();
    assert_eq!(rules, [(coverage::UNEXERCISED, "/interactions/2")]);
}

#[test]
fn an_interaction_whose_request_was_answered_otherwise_was_not_exercised() {
    let exchanges = [exchange(1, "orders -> payments", "GET /payments/p-404", "", 200, "")];
    let report = coverage(&contracts(), &exchanges, &[]);
    let exercised: Vec<(&str, u64)> = report.contracts[0]
        .operations
        .iter()
        .flat_map(|operation| &operation.interactions)
        .map(|interaction| (interaction.name.as_str(), interaction.exercised))
        .collect();
    assert_eq!(
        exercised,
        [("a payment", 0), ("given payment p-1, a look at a payment", 1), ("a look at no payment", 0)]
    );
}

#[test]
fn where_nothing_was_seen_it_is_undecided() {
    assert_eq!(verdict_of(&coverage(&contracts(), &[], &[]).findings()), Verdict::Inconclusive);
    assert_eq!(verdict_of(&coverage(&[], &in_line(), &[]).findings()), Verdict::Inconclusive);
}
