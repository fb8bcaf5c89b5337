//! `logs`: what is declared to be JSON lines is.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::ServiceName;
use seaworthy_core::log::{OutputLine, Stream};
use seaworthy_core::system::{LogFormat, RunKind};

use crate::cases::Cases;

const NOT_STRUCTURED: &str = "logs.not-structured";
/// How much of a line is shown.
const EXCERPT: usize = 120;

pub(crate) struct Logs;

impl Check for Logs {
    fn id(&self) -> &str {
        "logs"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let declared = evidence.system().services.iter();
        let mut json: BTreeMap<&ServiceName, (usize, Cases)> = declared
            .filter(|(_, service)| service.logs == Some(LogFormat::Json))
            .map(|(name, _)| (name, Default::default()))
            .collect();
        if json.is_empty() {
            return vec![
                Finding::not_applicable(NOT_STRUCTURED, "no service says what its log lines are")
                    .hint("add `logs: json` to the services that write JSON lines on stdout"),
            ];
        }
        if evidence.system().on == RunKind::Attach {
            return vec![
                Finding::not_applicable(NOT_STRUCTURED, "what services print that run already is not seen")
                    .hint("run on `process` or `docker` to see it"),
            ];
        }
        for line in evidence.output().iter().filter(|line| line.stream == Stream::Stdout) {
            let Some((lines, cases)) = json.get_mut(&line.service) else { continue };
            if line.text.trim().is_empty() {
                continue;
            }
            *lines += 1;
            if !is_structured(line) {
                let text: String = line.text.chars().take(EXCERPT).collect();
                cases.in_trace(EvidenceRef::other("output", line.instance.as_str(), text), None);
            }
        }
        let mut findings = Vec::new();
        for (service, (lines, cases)) in json {
            if lines == 0 {
                let message = format!("`{service}` is declared to log JSON and wrote nothing on stdout");
                findings.push(
                    Finding::undecided(NOT_STRUCTURED, message)
                        .hint("make it log to stdout, or take `logs: json` off")
                        .service(service),
                );
            } else if cases.count() > 0 {
                let message = format!(
                    "`{service}` wrote {} of {lines} on stdout not as a JSON object",
                    cases.of("line")
                );
                let finding = Finding::error(NOT_STRUCTURED, message)
                    .hint("write one JSON object per line, start-up and panics included, or declare `logs: text`")
                    .service(service);
                findings.push(cases.onto(finding));
            }
        }
        findings
    }
}

/// A line that was cut by the harness is judged by its start.
fn is_structured(line: &OutputLine) -> bool {
    if line.truncated {
        return line.text.trim_start().starts_with('{');
    }
    matches!(serde_json::from_str(&line.text), Ok(serde_json::Value::Object(_)))
}
