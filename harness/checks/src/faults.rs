//! `faults`: what was to be broken was broken, and no longer than meant.

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::fault::FaultRecord;
use seaworthy_core::finding::{EvidenceRef, Finding};

use crate::cases::{Cases, counted};

const NEVER_FIRED: &str = "fault.never-fired";
const LAPSED: &str = "fault.lapsed";

pub(crate) struct Faults;

impl Check for Faults {
    fn id(&self) -> &str {
        "faults"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        if evidence.faults().is_empty() {
            return vec![
                Finding::not_applicable(NEVER_FIRED, "no fault was injected")
                    .hint("add `faults:` to a step of a flow, so that what should withstand them is seen"),
            ];
        }
        let (mut idle, mut lapsed) = (Cases::default(), Cases::default());
        for record in evidence.faults() {
            if record.fired == 0 && record.rule.must_fire {
                idle.in_trace(piece(record), record.rule.matcher.trace_id);
            }
            if record.lapsed {
                lapsed.in_trace(piece(record), record.rule.matcher.trace_id);
            }
        }
        let mut findings = Vec::new();
        if idle.count() > 0 {
            let message =
                format!("{} never fired, so what that was to show was not seen", idle.of("fault rule"));
            let finding = Finding::undecided(NEVER_FIRED, message)
                .hint("compare the rule's edge, route and `nth` with the exchanges of its trace");
            findings.push(idle.onto(finding));
        }
        if lapsed.count() > 0 {
            let message = format!("{} lapsed because nobody renewed the lease", lapsed.of("fault rule"));
            let finding = Finding::warning(LAPSED, message).hint(
                "the harness was stopped or starved for longer than the lease; run again on a calmer machine",
            );
            findings.push(lapsed.onto(finding));
        }
        findings
    }
}

fn piece(record: &FaultRecord) -> EvidenceRef {
    let matcher = &record.rule.matcher;
    let mut text = record.rule.action.kind().to_owned();
    if let Some(edge) = &matcher.edge {
        text += &format!(" on {edge}");
    }
    if let Some(route) = &matcher.route {
        text += &format!(" {route}");
    }
    text += &format!(", fired {}", counted(usize::try_from(record.fired).unwrap_or(usize::MAX), "time"));
    EvidenceRef::other("fault", record.rule.id.as_str(), text)
}
