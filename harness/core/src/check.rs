//! What a check is: a named, pure predicate over evidence.

use crate::evidence::Evidence;
use crate::finding::{Effect, Finding, Severity, Verdict};
use crate::report::CheckReport;

/// What a check must have before it can judge at all. What is missing turns it inconclusive, or skipped where
/// nothing in the system could have given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// At least one exchange.
    pub exchanges: bool,
    /// Spans: some service must have telemetry.
    pub spans: bool,
    /// Log records over OTLP.
    pub logs: bool,
    /// Metric points that are final: each judged instance has flushed.
    pub final_metrics: bool,
    /// Lines on stdout.
    pub output: bool,
}

/// A named predicate over evidence. Ours, users' in Rust and users' in YAML all come through this door.
pub trait Check: Send + Sync {
    /// Its name, unique in a run: `trace-completeness`.
    fn id(&self) -> &str;

    /// What it must have before it can judge.
    fn needs(&self) -> Needs;

    /// What it has to say. Nothing said means: judged, and nothing against it. A check that found nothing to
    /// judge says so with [`Finding::undecided`] or [`Finding::not_applicable`]; silence would be vacuous.
    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding>;
}

/// Runs one check: looks whether its needs are met, lets it judge, and draws the verdict.
pub fn run_check(check: &dyn Check, evidence: &dyn Evidence) -> CheckReport {
    let findings = match unmet(check, evidence) {
        Some(finding) => vec![finding],
        None => check.judge(evidence),
    };
    CheckReport { id: check.id().to_owned(), verdict: verdict_of(&findings), findings }
}

fn unmet(check: &dyn Check, evidence: &dyn Evidence) -> Option<Finding> {
    let needs = check.needs();
    let telemetry = evidence.system().services.values().any(crate::system::Service::has_telemetry);
    let missing = [
        (needs.exchanges && evidence.exchanges().is_empty(), "exchange", true),
        (needs.spans && evidence.spans().is_empty(), "span", telemetry),
        (needs.logs && evidence.logs().is_empty(), "log record", telemetry),
        (needs.final_metrics && evidence.metrics().is_empty(), "metric point", telemetry),
        (needs.output && evidence.output().is_empty(), "line of output", true),
    ];
    let (_, what, expected) = missing.into_iter().find(|(missing, ..)| *missing)?;
    Some(if expected {
        Finding::undecided(check.id(), format!("no {what} was seen, so there is nothing to judge"))
            .hint(format!("make the flows reach the system and see why no {what} arrives"))
    } else {
        Finding::not_applicable(check.id(), "no service of the system has telemetry")
            .hint("remove `telemetry: none` from a service that exports OTLP")
    })
}

/// The verdict that findings add up to.
pub fn verdict_of(findings: &[Finding]) -> Verdict {
    let mut verdict = Verdict::Pass;
    let mut judged = false;
    for finding in findings {
        let says = match (finding.effect, finding.severity) {
            (Effect::Violation, Severity::Error) => Verdict::Fail,
            (Effect::Violation, _) => Verdict::Pass,
            (Effect::Undecided, _) => Verdict::Inconclusive,
            (Effect::NotApplicable, _) => Verdict::Skipped,
        };
        judged |= says != Verdict::Skipped;
        verdict = verdict.max(says);
    }
    // One part that does not apply does not skip a check whose other parts were judged.
    if verdict == Verdict::Skipped && judged { Verdict::Pass } else { verdict }
}
