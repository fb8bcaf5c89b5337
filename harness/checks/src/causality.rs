//! Who caused what: from an exchange or a span back to the exchange that made a service do it.
//!
//! Causality goes by ids: the parent id on the wire names a span of the sender, whose ancestors lead to the span
//! with which the service received something; the parent of that is the id that the incoming exchange carried.
//! Where the chain is broken (no telemetry, a lost span, a killed instance), the harness's own clock decides among
//! the exchanges that reached the service in the same trace.

use std::collections::{HashMap, HashSet};

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{ServiceName, SpanId, TraceId};
use seaworthy_core::span::Span;
use seaworthy_core::time::Nanos;

/// How many ancestors are followed before a chain counts as broken.
const DEPTH: usize = 256;

/// An index over evidence by which causes are found.
pub(crate) struct Causality<'e> {
    evidence: &'e dyn Evidence,
    spans: HashMap<(TraceId, SpanId), &'e Span>,
    /// Receiving spans by the parent under which they were made.
    received: HashMap<(TraceId, SpanId), Vec<&'e Span>>,
    /// Exchanges by the parent that they carried.
    sent: HashMap<(TraceId, SpanId), Vec<&'e Exchange>>,
    /// The trace of each correlation id, steps first.
    correlated: HashMap<&'e str, TraceId>,
    steps: HashSet<TraceId>,
    /// Traces that say by a link from which other trace they come.
    linked: HashMap<TraceId, TraceId>,
}

/// How a service came to do something.
#[derive(Clone, Copy)]
pub(crate) struct Handling<'e> {
    /// What the service had received.
    pub(crate) incoming: &'e Exchange,
    /// The span with which it handled that, where the chain of spans is whole.
    pub(crate) span: Option<SpanId>,
}

impl<'e> Causality<'e> {
    pub(crate) fn of(evidence: &'e dyn Evidence) -> Self {
        let mut correlated = HashMap::new();
        let mut steps = HashSet::new();
        for step in evidence.steps() {
            correlated.insert(step.correlation_id.as_str(), step.trace.trace_id);
            steps.insert(step.trace.trace_id);
        }
        let mut sent: HashMap<_, Vec<_>> = HashMap::new();
        for exchange in evidence.exchanges() {
            if let Some(trace) = exchange.trace {
                sent.entry((trace.trace_id, trace.parent_id)).or_default().push(exchange);
                if let Some(correlation) = exchange.correlation_id.as_deref() {
                    correlated.entry(correlation).or_insert(trace.trace_id);
                }
            }
        }
        let (mut spans, mut received, mut linked) =
            (HashMap::new(), HashMap::<_, Vec<_>>::new(), HashMap::new());
        for span in evidence.spans() {
            spans.insert((span.trace_id, span.span_id), span);
            if let (true, Some(parent)) = (span.kind.is_receiver(), span.parent_id) {
                received.entry((span.trace_id, parent)).or_default().push(span);
            }
            for link in &span.links {
                if link.trace_id != span.trace_id {
                    linked.entry(span.trace_id).or_insert(link.trace_id);
                }
            }
        }
        for spans in received.values_mut() {
            spans.sort_by_key(|span| (span.start_unix, span.span_id));
        }
        Self { evidence, spans, received, sent, correlated, steps, linked }
    }

