//! Puts spans and exchanges where they belong.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{Content, Node};
use crate::completeness::End;
use crate::exchange::{Exchange, Outcome};
use crate::ids::{InstanceId, ServiceName, SpanId, TraceId};
use crate::span::{Span, SpanKind};

/// A place in a trace: a span, whether it came or not.
type Place = (TraceId, SpanId);

/// The depth below which spans are left out, so that a malicious chain cannot exhaust the stack.
const DEPTH: usize = 200;

/// What hangs where.
struct Plan<'a> {
    spans: HashMap<Place, &'a Span>,
    /// Children by their parent, in order.
    children: HashMap<Place, Vec<&'a Span>>,
    /// Exchanges by the sender's span, in order.
    sent: HashMap<Place, Vec<&'a Exchange>>,
    /// Spans that go on from a place by a link.
    linked: HashMap<Place, Vec<&'a Span>>,
    /// Parents that nobody knows, with the service of their children: candidates for receiver spans that are
    /// missing.
    unknown: Vec<(Place, ServiceName)>,
    shown: HashSet<Place>,
}

pub(super) fn roots(spans: &[Span], exchanges: &[Exchange]) -> Vec<Node> {
    let mut plan = Plan::new(spans, exchanges);
    let mut roots = Vec::new();
    for place in plan.tops(spans, exchanges) {
        match plan.spans.get(&place).copied() {
            Some(span) => roots.push(plan.span(span, false, 0)),
            None if plan.sent.contains_key(&place) => plan.sender(place, &mut roots),
            None => {}
        }
    }
    while let Some((place, service)) = plan.next_unknown(None) {
        let content = Content::MissingParent { service };
        roots.push(Node { content, children: plan.below(place, 1) });
    }
    // Spans that name each other as parents hang under none of the above.
    let mut rest: Vec<&Span> = plan.spans.values().copied().collect();
    rest.sort_by(|a, b| order(a, b));
    for span in rest {
        if !plan.shown.contains(&place(span)) {
            roots.push(plan.span(span, false, 0));
        }
    }
    let mut untraced: Vec<&Exchange> = exchanges.iter().filter(|exchange| exchange.trace.is_none()).collect();
    untraced.sort_by_key(|exchange| (exchange.started, exchange.id));
    roots.extend(
        untraced.into_iter().map(|exchange| {
            leaf(Content::Untraced { edge: exchange.edge.clone(), request: request(exchange) })
        }),
    );
    roots
}

impl<'a> Plan<'a> {
    fn new(spans: &'a [Span], exchanges: &'a [Exchange]) -> Self {
        let mut plan = Plan {
            spans: HashMap::new(),
            children: HashMap::new(),
            sent: HashMap::new(),
            linked: HashMap::new(),
            unknown: Vec::new(),
            shown: HashSet::new(),
        };
        for span in spans {
            plan.spans.entry(place(span)).or_insert(span);
        }
        for exchange in exchanges {
            if let Some(trace) = exchange.trace {
                plan.sent.entry((trace.trace_id, trace.parent_id)).or_default().push(exchange);
            }
        }
        for sent in plan.sent.values_mut() {
            sent.sort_by_key(|exchange| (exchange.started, exchange.id));
        }
        for &span in plan.spans.values() {
            let known = |place: &Place| plan.spans.contains_key(place) || plan.sent.contains_key(place);
            let link = || span.links.iter().map(|link| (link.trace_id, link.span_id)).find(known);
            match (span.parent_id, link()) {
                (Some(parent), _) => plan.children.entry((span.trace_id, parent)).or_default().push(span),
                (None, Some(origin)) => plan.linked.entry(origin).or_default().push(span),
                (None, None) => {}
            }
        }
        for list in plan.children.values_mut().chain(plan.linked.values_mut()) {
            list.sort_by(|a, b| order(a, b));
        }
        plan
    }

    /// Where the tree begins: spans without a parent, and parents that did not come.
    fn tops(&mut self, spans: &[Span], exchanges: &[Exchange]) -> Vec<Place> {
        let linked: HashSet<Place> = self.linked.values().flatten().map(|span| place(span)).collect();
        let mut tops = BTreeMap::new();
        for span in spans {
            let parent = span.parent_id.map(|parent| (span.trace_id, parent));
            let top = match parent {
                Some(parent) if self.spans.contains_key(&parent) => continue,
                Some(parent) => parent,
                None if linked.contains(&place(span)) => continue,
                None => place(span),
            };
            let rank =
                (self.wire_time(top), span.resource.service.clone(), span.name.clone(), span.start_unix);
            let known = tops.entry(top).or_insert_with(|| rank.clone());
            if rank < *known {
                *known = rank;
            }
        }
        for exchange in exchanges {
            let Some(trace) = exchange.trace else { continue };
            let top = (trace.trace_id, trace.parent_id);
            if !self.spans.contains_key(&top) {
                let rank = (self.wire_time(top), exchange.edge.provider.clone(), exchange.path.clone(), 0);
                tops.entry(top).or_insert(rank);
            }
        }
        let mut tops: Vec<_> = tops.into_iter().map(|(place, rank)| (rank, place)).collect();
        tops.sort();
        for (rank, place) in &tops {
            if !self.spans.contains_key(place) && !self.sent.contains_key(place) {
                self.unknown.push((*place, rank.1.clone()));
            }
        }
        tops.into_iter().map(|(_, place)| place).collect()
    }

