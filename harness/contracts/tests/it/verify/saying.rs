//! What is said of a verification.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use seaworthy_contracts::verify::{Options, findings};
use serde_json::json;

use super::provider::{json as answer, serve};
use super::{contract, get, given, patient, run, with};

#[tokio::test]
async fn a_mismatch_shows_the_request_the_differences_and_the_trace() {
    let provider = serve(async |asked| match asked.path.as_str() {
        "/payments" => answer(201, &json!({ "id": "7", "amount": 12, "password": "hunter22" })),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    let payment = json!({
        "type": "Synchronous/HTTP",
        "description": "a payment",
        "request": {
            "method": "POST",
            "path": "/payments",
            "headers": { "Content-Type": ["application/json"], "Authorization": ["Bearer a-token-of-the-test"] },
            "body": { "content": { "amount": 12 }, "contentType": "application/json", "encoded": false },
        },
        "response": {
            "status": 200,
            "headers": { "X-Kind": ["payment"] },
            "body": {
                "content": { "id": 7, "amount": 12, "password": "hunter2222", "currency": "EUR" },
                "contentType": "application/json",
                "encoded": false,
            },
            "matchingRules": { "body": { "$.id": { "combine": "AND", "matchers": [{ "match": "integer" }] } } },
        },
    });
    let contract = contract([
        given(payment, &[("the shop is open", json!({}))]),
        with(get("/pending"), "pending", json!(true)),
    ]);
    let verification = run(&[contract], &provider.url, &Options { jobs: 1, ..patient() }).await;
    let findings = findings(&verification);
    let filters = vec![
        (r"127\.0\.0\.1:\d+", "HOST"),
        ("[0-9a-f]{32}", "TRACE"),
        ("TRACE-[0-9a-f]{16}", "TRACE-SPAN"),
        ("[0-9a-f]{8}-[0-9a-f-]{27}", "CORRELATION"),
    ];
    insta::with_settings!({ filters => filters }, {
        insta::assert_json_snapshot!(findings);
    });
}
