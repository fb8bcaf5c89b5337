//! A consumer's client against the mock of its provider.

use seaworthy_contracts::consumer::Pact;
use seaworthy_contracts::consumer::pattern::*;
use seaworthy_contracts::json_pattern;
use seaworthy_contracts::write::Mode;
use serde_json::{Value, json};

fn payments() -> Pact {
    let mut pact = Pact::new("orders", "payments");
    pact.interaction("a request to authorize a payment")
        .given("no payment for the order exists")
        .request(|request| {
            request
                .post("/payments")
                .query("dry", "true")
                .header("Idempotency-Key", regex("^k-\\d+$", "k-1"))
                .json(json_pattern!({ "orderId": like("o-1"), "amount": integer(100), "currency": "EUR" }))
        })
        .response(|response| {
            response
                .status(201)
                .json(json_pattern!({ "id": uuid(), "status": one_of(["authorized", "declined"]) }))
        });
    pact
}

/// What a consumer's client would do.
async fn authorize(url: &str, key: &str, order: Value) -> (u16, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let request = client.post(format!("{url}/payments?dry=true")).header("idempotency-key", key).json(&order);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_request_that_fits_is_answered_as_declared() {
    let server = payments().serve().await.unwrap();
    let order = json!({ "orderId": "o-77", "amount": 5, "currency": "EUR" });
    let (status, body) = authorize(&server.url(), "k-9", order).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(body["status"], "authorized");
    assert_eq!(server.report(), None);
}

#[tokio::test]
async fn the_contract_is_written_and_a_second_run_finds_it_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [Mode::Merge, Mode::Check] {
        let server = payments().mode(mode).serve().await.unwrap();
        let order = json!({ "orderId": "o-77", "amount": 5, "currency": "EUR" });
        authorize(&server.url(), "k-9", order).await;
        let file = server.finish(folder.path()).unwrap();
        println!("{}", std::fs::read_to_string(&file).unwrap());
        assert_eq!(file, folder.path().join("orders-payments.json"));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[tokio::test]
async fn a_request_that_does_not_fit_is_refused_and_told_beside_the_nearest_interaction() {
    let folder = tempfile::tempdir().unwrap();
    let server = payments().mode(Mode::Merge).serve().await.unwrap();
    let order = json!({ "orderId": "o-77", "amount": 5.5, "currency": "USD" });
    let (status, body) = authorize(&server.url(), "key", order).await;
    assert_eq!(status, 500);
    println!("{}", body["error"].as_str().unwrap());
    println!("{}", server.finish(folder.path()).unwrap_err());
}
