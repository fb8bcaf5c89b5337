//! Random complete traces. The generator knows what each of them owes; a naive second implementation judges what
//! is left when spans are dropped.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use seaworthy_core::completeness::{End, Gap};
use seaworthy_core::exchange::{Exchange, Protocol};
use seaworthy_core::ids::{ServiceName, SpanId, TraceId};
use seaworthy_core::span::{Span, SpanKind};
use seaworthy_core::system::{Service, System};

use super::made::{exchange, gaps, id, judge, linked, span, system, trace, unreached};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Decisions, one byte each; when they are used up every decision is 0, so that each trace ends.
struct Tape<'t>(std::slice::Iter<'t, u8>);

impl Tape<'_> {
    fn choose(&mut self, below: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % below
    }
}

/// A span that the wire proves to be owed.
#[derive(Debug, Clone)]
struct Debt {
    span: SpanId,
    end: End,
    service: ServiceName,
    edge: String,
}

#[derive(Debug, Default)]
struct Made {
    exchanges: Vec<Exchange>,
    spans: Vec<Span>,
    debts: Vec<Debt>,
    last: u64,
    traces: u8,
}

impl Made {
    fn fresh(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The service handles a request that was sent under `parent`, and calls others.
    fn handle(&mut self, tape: &mut Tape<'_>, service: usize, silent: bool, parent: (u8, u64), depth: u8) {
        let calls = if depth == 0 { 0 } else { tape.choose(4) };
        if silent {
            // It has no spans; it passes on what it got, or ids of its own.
            for _ in 0..calls {
                let under = if tape.choose(2) == 0 { parent.1 } else { self.fresh() };
                self.call(tape, service, true, (parent.0, under), depth, false);
            }
            return;
        }
        let server = self.fresh();
        let (in_trace, follows) =
            if tape.choose(6) == 1 { (self.new_trace(), true) } else { (parent.0, false) };
        let kind = if follows { SpanKind::Consumer } else { SpanKind::Server };
        let mut own = span(server, (!follows).then_some(parent.1), NAMES[service], kind);
        if follows {
            own = linked(own, in_trace, parent.1);
            own.links[0].trace_id = trace(parent.0);
        }
        own.trace_id = trace(in_trace);
        self.spans.push(own);
        for _ in 0..calls {
            let above = if tape.choose(3) == 1 {
                let internal = self.fresh();
                self.push(internal, server, in_trace, service, SpanKind::Internal);
                internal
            } else {
                server
            };
            let client = self.fresh();
            let messaging = tape.choose(4) == 1;
            let kind = if messaging { SpanKind::Producer } else { SpanKind::Client };
            self.push(client, above, in_trace, service, kind);
            self.call(tape, service, false, (in_trace, client), depth, true);
        }
    }

    fn push(&mut self, number: u64, parent: u64, in_trace: u8, service: usize, kind: SpanKind) {
        let mut own = span(number, Some(parent), NAMES[service], kind);
        own.trace_id = trace(in_trace);
        self.spans.push(own);
    }

    fn new_trace(&mut self) -> u8 {
        self.traces += 1;
        self.traces
    }

    /// One call with its attempts, each handled by the provider.
    fn call(
        &mut self,
        tape: &mut Tape<'_>,
        service: usize,
        silent: bool,
        place: (u8, u64),
        depth: u8,
        owes: bool,
    ) {
        let provider = usize::from(tape.choose(5));
        let edge = format!("{} -> {}", NAMES[service], NAMES[provider]);
        if owes && !silent {
            let service = NAMES[service].into();
            self.debts.push(Debt { span: id(place.1), end: End::Sender, service, edge: edge.clone() });
        }
        for _ in 0..=tape.choose(3) {
            self.attempt(tape, &edge, provider, place, depth);
        }
    }

    fn attempt(&mut self, tape: &mut Tape<'_>, edge: &str, provider: usize, place: (u8, u64), depth: u8) {
        let number = self.exchanges.len() as u64 + 1;
        let mut one = exchange(number, edge, place.1);
        if let Some(parent) = &mut one.trace {
            parent.trace_id = trace(place.0);
        }
        if tape.choose(5) == 1 {
            self.exchanges.push(unreached(one));
            return;
        }
        if tape.choose(2) == 1 {
            one.protocol = Protocol::Grpc;
        }
        self.exchanges.push(one);
        let silent = is_silent(provider);
        if !silent {
            let (service, span) = (NAMES[provider].into(), id(self.last + 1));
            self.debts.push(Debt { span, end: End::Receiver, service, edge: edge.to_owned() });
        }
        self.handle(tape, provider, silent, place, depth.saturating_sub(1));
    }
}

/// The last service has no telemetry.
fn is_silent(service: usize) -> bool {
    service == NAMES.len() - 1
}

fn the_system() -> System {
    system(&["a", "b", "c", "d", "[e]"])
}

fn make(tape: &[u8]) -> Made {
    let mut made = Made { traces: 1, ..Default::default() };
    let root = made.fresh();
    let mut tape = Tape(tape.iter());
    let first = usize::from(tape.choose(5));
    made.attempt(&mut tape, &format!("ingress -> {}", NAMES[first]), first, (1, root), 4);
    made
}

fn tape() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..120)
}

