//! What a request carries.

use std::collections::BTreeSet;

use seaworthy_contracts::verify::Options;
use seaworthy_core::context::TraceParent;
use serde_json::json;

use super::provider::{fine, serve};
use super::{all_verified, contract, get, patient, run};

#[tokio::test]
async fn each_request_carries_a_trace_and_a_correlation_id_of_its_own() {
    let provider = fine().await;
    let contract = contract((0..20).map(|number| get(&format!("/{number}"))));
    let verification = run(&[contract], &provider.url, &patient()).await;
    let asked = provider.asked();
    let mut traces = BTreeSet::new();
    let mut correlations = BTreeSet::new();
    for result in &verification.results {
        let path = result.description.trim_start_matches("a request for ");
        let asked = asked.iter().find(|asked| asked.path == path).unwrap();
        let parent: TraceParent = asked.header("traceparent").unwrap().parse().unwrap();
        assert!(parent.sampled);
        assert_eq!(Some(parent.trace_id), result.trace);
        assert_eq!(asked.header("x-correlation-id"), result.correlation_id.as_deref());
        traces.insert(parent.trace_id);
        correlations.insert(result.correlation_id.clone());
    }
    assert_eq!((traces.len(), correlations.len()), (20, 20));
}

#[tokio::test]
async fn ids_that_the_contract_states_stand_and_headers_that_are_asked_for_replace_its_own() {
    let provider = fine().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut interaction = get("/a");
    interaction["request"]["headers"] = json!({
        "Traceparent": [traceparent], "X-Order": ["17"], "Authorization": ["Bearer of-the-contract"], "Accept": ["a/b", "c/d"],
    });
    let options = Options {
        headers: vec![
            ("Authorization".to_owned(), "Bearer of-today".to_owned()),
            ("X-New".to_owned(), "1".to_owned()),
        ],
        correlation_header: "X-Order".to_owned(),
        ..patient()
    };
    let verification = run(&[contract([interaction])], &provider.url, &options).await;
    assert!(all_verified(&verification));
    let asked = &provider.asked()[0];
    for (name, value) in [
        ("traceparent", traceparent),
        ("x-order", "17"),
        ("authorization", "Bearer of-today"),
        ("x-new", "1"),
        ("accept", "a/b, c/d"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
        assert_eq!(asked.headers.get_all(name).iter().count(), 1, "{name}");
    }
    let result = &verification.results[0];
    assert_eq!(result.trace.unwrap().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(result.correlation_id.as_deref(), Some("17"));
}

#[tokio::test]
async fn method_base_path_query_and_body_go_as_they_stand() {
    let provider = fine().await;
    let interaction = json!({
        "type": "Synchronous/HTTP",
        "description": "all of it",
        "request": {
            "method": "PUT",
            "path": "/payments/a b",
            "query": { "b": ["2"], "a": ["x&y", "z"] },
            "headers": { "Content-Type": ["application/json"] },
            "body": { "content": { "amount": 12 }, "contentType": "application/json", "encoded": false },
        },
        "response": { "status": 200 },
    });
    let options = Options { base_path: Some("v1/".to_owned()), ..patient() };
    let url = format!("{}/api/", provider.url);
    assert!(all_verified(&run(&[contract([interaction])], &url, &options).await));
    let asked = &provider.asked()[0];
    assert_eq!(asked.method, "PUT");
    assert_eq!(asked.path, "/api/v1/payments/a%20b");
    assert_eq!(asked.query.as_deref(), Some("a=x%26y&a=z&b=2"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.json(), json!({ "amount": 12 }));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let provider = serve(async |_| axum::response::Redirect::temporary("http://127.0.0.1:1/elsewhere")).await;
    let mut interaction = get("/a");
    interaction["response"] =
        json!({ "status": 307, "headers": { "Location": ["http://127.0.0.1:1/elsewhere"] } });
    assert!(all_verified(&run(&[contract([interaction])], &provider.url, &patient()).await));
}
