//! What must be so of a step's trace, once its evidence is in.

use std::collections::BTreeSet;

use seaworthy_core::ids::SpanId;
use seaworthy_core::span::Span;
use seaworthy_telemetry::traceql::Query;

use super::attempt::Attempt;
use super::waits::spans_from;
use crate::flow::model::TraceAssertion;

/// What is wrong, and whether it could merely not be told.
type Complaint = (String, bool);

impl Attempt<'_> {
    /// Judges each of the step's trace assertions.
    pub(super) fn judge_trace(&mut self) {
        if self.step.trace.is_empty() {
            return;
        }
        let spans = spans_from(self.run.session, self.trace.trace_id);
        for (index, assertion) in self.step.trace.iter().enumerate() {
            let fill = |text: &str| {
                let text = self.scope.fill(text).map_err(|error| error.to_string())?;
                text.parse::<Query>().map_err(|error| format!("`{text}` is not TraceQL: {error}"))
            };
            let complaint = judge(assertion, &spans, fill);
            if let Some((message, undecided)) = complaint {
                self.fail_at(&format!("trace/{index}"), message, undecided);
            }
        }
    }
}

fn judge(
    assertion: &TraceAssertion,
    spans: &[Span],
    parse: impl Fn(&str) -> Result<Query, String>,
) -> Option<Complaint> {
    if spans.is_empty() {
        return Some(("the trace has no spans, so nothing can be said of them".to_owned(), true));
    }
    let judged = || -> Result<Option<Complaint>, String> {
        Ok(match assertion {
            TraceAssertion::Some(text) => parse(text)?.evaluate(spans).is_empty().then(|| {
                (format!("expected a span `{text}`; none of the trace's {} spans is one", spans.len()), false)
            }),
            TraceAssertion::None(text) => {
                let found: Vec<&Span> = parse(text)?.evaluate(spans).spans().collect();
                (!found.is_empty()).then(|| {
                    let count = found.len();
                    (format!("expected no span `{text}`, there are {count}: {}", names(&found)), false)
                })
            }
            TraceAssertion::Each { of, has } => {
                let subjects: Vec<&Span> = parse(of)?.evaluate(spans).spans().collect();
                let fitting: BTreeSet<SpanId> =
                    parse(has)?.evaluate(spans).spans().map(|span| span.span_id).collect();
                let wrong: Vec<&Span> =
                    subjects.iter().copied().filter(|span| !fitting.contains(&span.span_id)).collect();
                if subjects.is_empty() {
                    Some((
                        format!("`{of}` selects no span of the trace, so nothing can be said of each"),
                        true,
                    ))
                } else {
                    (!wrong.is_empty()).then(|| {
                        let message = format!(
                            "expected each span `{of}` to be `{has}`, {} of {} are not: {}",
                            wrong.len(),
                            subjects.len(),
                            names(&wrong)
                        );
                        (message, false)
                    })
                }
            }
        })
    };
    judged().unwrap_or_else(|error| Some((error, false)))
}

fn names(spans: &[&Span]) -> String {
    let mut names: Vec<String> =
        spans.iter().take(5).map(|span| format!("{} `{}`", span.resource.service, span.name)).collect();
    if spans.len() > 5 {
        names.push("…".to_owned());
    }
    names.join(", ")
}
