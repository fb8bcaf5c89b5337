//! Every fault, before and after the provider's work, in every protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use seaworthy_core::context::TraceParent;
use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::ids::TraceId;
use seaworthy_core::time::HumanDuration;

use crate::support::*;

/// Long enough that nobody in a test can wait for its end.
const FOREVER: HumanDuration = HumanDuration(Duration::from_secs(3600));

/// A provider that counts what it did, and says so in a body of 10 bytes with gRPC's trailers.
async fn counting() -> (Provider, Arc<AtomicUsize>) {
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

fn abort(status: Option<u16>, grpc_status: Option<u16>, when: When) -> FaultAction {
    let headers = BTreeMap::from([("retry-after".to_owned(), "7".to_owned())]);
    FaultAction::Abort { status, grpc_status, headers, when }
}

/// The last exchange, when it is over.
async fn last(bench: &Bench) -> Exchange {
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
        let got = exchange.response.unwrap();
        assert_eq!(got.body.bytes, 10);
        let took = got.last_byte.unwrap().since(got.first_byte);
        assert!(took >= Duration::from_millis(40), "{took:?}");
    }
    assert_eq!(lease.fired(), 3);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_traces_with_faults_of_their_own_do_not_disturb_each_other() {
    let (provider, done) = counting().await;
    let bench = Bench::towards(provider.address).await;
    let traces: Vec<_> = (0..100).map(|_| TraceParent::random()).collect();
    let actions = [
        None,
        Some(abort(Some(503), None, When::Before)),
        Some(abort(Some(500), None, When::After)),
        Some(FaultAction::Reset { when: When::Before }),
        Some(FaultAction::Hold { when: When::Before }),
        Some(FaultAction::Truncate { after_bytes: 3 }),
        Some(FaultAction::Delay { by: HumanDuration::millis(3), jitter: HumanDuration::millis(3) }),
    ];
    let mut leases = Vec::new();
    for (index, trace) in traces.iter().enumerate() {
        let action = actions[index % actions.len()].clone();
        leases.push(action.map(|action| bench.wire.install(rule_for(trace.trace_id, action)).unwrap()));
    }
    let shared = Consumer::connect(bench.proxy, Speaks::Http2).await;
    let mut asking = tokio::task::JoinSet::new();
    for (index, trace) in traces.iter().copied().enumerate() {
        let shared = shared.share();
        let proxy = bench.proxy;
        asking.spawn(async move {
            // Half of them over one connection, half over connections of their own.
            let mut consumer = match index % 2 {
                0 => shared,
                _ => Consumer::connect(proxy, Speaks::Http1).await,
            };
            let mut results = Vec::new();
            for _ in 0..3 {
                let control = consumer.ask(in_trace(TraceParent::random(), post("/", "c"))).await;
                let faulted = consumer.ask(in_trace(trace, post("/", "f"))).await;
                if faulted.is_err() && index % 2 == 1 {
                    consumer = Consumer::connect(proxy, Speaks::Http1).await;
                }
                results.push((control.map(|answer| answer.status), faulted.map(|answer| answer.status)));
            }
            (index, results)
        });
    }
    // Those that are held are let go when all of them are held, so that they are all in flight at once.
    for lease in leases.iter().skip(4).step_by(actions.len()).flatten() {
        within(lease.first_fired()).await;
    }
    for lease in leases.iter().skip(4).step_by(actions.len()).flatten() {
        lease.release();
    }
    while let Some(ended) = within(asking.join_next()).await {
        let (index, results) = ended.unwrap();
        for (control, faulted) in results {
            assert_eq!(control.unwrap(), 200, "a control beside trace {index}");
            match index % actions.len() {
                1 => assert_eq!(faulted.unwrap(), 503),
                2 => assert_eq!(faulted.unwrap(), 500),
                3 | 5 => assert!(faulted.is_err()),
                _ => assert_eq!(faulted.unwrap(), 200),
            }
        }
    }
    for (index, lease) in leases.iter().enumerate() {
        let expected = match (index % actions.len(), lease) {
            (_, None) => continue,
            (4, _) => 1,
            _ => 3,
        };
        assert_eq!(lease.as_ref().unwrap().fired(), expected, "trace {index}");
    }
    assert!(done.load(Ordering::SeqCst) >= 300, "every control reached the provider");
    let faulted =
        |trace: TraceId| bench.wire.log().of_trace(trace).iter().filter(|x| !x.faults.is_empty()).count();
    assert_eq!(faulted(traces[1].trace_id), 3);
    assert_eq!(faulted(traces[0].trace_id), 0);
}
