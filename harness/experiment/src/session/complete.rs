//! Waiting for evidence: a trace is awaited until it is complete or its deadline is over, never by a sleep.

use std::time::Duration;

use seaworthy_core::completeness::Completeness;
use seaworthy_core::ids::TraceId;
use seaworthy_telemetry::{Ledger, completeness};
use tokio::time::{Instant, timeout_at};

use super::Session;

impl Session {
    /// Waits until the trace is complete, at most `patience`, and says what is missing if it is not.
    pub async fn complete(&self, trace: TraceId, patience: Duration) -> Completeness {
        let deadline = Instant::now() + patience;
        let mut wire = self.wire().log().changes();
        let mut store = self.store().changes();
        loop {
            // Marked as seen before looking, so that a change while looking wakes us again.
            wire.mark_unchanged();
            store.mark_unchanged();
            let state = self.completeness(trace);
            if state.is_complete() {
                return state;
            }
            let change = async {
                tokio::select! {
                    _ = wire.changed() => {}
                    _ = store.changed() => {}
                }
            };
            if timeout_at(deadline, change).await.is_err() {
                return self.completeness(trace);
            }
        }
    }

    /// What is missing of the trace now.
    pub fn completeness(&self, trace: TraceId) -> Completeness {
        let instances = self.instance_events();
        let proxies = self.wire().addresses();
        let ledger = Ledger { system: self.system(), instances: &instances, proxies: &proxies };
        let log = self.wire().log();
        let mut exchanges = log.untraced();
        for linked in self.store().traces_from(trace) {
            exchanges.extend(log.of_trace(linked));
        }
        completeness(trace, &exchanges, &self.store().spans_near(trace), &ledger)
    }
}
