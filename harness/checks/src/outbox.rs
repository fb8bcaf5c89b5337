//! `outbox`: an event is delivered if, and only if, what it speaks of has happened.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Purpose};
use seaworthy_core::exchange::{Exchange, Protocol};
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{EdgeId, ServiceName};
use seaworthy_core::span::{Span, SpanKind, Value};

use crate::attempts::delivers_event;
use crate::cases::{Cases, counted};
use crate::timeline;

const LOST: &str = "outbox.event-lost";
const WITHOUT_STATE: &str = "outbox.event-without-state";

pub(crate) struct Outbox;

impl Check for Outbox {
    fn id(&self) -> &str {
        "outbox"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let internal = evidence.exchanges().iter().filter(|exchange| exchange.edge.is_internal());
        let published: Vec<&Exchange> =
            internal.filter(|exchange| delivers_event(evidence, exchange)).collect();
        // A message for which its subscriber has no queue is not for it.
        let events: Vec<&Exchange> =
            published.iter().copied().filter(|exchange| !is_unwanted(exchange)).collect();
        let declared = !evidence.system().facts.events.is_empty();
        if events.is_empty() {
            return vec![if declared {
                Finding::undecided(
                    LOST,
                    "no event was delivered on the edges that are declared to deliver them",
                )
                .hint("add a flow that makes the producer publish")
            } else {
                Finding::not_applicable(LOST, "no edge delivers events")
                    .hint("add the edges that deliver events under `facts.events`, such as `\"orders -> mail\": {}`")
            }];
        }
        let mut findings = lost(evidence, &events);
        findings.extend(unpublished(evidence, &published));
        findings.extend(without_state(evidence, &events));
        findings
    }
}

/// Whether a message ended with nobody to take it: its subscriber has bound no queue to it.
fn is_unwanted(exchange: &Exchange) -> bool {
    exchange.protocol == Protocol::Message
        && exchange.ended.is_some()
        && exchange.provider.is_none()
        && exchange.response.as_ref().is_some_and(|response| response.status == 404)
}

/// Events that no delivery brought to their consumer.
fn lost(evidence: &dyn Evidence, events: &[&Exchange]) -> Vec<Finding> {
    let mut deliveries: BTreeMap<(&EdgeId, &str, &str), Vec<&Exchange>> = BTreeMap::new();
    for exchange in events {
        let (Some(id), source) = (exchange.cloud_event("id"), exchange.cloud_event("source")) else {
            continue;
        };
        deliveries.entry((&exchange.edge, source.unwrap_or_default(), id)).or_default().push(exchange);
    }
    // What a fault of ours made vanish is not the producer's to answer for.
    let dropped = |one: &Exchange| one.faults.iter().any(|fault| fault.action == "drop");
    let arrived = |tries: &&Vec<&Exchange>| {
        tries.iter().any(|one| one.succeeded() || one.done_by_provider() || dropped(one))
    };
    let missed = deliveries.values().filter(|tries| !arrived(tries));
    let mut last_tries: Vec<&Exchange> = missed.filter_map(|tries| tries.last().copied()).collect();
    last_tries.sort_by_key(|exchange| (exchange.started, exchange.id));
    let (mut lost, mut cut_short) = (BTreeMap::<&EdgeId, Cases>::new(), BTreeMap::<&EdgeId, Cases>::new());
    for last in last_tries {
        // A producer that was put out of action and never started again had no chance to deliver it.
        let no_chance = timeline::out_of_action(evidence, &last.edge.consumer).is_some();
        let cases = if no_chance { &mut cut_short } else { &mut lost };
        cases.entry(&last.edge).or_default().exchange(last);
    }
    let mut findings = Vec::new();
    for (edge, cases) in lost {
        let message = format!("{} on `{edge}` never got through", counted(cases.count(), "event"));
        let hint = format!(
            "let `{}` store events with the change that they speak of, and deliver each until it is acknowledged",
            edge.consumer
        );
        findings.push(cases.onto(Finding::error(LOST, message).hint(hint).edge(edge)));
    }
    for (edge, cases) in cut_short {
        let message = format!(
            "{} on `{edge}` had not got through when `{}` ended for good",
            cases.of("event"),
            edge.consumer
        );
        let hint = "start the producer again in the flow, so that it can go on delivering";
        findings.push(cases.onto(Finding::undecided(LOST, message).hint(hint).edge(edge)));
    }
    findings
}