/// What is missing, told as plainly as possible: (end, service) with how many are missing, and how many parents of
/// each service in each trace nobody knows.
#[derive(Debug, PartialEq, Eq, Default)]
struct Missing {
    spans: BTreeMap<(End, ServiceName, TraceId, SpanId), u32>,
    parents: BTreeMap<ServiceName, usize>,
}

fn naive(exchanges: &[Exchange], spans: &[Span], system: &System) -> Missing {
    let mut missing = Missing::default();
    // Follow links until nothing new is found.
    let mut traces = BTreeSet::from([trace(1)]);
    loop {
        let before = traces.len();
        for span in spans {
            if span.links.iter().any(|link| traces.contains(&link.trace_id)) {
                traces.insert(span.trace_id);
            }
        }
        if traces.len() == before {
            break;
        }
    }
    let ours = |trace: &TraceId| traces.contains(trace);
    let loud =
        |service: &ServiceName| system.services.get(service.as_str()).is_some_and(Service::has_telemetry);
    for exchange in
        exchanges.iter().filter(|exchange| exchange.trace.is_some_and(|trace| ours(&trace.trace_id)))
    {
        let at = exchange.trace.unwrap();
        let here = |span: &&Span| span.trace_id == at.trace_id;
        if exchange.edge.is_internal() && loud(&exchange.edge.consumer) {
            let came =
                spans.iter().filter(here).any(|span| span.span_id == at.parent_id && span.kind.is_sender());
            if !came {
                let key = (End::Sender, exchange.edge.consumer.clone(), at.trace_id, at.parent_id);
                missing.spans.insert(key, 1);
            }
        }
        if exchange.provider.is_some() && loud(&exchange.edge.provider) {
            let provider = &exchange.edge.provider;
            let owed = exchanges
                .iter()
                .filter(|other| {
                    other.trace == exchange.trace
                        && other.edge.provider == *provider
                        && other.provider.is_some()
                })
                .count();
            let came = spans
                .iter()
                .filter(|span| span.kind.is_receiver() && span.resource.service == *provider)
                .filter(|span| {
                    (span.trace_id == at.trace_id && span.parent_id == Some(at.parent_id))
                        || (ours(&span.trace_id)
                            && span
                                .links
                                .iter()
                                .any(|link| (link.trace_id, link.span_id) == (at.trace_id, at.parent_id)))
                })
                .count();
            if came < owed {
                let key = (End::Receiver, provider.clone(), at.trace_id, at.parent_id);
                missing.spans.insert(key, (owed - came) as u32);
            }
        }
    }
    // Parents that nobody knows; as many of them as receiver spans are missing are those.
    let mut unknown: BTreeMap<(TraceId, ServiceName), BTreeSet<SpanId>> = BTreeMap::new();
    let mut claimed: BTreeSet<(TraceId, SpanId)> = BTreeSet::new();
    let mut ordered: Vec<&Span> = spans.iter().filter(|span| ours(&span.trace_id)).collect();
    ordered.sort_by_key(|span| (span.start_unix, span.span_id));
    for span in ordered {
        let Some(parent) = span.parent_id else { continue };
        let came = spans.iter().any(|other| other.trace_id == span.trace_id && other.span_id == parent);
        let sent = exchanges.iter().any(|exchange| {
            exchange.trace.is_some_and(|at| (at.trace_id, at.parent_id) == (span.trace_id, parent))
        });
        if !came && !sent && claimed.insert((span.trace_id, parent)) {
            unknown.entry((span.trace_id, span.resource.service.clone())).or_default().insert(parent);
        }
    }
    for ((trace, service), parents) in unknown {
        let absent: u32 = missing
            .spans
            .iter()
            .filter(|((end, of, in_trace, _), _)| {
                *end == End::Receiver && *of == service && *in_trace == trace
            })
            .map(|(_, count)| count)
            .sum();
        let left = parents.len().saturating_sub(absent as usize);
        if left > 0 {
            *missing.parents.entry(service).or_default() += left;
        }
    }
    missing
}

