//! Checks of the user's own, in YAML: a TraceQL expression over all spans of the run.

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::system::{CustomCheck, Expect};
use seaworthy_telemetry::traceql::Query;

use crate::judge::JudgeError;

/// How many of the selected spans a finding shows.
const SHOWN: usize = 3;

/// A check from `checks.custom`.
#[derive(Debug)]
pub struct TraceQlCheck {
    declared: CustomCheck,
    query: Query,
}

impl TraceQlCheck {
    /// Reads the expression.
    ///
    /// # Errors
    /// It is no TraceQL.
    pub fn new(declared: &CustomCheck) -> Result<Self, JudgeError> {
        let query = declared
            .query
            .parse()
            .map_err(|error| JudgeError::Query { id: declared.id.clone(), reason: format!("{error}") })?;
        Ok(Self { declared: declared.clone(), query })
    }
}

impl Check for TraceQlCheck {
    fn id(&self) -> &str {
        &self.declared.id
    }

    fn needs(&self) -> Needs {
        Needs { spans: true, ..Needs::default() }
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let selected = self.query.evaluate(evidence.spans());
        let message = |otherwise: String| self.declared.message.clone().unwrap_or(otherwise);
        match self.declared.expect {
            Expect::None => match selected.spans().next() {
                None => Vec::new(),
                Some(first) => {
                    let count = selected.len();
                    let said = message(format!("`{}` selects something", self.query));
                    let mut finding = Finding::error(&self.declared.id, format!("{said} ({count} spans)"))
                        .service(&first.resource.service)
                        .evidence(EvidenceRef::trace(first.trace_id))
                        .hint("look at the spans named here; the expression is in `checks.custom`");
                    for span in selected.spans().take(SHOWN) {
                        let text = format!("{}: {}", span.resource.service, span.name);
                        finding = finding.evidence(EvidenceRef::span(span.span_id, text));
                    }
                    vec![finding]
                }
            },
            Expect::Some if selected.is_empty() => {
                let said = message(format!("no span is selected by `{}`", self.query));
                vec![Finding::error(&self.declared.id, said).hint("the expression is in `checks.custom`")]
            }
            Expect::Some => Vec::new(),
        }
    }
}
