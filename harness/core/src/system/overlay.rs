//! What differs between runtimes: `on:` overlays of a service, and services that are there on some runtimes `only`.

use super::document::{Misfit, Node, Value};
use super::model::RunKind;

/// Keys of a service whose values are maps of things that stand for themselves: an overlay adds to them. Any
/// other key it replaces.
const MERGED: [&str; 5] = ["ports", "env", "files", "health", "calls"];

impl RunKind {
    /// The name as files and command lines write it.
    pub fn as_str(self) -> &'static str {
        match self {
            RunKind::Process => "process",
            RunKind::Docker => "docker",
            RunKind::Attach => "attach",
        }
    }
}

/// Lays the overlays for the runtime `on` over the services of a document.
///
/// # Errors
/// An overlay in an overlay, of whichever runtime.
pub(super) fn lay(document: &mut Node, on: RunKind) -> Result<(), Misfit> {
    let Some(services) = child(document, "services") else { return Ok(()) };
    let Value::Map(services) = &mut services.value else { return Ok(()) };
    for service in services {
        let Some(overlays) = service.value.entry("on").map(|entry| entry.value.clone()) else { continue };
        for overlay in overlays.entries().unwrap_or_default() {
            if let Some(inner) = overlay.value.entry("on") {
                return Err(Misfit {
                    message: "an overlay has no overlays of its own".to_owned(),
                    help: Some("move this `on:` out to the service".to_owned()),
                    place: inner.key_place.clone(),
                });
            }
            if overlay.key == on.as_str() {
                merge(&mut service.value, &overlay.value);
            }
        }
    }
    Ok(())
}

fn merge(service: &mut Node, overlay: &Node) {
    let Value::Map(entries) = &mut service.value else { return };
    for over in overlay.entries().unwrap_or_default() {
        match entries.iter_mut().find(|entry| entry.key == over.key) {
            None => entries.push(over.clone()),
            Some(entry) => match (&mut entry.value.value, &over.value.value) {
                (Value::Map(inner), Value::Map(additions)) if MERGED.contains(&over.key.as_str()) => {
                    for addition in additions {
                        inner.retain(|entry| entry.key != addition.key);
                        inner.push(addition.clone());
                    }
                }
                // `env:` with nothing under it adds nothing.
                _ if MERGED.contains(&over.key.as_str()) && over.value.is_nothing() => {}
                _ => *entry = over.clone(),
            },
        }
    }
}

/// Leaves out the services that are not there on the runtime `on`, with the calls to them, the waits for them, and the
/// brokers that they are. The budgets and other facts of those calls go with them.
pub(super) fn leave_out(document: &mut Node, on: RunKind) {
    let Some(Value::Map(services)) = child(document, "services").map(|services| &mut services.value) else {
        return;
    };
    let absent = |service: &Node| {
        let only = service.entry("only").map(|entry| entry.value.items().unwrap_or_default());
        only.is_some_and(|only| {
            !only.is_empty() && !only.iter().any(|item| item.text().is_some_and(|text| text == on.as_str()))
        })
    };
    let gone: Vec<String> =
        services.iter().filter(|service| absent(&service.value)).map(|service| service.key.clone()).collect();
    if gone.is_empty() {
        return;
    }
    let is_gone = |name: &str| gone.iter().any(|gone| gone == name);
    services.retain(|service| !is_gone(&service.key));
    for service in services {
        if let Some(Value::Map(calls)) = child(&mut service.value, "calls").map(|calls| &mut calls.value) {
            calls.retain(|call| !is_gone(call.key.split('.').next().unwrap_or_default()));
        }
        if let Some(Value::List(after)) = child(&mut service.value, "after").map(|after| &mut after.value) {
            after.retain(|other| !other.text().is_some_and(is_gone));
        }
    }
    if let Some(Value::Map(brokers)) = child(document, "brokers").map(|brokers| &mut brokers.value) {
        brokers.retain(|broker| {
            let service = broker.value.entry("service").and_then(|entry| entry.value.text());
            !service.is_some_and(is_gone)
        });
        for broker in brokers {
            if let Some(Value::Map(letters)) =
                child(&mut broker.value, "dead-letters").map(|of| &mut of.value)
            {
                letters.retain(|subscriber| !is_gone(&subscriber.key));
            }
        }
    }
    if let Some(Value::Map(ingress)) = child(document, "ingress").map(|ingress| &mut ingress.value) {
        ingress.retain(|entry| !is_gone(&entry.key));
    }
    // An edge, or an operation: `orders -> payments.http POST /payments`.
    let service_of = |end: &str| end.trim().split(['.', ' ', '#']).next().unwrap_or_default().to_owned();
    let names_one = |edge: &str| edge.split("->").any(|end| is_gone(&service_of(end)));
    let attached = child(document, "attach").and_then(|attach| child(attach, "edges"));
    if let Some(Value::Map(edges)) = attached.map(|edges| &mut edges.value) {
        edges.retain(|edge| !names_one(&edge.key));
    }
    let Some(facts) = child(document, "facts") else { return };
    for fact in ["budgets", "events", "breakers"] {
        if let Some(Value::Map(edges)) = child(facts, fact).map(|edges| &mut edges.value) {
            edges.retain(|edge| !names_one(&edge.key));
        }
    }
    if let Some(Value::List(protected)) = child(facts, "protected").map(|protected| &mut protected.value) {
        protected.retain(|protected| {
            let edge = protected.entry("edge").and_then(|entry| entry.value.text());
            !edge.is_some_and(names_one)
        });
    }
    // A saga of which a step is missing is no saga.
    if let Some(Value::List(sagas)) = child(facts, "sagas").map(|sagas| &mut sagas.value) {
        sagas.retain(|saga| {
            let steps = saga.entry("steps").and_then(|steps| steps.value.items()).unwrap_or_default();
            let operation = |step: &Node, key| {
                step.entry(key).and_then(|entry| entry.value.text()).is_some_and(names_one)
            };
            !steps.iter().any(|step| operation(step, "forward") || operation(step, "undo"))
        });
    }
    for fact in ["optional", "readiness", "idempotent"] {
        if let Some(Value::List(edges)) = child(facts, fact).map(|edges| &mut edges.value) {
            edges.retain(|edge| !edge.text().is_some_and(names_one));
        }
    }
}

fn child<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}
