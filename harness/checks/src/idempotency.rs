//! `idempotency`: the same request or event twice has the effect, and the answer, of once.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Response};
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::{EdgeId, ServiceName, SpanId};

use crate::attempts::header_of;
use crate::cases::Cases;
use crate::causality::Causality;

const DIFFERENT: &str = "idempotency.different-answer";
const TWICE: &str = "idempotency.event-twice";

pub(crate) struct Idempotency;

impl Check for Idempotency {
    fn id(&self) -> &str {
        "idempotency"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let key_header = &evidence.system().facts.idempotency_key;
        let keyed = evidence.exchanges().iter().any(|exchange| header_of(exchange, key_header).is_some());
        let events = evidence.exchanges().iter().any(|exchange| exchange.cloud_event("id").is_some());
        if !keyed && !events {
            return vec![
                Finding::not_applicable(
                    DIFFERENT,
                    format!("no request bears `{key_header}` and no event was seen"),
                )
                .hint("name the header that makes requests repeatable as `facts.idempotency-key`"),
            ];
        }
        let (mut findings, compared) = different_answers(evidence, key_header);
        let (twice, redelivered) = events_twice(evidence, key_header);
        findings.extend(twice);
        if !compared && !redelivered {
            return vec![
                Finding::undecided(
                    DIFFERENT,
                    "no request was repeated with its key and no event delivered twice",
                )
                .hint("lose an answer: add a fault `reset` with `when: after` to a call that is retried"),
            ];
        }
        findings
    }
}

/// Requests with one key and one body that were answered in two ways; and whether any were repeated.
fn different_answers(evidence: &dyn Evidence, key_header: &str) -> (Vec<Finding>, bool) {
    type Repeated<'e> = (&'e EdgeId, &'e str, &'e str, &'e str, u64, &'e str);
    let mut repeated: BTreeMap<Repeated<'_>, Vec<(&Exchange, &Response)>> = BTreeMap::new();
    // Between two requests of the harness's own it may have put the service into another state.
    let of_consumers = evidence.exchanges().iter().filter(|exchange| !exchange.edge.is_probe());
    for exchange in of_consumers.filter(|exchange| !exchange.is_safe()) {
        let Some(key) = header_of(exchange, key_header) else { continue };
        let answer = exchange.provider.as_ref().and_then(|provider| provider.response.as_ref());
        let Some(answer) = answer.filter(|answer| answer.last_byte.is_some() && is_final(answer)) else {
            continue;
        };
        let body = &exchange.request.body;
        let request = (
            &exchange.edge,
            exchange.method.as_str(),
            exchange.path.as_str(),
            key,
            body.bytes,
            &*body.digest,
        );
        repeated.entry(request).or_default().push((exchange, answer));
    }
    repeated.retain(|_, answers| answers.len() > 1);
    let compared = !repeated.is_empty();
    let mut different: BTreeMap<&ServiceName, Cases> = BTreeMap::new();
    let mut deviating: Vec<&Exchange> = Vec::new();
    for answers in repeated.values() {
        let Some(((_, first), others)) = answers.split_first() else { continue };
        let deviates = others.iter().filter(|(_, other)| !same_answer(first, other));
        deviating.extend(deviates.map(|(exchange, _)| *exchange));
    }
    deviating.sort_by_key(|exchange| (exchange.started, exchange.id));
    for exchange in deviating {
        different.entry(&exchange.edge.provider).or_default().exchange(exchange);
    }
    let finding = |(service, cases): (&ServiceName, Cases)| {
        let message = format!(
            "`{service}` answered {} otherwise than the same request with the same key before",
            cases.of("request")
        );
        let hint = "store the answer under the key, in the transaction that does the work, and give it again";
        cases.onto(Finding::error(DIFFERENT, message).hint(hint).service(service))
    };
    (different.into_iter().map(finding).collect(), compared)
}

/// An answer that binds: neither "not now" nor "not you" nor a failure of the server's own.
fn is_final(answer: &Response) -> bool {
    !answer.is_server_error() && !matches!(answer.status, 401 | 403 | 408 | 409 | 425 | 429)
}

