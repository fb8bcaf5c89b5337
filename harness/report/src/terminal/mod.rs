//! The rendering for a terminal: what a tired person needs first comes first.

mod finding;
mod tree;

use std::collections::BTreeSet;

use seaworthy_core::evidence::{Evidence, Finality};
use seaworthy_core::finding::{Effect, Finding, Severity, Verdict};
use seaworthy_core::ids::TraceId;
use seaworthy_core::report::{CheckReport, RunReport};
use seaworthy_core::time::for_people;
use std::time::Duration;

use crate::group::group;
use crate::style::{Ink, Style};
use crate::text::{count, cut, grouped, wrap};

/// The report as a person reads it: the verdict; then what failed, what is undecided, warnings, what was skipped,
/// what passed; last the numbers. Ends with a line feed.
pub fn terminal(report: &RunReport, evidence: &dyn Evidence, style: &Style) -> String {
    let mut page = Page { report, evidence, style, out: Vec::new(), shown: BTreeSet::new() };
    page.headline();
    if style.quiet {
        page.brief();
    } else {
        page.failed();
        page.inconclusive();
        page.remarks();
        page.skipped();
        page.passed();
        page.numbers();
    }
    page.out.push(String::new());
    page.out.join("\n")
}

struct Page<'p> {
    report: &'p RunReport,
    evidence: &'p dyn Evidence,
    style: &'p Style,
    out: Vec<String>,
    /// Traces whose trees were shown.
    shown: BTreeSet<TraceId>,
}

pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Skipped => "SKIPPED",
    }
}

fn ink(verdict: Verdict) -> Ink {
    match verdict {
        Verdict::Pass => Ink::Good,
        Verdict::Fail => Ink::Bad,
        Verdict::Inconclusive => Ink::Unsure,
        Verdict::Skipped => Ink::Faint,
    }
}

impl<'p> Page<'p> {
    fn line(&mut self, line: impl Into<String>) {
        self.out.push(line.into());
    }

    fn gap(&mut self) {
        self.out.push(String::new());
    }

    fn headline(&mut self) {
        let verdict = self.style.paint(ink(self.report.verdict), word(self.report.verdict));
        let duration = for_people(Duration::from_millis(self.report.summary.duration_ms));
        let system = cut(&self.evidence.system().name, 60);
        self.line(format!("{verdict} · {system} · {duration}"));
        if self.evidence.finality() == Finality::Provisional {
            let note = "provisional: the system goes on running, so what is absent may still come";
            self.line(self.style.paint(Ink::Faint, note));
        }
        if self.report.checks.is_empty() {
            self.line("no check was run, so nothing was judged");
        }
    }

    fn checks(&self, verdict: Verdict) -> impl Iterator<Item = &'p CheckReport> + use<'p> {
        self.report.checks.iter().filter(move |check| check.verdict == verdict)
    }

    /// One line for each thing that is wrong or undecided.
    fn brief(&mut self) {
        let told = self.report.checks.iter().flat_map(|check| &check.findings);
        let told: Vec<&Finding> =
            told.filter(|finding| is_failure(finding) || is_undecided(finding)).collect();
        for group in group(told) {
            let sign = if is_failure(group.first) { ("✗", Ink::Bad) } else { ("?", Ink::Unsure) };
            let place = finding::place(group.first);
            let text = format!("{}{}: {}", group.first.rule, place, group.first.message);
            let line =
                format!("{} {}", self.style.paint(sign.1, sign.0), cut(&text, self.style.columns() - 2));
            self.line(line);
        }
    }

    fn failed(&mut self) {
        for check in self.checks(Verdict::Fail) {
            for group in group(check.findings.iter().filter(|finding| is_failure(finding))) {
                self.gap();
                self.finding(&group, "✗", Ink::Bad, "hint");
            }
        }
    }

    fn inconclusive(&mut self) {
        for check in self.checks(Verdict::Inconclusive) {
            for group in group(check.findings.iter().filter(|finding| is_undecided(finding))) {
                self.gap();
                self.finding(&group, "?", Ink::Unsure, "decide");
            }
        }
    }

