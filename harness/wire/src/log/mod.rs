//! The exchange log: every exchange from its first byte on, readable while it is in flight.
//!
//! Writers touch one small lock of their own exchange and a counter; readers pay for digests and redaction, once
//! for each exchange that is over.

pub(crate) mod follow;
pub(crate) mod mirror;
pub(crate) mod record;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use seaworthy_core::evidence::Loss;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{ExchangeId, TraceId};
use seaworthy_core::time::Nanos;
use tokio::sync::watch;

use crate::config::WireConfig;
use record::{Asked, Capture, Raw};

/// All exchanges of a run. Cloning gives another handle on the same log.
#[derive(Clone, Debug)]
pub struct ExchangeLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    capture_bytes: usize,
    captured_limit: u64,
    /// How much of bodies has been kept so far.
    captured: AtomicU64,
    table: RwLock<Table>,
    changes: watch::Sender<u64>,
    losses: Mutex<BTreeMap<(&'static str, String, bool), u64>>,
    /// Whether what passes is written down.
    recording: AtomicBool,
    mirrored: Mutex<mirror::Mirrored>,
}

#[derive(Debug, Default)]
struct Table {
    /// In the order of their ids, from 1.
    entries: Vec<Arc<Entry>>,
    by_trace: HashMap<TraceId, Vec<Arc<Entry>>>,
    /// Those with a correlation id and without a valid `traceparent`.
    untraced: Vec<Arc<Entry>>,
}

/// One exchange in the log.
#[derive(Debug)]
pub(crate) struct Entry {
    id: ExchangeId,
    /// The log's count of changes at the last change of this one.
    revision: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Raw(Box<Raw>),
    Read(Arc<Exchange>),
    /// What another process told last, and may tell anew.
    Shown(Arc<Exchange>),
}

/// A lock whose holder panicked still holds whole values: each write here is a plain assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    fn exchange(&self) -> Arc<Exchange> {
        let mut state = lock(&self.state);
        match &*state {
            State::Read(exchange) | State::Shown(exchange) => Arc::clone(exchange),
            State::Raw(raw) => {
                let exchange = Arc::new(raw.exchange(self.id));
                if raw.is_sealed() {
                    *state = State::Read(Arc::clone(&exchange));
                }
                exchange
            }
        }
    }

    /// Whether nothing more will be written here, and that has been read.
    fn is_sealed(&self) -> bool {
        matches!(*lock(&self.state), State::Read(_))
    }
}

impl ExchangeLog {
    pub(crate) fn new(config: &WireConfig) -> Self {
        Self(Arc::new(Inner {
            limit: config.max_exchanges,
            capture_bytes: config.capture_bytes,
            captured_limit: config.captured_total_bytes,
            captured: AtomicU64::new(0),
            table: RwLock::default(),
            changes: watch::Sender::new(0),
            losses: Mutex::default(),
            recording: AtomicBool::new(true),
            mirrored: Mutex::default(),
        }))
    }

    /// Every exchange, in the order of their ids.
    pub fn snapshot(&self) -> Vec<Exchange> {
        self.catch_up();
        self.entries().iter().map(|entry| (*entry.exchange()).clone()).collect()
    }

    /// Those whose consumer sent this trace id, in the order of their ids.
    pub fn of_trace(&self, trace: TraceId) -> Vec<Exchange> {
        self.catch_up();
        let entries = self.table().by_trace.get(&trace).cloned().unwrap_or_default();
        entries.iter().map(|entry| (*entry.exchange()).clone()).collect()
    }

    /// Those whose consumer sent a correlation id but no valid `traceparent`, in the order of their ids: only that
    /// id can tell which trace they belong to.
    pub fn untraced(&self) -> Vec<Exchange> {
        self.catch_up();
        let entries = self.table().untraced.clone();
        entries.iter().map(|entry| (*entry.exchange()).clone()).collect()
    }

    /// The exchange with this number.
    pub fn get(&self, id: ExchangeId) -> Option<Exchange> {
        self.catch_up();
        let at = usize::try_from(id.0.checked_sub(1)?).ok()?;
        let entry = self.table().entries.get(at).cloned()?;
        Some((*entry.exchange()).clone())
    }

    /// How many there are, in flight or over.
    pub fn len(&self) -> usize {
        self.catch_up();
        self.table().entries.len()
    }

