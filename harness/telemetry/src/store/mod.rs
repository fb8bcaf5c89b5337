//! Everything that services said, in memory, with an index by trace.
//!
//! The store is bounded in every direction ([`StoreLimits`]); what does not fit is counted as a [`Loss`] so that
//! checks on absence know of it. Each (trace, span) is kept once. Secrets are replaced on the way in.

mod secrets;
mod series;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seaworthy_core::evidence::Loss;
use seaworthy_core::ids::{ServiceName, SpanId, TraceId};
use seaworthy_core::log::LogRecord;
use seaworthy_core::metric::MetricPoint;
use seaworthy_core::secret::SecretHit;
use seaworthy_core::span::{Attributes, Resource, Span, Value};
use seaworthy_core::time::{Nanos, RunClock};
use tokio::sync::watch;

use secrets::Cleaner;
use series::Series;

/// How much a [`Store`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Spans, at most.
    pub spans: usize,
    /// Log records, at most.
    pub logs: usize,
    /// Series of cumulative metrics and gauges, at most; of each the last point is kept.
    pub series: usize,
    /// Points of delta metrics, at most.
    pub delta_points: usize,
    /// Secrets found, at most; further ones are still replaced but not listed.
    pub secrets: usize,
    /// Bytes of all spans, logs and points together, as estimated from their texts and attributes, at most.
    pub bytes: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            spans: 500_000,
            logs: 500_000,
            series: 50_000,
            delta_points: 200_000,
            secrets: 10_000,
            bytes: 512 << 20,
        }
    }
}

/// How much a [`Store`] has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans kept.
    pub spans: usize,
    /// Log records kept.
    pub logs: usize,
    /// Metric points kept: one for each series, and each point of delta metrics.
    pub metric_points: usize,
    /// Spans that came more than once and were dropped.
    pub duplicates: u64,
    /// Items that were refused or did not fit.
    pub dropped: u64,
    /// Traces of which there is a span or a log record.
    pub traces: usize,
    /// Estimated bytes of all that is kept.
    pub bytes: usize,
}

/// All that a [`Store`] has, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Spans in the order in which they came.
    pub spans: Vec<Span>,
    /// Log records in the order in which they came.
    pub logs: Vec<LogRecord>,
    /// Metric points: the last one of each series, all of delta metrics.
    pub metrics: Vec<MetricPoint>,
    /// Secrets that were found and replaced.
    pub secrets: Vec<SecretHit>,
    /// What was not kept.
    pub losses: Vec<Loss>,
}

/// How many items of a batch were not kept, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// How many.
    pub count: u64,
    /// Why; the last reason when there were several.
    pub why: String,
}

impl Refusal {
    /// Counts one more.
    pub fn one(&mut self, why: &str) {
        self.count += 1;
        why.clone_into(&mut self.why);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Refusal) -> Refusal {
        let why = if other.count > 0 { other.why } else { self.why };
        Refusal { count: self.count + other.count, why }
    }
}

/// Telemetry in memory. Cloning it gives another handle on the same store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    clock: RunClock,
    limits: StoreLimits,
    changes: watch::Sender<u64>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    spans: Vec<Span>,
    logs: Vec<LogRecord>,
    series: Series,
    secrets: Vec<SecretHit>,
    losses: BTreeMap<LossKey, u64>,
    traces: HashMap<TraceId, TraceIndex>,
    /// Traces with a span that links to the key's trace.
    linked_from: HashMap<TraceId, BTreeSet<TraceId>>,
    /// The latest receiving spans without a parent: where somebody may have started a trace anew.
    roots: VecDeque<usize>,
    resources: Vec<Arc<Resource>>,
    /// The resource that was shared last, as it came and as it is kept: all items of a batch have the same.
    last_resource: Option<(Arc<Resource>, Arc<Resource>)>,
    duplicates: u64,
    dropped: u64,
    bytes: usize,
}

type LossKey = (String, String, Option<ServiceName>, bool);

#[derive(Default)]
struct TraceIndex {
    seen: HashSet<SpanId>,
    spans: Vec<usize>,
    logs: Vec<usize>,
}

/// How many exporters' resources are shared between batches; more are kept, but each batch with its own copy.
const SHARED_RESOURCES: usize = 256;

/// How many of the latest roots are looked at for a trace begun anew: it is a hint, and it is asked for often.
const LATEST_ROOTS: usize = 128;

const FULL: &str = "store full";

impl Store {
    /// An empty store.
    pub fn new(clock: RunClock, limits: StoreLimits) -> Self {
        let changes = watch::Sender::new(0);
        Self { shared: Arc::new(Shared { clock, limits, changes, inner: Mutex::default() }) }
    }

    /// The time at which something that arrives now is received.
    pub fn now(&self) -> Nanos {
        self.shared.clock.now()
    }

    /// The spans of a trace, in the order in which they came.
    pub fn spans_of(&self, trace: TraceId) -> Vec<Span> {
        let inner = self.lock();
        let index = inner.traces.get(&trace).map_or(&[][..], |index| &index.spans);
        index.iter().filter_map(|&at| inner.spans.get(at)).cloned().collect()
    }

