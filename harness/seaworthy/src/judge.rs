//! Running checks over evidence and drawing the run's verdict.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, run_check};
use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::finding::{Finding, Verdict};
use seaworthy_core::report::{CheckReport, RunReport, Summary};
use seaworthy_core::system::{RunKind, System};

use crate::custom::TraceQlCheck;

/// Which checks judge, and how strictly.
#[derive(Default)]
pub struct Judge {
    /// Only these checks (by id); all when empty.
    pub only: Vec<String>,
    /// Not these.
    pub skip: Vec<String>,
    /// Whether warnings fail the run.
    pub deny_warnings: bool,
    /// Checks of the user's own.
    pub extra: Vec<Box<dyn Check>>,
}

/// What was found out otherwise than from the evidence: what came of asking providers whether they keep contracts.
#[derive(Default)]
pub struct Also {
    /// The checks that tell it.
    pub checks: Vec<Box<dyn Check>>,
    /// How many interactions were verified.
    pub interactions: u64,
}

/// Why checks could not be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// `--only`, `--skip` or `checks.skip` names a check that there is none of.
    #[error("could not find a check `{name}`{}", suggestion.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    UnknownCheck {
        /// What was named.
        name: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// The contracts that bind the system could not be read.
    #[error("could not read the contracts: {reason}")]
    Contracts {
        /// Why, with the place.
        reason: String,
    },
    /// A check of the user's own is no TraceQL.
    #[error("could not read check `{id}`: {reason}")]
    Query {
        /// The check.
        id: String,
        /// Why.
        reason: String,
    },
}

impl Judge {
    /// Whether every check that is named exists and every custom one is TraceQL, so that this is said before a
    /// system is started and not after.
    ///
    /// # Errors
    /// The first that is not so.
    pub fn validate(&self, system: &System) -> Result<(), JudgeError> {
        let custom = system.checks.custom.iter().map(TraceQlCheck::new).collect::<Result<Vec<_>, _>>()?;
        let catalogue = seaworthy_checks::catalogue();
        let mut ids: Vec<&str> = catalogue.iter().map(|check| check.id()).collect();
        ids.extend(custom.iter().map(Check::id));
        ids.extend(self.extra.iter().map(|check| check.id()));
        #[cfg(feature = "contracts")]
        ids.push(crate::contracts::CHECK);
        for name in self.only.iter().chain(&self.skip).chain(&system.checks.skip) {
            if !ids.contains(&name.as_str()) {
                let suggestion = seaworthy_core::system::suggest::closest(name, ids.iter().copied());
                return Err(JudgeError::UnknownCheck {
                    name: name.clone(),
                    suggestion: suggestion.map(str::to_owned),
                });
            }
        }
        Ok(())
    }

    /// Whether the check of this id is to judge.
    pub fn wants(&self, id: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|only| only == id))
            && !self.skip.iter().any(|skip| skip == id)
    }

    /// Judges the evidence, and beside it what was found out otherwise.
    ///
    /// # Errors
    /// A check was named that does not exist, or a custom one is no TraceQL.
    pub fn judge(&self, evidence: &EvidenceSet, also: &Also) -> Result<RunReport, JudgeError> {
        self.validate(&evidence.system)?;
        let custom =
            evidence.system.checks.custom.iter().map(TraceQlCheck::new).collect::<Result<Vec<_>, _>>()?;
        let catalogue = seaworthy_checks::catalogue();
        let all: Vec<&dyn Check> = catalogue
            .iter()
            .map(|check| &**check)
            .chain(custom.iter().map(|check| check as &dyn Check))
            .chain(self.extra.iter().map(|check| &**check))
            .chain(also.checks.iter().map(|check| &**check))
            .collect();
        let declared = &evidence.system.checks.skip;
        // Totals are held against every request that happened; all else only against batches that count.
        let sound = if evidence.void.is_empty() { None } else { Some(evidence.without_void()) };
        let reports = all
            .iter()
            // It has nothing to say of services that the harness started.
            .filter(|check| evidence.system.on == RunKind::Attach || check.id() != seaworthy_checks::ATTACH)
            .filter(|check| self.wants(check.id()))
            .map(|check| {
                if declared.iter().any(|skip| skip == check.id()) {
                    return skipped(check.id());
                }
                let view =
                    if check.needs().final_metrics { evidence } else { sound.as_ref().unwrap_or(evidence) };
                run_check(*check, view)
            })
            .collect();
        let summary = Summary { interactions: also.interactions, ..summary(evidence) };
        Ok(RunReport::new(reports, summary, self.deny_warnings))
    }
}

fn skipped(id: &str) -> CheckReport {
    let finding = Finding::not_applicable(id, "the system file skips this check")
        .hint(format!("remove `{id}` from `checks.skip`"));
    CheckReport { id: id.to_owned(), verdict: Verdict::Skipped, findings: vec![finding] }
}

/// How much there was to judge.
pub fn summary(evidence: &EvidenceSet) -> Summary {
    let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
    for loss in &evidence.losses {
        *dropped.entry(format!("{}: {}", loss.what, loss.why)).or_default() += loss.count;
    }
    let instance_faults = evidence.steps.iter().filter(|step| step.instance_fault.is_some()).count() as u64;
    let mut flows: Vec<&str> = evidence
        .steps
        .iter()
        .filter(|step| step.purpose == seaworthy_core::evidence::Purpose::Flow)
        .map(|step| step.flow.as_str())
        .collect();
    flows.sort_unstable();
    flows.dedup();
    Summary {
        flows: flows.len() as u64,
        exchanges: evidence.exchanges.len() as u64,
        spans: evidence.spans.len() as u64,
        logs: evidence.logs.len() as u64,
        metric_points: evidence.metrics.len() as u64,
        faults_fired: evidence.faults.iter().map(|fault| fault.fired).sum::<u64>() + instance_faults,
        dropped,
        ..Summary::default()
    }
}
