//! Rules come, fire, and go: by hand, by drop, or because nobody renews them.

use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, FaultRuleError, When};
use seaworthy_core::ids::{EdgeId, TraceId};
use seaworthy_core::time::{HumanDuration, RunClock};
use seaworthy_wire::{Wire, WireConfig};

use crate::support::*;

fn reset() -> FaultAction {
    FaultAction::Reset { when: When::Before }
}

#[tokio::test]
async fn a_dropped_lease_takes_its_rule_with_it() {
    let wire = Wire::new(RunClock::start(), WireConfig::default());
    let lease = wire.install(rule(reset())).unwrap();
    assert_eq!(wire.faults().records()[0].removed, None);
    drop(lease);
    let record = wire.faults().records().remove(0);
    assert!(record.removed.is_some() && !record.lapsed);
    assert!(!wire.faults().renew(&"f1".into()) && !wire.faults().release(&"f1".into()));
}

#[tokio::test]
async fn an_id_stands_once_at_a_time() {
    let wire = Wire::new(RunClock::start(), WireConfig::default());
    let lease = wire.install(rule(reset())).unwrap();
    assert_eq!(wire.install(rule(reset())).unwrap_err(), FaultRuleError::Taken("f1".into()));
    lease.remove();
    let again = wire.install(rule(reset())).unwrap();
    assert_eq!((again.id().as_str(), again.fired()), ("f1", 0));
    assert_eq!(wire.faults().records().len(), 2, "both are remembered");
}

#[tokio::test]
async fn a_rule_that_cannot_work_is_refused() {
    let wire = Wire::new(RunClock::start(), WireConfig::default());
    assert_eq!(wire.install(rule(FaultAction::Refuse)).unwrap_err(), FaultRuleError::NeedsEdge("refuse"));
    assert_eq!(wire.faults().records(), []);
}

#[tokio::test]
async fn a_lapse_lets_go_what_is_held_and_a_lease_is_renewed_whoever_took_it() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    // Taken on a thread without a runtime, and renewed on the wire's.
    let wire = bench.wire.clone();
    let mut renewed = rule_for(TraceId::random(), reset());
    renewed.lease = HumanDuration::millis(2000);
    let lease = std::thread::spawn(move || wire.install(renewed).unwrap()).join().unwrap();
    // Nobody renews this one. It is the longer lease, so when it has lapsed, the other stands by renewal alone.
    let mut hold = rule(FaultAction::Hold { when: When::Before });
    hold.lease = HumanDuration::millis(2200);
    bench.wire.faults().install(hold).unwrap();
    let answer = within(ask(bench.proxy, Speaks::Http1, post("/", "late"))).await.unwrap();
    assert_eq!(answer.body, "late");
    let records = bench.wire.faults().records();
    assert_eq!((records[0].removed, records[1].lapsed, records[1].fired), (None, true, 1));
    let fault = bench.wire.log().snapshot().remove(0).faults.remove(0);
    assert!(fault.until >= records[1].removed);
    drop(lease);
}

#[tokio::test]
async fn a_rule_for_an_edge_covers_its_ports() {
    let wire = Wire::new(RunClock::start(), WireConfig::default());
    let matcher = FaultMatcher { edge: Some(EdgeId::new("orders", "payments")), ..FaultMatcher::default() };
    let lease = wire.install(FaultRule::new("refused", matcher, FaultAction::Refuse)).unwrap();
    let edge = EdgeId::new("orders", "payments").with_port("http");
    let proxy = wire.open(edge, seaworthy_core::system::PortProtocol::Http).await.unwrap();
    let error = within(ask(proxy, Speaks::Http1, get("/"))).await.unwrap_err();
    assert!(is_connection_reset(&*error), "{error:?}");
    within(lease.first_fired()).await;
    assert_eq!(lease.fired(), 1);
}
