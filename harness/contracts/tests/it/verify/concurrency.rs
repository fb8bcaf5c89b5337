//! What runs at the same time, and what does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use seaworthy_contracts::outcome::Outcome;
use seaworthy_contracts::verify::{Options, StateKeys};
use serde_json::json;
use tokio::sync::Barrier;

use super::provider::serve;
use super::{all_verified, contract, get, given, interfered, outcomes, patient, run, with};

/// How many are with the provider at the same time.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    fn enter(&self) -> usize {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        now
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Gives others every chance to come in meanwhile.
async fn linger() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn interactions_that_do_not_conflict_run_at_the_same_time() {
    // None is answered before all are there.
    let all = Arc::new(Barrier::new(8));
    let provider = serve(move |_| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            StatusCode::OK
        }
    })
    .await;
    let free = (0..4).map(|number| get(&format!("/free/{number}")));
    let keyed = (0..4).map(|id| given(get("/stateful"), &[("a payment", json!({ "id": id }))]));
    let contract = contract(free.chain(keyed));
    let options = Options { jobs: 8, ..patient() };
    assert!(all_verified(&run(&[contract], &provider.url, &options).await));
}

#[tokio::test]
async fn no_more_run_at_the_same_time_than_there_are_jobs() {
    let crowd = Arc::new(Crowd::default());
    let seen = Arc::clone(&crowd);
    let pairs = Arc::new(Barrier::new(2));
    let provider = serve(move |_| {
        let (crowd, pairs) = (Arc::clone(&seen), Arc::clone(&pairs));
        async move {
            crowd.enter();
            pairs.wait().await;
            linger().await;
            crowd.leave();
            StatusCode::OK
        }
    })
    .await;
    let contract = contract((0..20).map(|number| get(&format!("/{number}"))));
    let options = Options { jobs: 2, ..patient() };
    assert!(all_verified(&run(&[contract], &provider.url, &options).await));
    assert_eq!(crowd.most(), 2);
}

