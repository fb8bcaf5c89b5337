//! A consumer's client against the mock of its provider.

use std::path::Path;

use seaworthy_contracts::consumer::pattern::*;
use seaworthy_contracts::consumer::{ConsumerError, MockProvider, Pact};
use seaworthy_contracts::document;
use seaworthy_contracts::json_pattern;
use seaworthy_contracts::model::{Contents, Specification};
use seaworthy_contracts::write::Mode;
use serde_json::{Value, json};

use super::client;

/// One of everything that a test can declare of HTTP.
pub(super) fn payments() -> Pact {
    let mut pact = Pact::new("orders", "payments").mode(Mode::Merge);
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
async fn authorize(server: &MockProvider, key: &str, order: Value) -> (u16, Value) {
    let url = format!("{}/payments?dry=true", server.url());
    let response = client().post(url).header("idempotency-key", key).json(&order).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn order() -> Value {
    json!({ "orderId": "o-77", "amount": 5, "currency": "EUR" })
}

/// What says where the tests stand changes whenever somebody adds a line above.
fn without_lines(text: &str) -> String {
    regex::Regex::new(r"playing\.rs:\d+").unwrap().replace_all(text, "playing.rs:LINE").into_owned()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_request_that_fits_is_answered_as_declared() {
    let server = payments().serve().await.unwrap();
    let (status, body) = authorize(&server, "k-9", order()).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(body["status"], "authorized");
    assert_eq!(server.report(), None);
}

#[tokio::test]
async fn the_contract_is_written_and_a_second_run_finds_it_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [Mode::Merge, Mode::Check] {
        let server = payments().mode(mode).serve().await.unwrap();
        authorize(&server, "k-9", order()).await;
        let file = server.finish(folder.path()).unwrap();
        assert_eq!(file, folder.path().join("orders-payments.json"));
    }
    assert_eq!(files(folder.path()), ["orders-payments.json"], "nothing else is left");
    insta::assert_snapshot!(
        "the contract as it is written",
        std::fs::read_to_string(folder.path().join("orders-payments.json")).unwrap()
    );
}

#[tokio::test]
async fn a_request_that_does_not_fit_is_refused_and_told_beside_the_nearest_interaction() {
    let folder = tempfile::tempdir().unwrap();
    let server = payments().serve().await.unwrap();
    let order = json!({ "orderId": "it's", "amount": 5.5, "currency": "USD", "password": "hunter2hunter2" });
    let (status, body) = authorize(&server, "key", order).await;
    assert_eq!(status, 500);
    assert!(body["error"].as_str().unwrap().contains("$.amount"), "{body}");
    let error = server.finish(folder.path()).unwrap_err();
    insta::assert_snapshot!("a request that does not fit", without_lines(&error.to_string()));
    assert!(files(folder.path()).is_empty(), "nothing is written");
}

#[tokio::test]
async fn what_was_not_used_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut pact = payments();
    pact.message("payment settled").contents(json_pattern!({ "id": uuid() }));
    let error = pact.serve().await.unwrap().finish(folder.path()).unwrap_err();
    let ConsumerError::Unfulfilled { report } = &error else { panic!("{error}") };
    let waiting: Vec<&str> = report.unused.iter().map(|unused| unused.waits_for.as_str()).collect();
    assert_eq!(waiting, ["POST /payments", "a message, handed over with `consume`"]);
    assert!(files(folder.path()).is_empty(), "nothing is written");
}

#[tokio::test]
async fn secrets_in_requests_are_not_told() {
    let mut pact = Pact::new("a", "b").mode(Mode::Merge);
    pact.interaction("with a key")
        .request(|request| request.get("/").header("X-Api-Key", "expected-key"))
        .response(|response| response.status(200));
    let server = pact.serve().await.unwrap();
    client().get(server.url()).header("x-api-key", "sent-key-material").send().await.unwrap();
    let said = server.finish("unused").unwrap_err().to_string();
    assert!(said.contains("header X-Api-Key"), "{said}");
    assert!(!said.contains("expected-key") && !said.contains("sent-key"), "{said}");
}

#[tokio::test]
async fn of_several_that_fit_each_answers_once_in_the_order_of_declaration_and_the_last_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut pact = Pact::new("orders", "payments").mode(Mode::Merge);
    for (state, status) in [("no payment exists", 404), ("a payment exists", 200)] {
        pact.interaction("the payment is asked for")
            .given(state)
            .request(|request| request.get("/payments/1"))
            .response(|response| response.status(status));
    }
    let server = pact.serve().await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = client().get(format!("{}/payments/1", server.url())).send().await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [404, 200, 200, 200]);
    server.finish(folder.path()).unwrap();
}