    /// The log records of a trace, in the order in which they came.
    pub fn logs_of(&self, trace: TraceId) -> Vec<LogRecord> {
        let inner = self.lock();
        let index = inner.traces.get(&trace).map_or(&[][..], |index| &index.logs);
        index.iter().filter_map(|&at| inner.logs.get(at)).cloned().collect()
    }

    /// The trace itself and the traces that go on from it by links, directly or over others.
    pub fn traces_from(&self, trace: TraceId) -> BTreeSet<TraceId> {
        let inner = self.lock();
        let mut found = BTreeSet::from([trace]);
        let mut open = vec![trace];
        while let Some(next) = open.pop() {
            for &linked in inner.linked_from.get(&next).into_iter().flatten() {
                if found.insert(linked) {
                    open.push(linked);
                }
            }
        }
        found
    }

    /// All spans that the completeness of a trace may depend on: its own, those of the traces that go on from it
    /// by links, and the latest 128 receiving spans elsewhere that have no parent (one of them may have begun anew
    /// what should have gone on here).
    pub fn spans_near(&self, trace: TraceId) -> Vec<Span> {
        let traces = self.traces_from(trace);
        let inner = self.lock();
        let own = traces.iter().filter_map(|trace| inner.traces.get(trace)).flat_map(|index| &index.spans);
        let elsewhere =
            |at: &&usize| inner.spans.get(**at).is_some_and(|span| !traces.contains(&span.trace_id));
        let near = own.chain(inner.roots.iter().filter(elsewhere));
        near.filter_map(|&at| inner.spans.get(at)).cloned().collect()
    }