    /// Warnings of any check, and for those who want everything also infos and what is undecided in a check that
    /// failed anyway.
    fn remarks(&mut self) {
        for check in &self.report.checks {
            let remark = |finding: &&Finding| {
                let violation = finding.effect == Effect::Violation;
                let undecided = check.verdict == Verdict::Fail && is_undecided(finding);
                (violation && finding.severity == Severity::Warning)
                    || (self.style.verbose
                        && (undecided || (violation && finding.severity == Severity::Info)))
            };
            for group in group(check.findings.iter().filter(remark)) {
                self.gap();
                self.finding(&group, "!", Ink::Unsure, "hint");
            }
        }
    }

    fn skipped(&mut self) {
        let mut first = true;
        for check in self.checks(Verdict::Skipped) {
            for finding in &check.findings {
                if std::mem::take(&mut first) {
                    self.gap();
                }
                let sign = self.style.paint(Ink::Faint, "–");
                let message = format!("{} skipped: {}", check.id, finding.message);
                self.wrapped(&format!("{sign} "), 2, &message);
                if !finding.hint.is_empty() {
                    self.wrapped("    ", 4, &format!("→ {}", finding.hint));
                }
            }
        }
    }

    fn passed(&mut self) {
        let passed: Vec<&str> = self.checks(Verdict::Pass).map(|check| check.id.as_str()).collect();
        if passed.is_empty() {
            return;
        }
        self.gap();
        let sign = self.style.paint(Ink::Good, "✓");
        let text = format!("{} passed: {}", passed.len(), passed.join(", "));
        self.wrapped(&format!("{sign} "), 2, &text);
    }

    fn numbers(&mut self) {
        let summary = &self.report.summary;
        self.gap();
        let mut checks = Vec::new();
        for (number, what) in [
            (summary.checks.pass, "passed"),
            (summary.checks.fail, "failed"),
            (summary.checks.inconclusive, "inconclusive"),
            (summary.checks.skipped, "skipped"),
        ] {
            if number > 0 {
                checks.push(format!("{} {what}", grouped(number)));
            }
        }
        let mut line = count(summary.checks.total, "check");
        if !checks.is_empty() {
            line += &format!(": {}", checks.join(", "));
        }
        if summary.findings.warning > 0 {
            line += &format!(" · {}", count(summary.findings.warning, "warning"));
        }
        if summary.interactions > 0 {
            line += &format!(" · {}", count(summary.interactions, "interaction"));
        }
        if !summary.is_of_a_run() {
            self.wrapped("", 0, &line);
            return;
        }
        line += &format!(" · {}", count(summary.flows, "flow"));
        self.wrapped("", 0, &line);
        let mut seen = [
            count(summary.exchanges, "exchange"),
            count(summary.spans, "span"),
            count(summary.logs, "log"),
            count(summary.metric_points, "metric point"),
            format!("{} fired", count(summary.faults_fired, "fault")),
        ]
        .join(" · ");
        seen += &match summary.dropped.values().sum::<u64>() {
            0 => " · nothing dropped".to_owned(),
            dropped => format!(" · {} dropped", grouped(dropped)),
        };
        self.wrapped("", 0, &seen);
        for (what, number) in &summary.dropped {
            self.wrapped("  ", 2, &format!("dropped: {} {what}", grouped(*number)));
        }
    }

    /// The text wrapped behind a first piece; further lines are indented by `indent`.
    fn wrapped(&mut self, first: &str, indent: usize, text: &str) {
        for (at, line) in wrap(text, self.style.columns() - indent).into_iter().enumerate() {
            let before = if at == 0 { first.to_owned() } else { " ".repeat(indent) };
            self.out.push(format!("{before}{line}"));
        }
    }
}

/// Whether it fails its check.
pub(crate) fn is_failure(finding: &Finding) -> bool {
    finding.effect == Effect::Violation && finding.severity == Severity::Error
}

/// Whether it leaves its check undecided.
pub(crate) fn is_undecided(finding: &Finding) -> bool {
    finding.effect == Effect::Undecided
}
