//! `flows`: what the flows' files expect came to pass.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Purpose, StepRecord};
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::{EvidenceRef, Finding, Location};

use crate::attach::is_consequence;
use crate::cases::Cases;

const EXPECTATION: &str = "flow.expectation";
const UNDECIDED: &str = "flow.undecided";

pub(crate) struct Flows;

/// One thing that a flow's file asks for: flow, step, line and column, whether it was only not told.
type Asked<'e> = (&'e str, &'e str, (usize, usize), bool, &'e str);

impl Check for Flows {
    fn id(&self) -> &str {
        "flows"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let steps: Vec<&StepRecord> =
            evidence.steps().iter().filter(|step| step.purpose == Purpose::Flow).collect();
        if steps.is_empty() {
            return vec![
                Finding::undecided(EXPECTATION, "no step of a flow ran")
                    .hint("name flow files under `flows:` in the system file"),
            ];
        }
        let mut failed: BTreeMap<Asked<'_>, (Cases, Option<Location>)> = BTreeMap::new();
        for step in steps {
            for failure in &step.failures {
                let place = failure.location.as_ref().map_or((0, 0), |place| (place.line, place.column));
                // The text tells two expectations apart only where no place does: it holds ids that differ from
                // repetition to repetition.
                let text = if place == (0, 0) { failure.message.as_str() } else { "" };
                let undecided = failure.undecided || is_consequence(evidence, step, failure);
                let asked = (step.flow.as_str(), step.step.as_str(), place, undecided, text);
                let (cases, location) = failed.entry(asked).or_default();
                let piece = EvidenceRef::other("step", step.step.clone(), failure.message.clone());
                cases.in_trace(piece, Some(step.trace.trace_id));
                location.get_or_insert_with(|| failure.location.clone().unwrap_or_default());
            }
        }
        let finding = |(asked, (cases, location)): (Asked<'_>, (Cases, Option<Location>))| {
            let (flow, step, place, undecided, _) = asked;
            let first = first_message(evidence, flow, step, place, undecided).unwrap_or_default();
            let mut message = format!("step `{step}`: {first}");
            if cases.count() > 1 {
                message += &format!(" ({} times)", cases.count());
            }
            let finding = if undecided {
                Finding::undecided(UNDECIDED, message).hint(
                    "the evidence says what was there; change the flow or the system so that it can be told",
                )
            } else {
                Finding::error(EXPECTATION, message).hint("the trace shows what happened instead")
            };
            let finding = match location.filter(|location| !location.file.is_empty()) {
                Some(location) => finding.location(location),
                None => finding,
            };
            cases.onto(finding.flow(flow))
        };
        let mut findings: Vec<Finding> = failed.into_iter().map(finding).collect();
        for finding in &mut findings {
            if let Some(exchange) = finding.trace_id().and_then(|trace| root_exchange(evidence, trace)) {
                finding.evidence.push(EvidenceRef::exchange(exchange));
            }
        }
        findings
    }
}

fn first_message<'e>(
    evidence: &'e dyn Evidence,
    flow: &str,
    step: &str,
    place: (usize, usize),
    undecided: bool,
) -> Option<&'e str> {
    let records = evidence.steps().iter().filter(|record| record.flow == flow && record.step == step);
    let mut failures =
        records.flat_map(|record| record.failures.iter().map(move |failure| (record, failure)));
    let here = failures.find(|(record, failure)| {
        let at = failure.location.as_ref().map_or((0, 0), |place| (place.line, place.column));
        at == place && (failure.undecided || is_consequence(evidence, record, failure)) == undecided
    });
    here.map(|(_, failure)| failure.message.as_str())
}

fn root_exchange(evidence: &dyn Evidence, trace: seaworthy_core::ids::TraceId) -> Option<&Exchange> {
    evidence.exchanges_of(trace).into_iter().find(|exchange| exchange.edge.is_ingress())
}
