//! Waiting for evidence: a trace is awaited until it is complete or its deadline is over, never by a sleep.

use std::sync::atomic::Ordering;
use std::time::Duration;

use seaworthy_core::completeness::Completeness;
use seaworthy_core::ids::TraceId;
use seaworthy_telemetry::{Ledger, completeness};
use tokio::time::{Instant, timeout_at};

use super::Session;

/// So many waits to the end show that what is missing will not come.
const FUTILE_WAITS: u32 = 3;
/// How many export delays a trace gets then.
const EXPORT_DELAYS: u32 = 5;

impl Session {
    /// Waits until the trace is complete, at most `patience`, and says what is missing if it is not.
    ///
    /// Where [`FUTILE_WAITS`] traces of a planned run were waited for in vain, the system loses spans for good, and later traces get
    /// [`EXPORT_DELAYS`] export delays only: what comes after that still counts, for completeness is worked out anew
    /// when the evidence is final.
    pub async fn complete(&self, trace: TraceId, patience: Duration) -> Completeness {
        let futile = self.inner.futile_waits.load(Ordering::Relaxed) >= FUTILE_WAITS;
        let patience = if futile && self.inner.planned.load(Ordering::Relaxed) {
            patience.min(self.system().telemetry.export_delay.0 * EXPORT_DELAYS)
        } else {
            patience
        };
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
                self.inner.futile_waits.fetch_add(1, Ordering::Relaxed);
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