#[tokio::test]
async fn two_interactions_of_one_name_are_refused_with_both_places() {
    let mut pact = payments();
    pact.interaction("a request to authorize a payment")
        .given("no payment for the order exists")
        .request(|request| request.get("/"))
        .response(|response| response);
    let said = pact.serve().await.unwrap_err().to_string();
    assert!(said.matches("playing.rs:").count() == 2, "{said}");
}

#[tokio::test]
async fn an_example_that_does_not_keep_its_own_rule_is_refused() {
    let wrong: [Pattern; 4] = [
        regex("^\\d+$", "twelve"),
        date("yyyy-MM-dd", "31.01.2026"),
        semver("one"),
        json_pattern!({ "deep": [ { "inside": include("a", "b") } ] }),
    ];
    for pattern in wrong {
        let mut pact = Pact::new("a", "b");
        pact.interaction("wrong")
            .request(|request| request.get("/"))
            .response(|response| response.json(pattern));
        let said = pact.serve().await.unwrap_err().to_string();
        assert!(said.contains("its example does not keep its own rules: body $"), "{said}");
    }
}

#[tokio::test]
async fn what_cannot_be_declared_is_an_error_with_its_place() {
    type Declare = fn(&mut Pact);
    let cases: [(Declare, &str); 5] = [
        (
            |pact| pact.interaction("x").request(|it| it.get("/")).response(|it| it.status(99)),
            "a status is a number from 100 to 999",
        ),
        (
            |pact| pact.interaction("x").request(|it| it.get("/")).response(|it| it.status(103)),
            "a mock cannot answer with status 103",
        ),
        (
            |pact| pact.interaction("x").request(|it| it.get("/")).response(|it| it.header("a b", "c")),
            "is no name of a header",
        ),
        (
            |pact| {
                pact.interaction("x").given_with("s", json!([1])).request(|it| it.get("/")).response(|it| it);
            },
            "the parameters of a state are a JSON object, not [1]",
        ),
        (
            |pact| {
                pact.interaction("x")
                    .request(|it| it.get("/"))
                    .response(|it| it.json(json_pattern!({ "it's": integer(1) })));
            },
            "path expression",
        ),
    ];
    for (declare, expected) in cases {
        let mut pact = Pact::new("a", "b");
        declare(&mut pact);
        let said = pact.serve().await.unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains("playing.rs:"), "{said}");
    }
}

#[tokio::test]
async fn every_way_to_declare_a_body_and_a_query_is_played_and_survives_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let png: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
    let mut pact = Pact::new("gateway", "catalog").mode(Mode::Merge);
    pact.interaction("an image is uploaded")
        .key("upload")
        .pending()
        .comment("of any size")
        .given_with("a product exists", json!({ "sku": "mug-1", "stock": 3 }))
        .request(|it| {
            it.put(regex("^/products/[a-z]+-\\d+/image$", "/products/mug-1/image"))
                .query("tag", "a b")
                .query("tag", "c&d")
                .body_of_type("image/png", png)
        })
        .response(|it| it.status_of_class("success", 202).body("text/plain", "thank you"));
    pact.interaction("products are listed")
        .request(|it| it.get("/products").query("limit", regex("^\\d+$", "10")))
        .response(|it| {
            it.json(json_pattern!({
                "items": each_like_within(json_pattern!({
                    "sku": regex("^[a-z]+-\\d+$", "mug-1"),
                    "price": decimal(9.5),
                    "tags": array_containing(vec!["new".into()]),
                    "stock": each_value("berlin", integer(3)),
                    "since": date("yyyy-MM-dd", "2026-01-31"),
                    "gone": null,
                }), 2, 5),
                "empty": [],
                "none": {},
                "next": from_provider_state("/products?after=${sku}", "/products?after=mug-1"),
            }))
        });
    let server = pact.serve().await.unwrap();
    let upload = client()
        .put(format!("{}/products/cup-22/image?tag=a%20b&tag=c%26d", server.url()))
        .header("content-type", "image/png")
        .body(png.to_vec());
    let uploaded = upload.send().await.unwrap();
    assert_eq!((uploaded.status().as_u16(), uploaded.text().await.unwrap().as_str()), (202, "thank you"));
    let listed = client().get(format!("{}/products?limit=3", server.url())).send().await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");

    let file = server.finish(folder.path()).unwrap();
    let read = document::read(&file).unwrap();
    assert_eq!((read.specification, read.interactions.len()), (Specification::V4, 2));
    let [listed, uploaded] = &read.interactions[..] else { panic!("{read:?}") };
    assert_eq!(listed.description, "products are listed", "interactions without state come first");
    assert!(uploaded.pending && uploaded.key.as_deref() == Some("upload"));
    assert_eq!(uploaded.states[0].params["stock"], 3);
    let Contents::Http { request, .. } = &uploaded.contents else { panic!("{uploaded:?}") };
    assert_eq!(request.body.value().unwrap(), png);
}

