//! `evidence`: nothing that checks rely on was dropped.

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Loss};
use seaworthy_core::finding::Finding;

use crate::cases::listed;

const LOST: &str = "evidence.lost";

pub(crate) struct Lost;

impl Check for Lost {
    fn id(&self) -> &str {
        "evidence"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let lost: Vec<String> = harmful(evidence, &[]).into_iter().map(say).collect();
        if lost.is_empty() {
            return Vec::new();
        }
        let message =
            format!("evidence was lost, and what is absent may be absent for that reason: {}", listed(lost));
        vec![Finding::undecided(LOST, message).hint(
            "send less at once, or raise the limit that was reached (`seaworthy explain evidence.lost`)",
        )]
    }
}

/// The losses that absences may be due to, of the kinds asked for (all kinds when none is named).
pub(crate) fn harmful<'e>(evidence: &'e dyn Evidence, kinds: &[&str]) -> Vec<&'e Loss> {
    let wanted = |loss: &&Loss| loss.harmful && (kinds.is_empty() || kinds.contains(&loss.what.as_str()));
    evidence.losses().iter().filter(wanted).collect()
}

/// `12 spans of orders (store full)`.
pub(crate) fn say(loss: &Loss) -> String {
    let whose = loss.service.as_ref().map(|service| format!(" of `{service}`")).unwrap_or_default();
    format!("{} {}{whose} ({})", loss.count, loss.what, loss.why)
}
