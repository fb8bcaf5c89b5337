//! The rendering for the summary of a GitHub run.

use std::time::Duration;

use seaworthy_core::finding::{Finding, Severity, Verdict};
use seaworthy_core::report::RunReport;
use seaworthy_core::time::for_people;

use crate::group::{Group, group};
use crate::terminal::{is_failure, is_undecided, word};
use crate::text::{clean, count, grouped};

/// The report as GitHub's Markdown: verdict and numbers, then what failed and what is undecided with its evidence
/// folded away, then warnings, skipped and passed checks as lists.
pub fn markdown(report: &RunReport) -> String {
    let summary = &report.summary;
    let sign = match report.verdict {
        Verdict::Pass | Verdict::Skipped => "✅",
        Verdict::Fail => "❌",
        Verdict::Inconclusive => "❔",
    };
    let duration = for_people(Duration::from_millis(summary.duration_ms));
    let mut columns = vec![
        ("checks", grouped(summary.checks.total)),
        ("passed", grouped(summary.checks.pass)),
        ("failed", grouped(summary.checks.fail)),
        ("inconclusive", grouped(summary.checks.inconclusive)),
        ("skipped", grouped(summary.checks.skipped)),
    ];
    if summary.interactions > 0 {
        columns.push(("interactions", grouped(summary.interactions)));
    }
    if summary.is_of_a_run() {
        columns.extend([
            ("flows", grouped(summary.flows)),
            ("exchanges", grouped(summary.exchanges)),
            ("spans", grouped(summary.spans)),
            ("logs", grouped(summary.logs)),
            ("faults fired", grouped(summary.faults_fired)),
        ]);
    }
    columns.push(("time", duration));
    let mut out = vec![
        format!("## {sign} seaworthy: {}", word(report.verdict)),
        String::new(),
        row(columns.iter().map(|(name, _)| (*name).to_owned())),
        format!("|{}", "--:|".repeat(columns.len())),
        row(columns.iter().map(|(_, value)| value.clone())),
    ];
    for (what, number) in &summary.dropped {
        out.push(String::new());
        out.push(format!("Dropped: {} {}", grouped(*number), inline(what)));
    }
    let all = || report.checks.iter().flat_map(|check| &check.findings);
    section(&mut out, "Failed", group(all().filter(|finding| is_failure(finding))));
    section(&mut out, "Inconclusive", group(all().filter(|finding| is_undecided(finding))));
    let warning = |finding: &&Finding| finding.is_violation() && finding.severity == Severity::Warning;
    section(&mut out, "Warnings", group(all().filter(warning)));
    let mut skipped = Vec::new();
    for check in report.checks.iter().filter(|check| check.verdict == Verdict::Skipped) {
        for finding in &check.findings {
            let hint = if finding.hint.is_empty() {
                String::new()
            } else {
                format!(" → {}", inline(&finding.hint))
            };
            skipped.push(format!("- `{}`: {}{hint}", check.id, inline(&finding.message)));
        }
    }
    if !skipped.is_empty() {
        out.extend([String::new(), "### Skipped".to_owned(), String::new()]);
        out.extend(skipped);
    }
    let passed = report.checks.iter().filter(|check| check.verdict == Verdict::Pass);
    let passed: Vec<String> = passed.map(|check| format!("`{}`", check.id)).collect();
    if !passed.is_empty() {
        out.extend([
            String::new(),
            format!("{}: {}", count(passed.len() as u64, "check") + " passed", passed.join(", ")),
        ]);
    }
    out.push(String::new());
    out.join("\n")
}

fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn section(out: &mut Vec<String>, title: &str, groups: Vec<Group<'_>>) {
    if groups.is_empty() {
        return;
    }
    out.extend([String::new(), format!("### {title}")]);
    for group in groups {
        let finding = group.first;
        let mut heading = format!("`{}`", finding.rule);
        if let Some(edge) = &finding.edge {
            heading += &format!(" at `{edge}`");
        } else if let Some(service) = &finding.service {
            heading += &format!(" at `{service}`");
        }
        if let Some(flow) = &finding.flow {
            heading += &format!(" in flow `{flow}`");
        }
        out.extend([String::new(), format!("**{heading}**: {}", inline(&finding.message))]);
        let flows = group.other_flows();
        if !flows.is_empty() {
            out.extend([String::new(), format!("Also in {}.", flows.join(", "))]);
        }
        if !finding.hint.is_empty() {
            out.extend([String::new(), format!("→ {}", inline(&finding.hint))]);
        }
        let told: Vec<String> = finding
            .evidence
            .iter()
            .filter(|evidence| !evidence.text.is_empty())
            .map(|evidence| format!("{} {}: {}", evidence.kind, evidence.id, evidence.text))
            .collect();
        if !told.is_empty() {
            // A fence of our own cannot be closed by what stands in it.
            let told = clean(&told.join("\n")).replace("```", "'''");
            out.extend(["", "<details><summary>evidence</summary>", "", "```text"].map(str::to_owned));
            out.push(told);
            out.extend(["```", "", "</details>"].map(str::to_owned));
        }
    }
}

/// The text in one line in which nothing is markup but code spans, which our messages use.
fn inline(text: &str) -> String {
    let text = clean(text).replace('\n', " ");
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(text.len());
    // Inside a code span everything stands for itself; an odd backtick opens none.
    let pieces: Vec<&str> = text.split('`').collect();
    let balanced = pieces.len() % 2 == 1;
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            out.push_str(if balanced { "`" } else { "\\`" });
        }
        if balanced && at % 2 == 1 {
            out.push_str(piece);
            continue;
        }
        for c in piece.chars() {
            match c {
                '<' => out.push_str("&lt;"),
                '&' => out.push_str("&amp;"),
                '\\' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '@' => out.extend(['\\', c]),
                c => out.push(c),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::inline;

    #[test]
    fn only_code_spans_are_markup() {
        assert_eq!(inline("a *b* <i> `c_d` @e\nf"), r"a \*b\* &lt;i> `c_d` \@e f");
        assert_eq!(inline("one ` tick_"), r"one \` tick\_");
    }
}
