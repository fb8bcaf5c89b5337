//! The correlation id in what services say of themselves: spans and log records.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{ServiceName, TraceId};
use seaworthy_core::log::LogRecord;
use seaworthy_core::span::{Span, Value};

use super::wire::{bears, how};
use super::{LOG, SPAN, Scope};
use crate::cases::Cases;

/// How much of a log line is shown.
const EXCERPT: usize = 120;

pub(super) fn judge(scope: &Scope<'_>) -> Vec<Finding> {
    let mut findings = spans(scope);
    findings.extend(logs(scope));
    findings
}

fn spans(scope: &Scope<'_>) -> Vec<Finding> {
    let evidence = scope.evidence;
    let speaks = |span: &&Span| scope.attribute(&span.attributes).is_some();
    let speaking: BTreeSet<&ServiceName> =
        evidence.spans().iter().filter(speaks).map(|span| &span.resource.service).collect();
    let mut wrong: BTreeMap<&ServiceName, (Cases, usize)> = BTreeMap::new();
    for span in evidence.spans().iter().filter(|span| is_of_an_exchange(span)) {
        let service = &span.resource.service;
        if !(scope.declared || speaking.contains(service)) {
            continue;
        }
        let Some(id) = scope.id_of(span.trace_id) else { continue };
        let said = scope.attribute(&span.attributes);
        if said.as_deref() == Some(id) || !was_given(scope, span.trace_id, service, Some(span), id) {
            continue;
        }
        let (cases, none) = wrong.entry(service).or_default();
        let text = format!("{service}: {} span `{}`", span.kind.as_str(), span.name);
        cases.in_trace(EvidenceRef::span(span.span_id, text), Some(span.trace_id));
        *none += usize::from(said.is_none());
    }
    let finding = |(service, (cases, none)): (&ServiceName, (Cases, usize))| {
        let message = format!(
            "{} of `{service}` did not say the correlation id that came in ({})",
            cases.of("span"),
            how(none, cases.count())
        );
        let hint = format!("set the attribute `{}` on every span of a request or event", name_of(scope));
        cases.onto(Finding::error(SPAN, message).hint(hint).service(service))
    };
    wrong.into_iter().map(finding).collect()
}

fn logs(scope: &Scope<'_>) -> Vec<Finding> {
    let evidence = scope.evidence;
    let speaking: BTreeSet<&ServiceName> = evidence
        .logs()
        .iter()
        .filter(|log| said_in(scope, log).is_some())
        .map(|log| &log.resource.service)
        .collect();
    let mut wrong: BTreeMap<&ServiceName, (Cases, usize)> = BTreeMap::new();
    for log in evidence.logs() {
        let service = &log.resource.service;
        if !(scope.declared || speaking.contains(service)) {
            continue;
        }
        let Some((trace, id)) = log.trace_id.and_then(|trace| Some((trace, scope.id_of(trace)?))) else {
            continue;
        };
        let span = log.span_id.and_then(|span| scope.causality.span(trace, span));
        let said = said_in(scope, log);
        if said.as_deref() == Some(id) || !was_given(scope, trace, service, span, id) {
            continue;
        }
        let (cases, none) = wrong.entry(service).or_default();
        let body: String = log.body.to_string().chars().take(EXCERPT).collect();
        cases.in_trace(EvidenceRef::other("log", service.as_str(), body), Some(trace));
        *none += usize::from(said.is_none());
    }
    let finding = |(service, (cases, none)): (&ServiceName, (Cases, usize))| {
        let message = format!(
            "{} of `{service}` did not say the correlation id that came in ({})",
            cases.of("log record"),
            how(none, cases.count())
        );
        let hint =
            format!("put `{}` on every record that is written while a request is handled", name_of(scope));
        cases.onto(Finding::error(LOG, message).hint(hint).service(service))
    };
    wrong.into_iter().map(finding).collect()
}

/// Spans of exchanges, but not those of database calls, over which no correlation id travels.
fn is_of_an_exchange(span: &Span) -> bool {
    let is_database = span.attribute("db.system.name").or(span.attribute("db.system")).is_some();
    (span.kind.is_receiver() || span.kind.is_sender()) && !is_database
}

/// Whether the service had been given the id when it made this span. Where ids do not tell, everything that reached
/// it in this trace must have borne the id.
fn was_given(
    scope: &Scope<'_>,
    trace: TraceId,
    service: &ServiceName,
    span: Option<&Span>,
    id: &str,
) -> bool {
    let cause = span.and_then(|span| scope.causality.span(span.trace_id, span.span_id));
    if let Some(handling) = cause.and_then(|span| scope.causality.cause_of_span(span)) {
        return bears(handling.incoming, id);
    }
    let incoming = scope.causality.incoming(trace, service);
    !incoming.is_empty() && incoming.iter().all(|incoming| bears(incoming, id))
}

/// In the attributes, or in a body that is a map.
fn said_in(scope: &Scope<'_>, log: &LogRecord) -> Option<String> {
    scope.attribute(&log.attributes).or_else(|| match &log.body {
        Value::Map(fields) => scope.attribute(fields),
        _ => None,
    })
}

fn name_of<'s>(scope: &'s Scope<'_>) -> &'s str {
    scope.names.attributes.first().map_or("correlation_id", String::as_str)
}
