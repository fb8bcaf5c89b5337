//! Every fault, before and after the provider's work, in every protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::time::HumanDuration;

use crate::support::*;

/// Long enough that nobody in a test can wait for its end.
const FOREVER: HumanDuration = HumanDuration(Duration::from_secs(3600));

/// A provider that counts what it did, and says so in a body of 10 bytes with gRPC's trailers.
pub(crate) async fn counting() -> (Provider, Arc<AtomicUsize>) {
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let provider = Provider::start(move |request| {
        let count = Arc::clone(&count);
        async move {
            request.into_body().collect().await?;
            count.fetch_add(1, Ordering::SeqCst);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse()?);
            let frames = [Ok(Frame::data(Bytes::from("0123456789"))), Ok(Frame::trailers(trailers))];
            Ok(Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()))
        }
    })
    .await;
    (provider, done)
}

pub(crate) fn abort(status: Option<u16>, grpc_status: Option<u16>, when: When) -> FaultAction {
    let headers = BTreeMap::from([("retry-after".to_owned(), "7".to_owned())]);
    FaultAction::Abort { status, grpc_status, headers, when }
}

/// The last exchange, when it is over.
pub(crate) async fn last(bench: &Bench) -> Exchange {
    let id = bench.wire.log().snapshot().last().unwrap().id;
    within(bench.wire.log().wait_for(|exchange| exchange.id == id && exchange.is_over())).await
}

/// What the log must say of an exchange to which a fault was applied.
fn assert_recorded(exchange: &Exchange, kind: &str, when: When, outcome: Outcome) {
    assert_eq!(exchange.faults.len(), 1, "{exchange:#?}");
    assert_eq!(exchange.faults[0].action, kind);
    assert_eq!(exchange.outcome, outcome);
    match (when, &exchange.provider) {
        (When::Before, provider) => assert!(provider.is_none(), "the work must not be done"),
        (When::After, Some(provider)) => {
            assert_eq!(provider.outcome, Outcome::Answered, "the work is done");
            let given = provider.response.as_ref().unwrap();
            assert_eq!((given.status, given.body.bytes), (200, 10));
            assert!(exchange.done_by_provider());
        }
        (When::After, None) => panic!("the provider was not asked"),
    }
}

#[tokio::test]
async fn an_abort_answers_in_the_providers_place() {
    let (provider, done) = counting().await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        for when in [When::Before, When::After] {
            let did = done.load(Ordering::SeqCst);
            let lease = bench.wire.install(rule(abort(Some(503), None, when))).unwrap();
            let answer = within(ask(bench.proxy, speaks, post("/", "body"))).await.unwrap();
            assert_eq!((answer.status, answer.header("retry-after")), (503, "7"), "{speaks:?} {when:?}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.header("content-length"), answer.body.len().to_string());
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!((&problem["status"], &problem["title"]), (&503.into(), &"Service Unavailable".into()));
            assert_eq!(lease.fired(), 1);
            assert_eq!(done.load(Ordering::SeqCst) - did, usize::from(when == When::After));
            let exchange = last(&bench).await;
            assert_recorded(&exchange, "abort", when, Outcome::Answered);
            assert_eq!(exchange.response.unwrap().status, 503);
        }
    }
}

#[tokio::test]
async fn an_abort_with_a_grpc_status_is_a_trailers_only_answer() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    for when in [When::Before, When::After] {
        let lease = bench.wire.install(rule(abort(None, Some(14), when))).unwrap();
        let answer =
            within(ask(bench.proxy, Speaks::Grpc, post("/shop.Payments/Pay", "body"))).await.unwrap();
        assert_eq!((answer.status, answer.header("grpc-status"), answer.body.len()), (200, "14", 0));
        assert!(answer.header("content-type").starts_with("application/grpc"));
        assert!(answer.trailers.is_empty());
        let exchange = last(&bench).await;
        assert_recorded(&exchange, "abort", when, Outcome::Answered);
        assert_eq!(exchange.response.as_ref().unwrap().grpc_status, Some(14));
        assert_eq!(lease.fired(), 1);
        // A consumer that does not speak gRPC is left alone.
        let plain = within(ask(bench.proxy, Speaks::Http2, get("/"))).await.unwrap();
        assert_eq!((plain.status, &plain.body[..], lease.fired()), (200, &b"0123456789"[..], 1));
    }
}

#[tokio::test]
async fn a_reset_breaks_the_connection_or_the_stream() {
    let (provider, done) = counting().await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        for when in [When::Before, When::After] {
            let did = done.load(Ordering::SeqCst);
            let _lease = bench.wire.install(rule(FaultAction::Reset { when })).unwrap();
            let error = within(ask(bench.proxy, speaks, post("/", "body"))).await.unwrap_err();
            assert_reset(speaks, &*error, h2::Reason::INTERNAL_ERROR);
            assert_eq!(done.load(Ordering::SeqCst) - did, usize::from(when == When::After));
            let exchange = last(&bench).await;
            assert_recorded(&exchange, "reset", when, Outcome::Reset);
            assert_eq!(exchange.response, None);
        }
    }
}

