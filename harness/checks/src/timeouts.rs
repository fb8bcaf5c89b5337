//! `timeouts`: nobody waits past its budget, and nobody gives up while its callee is within its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Outcome, Protocol};
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{EdgeId, ExchangeId, TraceId};
use seaworthy_core::time::{Nanos, for_people};

use crate::cases::Cases;
use crate::causality::Causality;
use crate::timeline;

const MISSING: &str = "timeout.missing";
const INVERSION: &str = "timeout.inversion";

pub(crate) struct Timeouts;

/// What the parts of this check share.
struct Scope<'e> {
    evidence: &'e dyn Evidence,
    causality: Causality<'e>,
    slack: Duration,
    /// The last moment of the run: an exchange that has not ended lasted until then at least.
    last: Nanos,
}

impl Check for Timeouts {
    fn id(&self) -> &str {
        "timeouts"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        if evidence.system().facts.budgets.is_empty() {
            return vec![
                Finding::not_applicable(MISSING, "no time budget is declared")
                    .hint("add `facts.budgets`, such as `\"orders -> payments\": 2s`"),
            ];
        }
        let scope = Scope {
            evidence,
            causality: Causality::of(evidence),
            slack: evidence.system().checks.thresholds.budget_slack.0,
            last: timeline::last_moment(evidence),
        };
        let mut missing: BTreeMap<&EdgeId, Cases> = BTreeMap::new();
        for exchange in scope.too_long() {
            missing.entry(&exchange.edge).or_default().exchange(exchange);
        }
        let mut inverted: BTreeMap<&EdgeId, Cases> = BTreeMap::new();
        for (exchange, below) in scope.given_up_too_early() {
            let mut piece = EvidenceRef::exchange(exchange);
            piece.text += &format!(" while {} {} was at work within its budget", below.edge, below.path);
            inverted.entry(&exchange.edge).or_default().in_trace(piece, exchange.trace_id());
        }
        if missing.is_empty() && inverted.is_empty() && !scope.was_put_to_the_test() {
            return vec![
                Finding::undecided(MISSING, "no call came near its time budget, so none was put to the test")
                    .hint("stall an edge for longer than its budget: a fault `stall` with `for:`"),
            ];
        }
        let mut findings = Vec::new();
        for (edge, cases) in missing {
            let budget = scope.budget(edge).unwrap_or_default();
            let message =
                format!("{} on `{edge}` outlasted the budget of {}", cases.of("request"), for_people(budget));
            let hint = format!("let `{}` give up after its budget, connecting included", waiter(edge));
            findings.push(cases.onto(Finding::error(MISSING, message).hint(hint).edge(edge)));
        }
        for (edge, cases) in inverted {
            let message = format!(
                "`{}` gave {} on `{edge}` up while `{}` was still within its own budgets",
                edge.consumer,
                cases.of("request"),
                edge.provider
            );
            let hint =
                "make the caller's time-out longer than those of its callees together, or pass the rest on";
            findings.push(cases.onto(Finding::error(INVERSION, message).hint(hint).edge(edge)));
        }
        findings
    }
}

/// Who must give up: the consumer, or at an ingress, where that is the world, the provider.
fn waiter(edge: &EdgeId) -> &str {
    if edge.is_internal() { edge.consumer.as_str() } else { edge.provider.as_str() }
}

impl<'e> Scope<'e> {
    fn budget(&self, edge: &EdgeId) -> Option<Duration> {
        let budgets = &self.evidence.system().facts.budgets;
        // The pattern that names port and instance says more than the one that does not.
        let covering = budgets.iter().filter(|(pattern, _)| edge.is_covered_by(pattern));
        covering
            .max_by_key(|(pattern, _)| (pattern.instance, pattern.port.clone()))
            .map(|(_, budget)| budget.0)
    }

    fn lasted(&self, exchange: &Exchange) -> Duration {
        exchange.ended.unwrap_or(self.last).since(exchange.started)
    }

