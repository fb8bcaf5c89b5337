//! Every store and buffer has an end, and reaching it is said.

use seaworthy_core::system::PortProtocol;
use seaworthy_wire::{MAX_RECORDED_HEADER_BYTES, MAX_RECORDED_HEADERS, WireConfig};

use crate::support::*;

#[tokio::test]
async fn past_the_limit_exchanges_pass_and_are_counted_as_lost() {
    let provider = Provider::echo().await;
    let config = WireConfig { max_exchanges: 2, ..WireConfig::default() };
    let bench = Bench::configured(provider.address, config, PortProtocol::Http).await;
    let mut consumer = Consumer::connect(bench.proxy, Speaks::Http1).await;
    for turn in 0..5 {
        assert_eq!(within(consumer.ask(post("/", format!("{turn}")))).await.unwrap().status, 200);
    }
    let log = bench.wire.log();
    assert_eq!((log.len(), log.snapshot().len()), (2, 2));
    let losses = log.losses();
    assert_eq!(losses.len(), 1);
    assert_eq!((losses[0].what.as_str(), losses[0].count, losses[0].harmful), ("exchanges", 3, true));
}

#[tokio::test]
async fn of_many_headers_some_are_recorded_and_all_pass() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    let mut request = get("/");
    for index in 0..80 {
        let name: http::HeaderName = format!("x-{index}").parse().unwrap();
        request.headers_mut().insert(name, "v".parse().unwrap());
    }
    let answer = within(ask(bench.proxy, Speaks::Http2, request)).await.unwrap();
    assert_eq!(answer.headers.keys().filter(|name| name.as_str().starts_with("got-x-")).count(), 80);
    let mut request = get("/");
    request.headers_mut().insert("x-long", "v".repeat(20_000).parse().unwrap());
    request.headers_mut().insert("x-short", "v".parse().unwrap());
    let answer = within(ask(bench.proxy, Speaks::Http1, request)).await.unwrap();
    assert_eq!(answer.header("got-x-long").len(), 20_000);
    let log = bench.wire.log().snapshot();
    assert_eq!(log[0].request.headers.len(), MAX_RECORDED_HEADERS);
    let kept: Vec<_> = log[1].request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(kept, ["host", "x-short"], "what fits is kept");
    let size = |headers: &[(String, String)]| headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
    assert!(size(&log[0].request.headers) <= MAX_RECORDED_HEADER_BYTES);
    assert!(bench.wire.log().losses().iter().any(|loss| loss.what == "headers"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_as_a_server_would() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let mut request = get("/");
        for index in 0..20 {
            let name: http::HeaderName = format!("x-{index}").parse().unwrap();
            request.headers_mut().insert(name, "v".repeat(4000).parse().unwrap());
        }
        match within(ask(bench.proxy, speaks, request)).await {
            Ok(answer) => assert_eq!(answer.status, 431, "{speaks:?}"),
            Err(error) => {
                assert_eq!(speaks, Speaks::Http1, "closed while the head was still sent: {error:?}");
            }
        }
    }
    assert_eq!(provider.connections(), 0);
    assert_eq!(bench.wire.log().len(), 0);
}

#[tokio::test]
async fn with_capture_off_sizes_are_kept_alone() {
    let provider = Provider::echo().await;
    let config = WireConfig { capture_bytes: 0, ..WireConfig::default() };
    let bench = Bench::configured(provider.address, config, PortProtocol::Http).await;
    within(ask(bench.proxy, Speaks::Http1, post("/", "hello"))).await.unwrap();
    let body = bench.wire.log().snapshot().remove(0).request.body;
    assert_eq!((body.bytes, body.text, body.truncated), (5, None, true));
}

#[tokio::test]
async fn when_enough_is_kept_of_bodies_sizes_are_kept_alone() {
    let provider = Provider::echo().await;
    let config = WireConfig { captured_total_bytes: 8, ..WireConfig::default() };
    let bench = Bench::configured(provider.address, config, PortProtocol::Http).await;
    for _ in 0..2 {
        within(ask(bench.proxy, Speaks::Http1, post("/", "hello"))).await.unwrap();
    }
    let kept = |exchange: &seaworthy_core::exchange::Exchange| {
        let body = &exchange.request.body;
        (body.bytes, body.text.is_some(), body.truncated)
    };
    let log = bench.wire.log().snapshot();
    assert_eq!([kept(&log[0]), kept(&log[1])], [(5, true, false), (5, false, true)]);
    let losses = bench.wire.log().losses();
    assert_eq!((losses[0].what.as_str(), losses[0].count, losses[0].harmful), ("bodies", 2, true));
}

#[tokio::test]
async fn an_edge_has_one_proxy() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    let error = bench.wire.open(bench.edge.clone(), PortProtocol::Http).await.unwrap_err();
    assert!(error.to_string().ends_with("could not be opened a second time"), "{error}");
    assert_eq!(bench.wire.addresses(), [(bench.edge.clone(), bench.proxy)].into());
}
