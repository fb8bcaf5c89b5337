//! The way a session waits: no count, no sleep, one look whenever something changed.

use std::collections::BTreeMap;
use std::time::Duration;

use seaworthy_core::span::SpanKind;
use seaworthy_core::time::RunClock;
use seaworthy_telemetry::{Ledger, Store, StoreLimits, completeness};

use super::made::{exchange, span, system, trace};

#[tokio::test]
async fn a_trace_is_awaited_by_its_evidence() {
    let store = Store::new(RunClock::start(), StoreLimits::default());
    let system = system(&["gateway", "orders"]);
    let exchanges = vec![exchange(1, "ingress -> gateway", 1), exchange(2, "gateway -> orders", 3)];
    let ledger = Ledger { system: &system, instances: &[], proxies: &BTreeMap::new() };
    let wait = async {
        let mut changes = store.changes();
        let mut looks = 0;
        loop {
            changes.borrow_and_update();
            looks += 1;
            let result = completeness(trace(1), &exchanges, &store.spans_near(trace(1)), &ledger);
            if result.is_complete() {
                return looks;
            }
            changes.changed().await.unwrap();
        }
    };
    let export = async {
        for late in [
            span(4, Some(3), "orders", SpanKind::Server),
            span(2, Some(1), "gateway", SpanKind::Server),
            span(3, Some(2), "gateway", SpanKind::Client),
        ] {
            store.add_spans(vec![late]);
            tokio::task::yield_now().await;
        }
    };
    let looks =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(wait, export).0 }).await.unwrap();
    assert!(looks <= 4, "once at first and at most once for each export, not {looks} times");
}