#[tokio::test]
async fn a_delay_holds_the_request_back_and_goes_on() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let by = HumanDuration::millis(20);
    let _lease =
        bench.wire.install(rule(FaultAction::Delay { by, jitter: HumanDuration::millis(5) })).unwrap();
    for speaks in EVERY {
        let answer = within(ask(bench.proxy, speaks, post("/", "body"))).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]));
        let exchange = last(&bench).await;
        assert_recorded(&exchange, "delay", When::After, Outcome::Answered);
        let fault = &exchange.faults[0];
        assert!(fault.until.unwrap().since(fault.at) >= by.0, "{fault:?}");
        assert!(exchange.provider.unwrap().started >= fault.until.unwrap());
    }
}

#[tokio::test]
async fn a_stall_heals_as_if_nothing_had_been() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        for when in [When::Before, When::After] {
            let length = HumanDuration::millis(20);
            let _lease = bench.wire.install(rule(FaultAction::Stall { length, when })).unwrap();
            let answer = within(ask(bench.proxy, speaks, post("/", "body"))).await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]), "{speaks:?} {when:?}");
            let exchange = last(&bench).await;
            assert_recorded(&exchange, "stall", When::After, Outcome::Answered);
            let (fault, provider) = (&exchange.faults[0], exchange.provider.as_ref().unwrap());
            assert!(fault.until.unwrap().since(fault.at) >= length.0);
            match when {
                When::Before => assert!(provider.started >= fault.until.unwrap()),
                When::After => assert!(provider.ended.unwrap() <= fault.at),
            }
            let got = exchange.response.unwrap();
            assert_eq!((got.body.bytes, got.first_byte >= fault.until.unwrap()), (10, true));
            if speaks == Speaks::Grpc {
                assert_eq!(answer.trailers["grpc-status"], "0");
                assert_eq!(got.grpc_status, Some(0));
            }
        }
    }
}

#[tokio::test]
async fn a_hold_holds_until_it_is_released() {
    let (provider, done) = counting().await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        for when in [When::Before, When::After] {
            let did = done.load(Ordering::SeqCst);
            let lease = bench.wire.install(rule(FaultAction::Hold { when })).unwrap();
            let asking = tokio::spawn(ask(bench.proxy, speaks, post("/", "body")));
            within(lease.first_fired()).await;
            let held = within(bench.wire.log().wait_for(|exchange| {
                exchange.ended.is_none() && exchange.faults.iter().any(|fault| fault.until.is_none())
            }))
            .await;
            assert_eq!(held.reached_provider(), when == When::After);
            assert_eq!((held.response.as_ref(), held.outcome), (None, Outcome::InFlight));
            assert_eq!(done.load(Ordering::SeqCst) - did, usize::from(when == When::After));
            lease.release();
            let answer = within(asking).await.unwrap().unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]), "{speaks:?} {when:?}");
            let exchange = last(&bench).await;
            assert_recorded(&exchange, "hold", When::After, Outcome::Answered);
            assert!(exchange.faults[0].until.is_some());
            let free = within(ask(bench.proxy, speaks, get("/"))).await.unwrap();
            assert_eq!((free.status, lease.fired()), (200, 1), "released: it holds no more");
        }
    }
}

#[tokio::test]
async fn whoever_waits_may_leave() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let actions = [
        FaultAction::Delay { by: FOREVER, jitter: HumanDuration::default() },
        FaultAction::Stall { length: FOREVER, when: When::Before },
        FaultAction::Stall { length: FOREVER, when: When::After },
        FaultAction::Hold { when: When::Before },
        FaultAction::Hold { when: When::After },
    ];
    for (speaks, action) in
        EVERY.into_iter().flat_map(|speaks| actions.clone().map(|action| (speaks, action)))
    {
        // The largest is more than hyper reads ahead. Over HTTP/1 it must fit the socket buffers: while the proxy does
        // not read, the end of a consumer's bytes cannot overtake them.
        for size in [0, 4, if speaks == Speaks::Http1 { 60_000 } else { 8 << 20 }] {
            let lease = bench.wire.install(rule(action.clone())).unwrap();
            let mut consumer = Consumer::connect(bench.proxy, speaks).await;
            let body = Bytes::from(vec![b'x'; size]);
            let asking = tokio::spawn(async move { consumer.ask(post("/", body)).await.map(drop) });
            within(lease.first_fired()).await;
            asking.abort();
            let exchange = last(&bench).await;
            assert_eq!(exchange.outcome, Outcome::Cancelled, "{speaks:?} {action:?} with {size} bytes");
            assert_eq!(exchange.faults[0].until, None, "it never let go");
            let done = matches!(
                action,
                FaultAction::Stall { when: When::After, .. } | FaultAction::Hold { when: When::After }
            );
            assert_eq!(exchange.done_by_provider(), done, "{action:?}");
        }
    }
}

