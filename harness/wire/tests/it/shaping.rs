//! Faults that change a response's body on its way.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use seaworthy_core::exchange::Outcome;
use seaworthy_core::fault::FaultAction;

use crate::faults::{counting, last};
use crate::support::*;

#[tokio::test]
async fn a_truncated_body_is_seen_to_be_broken() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    for (speaks, after_bytes) in EVERY.into_iter().flat_map(|speaks| [(speaks, 4), (speaks, 0)]) {
        let lease = bench.wire.install(rule(FaultAction::Truncate { after_bytes })).unwrap();
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let response = within(consumer.send(get("/"))).await.unwrap();
        assert_eq!(response.status(), 200, "{speaks:?} after {after_bytes}");
        let mut body = response.into_body();
        let mut got = Vec::new();
        let error = loop {
            match within(body.frame()).await.expect("it must not look whole") {
                Ok(frame) => got.extend_from_slice(frame.data_ref().unwrap()),
                Err(error) => break error,
            }
        };
        assert_reset(speaks, &error, h2::Reason::INTERNAL_ERROR);
        assert_eq!(got, b"0123456789"[..after_bytes as usize]);
        let exchange = last(&bench).await;
        assert_eq!((exchange.outcome, lease.fired()), (Outcome::Reset, 1));
        assert_eq!(exchange.faults[0].action, "truncate");
        let got = exchange.response.unwrap();
        assert_eq!((got.body.bytes, got.last_byte), (after_bytes, None));
        assert_eq!(
            exchange.provider.unwrap().response.unwrap().body.bytes,
            10,
            "what it gave before the fault"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn among_many_streams_each_truncated_body_has_what_was_allowed() {
    let provider = Provider::start(|_| async move { Ok(Response::new(full(vec![b'x'; 3000]))) }).await;
    let bench = Bench::towards(provider.address).await;
    let lease = bench.wire.install(rule(FaultAction::Truncate { after_bytes: 2000 })).unwrap();
    let shared = Consumer::connect(bench.proxy, Speaks::Http2).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let mut consumer = shared.share();
        asking.spawn(async move {
            let mut body = consumer.send(get("/")).await.unwrap().into_body();
            let mut got = 0;
            while let Ok(frame) = body.frame().await.expect("it must not look whole") {
                got += frame.data_ref().unwrap().len();
            }
            got
        });
    }
    while let Some(got) = within(asking.join_next()).await {
        assert_eq!(got.unwrap(), 2000);
    }
    assert_eq!(lease.fired(), 200);
}

#[tokio::test]
async fn a_body_that_is_no_longer_than_allowed_is_left_whole() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let lease = bench.wire.install(rule(FaultAction::Truncate { after_bytes: 10 })).unwrap();
    for speaks in EVERY {
        assert_eq!(within(ask(bench.proxy, speaks, get("/"))).await.unwrap().body, "0123456789");
        assert_eq!(last(&bench).await.outcome, Outcome::Answered);
    }
    assert_eq!(lease.fired(), 0, "a fault that did nothing has not fired");
}

#[tokio::test]
async fn a_corrupted_body_has_its_length_and_the_same_errors_for_the_same_seed() {
    let whole = Bytes::from((0..100_000u32).map(|index| index as u8).collect::<Vec<_>>());
    let content = whole.clone();
    let provider = Provider::start(move |_| {
        let content = content.clone();
        async move { Ok(Response::builder().header("content-length", content.len()).body(full(content))?) }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    let mut seen = Vec::new();
    for speaks in EVERY {
        let mut rule = rule(FaultAction::Corrupt { every_bytes: 1000 });
        rule.seed = 7;
        let lease = bench.wire.install(rule).unwrap();
        let answer = within(ask(bench.proxy, speaks, get("/"))).await.unwrap();
        assert_eq!(answer.body.len(), whole.len());
        let changed = answer.body.iter().zip(&whole).filter(|(got, sent)| got != sent).count();
        assert_eq!((changed, lease.fired()), (100, 1), "{speaks:?}");
        let exchange = last(&bench).await;
        assert_eq!(exchange.outcome, Outcome::Answered);
        assert_ne!(
            exchange.response.unwrap().body.digest,
            exchange.provider.unwrap().response.unwrap().body.digest
        );
        seen.push(answer.body);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_slow_body_comes_whole_and_late() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let lease = bench.wire.install(rule(FaultAction::SlowBody { bytes_per_second: 200 })).unwrap();
    for speaks in EVERY {
        assert_eq!(within(ask(bench.proxy, speaks, get("/"))).await.unwrap().body, "0123456789");
        let exchange = last(&bench).await;
        assert_eq!((exchange.outcome, exchange.faults[0].action.as_str()), (Outcome::Answered, "slow-body"));
        // Ten bytes at 200 a second: the last one leaves when those before it have had their time.
        let given = exchange.provider.unwrap().response.unwrap();
        let got = exchange.response.unwrap();
        assert_eq!((given.body.bytes, got.body.bytes), (10, 10));
        let took = got.last_byte.unwrap().since(got.first_byte);
        assert!(took >= Duration::from_millis(40), "{took:?}");
    }
    assert_eq!(lease.fired(), 3);
}

#[tokio::test]
async fn a_slow_body_is_not_the_providers_slowness() {
    let provider = Provider::start(|_| async move {
        Ok(Response::builder().header("content-length", "10").body(full("0123456789"))?)
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    let _lease = bench.wire.install(rule(FaultAction::SlowBody { bytes_per_second: 1 })).unwrap();
    for speaks in EVERY {
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let mut body = within(consumer.send(get("/"))).await.unwrap().into_body();
        let first = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "0");
        let id = bench.wire.log().snapshot().last().unwrap().id;
        let exchange = bench.wire.log().get(id).unwrap();
        let given = exchange.provider.unwrap();
        assert_eq!((given.outcome, given.response.unwrap().body.bytes), (Outcome::Answered, 10));
        assert_eq!(exchange.outcome, Outcome::InFlight, "{speaks:?}: most of it is still to pass");
    }
}