fn same_answer(one: &Response, other: &Response) -> bool {
    one.status == other.status
        && one.grpc_status == other.grpc_status
        && one.body.bytes == other.body.bytes
        && one.body.digest == other.body.digest
}

/// One effect of handling an event: which call with which body.
type Effect<'e> = (&'e EdgeId, &'e str, &'e str, u64, &'e str);

/// Events that were handled twice though they were done already; and whether any event was delivered again at all
/// after it was done.
fn events_twice(evidence: &dyn Evidence, key_header: &str) -> (Vec<Finding>, bool) {
    let again = delivered_again(evidence);
    if again.is_empty() {
        return (Vec::new(), false);
    }
    let causality = Causality::of(evidence);
    let consumers: BTreeSet<&ServiceName> = again.iter().map(|(consumer, _)| *consumer).collect();
    // Who made an effect: which handling of which event. Without a span, each effect counts as a handling of its own.
    type Handled<'e> = (Option<SpanId>, &'e Exchange);
    let mut effects: BTreeMap<(&ServiceName, &str, Effect<'_>), Vec<Handled<'_>>> = BTreeMap::new();
    for exchange in evidence.exchanges() {
        if exchange.is_safe() || !exchange.done_by_provider() || !consumers.contains(&exchange.edge.consumer)
        {
            continue;
        }
        let Some(handling) = causality.cause(exchange) else { continue };
        let Some(event) = handling.incoming.cloud_event("id") else { continue };
        if !again.contains(&(&exchange.edge.consumer, event)) {
            continue;
        }
        let body = &exchange.request.body;
        let effect =
            (&exchange.edge, exchange.method.as_str(), exchange.path.as_str(), body.bytes, &*body.digest);
        effects.entry((&exchange.edge.consumer, event, effect)).or_default().push((handling.span, exchange));
    }
    let mut repeated: Vec<&Exchange> = Vec::new();
    for handled in effects.values() {
        let keys: BTreeSet<Option<&str>> =
            handled.iter().map(|(_, exchange)| header_of(exchange, key_header)).collect();
        // One key on all of them: the provider can tell that it is one effect.
        let told_apart = keys.len() == 1 && !keys.contains(&None);
        let handlings: BTreeSet<Option<SpanId>> = handled.iter().map(|(span, _)| *span).collect();
        let handled_twice = handlings.len() > 1 || (handlings.contains(&None) && handled.len() > 1);
        if handled_twice
            && !told_apart
            && let Some((_, last)) = handled.last()
        {
            repeated.push(last);
        }
    }
    repeated.sort_by_key(|exchange| (exchange.started, exchange.id));
    let mut twice: BTreeMap<&ServiceName, Cases> = BTreeMap::new();
    for exchange in repeated {
        twice.entry(&exchange.edge.consumer).or_default().exchange(exchange);
    }
    let finding = |(service, cases): (&ServiceName, Cases)| {
        let message = format!("`{service}` did {} again that it had done before", events(&cases));
        let hint = "remember the ids of events that were handled, in the transaction that handles them";
        cases.onto(Finding::error(TWICE, message).hint(hint).service(service))
    };
    (twice.into_iter().map(finding).collect(), true)
}

fn events(cases: &Cases) -> String {
    match cases.count() {
        1 => "the work of an event".to_owned(),
        count => format!("the work of {count} events"),
    }
}

/// Events, by consumer and id, that were delivered again after the consumer had answered that they are done.
fn delivered_again(evidence: &dyn Evidence) -> BTreeSet<(&ServiceName, &str)> {
    let mut done: BTreeSet<(&ServiceName, &str)> = BTreeSet::new();
    let mut again = BTreeSet::new();
    for exchange in evidence.exchanges().iter().filter(|exchange| exchange.reached_provider()) {
        let Some(id) = exchange.cloud_event("id") else { continue };
        let event = (&exchange.edge.provider, id);
        if done.contains(&event) {
            again.insert(event);
        }
        if exchange.done_by_provider() {
            done.insert(event);
        }
    }
    again
}
