//! Following a log: what came or changed since one looked last, for whoever hands it on to another process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use seaworthy_core::exchange::Exchange;

use super::{Entry, ExchangeLog};

/// Remembers how far a log was read.
pub(crate) struct Follower {
    log: ExchangeLog,
    /// The count of changes at the last look.
    seen: Option<u64>,
    /// How many entries are known.
    known: usize,
    /// Those that may still change.
    open: Vec<Arc<Entry>>,
}

/// An exchange as it is now.
pub(crate) struct Sight {
    pub(crate) exchange: Arc<Exchange>,
    /// Whether it will not change any more.
    pub(crate) sealed: bool,
}

impl Follower {
    /// Nothing is known yet.
    pub(crate) fn of(log: &ExchangeLog) -> Self {
        Self { log: log.clone(), seen: None, known: 0, open: Vec::new() }
    }

    /// What came or changed since the last call, new ones in the order of their ids.
    pub(crate) fn changed(&mut self) -> Vec<Sight> {
        let now = *self.log.0.changes.borrow();
        {
            let table = self.log.table();
            self.open.extend(table.entries.iter().skip(self.known).cloned());
            self.known = table.entries.len();
        }
        let seen = self.seen.replace(now);
        let mut sights = Vec::new();
        self.open.retain(|entry| {
            if seen.is_some_and(|seen| entry.revision.load(Ordering::Acquire) <= seen) {
                return true;
            }
            let exchange = entry.exchange();
            let sealed = entry.is_sealed();
            sights.push(Sight { exchange, sealed });
            !sealed
        });
        sights
    }
}
