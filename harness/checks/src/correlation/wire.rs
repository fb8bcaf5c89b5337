//! The correlation id on the wire: on calls, in events, and given back to the client.

use std::collections::BTreeMap;

use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::{EdgeId, ServiceName};

use super::{ECHO, EVENT, Scope, WIRE};
use crate::cases::{Cases, counted};
use crate::trace_context::is_health;

/// Cases on an edge, and in how many of them there was no id at all.
type Lost<'e> = BTreeMap<&'e EdgeId, (Cases, usize)>;

pub(super) fn judge(scope: &Scope<'_>) -> Vec<Finding> {
    let (mut calls, mut events) = (Lost::new(), Lost::new());
    let mut echoes: BTreeMap<&ServiceName, (Cases, usize)> = BTreeMap::new();
    let events_bear_ids =
        scope.declared || scope.evidence.exchanges().iter().any(|one| event_id(one).is_some());
    for exchange in scope.evidence.exchanges() {
        if exchange.edge.is_ingress() {
            if let Some(given) = wrong_echo(scope, exchange) {
                let (cases, none) = echoes.entry(&exchange.edge.provider).or_default();
                cases.exchange(exchange);
                *none += usize::from(given.is_none());
            }
            continue;
        }
        if !exchange.edge.is_internal() || is_health(scope.evidence.system(), exchange) {
            continue;
        }
        let Some(id) = scope.causality.trace_of(exchange).and_then(|trace| scope.id_of(trace)) else {
            continue;
        };
        let incoming = scope.causality.incoming_of(exchange);
        // What a service was not given it cannot pass on: the hop before it is to blame.
        if incoming.is_some_and(|incoming| !bears(incoming, id)) {
            continue;
        }
        if exchange.correlation_id.as_deref() != Some(id) {
            let (cases, none) = calls.entry(&exchange.edge).or_default();
            cases.exchange(exchange);
            *none += usize::from(exchange.correlation_id.is_none());
        }
        let is_event = exchange.cloud_event("specversion").is_some();
        if is_event && events_bear_ids && event_id(exchange) != Some(id) {
            let (cases, none) = events.entry(&exchange.edge).or_default();
            cases.exchange(exchange);
            *none += usize::from(event_id(exchange).is_none());
        }
    }
    let mut findings = Vec::new();
    for (edge, (cases, none)) in calls {
        let message = format!(
            "{} on `{edge}` lost the correlation id ({})",
            cases.of("request"),
            how(none, cases.count())
        );
        let hint = format!("let `{}` put the id that it was given on every call", edge.consumer);
        findings.push(cases.onto(Finding::error(WIRE, message).hint(hint).edge(edge)));
    }
    for (edge, (cases, none)) in events {
        let message = format!(
            "{} on `{edge}` did not bear the correlation id as `ce-correlationid` ({})",
            counted(cases.count(), "event"),
            how(none, cases.count())
        );
        let hint = format!("let `{}` store the id with the event and send it as an attribute", edge.consumer);
        findings.push(cases.onto(Finding::error(EVENT, message).hint(hint).edge(edge)));
    }
    for (service, (cases, none)) in echoes {
        let message = format!(
            "`{service}` did not give the correlation id back on {} ({})",
            cases.of("response"),
            how(none, cases.count())
        );
        let hint = "set the header on every response, errors and refusals included";
        findings.push(cases.onto(Finding::error(ECHO, message).hint(hint).service(service)));
    }
    findings
}

/// Whether what came in bore the id, as a header or, for an event, as an attribute.
pub(super) fn bears(incoming: &Exchange, id: &str) -> bool {
    incoming.correlation_id.as_deref() == Some(id) || event_id(incoming) == Some(id)
}

fn event_id(exchange: &Exchange) -> Option<&str> {
    exchange.cloud_event("correlationid")
}

/// What came back instead of the id that was sent: another or none.
fn wrong_echo<'x>(scope: &Scope<'_>, exchange: &'x Exchange) -> Option<Option<&'x str>> {
    let sent = exchange.correlation_id.as_deref()?;
    let provider = exchange.provider.as_ref()?;
    if provider.outcome != Outcome::Answered || provider.response.is_none() {
        return None;
    }
    let given = scope.given_back(exchange);
    (given != Some(sent)).then_some(given)
}

/// `none 3 times, another one 1 time`.
pub(super) fn how(none: usize, all: usize) -> String {
    match all.saturating_sub(none) {
        0 => "none at all".to_owned(),
        _ if none == 0 => "another one instead".to_owned(),
        other => format!("none {}, another one {}", counted(none, "time"), counted(other, "time")),
    }
}
