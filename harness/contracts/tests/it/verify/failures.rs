//! Providers that fail in every way, and what is asked for wrongly.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use seaworthy_contracts::outcome::Outcome;
use seaworthy_contracts::verify::{Filter, Options, Provider, findings, verify};
use seaworthy_core::finding::Severity;
use serde_json::json;

use super::provider::{fine, nobody, serve};
use super::{all_verified, contract, get, outcomes, patient, provider_at, run, with};

fn failure(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::RequestFailed { message } => message,
        other => panic!("{other:?} is not a failed request"),
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_once_and_every_interaction_fails() {
    let (_kept, url) = nobody();
    let contract = contract((0..2000).map(|number| get(&format!("/{number}"))));
    let verification = run(&[contract], &url, &patient()).await;
    assert_eq!(verification.counts().failed, 2000);
    let message = failure(&verification.results[0].outcome);
    assert!(message.starts_with(&format!("the provider at {url} could not be reached: ")), "{message}");
    let findings = findings(&verification);
    assert!(findings.len() <= 2, "{findings:#?}");
    for finding in &findings {
        assert_eq!((finding.rule.as_str(), finding.severity), ("contract.request-failed", Severity::Error));
        assert!(finding.message.contains(&url), "{}", finding.message);
    }
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up() {
    let provider = serve(async |_| std::future::pending::<StatusCode>().await).await;
    let contract = contract((0..200).map(|number| get(&format!("/{number}"))));
    let options = Options { request_timeout: Duration::from_millis(50), jobs: 4, ..Options::default() };
    let verification = run(&[contract], &provider.url, &options).await;
    assert_eq!(verification.counts().failed, 200);
    assert!(failure(&verification.results[0].outcome).ends_with("did not answer within 50ms"));
    assert!(failure(&verification.results[199].outcome).contains("not asked"));
    // Eight that got no answer, those that ran beside the last of them, and those that were tried again alone.
    assert!(provider.asked().len() <= 8 + 4 + 16, "{}", provider.asked().len());
}

#[tokio::test]
async fn an_answer_of_a_hundred_megabytes_is_not_read() {
    let chunk = Bytes::from(vec![b'x'; 1024 * 1024]);
    let provider = serve(move |asked| {
        let chunk = chunk.clone();
        async move {
            if asked.path == "/announced" {
                return Response::new(Body::from(chunk.repeat(100)));
            }
            let chunks = stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
            Response::new(Body::from_stream(chunks))
        }
    })
    .await;
    let options = Options { body_limit: 3_000_000, ..patient() };
    let verification = run(&[contract([get("/announced"), get("/streamed")])], &provider.url, &options).await;
    let [announced, streamed] = &verification.results[..] else { panic!() };
    let who = format!("the provider at {}", provider.url);
    assert_eq!(
        failure(&announced.outcome),
        format!("{who} answered 104857600 bytes, more than the 3000000 that are read")
    );
    let message = failure(&streamed.outcome);
    assert!(message.starts_with(&format!("{who} answered at least ")), "{message}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failed_request() {
    let provider = serve(async |_| {
        let chunks = stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))]);
        // What is there is sent before it is known that no more comes.
        let slowly = chunks.then(async |chunk| {
            tokio::task::yield_now().await;
            chunk
        });
        Response::new(Body::from_stream(slowly))
    })
    .await;
    let verification = run(&[contract([get("/a")])], &provider.url, &patient()).await;
    let message = failure(&verification.results[0].outcome);
    assert!(message.contains("broke off its answer"), "{message}");
}

#[tokio::test]
async fn pending_interactions_never_fail_the_run() {
    let provider = serve(async |_| StatusCode::NOT_FOUND).await;
    let verification =
        run(&[contract([with(get("/a"), "pending", json!(true))])], &provider.url, &patient()).await;
    let counts = verification.counts();
    assert_eq!((counts.failed, counts.pending_failed), (0, 1));
    let findings = findings(&verification);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].rule.as_str(), findings[0].severity), ("contract.mismatch", Severity::Info));
}

#[tokio::test]
async fn an_interaction_that_takes_longer_than_allowed_is_too_slow() {
    let provider = fine().await;
    let none = Options { max_latency: Some(Duration::ZERO), ..patient() };
    let verification = run(&[contract([get("/a")])], &provider.url, &none).await;
    assert_eq!(outcomes(&verification), [&Outcome::TooSlow { limit: Duration::ZERO }]);
    assert!(verification.results[0].latency.is_some());
    let much = Options { max_latency: Some(super::PATIENCE), ..patient() };
    assert!(all_verified(&run(&[contract([get("/a")])], &provider.url, &much).await));
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_an_error_that_says_what_and_how_to_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let fine = patient;
    let cases: Vec<(Provider, Options)> = vec![
        (provider_at("localhost:8080"), fine()),
        (provider_at("ftp://user:hunter22@h/"), fine()),
        (provider_at("http://"), fine()),
        (Provider { message_url: Some("x".to_owned()), ..provider_at("http://h") }, fine()),
        (provider_at("http://h"), Options { states: Some("/states".to_owned()), ..fine() }),
        (
            provider_at("http://h"),
            Options { filter: Filter { state: Some("(".to_owned()), ..Filter::default() }, ..fine() },
        ),
        (
            provider_at("http://h"),
            Options {
                filter: Filter { description: Some("a{99999}{99999}".to_owned()), ..Filter::default() },
                ..fine()
            },
        ),
        (provider_at("http://h"), Options { headers: vec![("a b".to_owned(), "c".to_owned())], ..fine() }),
        (provider_at("http://h"), Options { headers: vec![("a".to_owned(), "c\n".repeat(2))], ..fine() }),
        (provider_at("http://h"), Options { correlation_header: "ü".to_owned(), ..fine() }),
        (provider_at("http://h"), Options { cacert: Some(folder.path().join("none.pem")), ..fine() }),
        (provider_at("http://h"), Options { cacert: Some(empty), ..fine() }),
    ];
    let mut said = String::new();
    for (provider, options) in &cases {
        let error = verify(&[contract([get("/a")])], provider, options, &|_| {}).await.unwrap_err();
        said += &format!("{error}\n  {}\n", error.hint());
    }
    insta::with_settings!({ filters => [(&*regex::escape(&folder.path().display().to_string()), "FOLDER")] }, {
        insta::assert_snapshot!(said);
    });
}
