//! Messages: over the message endpoint, or by whoever makes the call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seaworthy_contracts::mismatch::Part;
use seaworthy_contracts::model::{Contents, Contract, Interaction};
use seaworthy_contracts::outcome::Outcome;
use seaworthy_contracts::verify::{
    Call, Called, Options, Provider, Reached, SynchronousCaller, Verification, findings, verify,
};
use seaworthy_core::check::verdict_of;
use seaworthy_core::finding::Verdict;
use serde_json::{Value, json};

use super::provider::{Asked, Served, fine, serve};
use super::{all_verified, contract, get, given, outcomes, patient, run};

fn contents(body: &Value) -> Value {
    json!({ "content": body, "contentType": "application/json", "encoded": false })
}

fn message() -> Value {
    json!({
        "type": "Asynchronous/Messages",
        "description": "a payment was made",
        "contents": contents(&json!({ "id": 7 })),
        "metadata": { "topic": "payments" },
    })
}

fn answer(body: &Value, metadata: &str) -> Response {
    Response::builder()
        .header("content-type", "application/json")
        .header("Pact-Message-Metadata", metadata)
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn encoded(metadata: &Value) -> String {
    STANDARD.encode(metadata.to_string())
}

async fn through(endpoint: &Served, contract: Contract) -> Verification {
    let provider = Provider {
        name: "payments".to_owned(),
        url: "http://127.0.0.1:1".to_owned(),
        message_url: Some(format!("{}/messages", endpoint.url)),
    };
    verify(&[contract], &provider, &patient(), &|_| {}).await.unwrap()
}

#[tokio::test]
async fn a_message_is_asked_for_by_its_description_and_states() {
    let endpoint =
        serve(async |_| answer(&json!({ "id": 7 }), &encoded(&json!({ "topic": "payments" })))).await;
    let contract = contract([given(message(), &[("a payment", json!({ "id": 7 }))])]);
    assert!(all_verified(&through(&endpoint, contract).await));
    let asked = &endpoint.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/messages"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert!(asked.header("traceparent").is_some());
    assert_eq!(
        asked.json(),
        json!({
            "description": "a payment was made",
            "providerStates": [{ "name": "a payment", "params": { "id": 7 } }],
        })
    );
}

#[tokio::test]
async fn another_body_or_other_metadata_is_a_mismatch() {
    let endpoint =
        serve(async |_| answer(&json!({ "id": 8 }), &encoded(&json!({ "topic": "refunds" })))).await;
    let verification = through(&endpoint, contract([message()])).await;
    let Outcome::Mismatched { mismatches } = &verification.results[0].outcome else {
        panic!("{verification:?}")
    };
    let mut parts: Vec<Part> = mismatches.iter().map(|mismatch| mismatch.part).collect();
    parts.sort();
    assert_eq!(parts, [Part::Body, Part::Metadata]);
}

#[tokio::test]
async fn a_message_endpoint_that_fails_is_a_failed_request() {
    for (answer, words) in [
        ((StatusCode::NOT_FOUND, "no such message").into_response(), "answered 404: no such message"),
        (answer(&json!({}), "%%%"), "is not base64 of a JSON object"),
        (answer(&json!({}), &STANDARD.encode("[1]")), "is not base64 of a JSON object"),
    ] {
        let answer = Arc::new(std::sync::Mutex::new(Some(answer)));
        let endpoint = serve(move |_: Asked| {
            let answer = answer.lock().unwrap().take().unwrap();
            async move { answer }
        })
        .await;
        let verification = through(&endpoint, contract([message()])).await;
        let Outcome::RequestFailed { message } = &verification.results[0].outcome else {
            panic!("{verification:?}")
        };
        assert!(message.contains(words), "{message}");
    }
}

fn synchronous(transport: Option<&str>, responses: u64) -> Value {
    let responses: Vec<Value> =
        (0..responses).map(|id| json!({ "contents": contents(&json!({ "id": id })) })).collect();
    let mut interaction = json!({
        "type": "Synchronous/Messages",
        "description": "a question",
        "request": { "contents": contents(&json!({ "ask": 1 })) },
        "response": responses,
    });
    if let Some(transport) = transport {
        interaction["transport"] = json!(transport);
    }
    interaction
}

#[tokio::test]
async fn without_an_endpoint_messages_cannot_be_told_and_what_would_decide_is_said() {
    let provider = fine().await;
    let verification =
        run(&[contract([message(), synchronous(Some("grpc"), 1)])], &provider.url, &patient()).await;
    for outcome in outcomes(&verification) {
        assert!(
            matches!(outcome, Outcome::Undecided { message } if message.contains("--message-url")),
            "{outcome:?}"
        );
    }
    assert!(findings(&verification).iter().all(|finding| finding.rule == "contract.undecided"));
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn what_may_fail_may_be_undecided_but_nothing_decided_is_never_green() {
    let provider = fine().await;
    let mut pending = message();
    pending["pending"] = json!(true);
    let alone = run(&[contract([pending.clone()])], &provider.url, &patient()).await;
    assert_eq!(verdict_of(&findings(&alone)), Verdict::Inconclusive);
    let beside = run(&[contract([pending, get("/a")])], &provider.url, &patient()).await;
    assert_eq!(verdict_of(&findings(&beside)), Verdict::Pass);
    assert!(findings(&beside).iter().any(|finding| finding.rule == "contract.undecided"));
}

#[tokio::test]
async fn a_synchronous_message_goes_over_the_endpoint_with_its_request() {
    let endpoint = serve(async |_| answer(&json!({ "id": 0 }), &encoded(&json!({})))).await;
    let verification = through(&endpoint, contract([synchronous(None, 1), synchronous(None, 2)])).await;
    let [one, two] = outcomes(&verification)[..] else { panic!() };
    assert!(one.is_verified(), "{one:?}");
    assert!(matches!(two, Outcome::Undecided { message } if message.contains("2 are agreed")), "{two:?}");
    let asked = endpoint.asked()[0].json();
    assert_eq!(asked["description"], "a question");
    assert_eq!(asked["request"]["contents"]["content"], json!({ "ask": 1 }));
}

/// Answers with the id that a state gave, or never.
#[derive(Debug)]
struct Echo;

impl SynchronousCaller for Echo {
    fn calls(&self, interaction: &Interaction) -> bool {
        matches!(interaction.contents, Contents::SynchronousMessage { .. })
            && interaction.transport.as_deref() == Some("grpc")
    }

    fn call<'a>(&'a self, call: Call<'a>) -> Pin<Box<dyn Future<Output = Called> + Send + 'a>> {
        Box::pin(async move {
            if call.values.get("hang") == Some(&json!(true)) {
                std::future::pending::<()>().await;
            }
            let names: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert!(names.contains(&"traceparent") && names.contains(&"x-correlation-id"), "{names:?}");
            let outcome = if call.values.get("id") == Some(&json!(7)) {
                Outcome::Verified
            } else {
                Outcome::RequestFailed { message: "no id".to_owned() }
            };
            Called {
                outcome,
                latency: Some(Duration::ZERO),
                request: Some("grpcurl …".to_owned()),
                reached: Reached::Provider,
            }
        })
    }
}

#[tokio::test]
async fn who_makes_the_calls_of_a_transport_is_given_states_and_headers_and_must_end() {
    let provider = fine().await;
    let state = |params: Value| given(synchronous(Some("grpc"), 1), &[("a payment", params)]);
    let contract =
        contract([state(json!({ "id": 7 })), state(json!({ "id": 8 })), state(json!({ "hang": true }))]);
    let options = Options {
        synchronous: Some(Arc::new(Echo)),
        request_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let verification = run(&[contract], &provider.url, &options).await;
    let [good, bad, hung] = &verification.results[..] else { panic!("{verification:?}") };
    assert!(good.outcome.is_verified() && good.request.is_none() && good.trace.is_some(), "{good:?}");
    assert_eq!(bad.outcome, Outcome::RequestFailed { message: "no id".to_owned() });
    assert_eq!(bad.request.as_deref(), Some("grpcurl …"));
    assert!(matches!(&hung.outcome, Outcome::RequestFailed { message } if message.contains("within 200ms")));
}
