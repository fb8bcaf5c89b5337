//! `dead-letters`: a message that cannot be handled is put aside, with the reason, and holds nobody up.

use std::collections::BTreeSet;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Protocol, header};
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::{DEAD_LETTERS, ServiceName, SpanId, TraceId};

use crate::cases::{Cases, counted};
use crate::evidence::harmful;
use crate::timeline;

const LOST: &str = "dead-letters.lost";
const BLOCKED: &str = "dead-letters.blocked";
const NO_REASON: &str = "dead-letters.no-reason";
/// Headers in which a dead letter says why it is one: RabbitMQ's own, and those that consumers write.
const REASONS: [&str; 5] =
    ["x-death", "x-first-death-reason", "x-reason", "x-exception-message", "x-dead-letter-reason"];

pub(crate) struct DeadLetters;

impl Check for DeadLetters {
    fn id(&self) -> &str {
        "dead-letters"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let brokers = evidence.system().brokers.values();
        let watched: BTreeSet<&ServiceName> = brokers.flat_map(|broker| broker.dead_letters.keys()).collect();
        if watched.is_empty() {
            return vec![
                Finding::not_applicable(LOST, "no subscriber's dead letters are declared")
                    .hint("add `dead-letters: {SUBSCRIBER: EXCHANGE}` to the broker, under `brokers`"),
            ];
        }
        let mut findings = Vec::new();
        for subscriber in watched {
            findings.extend(of_subscriber(evidence, subscriber));
        }
        findings
    }
}

fn of_subscriber(evidence: &dyn Evidence, subscriber: &ServiceName) -> Vec<Finding> {
    let messages = || {
        let messages = evidence.exchanges().iter().filter(|exchange| exchange.protocol == Protocol::Message);
        messages.filter(|exchange| exchange.edge.provider == *subscriber && exchange.done_by_provider())
    };
    let poisoned: Vec<&Exchange> = messages().filter(|exchange| is_poisoned(exchange)).collect();
    if poisoned.is_empty() {
        let message =
            format!("no message of `{subscriber}` was poisoned, so nobody knows what becomes of one");
        return vec![
            Finding::undecided(LOST, message)
                .hint("add a flow with `action: {kind: poison}` on an edge that brings it messages"),
        ];
    }
    let letters: Vec<&Exchange> = evidence
        .exchanges()
        .iter()
        .filter(|exchange| exchange.edge.consumer == *subscriber && exchange.edge.provider == DEAD_LETTERS)
        .collect();
    let put_aside = |message: &Exchange| letters.iter().any(|letter| is_same(letter, message));
    let missing: Vec<&Exchange> = poisoned.iter().copied().filter(|message| !put_aside(message)).collect();
    let mut findings = Vec::new();

    let first = poisoned.iter().map(|message| message.started).min().unwrap_or_default();
    let taken = taken(evidence, subscriber);
    let gone = timeline::out_of_action(evidence, subscriber);
    let untaken = messages().filter(|message| {
        message.started > first
            && !is_poisoned(message)
            && message
                .trace
                .is_some_and(|trace| trace.sampled && !taken.contains(&(trace.trace_id, trace.parent_id)))
            && gone.is_none_or(|gone| message.started < gone)
    });
    let mut behind = Cases::default();
    untaken.for_each(|message| behind.exchange(message));
    let blocked = !missing.is_empty() && behind.count() > 0;
    if blocked {
        let message = format!(
            "{} behind a message that `{subscriber}` cannot handle {} never taken",
            behind.of("message"),
            if behind.count() == 1 { "was" } else { "were" },
        );
        let finding = Finding::error(BLOCKED, message)
            .hint("give a message up after a few tries with a pause between them, and put it aside meanwhile: do not requeue it at once")
            .service(subscriber);
        findings.push(behind.onto(finding));
    } else if !missing.is_empty() {
        // What was not looked at proves nothing.
        let unseen: Vec<_> = harmful(evidence, &["dead letters"])
            .into_iter()
            .filter(|loss| loss.service.as_ref().is_none_or(|service| service == subscriber))
            .collect();
        if let Some(loss) = unseen.first() {
            let message = format!("the dead letters of `{subscriber}` were not seen: {}", loss.why);
            let hint = "name the exchange to which they go under the broker's `dead-letters`";
            return vec![Finding::undecided(LOST, message).hint(hint).service(subscriber)];
        }
        let mut cases = Cases::default();
        missing.iter().for_each(|message| cases.exchange(message));
        let message = format!(
            "{} that `{subscriber}` could not handle {} not among its dead letters",
            counted(missing.len(), "message"),
            if missing.len() == 1 { "is" } else { "are" },
        );
        let finding = Finding::error(LOST, message)
            .hint("hand a message that failed to the dead-letter exchange before it is acknowledged")
            .service(subscriber);
        findings.push(cases.onto(finding));
    }
    let mut silent = Cases::default();
    let says_why =
        |letter: &Exchange| REASONS.iter().any(|name| header(&letter.request.headers, name).is_some());
    letters.iter().filter(|letter| !says_why(letter)).for_each(|letter| silent.exchange(letter));
    if silent.count() > 0 {
        let message =
            format!("{} of `{subscriber}` say nothing of why they are there", silent.of("dead letter"));
        let finding = Finding::error(NO_REASON, message)
            .hint("write the reason into a header, `x-reason` say, or let the broker's dead-letter exchange do it")
            .service(subscriber);
        findings.push(silent.onto(finding));
    }
    findings
}

fn is_poisoned(exchange: &Exchange) -> bool {
    exchange.faults.iter().any(|fault| fault.action == "poison")
}

/// Whether two exchanges carried the same message: by its event id, else by its message id, else by its trace.
fn is_same(one: &Exchange, other: &Exchange) -> bool {
    let id = |exchange: &Exchange| {
        let own = exchange.cloud_event("id").or_else(|| header(&exchange.request.headers, "message-id"));
        own.map(str::to_owned)
    };
    match (id(one), id(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.trace.is_some() && one.trace_id() == other.trace_id(),
    }
}

/// Where in traces the subscriber took something: the parents of its receiver spans, and what they link to.
fn taken(evidence: &dyn Evidence, subscriber: &ServiceName) -> BTreeSet<(TraceId, SpanId)> {
    let mut taken = BTreeSet::new();
    for span in evidence.spans() {
        if span.resource.service != *subscriber || !span.kind.is_receiver() {
            continue;
        }
        if let Some(parent) = span.parent_id {
            taken.insert((span.trace_id, parent));
        }
        taken.extend(span.links.iter().map(|link| (link.trace_id, link.span_id)));
    }
    taken
}