fn found(gaps: &[Gap], exchanges: &[Exchange]) -> Missing {
    let mut missing = Missing::default();
    for gap in gaps {
        match gap {
            Gap::MissingSpan { exchange, end, service, owed, came, .. } => {
                let at = exchanges.iter().find(|other| other.id == *exchange).unwrap().trace.unwrap();
                missing.spans.insert((*end, service.clone(), at.trace_id, at.parent_id), owed - came);
            }
            Gap::MissingParent { service, .. } => *missing.parents.entry(service.clone()).or_default() += 1,
            other => panic!("not made here: {other:?}"),
        }
    }
    missing
}

proptest! {
    #[test]
    fn a_complete_trace_has_no_gaps_and_owes_what_was_made(tape in tape()) {
        let made = make(&tape);
        let result = judge(&the_system(), &made.exchanges, &made.spans);
        prop_assert_eq!(gaps(&result), Vec::<String>::new());
        prop_assert_eq!(result.owed as usize, made.debts.len());
    }

    #[test]
    fn each_owed_span_that_is_dropped_is_reported_as_just_that(tape in tape()) {
        let made = make(&tape);
        for debt in &made.debts {
            let left: Vec<Span> = made.spans.iter().filter(|span| span.span_id != debt.span).cloned().collect();
            prop_assert_eq!(left.len() + 1, made.spans.len());
            let lost_link = made.spans.iter().any(|span| span.span_id == debt.span && !span.links.is_empty());
            let result = judge(&the_system(), &made.exchanges, &left);
            let [Gap::MissingSpan { end, service, edge, owed, came, .. }] = result.gaps.as_slice() else {
                return Err(TestCaseError::fail(format!("{debt:?}: {:?}", gaps(&result))));
            };
            prop_assert_eq!((*end, service), (debt.end, &debt.service));
            prop_assert_eq!(*came + 1, *owed);
            // Attempts under one id that a silent service passed on may go out on several edges.
            prop_assert!(edge.to_string() == debt.edge || edge.provider == debt.service, "{edge} {}", debt.edge);
            if !lost_link {
                prop_assert_eq!(result.owed as usize, made.debts.len());
            }
        }
    }

    #[test]
    fn an_internal_span_that_is_dropped_is_a_missing_parent(tape in tape()) {
        let made = make(&tape);
        for dropped in made.spans.iter().filter(|span| span.kind == SpanKind::Internal) {
            let left: Vec<Span> = made.spans.iter().filter(|span| span.span_id != dropped.span_id).cloned().collect();
            let result = judge(&the_system(), &made.exchanges, &left);
            let [Gap::MissingParent { parent, service, .. }] = result.gaps.as_slice() else {
                return Err(TestCaseError::fail(format!("{:?}", gaps(&result))));
            };
            prop_assert_eq!((parent, service), (&dropped.span_id, &dropped.resource.service));
        }
    }

    #[test]
    fn whatever_is_dropped_the_naive_judge_says_the_same(tape in tape(), drops in proptest::collection::vec(any::<bool>(), 64)) {
        let mut made = make(&tape);
        let mut at = 0;
        made.spans.retain(|_| {
            at += 1;
            !drops[at % drops.len()]
        });
        let system = the_system();
        let result = judge(&system, &made.exchanges, &made.spans);
        prop_assert_eq!(found(&result.gaps, &made.exchanges), naive(&made.exchanges, &made.spans, &system));
    }

    #[test]
    fn the_order_of_arrival_makes_no_difference(tape in tape(), drop in any::<prop::sample::Index>()) {
        let mut made = make(&tape);
        if !made.spans.is_empty() {
            made.spans.remove(drop.index(made.spans.len()));
        }
        let before = judge(&the_system(), &made.exchanges, &made.spans);
        made.spans.reverse();
        made.exchanges.reverse();
        prop_assert_eq!(judge(&the_system(), &made.exchanges, &made.spans), before);
    }
}

#[test]
fn the_generator_makes_traces_that_are_worth_looking_at() {
    let tapes = (0u8..200).map(|seed| {
        (0..100).map(|at: u8| at.wrapping_mul(31).wrapping_add(seed).wrapping_mul(7)).collect::<Vec<u8>>()
    });
    let made: Vec<Made> = tapes.map(|tape| make(&tape)).collect();
    assert!(made.iter().any(|made| made.debts.len() > 20));
    assert!(made.iter().any(|made| made.traces > 1));
    assert!(made.iter().any(|made| made.spans.iter().any(|span| span.kind == SpanKind::Internal)));
    assert!(made.iter().any(|made| made.exchanges.iter().any(|exchange| exchange.provider.is_none())));
}
