//! One finding for a person: what, where, why, what shows it, what to do.

use seaworthy_core::finding::{EvidenceRef, Finding};

use super::{Page, tree};
use crate::group::Group;
use crate::style::Ink;
use crate::text::{cut, shell_word, wrap};

/// How many lines of evidence are shown unless all are wanted.
const EVIDENCE_LINES: usize = 6;
/// How many flows are named unless all are wanted.
const FLOWS: usize = 6;
/// Where labelled lines begin.
const LABEL: usize = 10;

/// Where it is, for headings: ` · orders -> payments`.
pub(super) fn place(finding: &Finding) -> String {
    match (&finding.edge, &finding.service) {
        (Some(edge), _) => format!(" · {edge}"),
        (None, Some(service)) => format!(" · {service}"),
        (None, None) => String::new(),
    }
}

/// Evidence of this kind is a line for the shell that asks again.
const REQUEST: &str = "request";
/// Evidence of this kind says what was agreed and what came.
const DIFFERENCE: &str = "difference";
/// So many characters of one are shown.
const MOST_OF_A_DIFFERENCE: usize = 500;

impl Page<'_> {
    pub(super) fn finding(&mut self, group: &Group<'_>, sign: &str, ink: Ink, hint: &str) {
        let finding = group.first;
        let flow = finding.flow.as_ref().map_or_else(String::new, |flow| format!(" · flow {flow}"));
        let heading = format!("{}{}{flow}", finding.rule, place(finding));
        let heading = cut(&heading, self.style.columns() - 2);
        self.line(format!("{} {}", self.style.paint(ink, sign), self.style.paint(Ink::Name, heading)));
        for line in wrap(&finding.message, self.style.columns() - 2) {
            self.line(format!("  {line}"));
        }
        self.evidence(finding);
        self.tree(finding);
        self.others(group);
        for request in finding.evidence.iter().filter(|evidence| evidence.kind == REQUEST) {
            self.command("request", &request.text);
        }
        if let Some(witness) = &finding.witness {
            self.labelled("witness", witness);
        }
        if let Some(location) = &finding.location {
            let mut place = location.file.clone();
            if location.line > 0 {
                place += &format!(":{}:{}", location.line, location.column.max(1));
            }
            if let Some(pointer) = location.pointer.as_ref().filter(|_| location.line == 0) {
                place += &format!(" at {pointer}");
            }
            self.labelled("at", &place);
        }
        if !finding.hint.is_empty() {
            self.labelled(hint, &finding.hint);
        }
        self.labelled("explain", &format!("seaworthy explain {}", shell_word(&finding.rule)));
        // There is nothing to replay where no system was run.
        if sign != "!" && self.report.summary.is_of_a_run() {
            self.replay(finding);
        }
    }

    fn replay(&mut self, finding: &Finding) {
        let fingerprint = shell_word(&finding.fingerprint());
        match &self.style.evidence {
            Some(folder) => {
                let folder = shell_word(folder);
                self.command("replay", &format!("seaworthy replay {fingerprint} --evidence {folder}"));
            }
            None => {
                let then = format!("seaworthy replay {fingerprint} --evidence DIR");
                self.command("replay", &format!("{then}  # after a run with --evidence DIR"));
            }
        }
    }

    fn evidence(&mut self, finding: &Finding) {
        let told: Vec<&EvidenceRef> = finding
            .evidence
            .iter()
            .filter(|evidence| !["trace", REQUEST].contains(&&*evidence.kind) && !evidence.text.is_empty())
            .collect();
        if told.is_empty() {
            return;
        }
        let most = if self.style.verbose { told.len() } else { EVIDENCE_LINES };
        // One line more than allowed is no longer than the line that would stand for it.
        let most = if told.len() == most + 1 { most + 1 } else { most };
        self.gap();
        // Exchanges are called by their number, which other tools' output has too; ids of spans say nothing.
        let name = |evidence: &EvidenceRef| match evidence.kind.as_str() {
            "exchange" => cut(&evidence.id, 10),
            kind => cut(kind, 12),
        };
        let names: Vec<String> = told.iter().take(most).map(|evidence| name(evidence)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, evidence) in names.iter().zip(&told) {
            // Of a difference each word counts.
            if evidence.kind == DIFFERENCE {
                let text = cut(&evidence.text, MOST_OF_A_DIFFERENCE);
                self.wrapped(&format!("    {name:<width$}  "), width + 6, &text);
                continue;
            }
            let line = cut(&format!("{name:<width$}  {}", evidence.text), self.style.columns() - 4);
            self.line(format!("    {line}"));
        }
        if told.len() > most {
            let line = self.style.paint(Ink::Faint, format!("… {} more, -v shows them", told.len() - most));
            self.line(format!("    {line}"));
        }
    }

    fn tree(&mut self, finding: &Finding) {
        let Some(trace) = finding.trace_id() else { return };
        let Some(lines) = tree::lines(self.evidence, trace, finding, self.style.verbose) else { return };
        self.gap();
        if !self.shown.insert(trace) && !self.style.verbose {
            self.line(format!("    {}", self.style.paint(Ink::Faint, "its trace is shown above")));
            return;
        }
        for line in lines {
            let text = match line.text.strip_suffix(tree::MARK) {
                // The mark must not be what is cut off.
                Some(text) => {
                    let room = self.style.columns() - 4 - tree::MARK.chars().count();
                    self.style.paint(Ink::Bad, format!("{}{}", cut(text, room), tree::MARK))
                }
                None => cut(&line.text, self.style.columns() - 4),
            };
            self.line(format!("    {text}"));
        }
    }

    /// What else says the same of the same place.
    fn others(&mut self, group: &Group<'_>) {
        self.gap();
        let flows = group.other_flows();
        if !flows.is_empty() {
            let most = if self.style.verbose { flows.len() } else { FLOWS };
            let mut text = format!("in {}", flows.iter().take(most).copied().collect::<Vec<_>>().join(", "));
            if flows.len() > most {
                text += &format!(" and {} more", flows.len() - most);
            }
            self.labelled("also", &text);
        }
        let here: Vec<&&Finding> =
            group.others.iter().filter(|other| other.flow == group.first.flow).collect();
        match here.as_slice() {
            [] => {}
            [other] if other.message != group.first.message => self.labelled("also", &other.message),
            several if self.style.verbose => {
                for other in several {
                    self.labelled("also", &other.message);
                }
            }
            several => {
                self.labelled("also", &format!("{} more of this kind here, -v shows them", several.len()));
            }
        }
    }

    fn labelled(&mut self, label: &str, text: &str) {
        let label = self.style.paint(Ink::Faint, format!("{label:<8}"));
        self.wrapped(&format!("  {label}"), LABEL, text);
    }

    /// A command is never wrapped: it is there to be copied.
    fn command(&mut self, label: &str, text: &str) {
        let label = self.style.paint(Ink::Faint, format!("{label:<8}"));
        self.line(format!("  {label}{text}"));
    }
}
