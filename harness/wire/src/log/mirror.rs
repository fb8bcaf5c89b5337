//! A log that shows what another process recorded.
//!
//! Whoever reads it asks that process first whether it is up to date, so that a reader here sees what one over there
//! would: an exchange that was answered a moment ago is never missing.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use seaworthy_core::evidence::Loss;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::ExchangeId;

use super::{Entry, ExchangeLog, State, lock};

/// What is mirrored here.
pub(crate) trait Original: Send + Sync {
    /// Returns when all that was recorded over there before this call is here.
    fn catch_up(&self);
}

/// What a log knows of the one that it mirrors.
#[derive(Default)]
pub(super) struct Mirrored {
    original: Option<Weak<dyn Original>>,
    losses: Vec<Loss>,
}

/// Writes what comes from the other process.
pub(crate) struct Mirror {
    log: ExchangeLog,
    /// By the number that the exchange has over there; those that may still change.
    open: HashMap<ExchangeId, Arc<Entry>>,
}

impl ExchangeLog {
    /// Says whom to ask before this log is read.
    pub(crate) fn mirrors(&self, original: Weak<dyn Original>) {
        lock(&self.0.mirrored).original = Some(original);
    }

    /// Makes sure that what is read next is up to date.
    pub(super) fn catch_up(&self) {
        let original = lock(&self.0.mirrored).original.clone();
        if let Some(original) = original.and_then(|original| original.upgrade()) {
            original.catch_up();
        }
    }

    /// The last look: from here on it shows what it has.
    pub(crate) fn settle(&self) {
        self.catch_up();
        lock(&self.0.mirrored).original = None;
    }

    /// The losses over there, as they were told last.
    pub(super) fn mirrored_losses(&self) -> Vec<Loss> {
        lock(&self.0.mirrored).losses.clone()
    }

    /// Whether what passes is written down from now on; what is left out is no loss.
    pub(crate) fn set_recording(&self, recording: bool) {
        self.0.recording.store(recording, std::sync::atomic::Ordering::Release);
    }

    /// Forgets everything. What is in flight is written to nowhere.
    pub(crate) fn forget(&self) {
        *self.0.table.write().unwrap_or_else(PoisonError::into_inner) = super::Table::default();
        lock(&self.0.losses).clear();
        self.0.captured.store(0, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Mirror {
    /// Writes into this log.
    pub(crate) fn into(log: ExchangeLog) -> Self {
        Self { log, open: HashMap::new() }
    }

    /// An exchange came or changed.
    pub(crate) fn show(&mut self, mut exchange: Exchange, sealed: bool) {
        let theirs = exchange.id;
        let entry = match self.open.get(&theirs) {
            Some(entry) => Arc::clone(entry),
            None => self.enter(&exchange),
        };
        exchange.id = entry.id;
        let exchange = Arc::new(exchange);
        *lock(&entry.state) = if sealed { State::Read(exchange) } else { State::Shown(exchange) };
        self.log.changed(&entry);
        if sealed {
            self.open.remove(&theirs);
        } else {
            self.open.insert(theirs, entry);
        }
    }

    /// These losses there are by now.
    pub(crate) fn show_losses(&self, losses: Vec<Loss>) {
        lock(&self.log.0.mirrored).losses = losses;
    }

    /// The other process is gone: what was in flight stays so, and what came after is not known.
    pub(crate) fn breaks_off(&self, why: &str) {
        self.log.lost("exchanges", why, true);
        self.log.0.changes.send_modify(|count| *count += 1);
    }

    fn enter(&self, exchange: &Exchange) -> Arc<Entry> {
        let mut table = self.log.0.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut shown = exchange.clone();
        shown.id = ExchangeId(table.entries.len() as u64 + 1);
        let entry = Arc::new(Entry {
            id: shown.id,
            revision: AtomicU64::new(0),
            state: Mutex::new(State::Shown(Arc::new(shown))),
        });
        table.entries.push(Arc::clone(&entry));
        if let Some(trace) = exchange.trace_id() {
            table.by_trace.entry(trace).or_default().push(Arc::clone(&entry));
        } else if exchange.correlation_id.is_some() {
            table.untraced.push(Arc::clone(&entry));
        }
        entry
    }
}

impl std::fmt::Debug for Mirrored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirrored").field("losses", &self.losses).finish_non_exhaustive()
    }
}
