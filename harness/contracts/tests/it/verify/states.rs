//! Provider states: set up in order, taken back the other way round, their failures told apart from the provider's.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use seaworthy_contracts::outcome::{Outcome, Warning};
use seaworthy_contracts::verify::Options;
use serde_json::{Value, json};

use super::provider::{Served, fine, json as answer, nobody, serve};
use super::{all_verified, contract, get, given, patient, run};

fn with_states(states: &Served) -> Options {
    Options { states: Some(format!("{}/states", states.url)), state_teardown: true, ..patient() }
}

/// What the endpoint was told: action and state.
fn told(states: &Served) -> Vec<String> {
    let told =
        |body: Value| format!("{} {}", body["action"].as_str().unwrap(), body["state"].as_str().unwrap());
    states.asked().iter().map(|asked| told(asked.json())).collect()
}

#[tokio::test]
async fn states_are_set_up_in_order_and_taken_back_the_other_way_round() {
    let (provider, states) = (fine().await, fine().await);
    let contract = contract([given(get("/a"), &[("one", json!({ "id": 7 })), ("two", json!({}))])]);
    assert!(all_verified(&run(std::slice::from_ref(&contract), &provider.url, &with_states(&states)).await));
    assert_eq!(told(&states), ["setup one", "setup two", "teardown two", "teardown one"]);
    let first = &states.asked()[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/states"));
    assert_eq!(
        first.json(),
        json!({ "consumer": "shop", "state": "one", "params": { "id": 7 }, "action": "setup" })
    );
    let kept = Options { state_teardown: false, ..with_states(&states) };
    assert!(all_verified(&run(&[contract], &provider.url, &kept).await));
    assert_eq!(told(&states)[4..], ["setup one", "setup two"]);
}

#[tokio::test]
async fn without_states_the_endpoint_is_told_of_an_empty_one_and_may_refuse_it() {
    let (provider, states) = (fine().await, serve(async |_| StatusCode::NOT_FOUND).await);
    let verification = run(&[contract([get("/a")])], &provider.url, &with_states(&states)).await;
    assert!(all_verified(&verification));
    assert!(verification.results[0].warnings.is_empty(), "{:?}", verification.results[0].warnings);
    assert_eq!(told(&states), ["setup ", "teardown "]);
}

#[tokio::test]
async fn what_a_state_answers_is_put_into_the_request() {
    let provider = fine().await;
    let states = serve(async |_| answer(200, &json!({ "id": "from-the-endpoint" }))).await;
    let mut interaction = given(get("/payments/7"), &[("a payment", json!({ "id": 7, "token": "t-1" }))]);
    interaction["request"]["headers"] = json!({ "X-Token": ["example"] });
    interaction["request"]["generators"] = json!({
        "path": { "type": "ProviderState", "expression": "/payments/${id}", "dataType": "STRING" },
        "header": { "X-Token": { "type": "ProviderState", "expression": "${token}", "dataType": "STRING" } },
    });
    assert!(all_verified(&run(&[contract([interaction])], &provider.url, &with_states(&states)).await));
    let asked = &provider.asked()[0];
    assert_eq!(asked.path, "/payments/from-the-endpoint");
    assert_eq!(asked.header("x-token"), Some("t-1"));
}

#[tokio::test]
async fn a_state_that_cannot_be_set_up_is_its_own_failure_and_what_was_set_up_is_taken_back() {
    let provider = fine().await;
    let states = serve(async |asked| {
        if asked.json()["state"] == "two" {
            (StatusCode::INTERNAL_SERVER_ERROR, "no such table").into_response()
        } else {
            StatusCode::OK.into_response()
        }
    })
    .await;
    let contract =
        contract([given(get("/a"), &[("one", json!({})), ("two", json!({})), ("three", json!({}))])]);
    let verification = run(&[contract], &provider.url, &with_states(&states)).await;
    assert_eq!(
        verification.results[0].outcome,
        Outcome::StateFailed {
            state: "two".to_owned(),
            message: "the state endpoint answered 500: no such table".to_owned()
        }
    );
    assert_eq!(told(&states), ["setup one", "setup two", "teardown one"]);
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn a_failing_teardown_never_hides_a_mismatch() {
    let provider =
        serve(async |asked| if asked.path == "/bad" { StatusCode::GONE } else { StatusCode::OK }).await;
    let states =
        serve(
            async |asked| {
                if asked.json()["action"] == "teardown" { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
            },
        )
        .await;
    let contract =
        contract([given(get("/bad"), &[("one", json!({}))]), given(get("/good"), &[("two", json!({}))])]);
    let verification = run(&[contract], &provider.url, &with_states(&states)).await;
    let [bad, good] = &verification.results[..] else { panic!("{verification:?}") };
    assert!(matches!(&bad.outcome, Outcome::Mismatched { mismatches } if mismatches.len() == 1), "{bad:?}");
    assert!(good.outcome.is_verified(), "{good:?}");
    for (result, state) in [(bad, "one"), (good, "two")] {
        assert_eq!(
            result.warnings,
            [Warning::TeardownFailed {
                state: state.to_owned(),
                message: "the state endpoint answered 502".to_owned()
            }]
        );
    }
    let rules: Vec<String> = seaworthy_contracts::verify::findings(&verification)
        .into_iter()
        .map(|finding| format!("{:?} {}", finding.severity, finding.rule))
        .collect();
    assert_eq!(
        rules,
        ["Error contract.mismatch", "Error contract.teardown-failed", "Error contract.teardown-failed"]
    );
}

#[tokio::test]
async fn without_an_endpoint_states_are_noted_and_the_verdict_stands() {
    let provider = fine().await;
    let contract = contract([given(get("/a"), &[("one", json!({})), ("two", json!({}))])]);
    let verification = run(&[contract], &provider.url, &patient()).await;
    assert!(all_verified(&verification));
    let noted = |state: &str| Warning::StateNotSetUp { state: state.to_owned() };
    assert_eq!(verification.results[0].warnings, [noted("one"), noted("two")]);
}

#[tokio::test]
async fn a_state_endpoint_that_is_down_is_told_once() {
    let provider = fine().await;
    let (_kept, url) = nobody();
    let options = Options { states: Some(url), ..patient() };
    let contract =
        contract((0..50).map(|id| given(get(&format!("/{id}")), &[("a payment", json!({ "id": id }))])));
    let verification = run(&[contract], &provider.url, &options).await;
    assert_eq!(verification.counts().failed, 50);
    assert!(provider.asked().is_empty());
    let findings = seaworthy_contracts::verify::findings(&verification);
    assert!(findings.len() <= 3, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.rule == "contract.state-failed"));
}

#[tokio::test]
async fn no_secret_that_a_state_endpoint_blurts_out_is_told() {
    let provider = fine().await;
    let states = serve(async |_| {
        (StatusCode::INTERNAL_SERVER_ERROR, "no login: Authorization: Bearer abcdefgh1234567890abcdefgh")
            .into_response()
    })
    .await;
    let contract = contract([given(get("/a"), &[("one", json!({}))])]);
    let verification = run(&[contract], &provider.url, &with_states(&states)).await;
    let said = format!("{:?}", verification.results[0]);
    assert!(said.contains("no login") && !said.contains("abcdefgh1234567890"), "{said}");
}
