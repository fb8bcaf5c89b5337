//! A rule's lease as a guard: the rule stands while the guard lives.

use std::sync::Arc;

use seaworthy_core::ids::FaultId;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::rule::Rule;
use super::table::FaultTable;

/// How often a lease is renewed within its length.
const RENEWALS: u32 = 3;

/// A rule in force. It renews itself in the background; dropping it takes the rule out of force.
#[must_use = "the rule goes when its lease is dropped"]
#[derive(Debug)]
pub struct FaultLease {
    rule: Arc<Rule>,
    table: Arc<FaultTable>,
    renewal: Option<AbortHandle>,
}

impl FaultLease {
    /// The lease of a rule that was just added, renewed by a task on `runtime`; without one it is not renewed.
    pub(crate) fn new(rule: Arc<Rule>, table: Arc<FaultTable>, runtime: Option<&Handle>) -> Self {
        let renewed = Arc::clone(&rule);
        let renewal = runtime.map(|runtime| {
            let renew = async move {
                let every = renewed.rule.lease.0 / RENEWALS;
                loop {
                    tokio::select! {
                        () = renewed.ended() => return,
                        () = tokio::time::sleep(every) => {}
                    }
                    if !renewed.renew() {
                        return;
                    }
                }
            };
            runtime.spawn(renew).abort_handle()
        });
        Self { rule, table, renewal }
    }

    /// The rule's id.
    pub fn id(&self) -> &FaultId {
        &self.rule.rule.id
    }

    /// How often it was applied: to one exchange each, for `refuse` to one connection each.
    pub fn fired(&self) -> u64 {
        self.table.catch_up();
        *self.rule.fired().borrow()
    }

    /// Waits until it is first applied. There is no deadline: wrap it in a timeout.
    pub async fn first_fired(&self) {
        // The sender lives in the rule, which `self` holds, so this cannot fail.
        let _ = self.rule.fired().wait_for(|fired| *fired > 0).await;
    }

    /// Lets go what the rule holds; it applies to nothing more.
    pub fn release(&self) {
        self.table.end(&self.rule);
    }

    /// Takes the rule out of force, which lets go what it holds.
    pub fn remove(self) {}
}

impl Drop for FaultLease {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
        self.table.end(&self.rule);
    }
}