    /// All there is.
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            spans: inner.spans.clone(),
            logs: inner.logs.clone(),
            metrics: inner.series.points().cloned().collect(),
            secrets: inner.secrets.clone(),
            losses: inner.losses(),
        }
    }

    /// What was not kept so far.
    pub fn losses(&self) -> Vec<Loss> {
        self.lock().losses()
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        Counts {
            spans: inner.spans.len(),
            logs: inner.logs.len(),
            metric_points: inner.series.len(),
            duplicates: inner.duplicates,
            dropped: inner.dropped,
            traces: inner.traces.len(),
            bytes: inner.bytes,
        }
    }

    /// Counts up whenever something came in or was lost.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Takes spans in. Those that came before (same trace and span id) are dropped and counted; that is no
    /// refusal, for exporters may send a batch again whose answer they lost.
    pub fn add_spans(&self, mut spans: Vec<Span>) -> Refusal {
        let mut cleaner = Cleaner::default();
        let found: Vec<_> = spans.iter_mut().map(|span| cleaner.clean_span(span)).collect();
        self.change(|inner, limits| {
            let mut refusal = Refusal::default();
            for (mut span, found) in spans.into_iter().zip(found) {
                let service = span.resource.service.clone();
                if inner.traces.get(&span.trace_id).is_some_and(|trace| trace.seen.contains(&span.span_id)) {
                    inner.duplicates += 1;
                    inner.lose("spans", "duplicate", Some(service), false);
                    continue;
                }
                inner.note_secrets(found, limits);
                let bytes = size_of_span(&span);
                if inner.spans.len() >= limits.spans || inner.bytes + bytes > limits.bytes {
                    inner.lose("spans", FULL, Some(service), true);
                    refusal.one(FULL);
                    continue;
                }
                inner.bytes += bytes;
                span.resource = inner.share(span.resource, limits);
                inner.keep_span(span);
            }
            refusal
        })
    }

    /// Takes log records in.
    pub fn add_logs(&self, mut logs: Vec<LogRecord>) -> Refusal {
        let mut cleaner = Cleaner::default();
        let found: Vec<_> = logs.iter_mut().flat_map(|log| cleaner.clean_log(log)).collect();
        self.change(|inner, limits| {
            let mut refusal = Refusal::default();
            inner.note_secrets(found, limits);
            for mut log in logs {
                let bytes = size_of_log(&log);
                if inner.logs.len() >= limits.logs || inner.bytes + bytes > limits.bytes {
                    inner.lose("logs", FULL, Some(log.resource.service.clone()), true);
                    refusal.one(FULL);
                    continue;
                }
                inner.bytes += bytes;
                log.resource = inner.share(log.resource, limits);
                if let Some(trace) = log.trace_id {
                    let at = inner.logs.len();
                    inner.traces.entry(trace).or_default().logs.push(at);
                }
                inner.logs.push(log);
            }
            refusal
        })
    }

    /// Takes metric points in: for cumulative metrics and gauges the last point of each series of each instance
    /// stays, for delta metrics every point.
    pub fn add_metrics(&self, mut points: Vec<MetricPoint>) -> Refusal {
        let mut cleaner = Cleaner::default();
        let found: Vec<_> = points.iter_mut().flat_map(|point| cleaner.clean_point(point)).collect();
        self.change(|inner, limits| {
            let mut refusal = Refusal::default();
            // Every export repeats the series, and with them what is secret in their attributes.
            let new = found.into_iter().filter(|hit| !inner.secrets.contains(hit)).collect();
            inner.note_secrets(new, limits);
            for mut point in points {
                let service = point.resource.service.clone();
                point.resource = inner.share(point.resource, limits);
                let bytes = size_of_point(&point);
                let room = limits.bytes.saturating_sub(inner.bytes);
                match inner.series.keep(point, bytes, room, limits) {
                    Some(grown) => inner.bytes += grown,
                    None => {
                        inner.lose("metric points", FULL, Some(service), true);
                        refusal.one(FULL);
                    }
                }
            }
            refusal
        })
    }

    /// Notes that evidence was lost before it got here.
    pub fn add_loss(&self, loss: Loss) {
        self.change(|inner, _| inner.lose_many(loss));
    }

    fn change<T>(&self, act: impl FnOnce(&mut Inner, &StoreLimits) -> T) -> T {
        let result = act(&mut self.lock(), &self.shared.limits);
        self.shared.changes.send_modify(|count| *count += 1);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way through a change, so a poisoned lock still guards whole data.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep_span(&mut self, span: Span) {
        let at = self.spans.len();
        let index = self.traces.entry(span.trace_id).or_default();
        index.seen.insert(span.span_id);
        index.spans.push(at);
        if span.parent_id.is_none() && span.kind.is_receiver() {
            self.roots.push_back(at);
            if self.roots.len() > LATEST_ROOTS {
                self.roots.pop_front();
            }
        }
        for link in span.links.iter().filter(|link| link.trace_id != span.trace_id) {
            self.linked_from.entry(link.trace_id).or_default().insert(span.trace_id);
        }
        self.spans.push(span);
    }

    /// The one copy of this resource, cleaned of secrets.
    fn share(&mut self, resource: Arc<Resource>, limits: &StoreLimits) -> Arc<Resource> {
        if let Some((raw, kept)) = &self.last_resource
            && Arc::ptr_eq(raw, &resource)
        {
            return Arc::clone(kept);
        }
        let mut clean = Resource::clone(&resource);
        let found = Cleaner::default().clean_resource(&mut clean);
        let kept = match self.resources.iter().find(|known| ***known == clean) {
            Some(known) => Arc::clone(known),
            None => {
                self.note_secrets(found, limits);
                let clean = Arc::new(clean);
                if self.resources.len() < SHARED_RESOURCES {
                    self.resources.push(Arc::clone(&clean));
                }
                clean
            }
        };
        self.last_resource = Some((resource, Arc::clone(&kept)));
        kept
    }

    fn note_secrets(&mut self, found: Vec<SecretHit>, limits: &StoreLimits) {
        let room = limits.secrets.saturating_sub(self.secrets.len());
        if found.len() > room {
            let count = (found.len() - room) as u64;
            self.lose_many(Loss {
                what: "secrets".into(),
                why: FULL.into(),
                count,
                service: None,
                harmful: false,
            });
        }
        self.secrets.extend(found.into_iter().take(room));
    }

    fn lose(&mut self, what: &str, why: &str, service: Option<ServiceName>, harmful: bool) {
        self.lose_many(Loss { what: what.to_owned(), why: why.to_owned(), count: 1, service, harmful });
    }

    fn lose_many(&mut self, loss: Loss) {
        if loss.harmful {
            self.dropped += loss.count;
        }
        *self.losses.entry((loss.what, loss.why, loss.service, loss.harmful)).or_default() += loss.count;
    }

    fn losses(&self) -> Vec<Loss> {
        let loss = |((what, why, service, harmful), &count): (&LossKey, &u64)| Loss {
            what: what.clone(),
            why: why.clone(),
            count,
            service: service.clone(),
            harmful: *harmful,
        };
        self.losses.iter().map(loss).collect()
    }
}

fn size_of_span(span: &Span) -> usize {
    let events =
        span.events.iter().map(|event| 48 + event.name.len() + size_of_attributes(&event.attributes));
    let links = span.links.iter().map(|link| 48 + size_of_attributes(&link.attributes));
    size_of::<Span>()
        + span.name.len()
        + span.scope.len()
        + size_of_attributes(&span.attributes)
        + events.sum::<usize>()
        + links.sum::<usize>()
}

fn size_of_log(log: &LogRecord) -> usize {
    size_of::<LogRecord>()
        + log.severity_text.len()
        + size_of_value(&log.body)
        + size_of_attributes(&log.attributes)
}

fn size_of_point(point: &MetricPoint) -> usize {
    use seaworthy_core::metric::MetricValue::Histogram;
    let buckets = match &point.value {
        Histogram { bounds, buckets, .. } => 8 * (bounds.len() + buckets.len()),
        _ => 0,
    };
    size_of::<MetricPoint>() + point.name.len() + size_of_attributes(&point.attributes) + buckets
}

fn size_of_attributes(attributes: &Attributes) -> usize {
    attributes.iter().map(|(key, value)| size_of::<String>() + key.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Bytes { bytes } => bytes.len(),
        Value::Array(values) => values.iter().map(size_of_value).sum(),
        Value::Map(values) => size_of_attributes(values),
        Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Empty => 0,
    };
    size_of::<Value>() + inside
}
