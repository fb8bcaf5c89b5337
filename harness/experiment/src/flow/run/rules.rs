//! From what a step says of a fault to the rule that a proxy is given.

use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule};
use seaworthy_core::ids::TraceId;

use crate::flow::model::{Held, StepFault};

/// The rule for a step's fault, for this trace alone unless the fault is for the whole edge.
pub(in crate::flow) fn rule_of(fault: &StepFault, id: &str, trace: Option<TraceId>) -> FaultRule {
    let matcher = FaultMatcher {
        edge: Some(fault.on.edge.clone()),
        route: fault.on.route.clone(),
        headers: lower(&fault.headers),
        trace_id: trace.filter(|_| !fault.whole_edge),
        nth: fault.nth,
        first: fault.first,
        ..FaultMatcher::default()
    };
    FaultRule::new(id, matcher, fault.action.clone())
}

/// The rule that holds the first exchange of the trace that matches.
pub(in crate::flow) fn hold_rule(held: &Held, id: &str, trace: TraceId) -> FaultRule {
    let matcher = FaultMatcher {
        edge: Some(held.on.edge.clone()),
        route: held.on.route.clone(),
        headers: lower(&held.headers),
        trace_id: Some(trace),
        first: Some(1),
        ..FaultMatcher::default()
    };
    FaultRule::new(id, matcher, FaultAction::Hold { when: held.when })
}

fn lower(headers: &std::collections::BTreeMap<String, String>) -> std::collections::BTreeMap<String, String> {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}
