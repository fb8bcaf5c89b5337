//! From what a step says of a fault to the rule that a proxy is given.

use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule};
use seaworthy_core::ids::TraceId;

use crate::flow::model::{Held, StepFault};

/// A step's request, by what travels with it.
#[derive(Debug, Clone, Copy)]
pub(in crate::flow) struct Marks<'m> {
    pub(in crate::flow) trace: TraceId,
    pub(in crate::flow) correlation_id: &'m str,
}

/// The rule for a step's fault, for this request alone unless the fault is for the whole edge.
pub(in crate::flow) fn rule_of(fault: &StepFault, id: &str, marks: Option<Marks<'_>>) -> FaultRule {
    let marks = marks.filter(|_| !fault.whole_edge);
    let matcher = FaultMatcher {
        edge: Some(fault.on.edge.clone()),
        route: fault.on.route.clone(),
        headers: lower(&fault.headers),
        trace_id: marks.map(|marks| marks.trace),
        correlation_id: marks.map(|marks| marks.correlation_id.to_owned()),
        nth: fault.nth,
        first: fault.first,
        ..FaultMatcher::default()
    };
    FaultRule { must_fire: fault.must_fire, ..FaultRule::new(id, matcher, fault.action.clone()) }
}

/// The rule that holds the first exchange of the request that matches; without marks, all that moves on an edge
/// whose bytes nobody understands.
pub(in crate::flow) fn hold_rule(held: &Held, id: &str, marks: Option<Marks<'_>>) -> FaultRule {
    let matcher = match marks {
        None => FaultMatcher { edge: Some(held.on.edge.clone()), ..FaultMatcher::default() },
        Some(marks) => FaultMatcher {
            edge: Some(held.on.edge.clone()),
            route: held.on.route.clone(),
            headers: lower(&held.headers),
            trace_id: Some(marks.trace),
            correlation_id: Some(marks.correlation_id.to_owned()),
            first: Some(1),
            ..FaultMatcher::default()
        },
    };
    FaultRule::new(id, matcher, FaultAction::Hold { when: held.when })
}

fn lower(headers: &std::collections::BTreeMap<String, String>) -> std::collections::BTreeMap<String, String> {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}