/// Events that a service says it published, by a PRODUCER span, and of which no message ever came to its broker.
///
/// A publisher that loses an event before the broker has it leaves nothing on the wire: only what it says of itself
/// shows that there was one. An event whose own work failed may have been taken back, so that a trace with an error
/// at the publisher's door shows nothing.
fn unpublished(evidence: &dyn Evidence, events: &[&Exchange]) -> Vec<Finding> {
    let mut publishers: BTreeMap<ServiceName, EdgeId> = BTreeMap::new();
    for edge in evidence.system().message_edges().into_keys() {
        publishers.entry(edge.consumer.clone()).or_insert(edge);
    }
    // What a span says of its destination is a type of event only if events of that type exist.
    let types: BTreeSet<&str> = events.iter().filter_map(|event| event.cloud_event("type")).collect();
    let mut lost: BTreeMap<&EdgeId, Cases> = BTreeMap::new();
    for span in evidence.spans() {
        let Some(edge) = publishers.get(&span.resource.service) else { continue };
        if span.kind != SpanKind::Producer || timeline::out_of_action(evidence, &edge.consumer).is_some() {
            continue;
        }
        let kind = event_type(span).filter(|kind| types.contains(kind));
        let came = events.iter().any(|event| {
            event.trace_id() == Some(span.trace_id)
                && event.edge.consumer == edge.consumer
                && (kind.is_none()
                    || event.cloud_event("type").is_none()
                    || event.cloud_event("type") == kind)
        });
        let failed = || {
            evidence.spans_of(span.trace_id).iter().any(|other| {
                other.resource.service == edge.consumer && other.kind.is_receiver() && other.status.is_error()
            })
        };
        if !came && !failed() {
            let text = format!("`{}` says that it published {}", edge.consumer, kind.unwrap_or("an event"));
            lost.entry(edge)
                .or_default()
                .in_trace(EvidenceRef::span(span.span_id, text), Some(span.trace_id));
        }
    }
    let finding = |(edge, cases): (&EdgeId, Cases)| {
        let message = format!(
            "{} that `{}` says it published never came to the broker",
            counted(cases.count(), "event"),
            edge.consumer
        );
        let hint =
            "store events with the change that they speak of, and publish each until the broker confirms it";
        cases.onto(Finding::error(LOST, message).hint(hint).edge(edge))
    };
    lost.into_iter().map(finding).collect()
}

/// The type of the event that a PRODUCER span is about, where it says so: by the routing key, as far as that is what
/// the events' publishers use (OpenTelemetry's conventions for RabbitMQ), else by the destination.
fn event_type(span: &Span) -> Option<&str> {
    let routing_key = span.attribute("messaging.rabbitmq.destination.routing_key");
    routing_key.or_else(|| span.attribute("messaging.destination.name")).and_then(Value::as_str)
}

/// Events of whose aggregate the producer knows nothing.
fn without_state(evidence: &dyn Evidence, events: &[&Exchange]) -> Vec<Finding> {
    let mut unknown: BTreeMap<&ServiceName, Cases> = BTreeMap::new();
    let mut unclear: BTreeMap<&ServiceName, Cases> = BTreeMap::new();
    for step in evidence.steps() {
        let Purpose::Audit { event, subject } = &step.purpose else { continue };
        let Some(event) = events.iter().find(|exchange| exchange.id == *event) else { continue };
        let producer = &event.edge.consumer;
        let of = event.cloud_event("type").unwrap_or("an event");
        let answer = step.status.map_or("no answer".to_owned(), |status| status.to_string());
        let piece =
            EvidenceRef::other("exchange", event.id.to_string(), format!("{of} about `{subject}`: {answer}"));
        let cases = match step.status {
            Some(404 | 410) => &mut unknown,
            Some(status) if (200..400).contains(&status) => continue,
            _ => &mut unclear,
        };
        cases.entry(producer).or_default().in_trace(piece, event.trace_id());
    }
    let mut findings = Vec::new();
    for (service, cases) in unknown {
        let message =
            format!("`{service}` published {} about things that it does not know", cases.of("event"));
        let hint = "publish only what is committed: store the event in the transaction that makes it true";
        findings.push(cases.onto(Finding::error(WITHOUT_STATE, message).hint(hint).service(service)));
    }
    for (service, cases) in unclear {
        let message = format!("`{service}` could not be asked about what {} speak of", cases.of("event"));
        let hint =
            "see why the route declared as `aggregate` under `facts.events` does not answer 2xx or 404";
        findings.push(cases.onto(Finding::undecided(WITHOUT_STATE, message).hint(hint).service(service)));
    }
    findings
}