    /// Exchanges that lasted longer than their budget. At an ingress only those for which nothing below is to blame.
    fn too_long(&self) -> Vec<&'e Exchange> {
        let outlasted = |exchange: &&Exchange| {
            !matches!(exchange.protocol, Protocol::Upgraded | Protocol::Message)
                && !exchange.edge.is_probe()
                && self
                    .budget(&exchange.edge)
                    .is_some_and(|budget| self.lasted(exchange) > budget + self.slack)
        };
        let all: Vec<&Exchange> = self.evidence.exchanges().iter().filter(outlasted).collect();
        let internal = all.iter().filter(|exchange| exchange.edge.is_internal());
        let inside: BTreeSet<TraceId> =
            internal.filter_map(|exchange| self.causality.trace_of(exchange)).collect();
        let explained = |exchange: &Exchange| {
            !exchange.faults.is_empty() || exchange.trace_id().is_some_and(|trace| inside.contains(&trace))
        };
        all.into_iter().filter(|exchange| exchange.edge.is_internal() || !explained(exchange)).collect()
    }

    /// Whether any call came near its budget: then nothing said means that all kept to it.
    fn was_put_to_the_test(&self) -> bool {
        self.evidence.exchanges().iter().filter(|exchange| exchange.edge.is_internal()).any(|exchange| {
            self.budget(&exchange.edge).is_some_and(|budget| self.lasted(exchange) >= budget / 2)
        })
    }

    /// Exchanges that the consumer gave up within its budget, each with a call of the provider's that was at work.
    fn given_up_too_early(&self) -> Vec<(&'e Exchange, &'e Exchange)> {
        let given_up: Vec<(&Exchange, Nanos)> = self
            .evidence
            .exchanges()
            .iter()
            .filter(|exchange| exchange.edge.is_internal() && exchange.outcome == Outcome::Cancelled)
            .filter_map(|exchange| Some((exchange, exchange.ended?)))
            .filter(|(exchange, at)| self.was_early(exchange, *at) && self.on_its_own_account(exchange, *at))
            .collect();
        if given_up.is_empty() {
            return Vec::new();
        }
        let mut caused: BTreeMap<ExchangeId, Vec<&Exchange>> = BTreeMap::new();
        for exchange in self.evidence.exchanges() {
            if let Some(incoming) = self.causality.incoming_of(exchange) {
                caused.entry(incoming.id).or_default().push(exchange);
            }
        }
        let at_work = |exchange: &Exchange, at: Nanos| {
            let below = caused.get(&exchange.id).into_iter().flatten().copied();
            below.into_iter().find(|below| {
                let budget = self.budget(&below.edge).unwrap_or(Duration::MAX);
                below.started <= at
                    && below.ended.is_none_or(|ended| ended > at)
                    && at.since(below.started) < budget
            })
        };
        given_up.into_iter().filter_map(|(exchange, at)| Some((exchange, at_work(exchange, at)?))).collect()
    }

    fn was_early(&self, exchange: &Exchange, at: Nanos) -> bool {
        let waited = at.since(exchange.started);
        self.budget(&exchange.edge).is_some_and(|budget| waited + self.slack < budget)
    }

    /// Neither because the consumer was ended, nor because its own caller had left or its own time was used up.
    fn on_its_own_account(&self, exchange: &'e Exchange, at: Nanos) -> bool {
        if timeline::ended_between(self.evidence, &exchange.edge.consumer, exchange.started, at).is_some() {
            return false;
        }
        let Some(incoming) = self.causality.incoming_of(exchange) else { return true };
        let caller_left =
            incoming.outcome == Outcome::Cancelled && incoming.ended.is_some_and(|ended| ended <= at);
        let used_up = self
            .budget(&incoming.edge)
            .is_some_and(|budget| at.since(incoming.started) + self.slack >= budget);
        !caller_left && !used_up
    }
}
