//! The rendering for test reports of CI systems: JUnit XML with a suite for each check.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use seaworthy_core::finding::{Effect, Finding, Verdict};
use seaworthy_core::report::{CheckReport, RunReport};

use crate::terminal::is_failure;
use crate::text::clean;

/// The report as JUnit XML. Each check is a suite; each finding in it is a test case named by its fingerprint:
/// what fails its check is a failure, what leaves it undecided an error, what does not apply is skipped, and
/// warnings pass with what they say as output. A check without findings is one case that passes.
pub fn junit(report: &RunReport) -> String {
    let mut document = Report::new("seaworthy");
    document.set_time(Duration::from_millis(report.summary.duration_ms));
    for check in &report.checks {
        document.add_test_suite(suite(check));
    }
    // Writing into memory does not fail; an empty text would be noticed by any reader of JUnit.
    document.to_string().unwrap_or_default()
}

fn suite(check: &CheckReport) -> TestSuite {
    let mut suite = TestSuite::new(clean(&check.id));
    // Two findings with one fingerprint (two traces of one flow, say) must not be one case.
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for finding in &check.findings {
        let mut name = finding.fingerprint();
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            name += &format!(" ({count})");
        }
        suite.add_test_case(case(check, finding, &name));
    }
    let decided =
        check.findings.iter().any(|finding| is_failure(finding) || finding.effect != Effect::Violation);
    if !decided {
        let status = match check.verdict {
            Verdict::Skipped => TestCaseStatus::skipped(),
            Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
            Verdict::Pass => TestCaseStatus::success(),
        };
        let mut whole = TestCase::new(clean(&check.id), status);
        whole.set_classname(clean(&check.id));
        suite.add_test_case(whole);
    }
    suite
}

fn case(check: &CheckReport, finding: &Finding, name: &str) -> TestCase {
    let mut status = match finding.effect {
        Effect::Violation if is_failure(finding) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Effect::Violation => TestCaseStatus::success(),
        Effect::Undecided => TestCaseStatus::non_success(NonSuccessKind::Error),
        Effect::NotApplicable => TestCaseStatus::skipped(),
    };
    let passes = matches!(status, TestCaseStatus::Success { .. });
    if !passes {
        status.set_message(clean(&finding.message));
        status.set_type(clean(&finding.rule));
        status.set_description(clean(&description(finding)));
    }
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(clean(&check.id));
    if passes {
        case.set_system_out(clean(&description(finding)));
    }
    case
}

/// All that the finding says, in lines.
fn description(finding: &Finding) -> String {
    let mut lines = vec![finding.message.clone()];
    if let Some(edge) = &finding.edge {
        lines.push(format!("edge: {edge}"));
    }
    if let Some(service) = &finding.service {
        lines.push(format!("service: {service}"));
    }
    if let Some(flow) = &finding.flow {
        lines.push(format!("flow: {flow}"));
    }
    if let Some(location) = &finding.location {
        lines.push(format!("at: {}:{}:{}", location.file, location.line, location.column));
    }
    for evidence in &finding.evidence {
        lines.push(
            format!("{} {}: {}", evidence.kind, evidence.id, evidence.text).trim_end_matches(": ").to_owned(),
        );
    }
    if let Some(witness) = &finding.witness {
        lines.push(format!("witness: {witness}"));
    }
    if !finding.hint.is_empty() {
        lines.push(format!("hint: {}", finding.hint));
    }
    lines.push(format!("explain: seaworthy explain {}", finding.rule));
    lines.join("\n")
}