    /// Takes the next parent that nobody knows, of this service if one is given.
    fn next_unknown(&mut self, service: Option<&ServiceName>) -> Option<(Place, ServiceName)> {
        let fits = |(_, of): &(Place, ServiceName)| service.is_none_or(|service| service == of);
        let at = self.unknown.iter().position(fits)?;
        Some(self.unknown.remove(at))
    }

    /// When the wire first saw something sent under this place; what the wire never saw comes last.
    fn wire_time(&self, place: Place) -> u64 {
        let first = self.sent.get(&place).and_then(|sent| sent.first());
        first.map_or(u64::MAX, |exchange| exchange.started.0)
    }

    fn span(&mut self, span: &'a Span, linked: bool, depth: usize) -> Node {
        self.shown.insert(place(span));
        let content = Content::Span {
            id: span.span_id,
            service: span.resource.service.clone(),
            kind: span.kind,
            name: without_ids(&span.name),
            status: span.status.clone(),
            duration: span.duration(),
            linked,
        };
        Node { content, children: self.below(place(span), depth + 1) }
    }

    /// What hangs below a place.
    fn below(&mut self, place: Place, depth: usize) -> Vec<Node> {
        let children = self.unshown(|plan| plan.children.get(&place));
        let linked = self.unshown(|plan| plan.linked.get(&place));
        let sent = self.sent.remove(&place).unwrap_or_default();
        if depth > DEPTH {
            let none = children.is_empty() && linked.is_empty() && sent.is_empty();
            self.leave_out(children.into_iter().chain(linked).collect());
            return if none { Vec::new() } else { vec![leaf(Content::Deeper)] };
        }
        let (mut received, own): (Vec<&Span>, Vec<&Span>) =
            children.into_iter().partition(|span| span.kind.is_receiver());
        let (mut by_link, onward): (Vec<&Span>, Vec<&Span>) =
            linked.into_iter().partition(|span| span.kind.is_receiver());
        let mut nodes: Vec<Node> = own.into_iter().map(|span| self.span(span, false, depth)).collect();
        for exchange in sent {
            let direct = take(&mut received, exchange).map(|span| (span, false));
            let receiver = direct.or_else(|| take(&mut by_link, exchange).map(|span| (span, true)));
            self.hop(exchange, receiver, depth, &mut nodes);
        }
        nodes.extend(received.into_iter().map(|span| self.span(span, false, depth)));
        nodes.extend(by_link.into_iter().chain(onward).map(|span| self.span(span, true, depth)));
        nodes
    }

