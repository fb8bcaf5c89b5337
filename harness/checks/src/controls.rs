//! `controls`: requests without a fault, beside faulted ones, are not disturbed.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Purpose, StepRecord};
use seaworthy_core::fault::FaultRecord;
use seaworthy_core::finding::{EvidenceRef, Finding};

use crate::cases::Cases;

const DISTURBED: &str = "control.disturbed";

pub(crate) struct Controls;

impl Check for Controls {
    fn id(&self) -> &str {
        "controls"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let mut any = false;
        let mut disturbed: BTreeMap<&str, (Cases, &str)> = BTreeMap::new();
        for step in evidence.steps().iter().filter(|step| step.purpose == Purpose::Control) {
            any = true;
            let Some(failure) = step.failures.first() else { continue };
            let (cases, _) =
                disturbed.entry(&step.flow).or_insert_with(|| (Cases::default(), &failure.message));
            let piece = EvidenceRef::other("step", step.step.clone(), failure.message.clone());
            cases.in_trace(piece, Some(step.trace.trace_id));
        }
        let for_some = |fault: &FaultRecord| fault.rule.matcher.is_request_scoped();
        if !any && evidence.faults().iter().any(for_some) {
            return vec![
                Finding::undecided(
                    DISTURBED,
                    "faults for single requests were injected and no control ran beside them",
                )
                .hint(
                    "add a flow without faults: it is sent beside the others to see that they disturb nobody",
                ),
            ];
        }
        if !any {
            return vec![
                Finding::not_applicable(DISTURBED, "no control ran beside the flows")
                    .hint("controls run by themselves as soon as flows with faults run side by side"),
            ];
        }
        let failed = |step: &&StepRecord| step.purpose == Purpose::Control && !step.failures.is_empty();
        let first = evidence.steps().iter().filter(failed).min_by_key(|step| step.started);
        let faults = evidence.faults();
        if let Some(first) = first.filter(|first| faults.iter().all(|fault| fault.installed > first.ended)) {
            return vec![
                Finding::undecided(
                    DISTURBED,
                    format!("the control `{}` went wrong before any fault was there", first.step),
                )
                .hint(
                    "mend what the plain flow shows; only then can it be told whether faults disturb others",
                )
                .flow(&first.flow),
            ];
        }
        let finding = |(flow, (cases, first)): (&str, (Cases, &str))| {
            let message =
                format!("{} without a fault went wrong beside faulted ones: {first}", cases.of("control"));
            let finding = Finding::error(DISTURBED, message)
                .hint(
                    "a fault for one request hurts others: look for shared state (a pool, a lock, a breaker)",
                )
                .flow(flow);
            cases.onto(finding)
        };
        disturbed.into_iter().map(finding).collect()
    }
}
