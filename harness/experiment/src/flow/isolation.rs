//! Whether a flow may run beside others, or would disturb them.
//!
//! A fault that is keyed to a trace disturbs nobody else, unless what it does counts against something that
//! requests share: a breaker on that edge, or one further up that sees the failure come through.

use std::collections::BTreeSet;

use seaworthy_core::fault::FaultAction;
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::System;

use super::model::{Flow, StepFault};

/// Beside whom a flow may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// Beside anyone.
    Shared,
    /// Beside anyone who does not also make these edges fail: their breakers look at everybody's calls.
    Lane(Vec<EdgeId>),
    /// Beside nobody: it breaks an instance or a whole edge, or poisons a queue that others wait in.
    Alone,
}

impl Flow {
    /// Whether it breaks nothing at all.
    pub fn is_plain(&self) -> bool {
        self.steps.iter().all(|step| step.faults.is_empty() && step.instance.is_none())
    }

    /// Whether a step does something to an instance.
    pub fn faults_instance(&self) -> bool {
        self.steps.iter().any(|step| step.instance.is_some())
    }

    /// Whether a step breaks an edge for everyone.
    pub fn faults_whole_edge(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.faults).any(|fault| fault.whole_edge)
    }

    /// Whether it puts a message into a queue that nobody can handle: where its subscriber is not up to that, everything
    /// behind it waits.
    pub fn poisons(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.faults).any(|fault| fault.action == FaultAction::Poison)
    }

    /// The edges on which its consumer sees failures that the flow makes, sorted. Calls on them count against
    /// a breaker there.
    pub fn failing_edges(&self, system: &System) -> Vec<EdgeId> {
        let faults = self.steps.iter().flat_map(|step| &step.faults);
        let failing = faults.filter(|fault| can_look_like_failure(fault, system));
        let mut edges: BTreeSet<EdgeId> =
            failing.flat_map(|fault| system.edges_like(&fault.on.edge)).collect();
        // A failure that its consumer passes on is one for the breakers of its callers as well.
        let mut fresh: Vec<EdgeId> = edges.iter().cloned().collect();
        let mut seen = BTreeSet::new();
        while let Some(edge) = fresh.pop() {
            if !seen.insert(edge.consumer.clone()) {
                continue;
            }
            for above in system.edges().into_iter().filter(|above| above.provider == edge.consumer) {
                if system.facts.breakers.keys().any(|breaker| above.is_covered_by(breaker)) {
                    edges.insert(above.clone());
                }
                fresh.push(above);
            }
        }
        edges.into_iter().collect()
    }

    /// Whether it can trip a breaker on this edge.
    pub fn can_trip(&self, edge: &EdgeId, system: &System) -> bool {
        self.failing_edges(system).iter().any(|failing| failing.is_covered_by(edge))
    }

    /// Beside whom it may run.
    pub fn isolation(&self, system: &System) -> Isolation {
        if self.faults_instance() || self.faults_whole_edge() || self.poisons() {
            return Isolation::Alone;
        }
        match self.failing_edges(system) {
            edges if edges.is_empty() => Isolation::Shared,
            edges => Isolation::Lane(edges),
        }
    }
}

/// A delay is a failure too when it is longer than the consumer is meant to wait.
fn can_look_like_failure(fault: &StepFault, system: &System) -> bool {
    if let FaultAction::Delay { by, jitter } = &fault.action {
        let longest = by.0 + jitter.0;
        let mut budgets = system.facts.budgets.iter();
        return budgets.any(|(edge, budget)| {
            (edge.is_covered_by(&fault.on.edge) || fault.on.edge.is_covered_by(edge)) && longest >= budget.0
        });
    }
    fault.action.looks_like_failure()
}
