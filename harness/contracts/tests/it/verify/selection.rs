//! Which interactions are run.

use std::collections::BTreeSet;
use std::sync::Mutex;

use axum::http::StatusCode;
use seaworthy_contracts::verify::{Filter, Options, findings, verify};
use seaworthy_core::finding::Effect;
use serde_json::{Value, json};

use super::provider::{fine, serve};
use super::{all_verified, contract, contract_of, get, given, patient, provider_at, run, with};

fn typed(mut interaction: Value, matcher: Value) -> Value {
    interaction["response"]["body"] =
        json!({ "content": { "n": 1 }, "contentType": "application/json", "encoded": false });
    interaction["response"]["matchingRules"] =
        json!({ "body": { "$.n": { "combine": "AND", "matchers": [matcher] } } });
    interaction
}

#[tokio::test]
async fn an_interaction_in_several_contracts_runs_once_if_its_form_is_the_same() {
    let provider = serve(async |_| super::provider::json(200, &json!({ "n": 1 }))).await;
    let same = || typed(get("/same"), json!({ "match": "type" }));
    let state = |id: u32| given(get("/same"), &[("a payment", json!({ "id": id }))]);
    let noted = with(with(same(), "comments", json!({ "text": ["of one alone"] })), "key", json!("k-1"));
    let shop = contract_of("shop", [same(), state(1), typed(get("/rule"), json!({ "match": "type" }))]);
    let desk = contract_of("desk", [noted, state(2), typed(get("/rule"), json!({ "match": "number" }))]);
    let verification = run(&[shop, desk], &provider.url, &patient()).await;
    let consumers: Vec<String> =
        verification.results.iter().map(|result| result.consumers.join("+")).collect();
    assert_eq!(consumers, ["shop+desk", "shop", "shop", "desk", "desk"]);
    assert!(all_verified(&verification));
    assert_eq!(provider.asked().len(), 5);
}

#[tokio::test]
async fn filters_leave_out_what_they_do_not_want() {
    let provider = fine().await;
    let contracts = [
        contract_of("shop", [get("/a"), given(get("/b"), &[("a payment", json!({}))])]),
        contract_of("desk", [given(get("/c"), &[("open", json!({})), ("a refund", json!({}))]), get("/d")]),
    ];
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (Filter::default(), "/a /b /c /d"),
        (Filter { description: text("/[ad]$"), ..Filter::default() }, "/a /d"),
        (Filter { state: text("^a "), ..Filter::default() }, "/b /c"),
        (Filter { no_state: true, ..Filter::default() }, "/a /d"),
        (Filter { no_state: true, state: text("refund"), ..Filter::default() }, "/a /c /d"),
        (Filter { consumers: vec!["desk".to_owned()], ..Filter::default() }, "/c /d"),
        (Filter { consumers: vec!["desk".to_owned()], no_state: true, ..Filter::default() }, "/d"),
    ];
    for (filter, wanted) in cases {
        let options = Options { filter, ..patient() };
        let verification = run(&contracts, &provider.url, &options).await;
        let ran: Vec<&str> = verification
            .results
            .iter()
            .map(|result| result.description.trim_start_matches("a request for "))
            .collect();
        assert_eq!(ran.join(" "), wanted, "{:?}", options.filter);
        assert_eq!(verification.filtered, 4 - ran.len());
    }
}

#[tokio::test]
async fn those_that_failed_last_can_be_run_again_alone() {
    let provider =
        serve(async |asked| if asked.path == "/good" { StatusCode::OK } else { StatusCode::NOT_FOUND }).await;
    let contracts = [contract([
        get("/good"),
        get("/bad"),
        given(get("/bad"), &[("one", json!({})), ("two", json!({}))]),
    ])];
    let first = run(&contracts, &provider.url, &patient()).await;
    let failed: BTreeSet<String> = first.failed();
    assert_eq!(
        failed.iter().map(String::as_str).collect::<Vec<_>>(),
        ["a request for /bad", "given one and two, a request for /bad"]
    );
    let again = run(&contracts, &provider.url, &Options { only: Some(failed), ..patient() }).await;
    assert_eq!((again.results.len(), again.filtered, again.counts().failed), (2, 1, 2));
}

#[tokio::test]
async fn contracts_of_another_provider_are_left_out_and_nothing_verified_is_undecided() {
    let provider = fine().await;
    let mut other = contract([get("/a")]);
    other.provider = "inventory".to_owned();
    let verification = run(&[other.clone()], &provider.url, &patient()).await;
    assert_eq!(verification.elsewhere, [("shop.json".to_owned(), "inventory".to_owned())]);
    let findings = findings(&verification);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].rule.as_str(), findings[0].effect), ("contract.not-verified", Effect::Undecided));
    assert!(findings[0].message.contains("inventory"), "{}", findings[0].message);
    let both = run(&[other, contract([get("/b")])], &provider.url, &patient()).await;
    assert!(all_verified(&both));
}

#[tokio::test]
async fn results_come_in_the_order_of_the_contracts_and_progress_hears_of_each_once() {
    let provider =
        serve(async |asked| if asked.path.ends_with('3') { StatusCode::NOT_FOUND } else { StatusCode::OK })
            .await;
    let paths: Vec<String> = (0..300).map(|number| format!("/{number}")).collect();
    let heard: Mutex<Vec<String>> = Mutex::default();
    let contract = contract(paths.iter().map(|path| get(path)));
    let hear = |result: &seaworthy_contracts::outcome::InteractionResult| {
        heard.lock().unwrap().push(result.description.clone());
    };
    let verification = verify(&[contract], &provider_at(&provider.url), &patient(), &hear).await.unwrap();
    let names: Vec<String> = paths.iter().map(|path| format!("a request for {path}")).collect();
    let results: Vec<String> = verification.results.iter().map(|result| result.description.clone()).collect();
    assert_eq!(results, names);
    let mut heard = heard.into_inner().unwrap();
    let mut names = names;
    heard.sort();
    names.sort();
    assert_eq!(heard, names);
    assert_eq!(verification.counts().failed, 30);
}
