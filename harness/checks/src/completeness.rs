//! `trace-completeness`: each span that the wire says must exist arrived, and hangs together.

use std::collections::{BTreeMap, HashMap};

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::completeness::{End, Gap};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{EdgeId, ExchangeId, ServiceName, TraceId};

use crate::cases::{Cases, listed};
use crate::evidence::{harmful, say};

const SPAN_MISSING: &str = "trace.span-missing";
const NOT_LINKED: &str = "trace.not-linked";
const PARENT_MISSING: &str = "trace.parent-missing";
const NO_EXCHANGE: &str = "trace.no-exchange";
const IN_FLIGHT: &str = "trace.in-flight";

/// Losses that may be why a span or exchange is not there.
const LOSSES: [&str; 3] = ["spans", "export requests", "exchanges"];

pub(crate) struct TraceCompleteness;

/// What is missing, and whose fault that is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Blame<'e> {
    Span { edge: &'e EdgeId, end: End, service: &'e ServiceName },
    Link { edge: &'e EdgeId, service: &'e ServiceName },
    Parent { service: &'e ServiceName },
    Exchange { edge: &'e EdgeId, service: &'e ServiceName },
    InFlight { edge: &'e EdgeId },
}

impl Check for TraceCompleteness {
    fn id(&self) -> &str {
        "trace-completeness"
    }

    fn needs(&self) -> Needs {
        Needs { spans: true, ..Needs::default() }
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        if evidence.completeness().is_empty() {
            return vec![
                Finding::undecided(SPAN_MISSING, "no trace was started whose spans could be awaited")
                    .hint("add a flow that sends a request"),
            ];
        }
        let mut gaps: BTreeMap<Blame<'_>, Cases> = BTreeMap::new();
        // Traces in the order in which they were started: their ids are random.
        let steps = evidence.steps().iter().map(|step| step.trace.trace_id);
        let order: HashMap<TraceId, usize> = steps.zip(0..).collect();
        let mut traces: Vec<_> = evidence.completeness().iter().collect();
        traces.sort_by_key(|(trace, _)| order.get(trace).copied().unwrap_or(usize::MAX));
        for (trace, completeness) in traces {
            for gap in &completeness.gaps {
                // Calls without a traceparent are the business of `trace-context`.
                if let Some((blame, piece)) = blame(evidence, *trace, gap) {
                    gaps.entry(blame).or_default().in_trace(piece, Some(*trace));
                }
            }
        }
        let lost = harmful(evidence, &LOSSES);
        if !gaps.is_empty() && !lost.is_empty() {
            let lost = listed(lost.into_iter().map(say));
            return vec![
                Finding::undecided(
                    SPAN_MISSING,
                    format!("traces are incomplete, but evidence was lost: {lost}"),
                )
                .hint("mend what `evidence.lost` says, then run again"),
            ];
        }
        gaps.into_iter().map(|(blame, cases)| finding(blame, cases)).collect()
    }
}

fn blame<'e>(evidence: &'e dyn Evidence, trace: TraceId, gap: &'e Gap) -> Option<(Blame<'e>, EvidenceRef)> {
    Some(match gap {
        Gap::Untraced { .. } => return None,
        Gap::InFlight { exchange, edge } => (Blame::InFlight { edge }, piece(evidence, trace, *exchange)),
        Gap::MissingSpan { exchange, edge, service, started_anew: Some((other, _)), .. } => {
            let mut piece = piece(evidence, trace, *exchange);
            piece.text += &format!(" (handled in trace {other})");
            (Blame::Link { edge, service }, piece)
        }
        Gap::MissingSpan { exchange, edge, end, service, .. } => {
            (Blame::Span { edge, end: *end, service }, piece(evidence, trace, *exchange))
        }
        Gap::MissingParent { span, parent, service } => {
            (Blame::Parent { service }, EvidenceRef::span(*span, format!("its parent {parent} never came")))
        }
        Gap::NoExchange { span, service, edge } => (
            Blame::Exchange { edge, service },
            EvidenceRef::span(*span, format!("says it called `{}`", edge.provider)),
        ),
    })
}

fn piece(evidence: &dyn Evidence, trace: TraceId, id: ExchangeId) -> EvidenceRef {
    let exchanges = evidence.exchanges_of(trace);
    match exchanges.into_iter().find(|exchange| exchange.id == id) {
        Some(exchange) => EvidenceRef::exchange(exchange),
        None => EvidenceRef::other("exchange", id.to_string(), ""),
    }
}

fn finding(blame: Blame<'_>, cases: Cases) -> Finding {
    let requests = cases.of("request");
    let finding = match blame {
        Blame::Span { edge, end, service } => {
            let kind = match end {
                End::Sender => "CLIENT or PRODUCER",
                End::Receiver => "SERVER or CONSUMER",
            };
            Finding::error(SPAN_MISSING, format!("`{service}` exported no {kind} span for {requests} on `{edge}`"))
                .hint(format!("instrument that end of `{edge}`, and flush spans before the process ends"))
                .service(service)
                .edge(edge)
        }
        Blame::Link { edge, service } => Finding::error(
            NOT_LINKED,
            format!("`{service}` handled {requests} from `{edge}` in a new trace and linked it to nothing"),
        )
        .hint("extract the context of the request or event and continue its trace, or link the new span to it")
        .service(service)
        .edge(edge),
        Blame::Parent { service } => Finding::error(
            PARENT_MISSING,
            format!("{} of `{service}` named a parent that never came", cases.of("span")),
        )
        .hint("end every span that is started, export it, and make no parent id up")
        .service(service),
        Blame::Exchange { edge, service } => Finding::error(
            NO_EXCHANGE,
            format!("{} of `{service}` told of a call on `{edge}` that the wire did not see", cases.of("CLIENT span")),
        )
        .hint("see whether the call bypasses the proxy, or whether the context that was sent is not that of the span")
        .service(service)
        .edge(edge),
        Blame::InFlight { edge } => {
            // What has not ended may still go wrong: nothing can be concluded of its trace.
            Finding::undecided(IN_FLIGHT, format!("{requests} on `{edge}` had not ended when the run did"))
                .hint("give the call a time budget, or wait in the flow for what ends it")
                .edge(edge)
        }
    };
    cases.onto(finding)
}