    /// The span of this id.
    pub(crate) fn span(&self, trace: TraceId, span: SpanId) -> Option<&'e Span> {
        self.spans.get(&(trace, span)).copied()
    }

    /// The trace that an exchange belongs to: its own, else the one of its correlation id.
    pub(crate) fn trace_of(&self, exchange: &Exchange) -> Option<TraceId> {
        exchange.trace_id().or_else(|| self.trace_of_correlation(exchange))
    }

    /// The trace that an exchange's correlation id speaks of.
    pub(crate) fn trace_of_correlation(&self, exchange: &Exchange) -> Option<TraceId> {
        self.correlated.get(exchange.correlation_id.as_deref()?).copied()
    }

    /// Whether a step of a flow, or the harness itself, started this trace.
    pub(crate) fn is_started(&self, trace: TraceId) -> bool {
        self.steps.contains(&trace)
    }

    /// The step's trace that this one comes from: itself, or over links.
    pub(crate) fn started_trace(&self, trace: TraceId) -> Option<TraceId> {
        let mut at = trace;
        for _ in 0..DEPTH {
            if self.steps.contains(&at) {
                return Some(at);
            }
            at = *self.linked.get(&at)?;
        }
        None
    }

    /// What made the consumer send this exchange.
    pub(crate) fn cause(&self, exchange: &'e Exchange) -> Option<Handling<'e>> {
        if !exchange.edge.is_internal() {
            return None;
        }
        let service = &exchange.edge.consumer;
        exchange
            .trace
            .and_then(|trace| self.climb(trace.trace_id, trace.parent_id, None, service, Some(exchange)))
            .or_else(|| {
                let candidates = self.incoming(self.trace_of(exchange)?, service);
                let incoming = latest_at_work(&candidates, exchange)?;
                Some(Handling { incoming, span: None })
            })
    }

    /// The incoming exchange behind [`Causality::cause`].
    pub(crate) fn incoming_of(&self, exchange: &'e Exchange) -> Option<&'e Exchange> {
        self.cause(exchange).map(|handling| handling.incoming)
    }

    /// What made the service make this span, by ids alone.
    pub(crate) fn cause_of_span(&self, span: &'e Span) -> Option<Handling<'e>> {
        self.climb(span.trace_id, span.parent_id?, Some(span), &span.resource.service, None)
    }

    /// The exchanges of a trace that reached the service, other than the harness's probes, in order.
    pub(crate) fn incoming(&self, trace: TraceId, service: &ServiceName) -> Vec<&'e Exchange> {
        let exchanges = self.evidence.exchanges_of(trace).into_iter();
        exchanges
            .filter(|exchange| exchange.edge.provider == *service && exchange.reached_provider())
            .collect()
    }

    /// Climbs from the id `at` (whose child `below` is) until an id is met that an exchange towards `service`
    /// carried.
    fn climb(
        &self,
        mut trace: TraceId,
        mut at: SpanId,
        mut below: Option<&'e Span>,
        service: &ServiceName,
        of: Option<&'e Exchange>,
    ) -> Option<Handling<'e>> {
        for _ in 0..DEPTH {
            let candidates: Vec<&'e Exchange> = self
                .sent
                .get(&(trace, at))
                .into_iter()
                .flatten()
                .copied()
                .filter(|sent| sent.edge.provider == *service && sent.reached_provider())
                .filter(|sent| of.is_none_or(|of| sent.id != of.id && sent.started <= of.started))
                .collect();
            if !candidates.is_empty() {
                let incoming = self.pick(&candidates, trace, at, below, service, of)?;
                return Some(Handling { incoming, span: below.map(|span| span.span_id) });
            }
            let span = self.span(trace, at)?;
            if span.resource.service != *service {
                return None;
            }
            below = Some(span);
            match (span.parent_id, span.links.first()) {
                (Some(parent), _) => at = parent,
                (None, Some(link)) => (trace, at) = (link.trace_id, link.span_id),
                (None, None) => return None,
            }
        }
        None
    }

    /// Which of several exchanges under one parent it was: as many receiving spans as exchanges pair up in order,
    /// else the clock decides.
    fn pick(
        &self,
        candidates: &[&'e Exchange],
        trace: TraceId,
        parent: SpanId,
        below: Option<&'e Span>,
        service: &ServiceName,
        of: Option<&'e Exchange>,
    ) -> Option<&'e Exchange> {
        if let [only] = candidates {
            return Some(only);
        }
        let received: Vec<&Span> = self
            .received
            .get(&(trace, parent))
            .into_iter()
            .flatten()
            .copied()
            .filter(|span| span.resource.service == *service)
            .collect();
        let rank = below.and_then(|below| received.iter().position(|span| span.span_id == below.span_id));
        match (rank, of) {
            (Some(rank), _) if received.len() == candidates.len() => candidates.get(rank).copied(),
            (_, Some(of)) => latest_at_work(candidates, of),
            _ => candidates.first().copied(),
        }
    }
}

/// Of the exchanges that had begun before `of`: the latest that was still at work then, else the latest.
fn latest_at_work<'e>(candidates: &[&'e Exchange], of: &Exchange) -> Option<&'e Exchange> {
    let begun: Vec<&&Exchange> =
        candidates.iter().filter(|one| one.id != of.id && one.started <= of.started).collect();
    let at_work = begun.iter().rev().find(|one| is_at_work(one, of.started));
    at_work.or(begun.last()).map(|one| **one)
}

/// Whether the provider had this exchange in hand at that time.
pub(crate) fn is_at_work(exchange: &Exchange, at: Nanos) -> bool {
    exchange
        .provider
        .as_ref()
        .is_some_and(|provider| provider.started <= at && provider.ended.is_none_or(|ended| ended >= at))
}