#[tokio::test]
async fn refusing_cuts_what_is_open_and_lets_nothing_in() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let hold = bench.wire.install(rule(FaultAction::Hold { when: When::Before })).unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for speaks in EVERY {
        asking.spawn(async move { (speaks, ask(bench.proxy, speaks, post("/", "body")).await) });
    }
    within(async {
        let mut changes = bench.wire.log().changes();
        while hold.fired() < 3 {
            changes.changed().await.unwrap();
        }
    })
    .await;
    let matcher = FaultMatcher { edge: Some(bench.edge.clone()), ..FaultMatcher::default() };
    let refuse = bench.wire.install(FaultRule::new("f2", matcher, FaultAction::Refuse)).unwrap();
    while let Some(ended) = within(asking.join_next()).await {
        let (speaks, answer) = ended.unwrap();
        assert!(is_connection_reset(&*answer.unwrap_err()), "{speaks:?}");
    }
    assert_eq!(refuse.fired(), 3);
    for exchange in bench.wire.log().snapshot() {
        let exchange =
            within(bench.wire.log().wait_for(|other| other.id == exchange.id && other.is_over())).await;
        assert_eq!((exchange.outcome, exchange.faults.len()), (Outcome::Reset, 2), "{exchange:#?}");
        assert_eq!(exchange.faults[1].action, "refuse");
    }
    for speaks in EVERY {
        let error = within(ask(bench.proxy, speaks, post("/", "body"))).await.unwrap_err();
        assert!(is_connection_reset(&*error) || speaks != Speaks::Http1, "{error:?}");
    }
    assert_eq!(refuse.fired(), 6);
    drop((hold, refuse));
    assert_eq!(within(ask(bench.proxy, Speaks::Http1, get("/"))).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_connect_delay_makes_connections_late() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let matcher = FaultMatcher { edge: Some(bench.edge.clone()), ..FaultMatcher::default() };
    let late = FaultRule::new("late", matcher, FaultAction::ConnectDelay { by: FOREVER });
    let lease = bench.wire.install(late).unwrap();
    let asking = tokio::spawn(ask(bench.proxy, Speaks::Http1, get("/")));
    within(lease.first_fired()).await;
    assert_eq!(bench.wire.log().len(), 0, "not served yet");
    drop(lease);
    assert_eq!(within(asking).await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn of_several_rules_delays_come_first_and_one_ends_it() {
    let (provider, done) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let install =
        |id: &str, action| bench.wire.install(FaultRule::new(id, FaultMatcher::default(), action)).unwrap();
    let leases = [
        install("first-end", abort(Some(429), None, When::Before)),
        install("second-end", FaultAction::Reset { when: When::Before }),
        install("stall", FaultAction::Stall { length: HumanDuration::millis(1), when: When::Before }),
        install(
            "delay",
            FaultAction::Delay { by: HumanDuration::millis(1), jitter: HumanDuration::default() },
        ),
    ];
    let answer = within(ask(bench.proxy, Speaks::Http1, get("/"))).await.unwrap();
    assert_eq!((answer.status, done.load(Ordering::SeqCst)), (429, 0));
    let exchange = last(&bench).await;
    let applied: Vec<_> = exchange.faults.iter().map(|fault| fault.fault.as_str()).collect();
    assert_eq!(applied, ["delay", "stall", "first-end"]);
    assert_eq!(leases.each_ref().map(seaworthy_wire::FaultLease::fired), [1, 0, 1, 1]);
}

#[tokio::test]
async fn nth_and_first_count_what_matches() {
    let (provider, _) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let route = Some("POST /payments".parse().unwrap());
    let second = FaultMatcher { route: route.clone(), nth: Some(2), ..FaultMatcher::default() };
    let _second =
        bench.wire.install(FaultRule::new("nth", second, abort(Some(500), None, When::Before))).unwrap();
    let early = FaultMatcher { route, first: Some(1), ..FaultMatcher::default() };
    let _early =
        bench.wire.install(FaultRule::new("first", early, abort(Some(429), None, When::Before))).unwrap();
    let mut statuses = Vec::new();
    for path in ["/other", "/payments", "/other", "/payments?again", "/payments"] {
        statuses.push(within(ask(bench.proxy, Speaks::Http1, post(path, ""))).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 429, 200, 500, 200]);
}