#[tokio::test]
async fn interactions_that_conflict_run_in_the_order_of_the_file() {
    let crowd = Arc::new(Crowd::default());
    let seen = Arc::clone(&crowd);
    let provider = serve(move |asked| {
        let crowd = Arc::clone(&seen);
        async move {
            assert!(asked.path.starts_with('/'));
            crowd.enter();
            linger().await;
            crowd.leave();
            StatusCode::OK
        }
    })
    .await;
    let contract = contract(
        (0..12)
            .map(|number| given(get(&format!("/{number}")), &[("a payment", json!({ "b": 1, "a": [2] }))])),
    );
    assert!(all_verified(&run(&[contract], &provider.url, &patient()).await));
    assert_eq!(crowd.most(), 1);
    let paths: Vec<String> = provider.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, (0..12).map(|number| format!("/{number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_of_keys_says_which_states_conflict() {
    // `/a` and `/b` wait for each other; two of one payment must never meet.
    let pairs = Arc::new(Barrier::new(2));
    let provider = serve(move |_| {
        let pairs = Arc::clone(&pairs);
        async move {
            pairs.wait().await;
            StatusCode::OK
        }
    })
    .await;
    let keys =
        "a payment exists: 'payment:${id}'\na payment is captured: 'payment:${id}'\nthe shop is open: []\n";
    let contract = contract([
        given(
            get("/a/1"),
            &[("a payment exists", json!({ "id": 1, "note": "x" })), ("the shop is open", json!({}))],
        ),
        given(get("/a/2"), &[("a payment is captured", json!({ "id": "1" }))]),
        given(get("/b/1"), &[("a payment exists", json!({ "id": 2 })), ("the shop is open", json!({}))]),
        given(get("/b/2"), &[("a payment is captured", json!({ "id": 2 }))]),
    ]);
    let options = Options { state_keys: StateKeys::parse("keys.yaml", keys).unwrap(), ..patient() };
    assert!(all_verified(&run(&[contract], &provider.url, &options).await));
    let mut paths: Vec<String> = provider.asked().into_iter().map(|asked| asked.path).collect();
    paths[..2].sort();
    paths[2..].sort();
    assert_eq!(paths, ["/a/1", "/b/1", "/a/2", "/b/2"]);
}

#[tokio::test]
async fn a_state_that_the_file_of_keys_does_not_know_runs_alone() {
    let crowd = Arc::new(Crowd::default());
    let seen = Arc::clone(&crowd);
    let provider = serve(move |asked| {
        let crowd = Arc::clone(&seen);
        async move {
            let mut most = crowd.enter();
            for _ in 0..50 {
                linger().await;
                most = most.max(crowd.now.load(Ordering::SeqCst));
            }
            crowd.leave();
            if asked.path == "/unknown" && most > 1 { StatusCode::CONFLICT } else { StatusCode::OK }
        }
    })
    .await;
    let unknown = given(get("/unknown"), &[("something else", json!({}))]);
    let before = (0..4).map(|number| get(&format!("/before/{number}")));
    let after =
        (0..4).map(|number| given(get(&format!("/after/{number}")), &[("known", json!({ "n": number }))]));
    let contract = contract(before.chain([unknown]).chain(after));
    let options = Options { state_keys: StateKeys::parse("k", "known: '${n}'").unwrap(), ..patient() };
    let verification = run(&[contract], &provider.url, &options).await;
    assert!(all_verified(&verification));
    assert!(!verification.results.iter().any(interfered), "{:?}", verification.results);
    assert!(crowd.most() > 1, "the others ran at the same time");
}

#[tokio::test]
async fn what_fails_beside_others_and_passes_alone_is_a_warning() {
    // Both are there at once: one gets through, the other is refused. Alone nobody is.
    let both = Arc::new(Barrier::new(2));
    let count = Arc::new(AtomicUsize::new(0));
    let provider = serve(move |asked| {
        let (both, count) = (Arc::clone(&both), Arc::clone(&count));
        async move {
            if count.fetch_add(1, Ordering::SeqCst) < 2 {
                both.wait().await;
                if asked.path == "/refused" {
                    return StatusCode::CONFLICT;
                }
            }
            StatusCode::OK
        }
    })
    .await;
    let contract = contract([get("/refused"), get("/other")]);
    let verification = run(&[contract], &provider.url, &patient()).await;
    assert!(all_verified(&verification));
    assert!(interfered(&verification.results[0]), "{:?}", verification.results[0]);
    assert!(!interfered(&verification.results[1]));
    assert_eq!(provider.asked().len(), 3);
}

#[tokio::test]
async fn what_fails_alone_too_keeps_its_verdict_and_what_ran_alone_is_not_repeated() {
    let both = Arc::new(Barrier::new(2));
    let count = Arc::new(AtomicUsize::new(0));
    let provider = serve(move |_| {
        let (both, count) = (Arc::clone(&both), Arc::clone(&count));
        async move {
            if count.fetch_add(1, Ordering::SeqCst) < 2 {
                both.wait().await;
            }
            StatusCode::CONFLICT
        }
    })
    .await;
    let verification = run(&[contract([get("/a"), get("/b")])], &provider.url, &patient()).await;
    assert!(outcomes(&verification).iter().all(|outcome| matches!(outcome, Outcome::Mismatched { .. })));
    assert_eq!(provider.asked().len(), 4);
    let alone = Options { jobs: 1, ..patient() };
    let verification = run(&[contract([get("/a"), get("/b")])], &provider.url, &alone).await;
    assert_eq!(verification.counts().failed, 2);
    assert_eq!(provider.asked().len(), 6);
}

#[tokio::test]
async fn after_the_first_failure_nothing_more_starts_where_that_is_asked_for() {
    let provider =
        serve(async |asked| if asked.path == "/bad" { StatusCode::NOT_FOUND } else { StatusCode::OK }).await;
    let pending = with(with(get("/bad"), "pending", json!(true)), "description", json!("a pending one"));
    let contract = contract([pending, get("/1"), get("/bad"), get("/2"), get("/3")]);
    let options = Options { jobs: 1, exit_on_first_error: true, ..patient() };
    let verification = run(&[contract], &provider.url, &options).await;
    assert_eq!((verification.results.len(), verification.not_run), (3, 2));
    assert_eq!(verification.counts().failed, 1);
    assert_eq!(verification.counts().pending_failed, 1);
    let wide = Options { jobs: 2, ..options };
    let contract =
        super::contract([get("/bad"), get("/1"), get("/2"), get("/3"), get("/4"), get("/5"), get("/6")]);
    let verification = run(&[contract], &provider.url, &wide).await;
    assert!(verification.not_run > 0, "{verification:?}");
    assert_eq!(verification.counts().failed, 1);
}
