//! The result of a run as a value; `seaworthy-report` renders it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Severity, Verdict};

/// The version of the JSON report: additive within a major.
pub const SCHEMA_VERSION: &str = "1.0";

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// The check.
    pub id: String,
    /// What is said of it.
    pub verdict: Verdict,
    /// Why.
    pub findings: Vec<Finding>,
}

/// How much was judged, and what was lost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Checks, and of them by verdict.
    pub checks: CheckCounts,
    /// Findings by severity.
    pub findings: FindingCounts,
    /// Flows run, controls not counted.
    pub flows: u64,
    /// Interactions of contracts that were verified, kept or not.
    #[serde(default)]
    pub interactions: u64,
    /// Exchanges seen on all edges.
    pub exchanges: u64,
    /// Spans received.
    pub spans: u64,
    /// Log records received.
    pub logs: u64,
    /// Metric points received.
    pub metric_points: u64,
    /// How often fault rules were applied, and instance faults carried out.
    pub faults_fired: u64,
    /// What was dropped, by what and why; empty when nothing was.
    pub dropped: BTreeMap<String, u64>,
    /// Wall time of the run without compiling, in milliseconds.
    pub duration_ms: u64,
}

/// Checks by verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CheckCounts {
    /// All of them.
    pub total: u64,
    /// Passed.
    pub pass: u64,
    /// Failed.
    pub fail: u64,
    /// Could not be decided.
    pub inconclusive: u64,
    /// Do not apply or lack a fact.
    pub skipped: u64,
}

/// Findings by severity. What is merely undecided or does not apply is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FindingCounts {
    /// Errors.
    pub error: u64,
    /// Warnings.
    pub warning: u64,
    /// Infos.
    pub info: u64,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// What is said of the run: pass, fail or inconclusive.
    pub verdict: Verdict,
    /// How much was judged.
    pub summary: Summary,
    /// What came of each check.
    pub checks: Vec<CheckReport>,
}

impl Summary {
    /// Whether there was a system whose exchanges and telemetry could be counted.
    pub fn is_of_a_run(&self) -> bool {
        self.flows + self.exchanges + self.spans + self.logs + self.metric_points > 0
            || !self.dropped.is_empty()
    }
}

impl RunReport {
    /// Draws the verdict: any error fails; else any inconclusive check, or nothing judged, is inconclusive; else
    /// pass. Warnings fail where they are denied. Fills the summary's counts of checks and findings.
    pub fn new(checks: Vec<CheckReport>, mut summary: Summary, deny_warnings: bool) -> Self {
        let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count() as u64;
        summary.checks = CheckCounts {
            total: checks.len() as u64,
            pass: count(Verdict::Pass),
            fail: count(Verdict::Fail),
            inconclusive: count(Verdict::Inconclusive),
            skipped: count(Verdict::Skipped),
        };
        let severity = |severity| {
            let violations = |check: &CheckReport| {
                check
                    .findings
                    .iter()
                    .filter(|finding| finding.is_violation() && finding.severity == severity)
                    .count()
            };
            checks.iter().map(violations).sum::<usize>() as u64
        };
        summary.findings = FindingCounts {
            error: severity(Severity::Error),
            warning: severity(Severity::Warning),
            info: severity(Severity::Info),
        };
        let failed = summary.findings.error > 0 || (deny_warnings && summary.findings.warning > 0);
        let judged = summary.checks.pass + summary.checks.fail;
        let verdict = if failed {
            Verdict::Fail
        } else if summary.checks.inconclusive > 0 || judged == 0 {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        };
        Self { schema_version: SCHEMA_VERSION.to_owned(), verdict, summary, checks }
    }

    /// All findings that say that something is wrong.
    pub fn violations(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|check| &check.findings).filter(|finding| finding.is_violation())
    }

    /// Sets the wall time of the run.
    pub fn set_duration(&mut self, duration: Duration) {
        self.summary.duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    }
}

impl Finding {
    /// Whether it says that something is wrong, rather than that something could not be told.
    pub fn is_violation(&self) -> bool {
        self.effect == crate::finding::Effect::Violation
    }
}