    /// One exchange: its fault, and below it, or in its place, the span of the provider.
    fn hop(
        &mut self,
        exchange: &'a Exchange,
        receiver: Option<(&'a Span, bool)>,
        depth: usize,
        nodes: &mut Vec<Node>,
    ) {
        let provider = match receiver {
            Some((span, linked)) => Some(self.span(span, linked, depth)),
            None => other_end(exchange).map(|content| {
                // Its children came without it: they name a parent that nobody knows.
                let missing = matches!(content, Content::MissingSpan { .. });
                let itself = missing.then(|| self.next_unknown(Some(&exchange.edge.provider))).flatten();
                let children = itself.map(|(place, _)| self.below(place, depth + 1)).unwrap_or_default();
                Node { content, children }
            }),
        };
        if exchange.faults.is_empty() {
            nodes.extend(provider);
            return;
        }
        let fault = Content::Fault {
            edge: exchange.edge.clone(),
            actions: exchange.faults.iter().map(|fault| fault.action.clone()).collect(),
            summary: format!("{} → {}", request(exchange), outcome(exchange)),
        };
        nodes.push(Node { content: fault, children: provider.into_iter().collect() });
    }

    /// A sender without a span: the harness itself, a service whose span is missing, or one that is still waiting.
    fn sender(&mut self, place: Place, roots: &mut Vec<Node>) {
        let Some(first) = self.sent.get(&place).and_then(|sent| sent.first()).copied() else { return };
        let owed =
            first.edge.is_internal() && first.is_over() && first.trace.is_some_and(|trace| trace.sampled);
        if !owed {
            let children = self.below(place, 0);
            return roots.extend(children);
        }
        let service = first.edge.consumer.clone();
        let content = Content::MissingSpan { end: End::Sender, service, request: request(first) };
        roots.push(Node { content, children: self.below(place, 1) });
    }

    /// Counts these spans and all below them as shown: they are behind one line.
    fn leave_out(&mut self, mut spans: Vec<&'a Span>) {
        while let Some(span) = spans.pop() {
            if self.shown.insert(place(span)) {
                let below = [self.children.get(&place(span)), self.linked.get(&place(span))];
                spans.extend(below.into_iter().flatten().flatten());
            }
        }
    }

    fn unshown(&self, list: impl Fn(&Self) -> Option<&Vec<&'a Span>>) -> Vec<&'a Span> {
        let list = list(self).into_iter().flatten();
        list.copied().filter(|span| !self.shown.contains(&place(span))).collect()
    }
}

/// What stands at the provider's end of an exchange that has no span there.
fn other_end(exchange: &Exchange) -> Option<Content> {
    let side = exchange.provider.as_ref();
    if !exchange.is_over() {
        return Some(Content::InFlight { edge: exchange.edge.clone(), request: request(exchange) });
    }
    (side.is_some() && exchange.trace.is_some_and(|trace| trace.sampled)).then(|| Content::MissingSpan {
        end: End::Receiver,
        service: exchange.edge.provider.clone(),
        request: request(exchange),
    })
}

/// Takes the span with which this exchange was received: of the instance that served it where both are known.
fn take<'a>(received: &mut Vec<&'a Span>, exchange: &Exchange) -> Option<&'a Span> {
    let side = exchange.provider.as_ref()?;
    let fits = |instance: Option<&InstanceId>| match (instance, side.instance.as_ref()) {
        (Some(exported), Some(served)) => exported == served,
        _ => true,
    };
    let ours = |span: &&Span| {
        let resource = &span.resource;
        let same = resource.service == exchange.edge.provider
            || (resource.instance.is_some() && resource.instance == side.instance);
        same && fits(resource.instance.as_ref())
    };
    received.iter().position(ours).map(|at| received.remove(at))
}

fn leaf(content: Content) -> Node {
    Node { content, children: Vec::new() }
}

fn place(span: &Span) -> Place {
    (span.trace_id, span.span_id)
}

/// Spans of one instance by its own clock; of several, which may not be compared, by name.
fn order(a: &Span, b: &Span) -> std::cmp::Ordering {
    fn who(span: &Span) -> (&ServiceName, Option<&InstanceId>) {
        (&span.resource.service, span.resource.instance.as_ref())
    }
    who(a)
        .cmp(&who(b))
        .then(a.start_unix.cmp(&b.start_unix))
        .then_with(|| (kind_rank(a.kind), &a.name, a.span_id).cmp(&(kind_rank(b.kind), &b.name, b.span_id)))
}

fn kind_rank(kind: SpanKind) -> u8 {
    match kind {
        SpanKind::Server | SpanKind::Consumer => 0,
        SpanKind::Internal | SpanKind::Unspecified => 1,
        SpanKind::Client | SpanKind::Producer => 2,
    }
}

fn request(exchange: &Exchange) -> String {
    format!("{} {}", exchange.method, without_ids(&exchange.path))
}

fn outcome(exchange: &Exchange) -> String {
    match (exchange.outcome, &exchange.response) {
        (Outcome::InFlight, _) => "in flight".to_owned(),
        (Outcome::Answered, Some(response)) => match response.grpc_status {
            Some(status) => format!("grpc-status {status}"),
            None => response.status.to_string(),
        },
        (Outcome::Answered, None) => "answered".to_owned(),
        (Outcome::Cancelled, _) => "consumer left".to_owned(),
        (Outcome::Reset, _) => "reset".to_owned(),
        (Outcome::Unreachable, _) => "unreachable".to_owned(),
    }
}

/// UUIDs, long hex numbers and plain numbers that are a path's segment.
static IDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{16,}\b|\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b",
    )
    .ok()
});
static NUMBERS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"/[0-9]+\b").ok());

/// The text with whatever differs from run to run replaced: ids by `{id}`.
pub(super) fn without_ids(text: &str) -> String {
    let Some((ids, numbers)) = IDS.as_ref().zip(NUMBERS.as_ref()) else { return text.to_owned() };
    let text = ids.replace_all(text, "{id}");
    numbers.replace_all(&text, "/{id}").into_owned()
}
