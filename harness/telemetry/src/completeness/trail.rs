//! Which exchanges and spans belong to a trace.

use std::collections::{BTreeSet, HashMap, HashSet};

use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{SpanId, TraceId};
use seaworthy_core::span::Span;

/// A place in a trace: a span, whether it came or not.
pub(super) type Place = (TraceId, SpanId);

/// All that belongs to a trace and to those that go on from it by links.
pub(super) struct Trail<'a> {
    /// Exchanges with a `traceparent` of these traces, by their start.
    pub(super) exchanges: Vec<&'a Exchange>,
    /// Exchanges inside the system without `traceparent`, placed here by their correlation id, by their start.
    pub(super) untraced: Vec<&'a Exchange>,
    /// The spans, by their start.
    pub(super) spans: Vec<&'a Span>,
    /// The spans by id.
    pub(super) by_place: HashMap<Place, &'a Span>,
    /// Places that the wire knows: some exchange was sent under them.
    pub(super) on_the_wire: HashSet<Place>,
    /// The traces.
    pub(super) traces: BTreeSet<TraceId>,
}

impl<'a> Trail<'a> {
    pub(super) fn follow(trace: TraceId, exchanges: &'a [Exchange], spans: &'a [Span]) -> Self {
        let traces = linked(trace, spans);
        let mut traced: Vec<&Exchange> = exchanges
            .iter()
            .filter(|exchange| exchange.trace_id().is_some_and(|id| traces.contains(&id)))
            .collect();
        let correlation: HashSet<&str> =
            traced.iter().filter_map(|exchange| exchange.correlation_id.as_deref()).collect();
        let is_ours = |exchange: &&Exchange| {
            exchange.trace.is_none()
                && exchange.edge.is_internal()
                && exchange.correlation_id.as_deref().is_some_and(|id| correlation.contains(id))
        };
        let mut untraced: Vec<&Exchange> = exchanges.iter().filter(is_ours).collect();
        for list in [&mut traced, &mut untraced] {
            list.sort_by_key(|exchange| (exchange.started, exchange.id));
        }
        let mut own: Vec<&Span> = spans.iter().filter(|span| traces.contains(&span.trace_id)).collect();
        own.sort_by_key(|span| (span.start_unix, span.span_id));
        Self {
            by_place: own.iter().map(|span| ((span.trace_id, span.span_id), *span)).collect(),
            on_the_wire: traced.iter().filter_map(|exchange| place(exchange)).collect(),
            exchanges: traced,
            untraced,
            spans: own,
            traces,
        }
    }
}

/// Where in its trace an exchange hangs: under the sender's span.
pub(super) fn place(exchange: &Exchange) -> Option<Place> {
    exchange.trace.map(|trace| (trace.trace_id, trace.parent_id))
}

/// The trace and those that go on from it: a span of theirs links to a span of one that is followed.
fn linked(trace: TraceId, spans: &[Span]) -> BTreeSet<TraceId> {
    let mut onward: HashMap<TraceId, BTreeSet<TraceId>> = HashMap::new();
    for span in spans {
        for link in &span.links {
            onward.entry(link.trace_id).or_default().insert(span.trace_id);
        }
    }
    let mut found = BTreeSet::from([trace]);
    let mut open = vec![trace];
    while let Some(next) = open.pop() {
        for &linked in onward.get(&next).into_iter().flatten() {
            if found.insert(linked) {
                open.push(linked);
            }
        }
    }
    found
}
