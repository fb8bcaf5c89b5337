//! What checks say of evidence, and what tests ask of that.

use seaworthy_core::check::run_check;
use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::finding::{Effect, Finding, Verdict};
use seaworthy_core::report::CheckReport;

/// What one check has to say.
pub(crate) fn judge(check: &str, evidence: &EvidenceSet) -> CheckReport {
    let checks = seaworthy_checks::catalogue();
    let check = checks.iter().find(|one| one.id() == check).unwrap();
    run_check(check.as_ref(), evidence)
}

/// The violations of one check as `rule@blamed`, in order.
pub(crate) fn blamed(check: &str, evidence: &EvidenceSet) -> Vec<String> {
    let violations = judge(check, evidence).findings.into_iter().filter(Finding::is_violation);
    violations.map(|finding| finding.fingerprint()).collect()
}

/// The check's verdict, and the hints of findings that say why nothing was judged.
pub(crate) fn verdict(check: &str, evidence: &EvidenceSet) -> (Verdict, Vec<String>) {
    let report = judge(check, evidence);
    let open = report.findings.into_iter().filter(|finding| finding.effect != Effect::Violation);
    (report.verdict, open.map(|finding| finding.hint).collect())
}

#[track_caller]
pub(crate) fn assert_passes(check: &str, evidence: &EvidenceSet) {
    let report = judge(check, evidence);
    assert_eq!(report.verdict, Verdict::Pass, "{check}: {:#?}", report.findings);
}

#[track_caller]
pub(crate) fn assert_skipped(check: &str, evidence: &EvidenceSet, names: &str) {
    let (verdict, hints) = verdict(check, evidence);
    assert_eq!(verdict, Verdict::Skipped, "{check}: {hints:?}");
    assert!(hints.iter().any(|hint| hint.contains(names)), "{check} should name `{names}`: {hints:?}");
}

#[track_caller]
pub(crate) fn assert_undecided(check: &str, evidence: &EvidenceSet) {
    let (verdict, hints) = verdict(check, evidence);
    assert_eq!(verdict, Verdict::Inconclusive, "{check}: {hints:?}");
    assert!(hints.iter().all(|hint| !hint.is_empty()), "{check} should say what would decide it");
}
