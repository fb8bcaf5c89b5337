//! Faults keyed to one trace leave every other alone.

use std::sync::atomic::Ordering;

use seaworthy_core::context::TraceParent;
use seaworthy_core::fault::{FaultAction, When};
use seaworthy_core::ids::TraceId;
use seaworthy_core::time::HumanDuration;

use crate::faults::{abort, counting};
use crate::support::*;

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