    /// Whether nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What could not be recorded.
    pub fn losses(&self) -> Vec<Loss> {
        self.catch_up();
        let mirrored = self.mirrored_losses();
        let losses = lock(&self.0.losses);
        losses
            .iter()
            .map(|((what, why, harmful), &count)| Loss {
                what: (*what).to_owned(),
                why: why.clone(),
                count,
                service: None,
                harmful: *harmful,
            })
            .chain(mirrored)
            .collect()
    }

    /// Counts up on every recorded change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Waits for the first exchange, past or to come, of which `predicate` holds. There is no deadline: wrap it in a
    /// timeout. Each exchange is asked again whenever it has changed.
    pub async fn wait_for(&self, predicate: impl Fn(&Exchange) -> bool) -> Exchange {
        let mut changes = self.changes();
        let mut seen = None;
        let mut known = 0;
        // Those that may still change. What is over is asked once, so that a wait costs what is in flight, not what
        // was ever recorded.
        let mut open: Vec<Arc<Entry>> = Vec::new();
        loop {
            let now = *changes.borrow_and_update();
            {
                let table = self.table();
                open.extend(table.entries.iter().skip(known).cloned());
                known = table.entries.len();
            }
            let mut found = None;
            open.retain(|entry| {
                let has_changed = seen.is_none_or(|seen| entry.revision.load(Ordering::Acquire) > seen);
                if found.is_some() || !has_changed {
                    return true;
                }
                let exchange = entry.exchange();
                if predicate(&exchange) {
                    found = Some(exchange);
                }
                !entry.is_sealed()
            });
            if let Some(found) = found {
                return (*found).clone();
            }
            seen = Some(now);
            // The sender lives in `self`, so this cannot fail.
            let _ = changes.changed().await;
        }
    }

    /// Writes a new exchange down. Past the limit it is written to nowhere and counted.
    pub(crate) fn begin(&self, asked: Asked, started: Nanos) -> Arc<Entry> {
        let recording = self.0.recording.load(Ordering::Acquire);
        if asked.headers.cut && recording {
            self.lost("headers", "more than is recorded of one message", true);
        }
        let trace = asked.trace.map(|trace| trace.trace_id);
        let correlated = asked.correlation_id.is_some();
        let entry = |id| {
            Arc::new(Entry {
                id: ExchangeId(id),
                revision: AtomicU64::new(0),
                state: Mutex::new(State::Raw(Box::new(Raw::new(asked, started)))),
            })
        };
        if !recording {
            return entry(0);
        }
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.entries.len() >= self.0.limit {
            drop(table);
            self.lost("exchanges", "log full", true);
            return entry(0);
        }
        let entry = entry(table.entries.len() as u64 + 1);
        table.entries.push(Arc::clone(&entry));
        if let Some(trace) = trace {
            table.by_trace.entry(trace).or_default().push(Arc::clone(&entry));
        } else if correlated {
            table.untraced.push(Arc::clone(&entry));
        }
        drop(table);
        self.changed(&entry);
        entry
    }

    /// Changes what is written of an exchange.
    pub(crate) fn write<R>(&self, entry: &Entry, change: impl FnOnce(&mut Raw) -> R) -> Option<R> {
        let changed = match &mut *lock(&entry.state) {
            State::Raw(raw) => Some(change(raw)),
            State::Read(_) | State::Shown(_) => None,
        };
        self.changed(entry);
        changed
    }

    /// A capture for a body that begins, within what is left for all of them.
    pub(crate) fn capture(&self) -> Capture {
        if self.0.capture_bytes > 0 && self.0.captured.load(Ordering::Relaxed) >= self.0.captured_limit {
            self.lost("bodies", "as many are kept as may be, of further ones the size alone", true);
            return Capture::new(0);
        }
        Capture::new(self.0.capture_bytes)
    }

    /// Counts what a capture holds that will be kept.
    pub(crate) fn keep(&self, capture: &Capture) {
        self.0.captured.fetch_add(capture.kept(), Ordering::Relaxed);
    }

    /// Counts something that happened and is not in the log.
    pub(crate) fn lost(&self, what: &'static str, why: &str, harmful: bool) {
        *lock(&self.0.losses).entry((what, why.to_owned(), harmful)).or_default() += 1;
    }

    fn changed(&self, entry: &Entry) {
        // Inside the closure, so that whoever reads the new count finds this revision in place.
        self.0.changes.send_modify(|count| {
            *count += 1;
            entry.revision.store(*count, Ordering::Release);
        });
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.table().entries.clone()
    }

    fn table(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}