#[tokio::test]
async fn a_message_is_handed_to_the_handler_and_the_contract_is_written_when_it_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut pact = Pact::new("notifications", "orders").mode(Mode::Merge);
    pact.message("order placed")
        .given("an order exists")
        .metadata("ce-type", "order.placed")
        .metadata("routing-key", regex("^orders\\..+$", "orders.placed"))
        .contents(json_pattern!({ "orderId": like("o-1"), "total": decimal(10.5) }));
    let mut handled = Vec::new();
    pact.consume("order placed", async |message| {
        handled.push((message.json()?["orderId"].clone(), message.metadata["ce-type"].clone()));
        Ok::<_, serde_json::Error>(())
    })
    .await
    .unwrap();
    assert_eq!(handled, [(json!("o-1"), json!("order.placed"))]);
    let read = document::read(&pact.finish(folder.path()).unwrap()).unwrap();
    assert!(matches!(read.interactions[0].contents, Contents::Message(_)), "{read:?}");
}

#[tokio::test]
async fn a_message_that_the_handler_refuses_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut pact = Pact::new("notifications", "orders").mode(Mode::Merge);
    pact.message("order placed").contents(json_pattern!({ "orderId": 1 }));
    let error = pact.consume("order placed", async |_| Err("orderId is no text")).await.unwrap_err();
    assert!(error.to_string().ends_with("to the consumer: orderId is no text"), "{error}");
    let unknown = pact.consume("order cancelled", async |_| Ok::<_, String>(())).await.unwrap_err();
    assert!(unknown.to_string().contains("there are \"order placed\""), "{unknown}");
    assert!(pact.finish(folder.path()).is_err());
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn generated_values_are_new_each_time_and_the_file_keeps_the_example() {
    let folder = tempfile::tempdir().unwrap();
    let mut pact = Pact::new("a", "b").mode(Mode::Merge);
    let id = || uuid().generated(json!({ "type": "Uuid" }));
    pact.interaction("two ids")
        .request(|it| it.get("/"))
        .response(|it| it.header("X-Request-Id", id()).json(json_pattern!({ "id": id() })));
    let server = pact.serve().await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let response = client().get(server.url()).send().await.unwrap();
        seen.insert(response.headers()["x-request-id"].to_str().unwrap().to_owned());
        seen.insert(response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    let text = std::fs::read_to_string(server.finish(folder.path()).unwrap()).unwrap();
    assert!(seen.iter().all(|id| !text.contains(id)));
}

#[tokio::test]
async fn a_mock_that_is_dropped_with_something_unused_says_so() {
    let server = payments().serve().await.unwrap();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
    let message = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("was dropped without `finish`") && message.contains("POST /payments"),
        "{message}"
    );
}

#[tokio::test]
async fn a_mock_that_is_dropped_by_a_panic_adds_no_other() {
    let server = payments().serve().await.unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _server = server;
        panic!("the test's own");
    }));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the test's own");
}

#[tokio::test]
async fn a_mock_that_is_dropped_with_all_used_says_nothing() {
    let server = payments().serve().await.unwrap();
    authorize(&server, "k-1", order()).await;
    drop(server);
}

#[tokio::test]
async fn an_older_specification_is_written_and_found_unchanged() {
    for specification in [Specification::V2, Specification::V3] {
        let folder = tempfile::tempdir().unwrap();
        for mode in [Mode::Merge, Mode::Check, Mode::Merge] {
            let server = payments().specification(specification).mode(mode).serve().await.unwrap();
            authorize(&server, "k-9", order()).await;
            let file = server.finish(folder.path()).unwrap();
            assert_eq!(document::read(&file).unwrap().specification, specification);
        }
    }
}
