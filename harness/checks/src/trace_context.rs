//! `trace-context`: every call between services carries a valid `traceparent` of the trace that it belongs to.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::System;

use crate::cases::Cases;
use crate::causality::{Causality, is_at_work};

const LOST: &str = "trace.context-lost";
const INVALID: &str = "trace.context-invalid";
const FOREIGN: &str = "trace.context-foreign";

pub(crate) struct TraceContext;

/// What may be wrong with the context of a call, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Lost,
    Invalid,
    Foreign,
    /// None at all, and nothing tells for whose sake the call was made.
    Stray,
}

impl Check for TraceContext {
    fn id(&self) -> &str {
        "trace-context"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let causality = Causality::of(evidence);
        let internal =
            |exchange: &&Exchange| exchange.edge.is_internal() && !is_health(evidence.system(), exchange);
        let mut cases: BTreeMap<(Fault, &EdgeId), Cases> = BTreeMap::new();
        let mut seen = 0;
        for exchange in evidence.exchanges().iter().filter(internal) {
            seen += 1;
            let Some(fault) = fault_of(evidence, &causality, exchange) else { continue };
            let trace = causality.trace_of_correlation(exchange).or(exchange.trace_id());
            cases
                .entry((fault, &exchange.edge))
                .or_default()
                .in_trace(EvidenceRef::exchange(exchange), trace);
        }
        if seen == 0 {
            return vec![
                Finding::undecided(LOST, "no service called another, so no context was passed on")
                    .hint("add a flow that reaches more than one service"),
            ];
        }
        cases.into_iter().map(|((fault, edge), cases)| cases_finding(fault, edge, cases)).collect()
    }
}

fn cases_finding(fault: Fault, edge: &EdgeId, cases: Cases) -> Finding {
    let consumer = &edge.consumer;
    let requests = cases.of("request");
    let finding = match fault {
        Fault::Lost => Finding::error(LOST, format!("{requests} on `{edge}` carried no `traceparent`")).hint(
            format!("inject the current context into the headers of every call that `{consumer}` makes"),
        ),
        Fault::Invalid => Finding::error(
            INVALID,
            format!("{requests} on `{edge}` carried a `traceparent` that is not valid"),
        )
        .hint("send `00-<32 hex>-<16 hex>-<2 hex>` in lower case with ids that are not all zero"),
        Fault::Foreign => Finding::error(
            FOREIGN,
            format!("{requests} on `{edge}` began a trace anew, linked to nothing that caused it"),
        )
        .hint(format!(
            "let `{consumer}` continue the trace that it was called in, or link its new one to it"
        )),
        Fault::Stray => Finding::warning(
            LOST,
            format!("{requests} on `{edge}` carried no `traceparent` and nothing tells what caused them"),
        )
        .hint(format!("if `{consumer}` calls on its own account, begin a trace for it")),
    };
    cases.onto(finding.edge(edge))
}

fn fault_of(evidence: &dyn Evidence, causality: &Causality<'_>, exchange: &Exchange) -> Option<Fault> {
    if exchange.invalid_traceparent.is_some() && exchange.trace.is_none() {
        return Some(Fault::Invalid);
    }
    let Some(trace) = exchange.trace_id() else {
        let placed = causality.trace_of_correlation(exchange).is_some();
        return Some(if placed || consumer_was_at_work(evidence, exchange) {
            Fault::Lost
        } else {
            Fault::Stray
        });
    };
    if causality.started_trace(trace).is_some() {
        return None;
    }
    // Whose correlation id it bears tells whose trace it should be in.
    let of_a_step = causality.trace_of_correlation(exchange).is_some_and(|trace| causality.is_started(trace));
    // A service that was called in a foreign trace only passes on what it got.
    let passed_on =
        causality.incoming(trace, &exchange.edge.consumer).iter().any(|one| one.id != exchange.id);
    (of_a_step && !passed_on).then_some(Fault::Foreign)
}

/// Whether the consumer had a traced request in hand when it made this call.
fn consumer_was_at_work(evidence: &dyn Evidence, exchange: &Exchange) -> bool {
    let reached = |one: &&Exchange| one.edge.provider == exchange.edge.consumer && one.trace.is_some();
    evidence.exchanges().iter().filter(reached).any(|one| is_at_work(one, exchange.started))
}

/// Whether a request asks for a service's health: nobody's trace.
pub(crate) fn is_health(system: &System, exchange: &Exchange) -> bool {
    system.services.get(&exchange.edge.provider).is_some_and(|service| {
        [&service.health.ready, &service.health.live].into_iter().flatten().any(|path| *path == exchange.path)
    })
}
