//! What was declared about the system names things that are there, within ranges.

use super::Review;
use super::settings::above_zero;
use crate::ids::{EdgeId, ServiceName};

pub(super) fn review(review: &mut Review<'_>) {
    let facts = &review.system.facts;
    for (index, protected) in facts.protected.iter().enumerate() {
        let index = index.to_string();
        let path = ["facts", "protected", &index, "edge"];
        if edge(review, &path, &protected.edge, false) && !protected.edge.is_ingress() {
            let help = "name an ingress: `ingress -> SERVICE`".to_owned();
            review.value(&path, format!("`{}` does not come from outside", protected.edge), help);
        }
    }
    for (id, budget) in &facts.budgets {
        let name = id.to_string();
        edge(review, &["facts", "budgets", &name], id, true);
        above_zero(review, &["facts", "budgets", &name], *budget);
    }
    for (index, operation) in facts.idempotent.iter().enumerate() {
        edge(review, &["facts", "idempotent", &index.to_string()], &operation.edge, false);
    }
    for (index, id) in facts.optional.iter().enumerate() {
        edge(review, &["facts", "optional", &index.to_string()], id, false);
    }
    for (index, id) in facts.readiness.iter().enumerate() {
        let index = index.to_string();
        let path = ["facts", "readiness", &index];
        if edge(review, &path, id, false) {
            let consumer = review.system.services.get(&id.consumer);
            if consumer.is_some_and(|consumer| consumer.health.ready.is_none()) {
                let help = format!("add `health: {{ready: PATH}}` to `{}`", id.consumer);
                review.value(&path, format!("`{}` has no readiness path to ask", id.consumer), help);
            }
        }
    }
    for id in facts.events.keys() {
        edge(review, &["facts", "events", &id.to_string()], id, true);
    }
    sagas(review);
    breakers(review);
    if let Some(retries) = &facts.retries
        && retries.max_attempts == 0
    {
        let help = "the first try counts: 1 means no retries".to_owned();
        review.value(&["facts", "retries", "max-attempts"], "no try at all is too few", help);
    }
    headers(review);
    if let Some(shutdown) = facts.shutdown {
        above_zero(review, &["facts", "shutdown"], shutdown);
    }
}

/// Whether the edge is declared; else that is a mistake, at the key or the value there.
fn edge(review: &mut Review<'_>, path: &[&str], id: &EdgeId, at_key: bool) -> bool {
    if review.edges.iter().any(|edge| edge.is_covered_by(id)) {
        return true;
    }
    if review.is_long() {
        review.key(path, format!("there is no edge `{id}`"), None);
        return false;
    }
    let known: Vec<String> = review.edges.iter().map(ToString::to_string).collect();
    let services = &review.system.services;
    let both_there = services.contains_key(&id.provider) && services.contains_key(&id.consumer);
    let help = if id.port.is_none() && id.instance.is_none() && both_there {
        Some(format!("if `{}` calls `{}`, say so under its `calls`", id.consumer, id.provider))
    } else {
        review.meant(&id.to_string(), known.iter().map(String::as_str))
    };
    let message = format!("there is no edge `{id}`");
    if at_key {
        review.key(path, message, help);
    } else {
        review.value(path, message, help);
    }
    false
}

fn sagas(review: &mut Review<'_>) {
    for (index, saga) in review.system.facts.sagas.iter().enumerate() {
        let index = index.to_string();
        let at = |key| ["facts", "sagas", &index, key];
        if !review.system.services.contains_key(&saga.owner) {
            let known = review.system.services.keys().map(ServiceName::as_str);
            let help = review.meant(saga.owner.as_str(), known);
            review.value(&at("owner"), format!("there is no service `{}`", saga.owner), help);
        }
        if saga.name.trim().is_empty() {
            review.value(&at("name"), "a saga needs a name", None);
        }
        if saga.steps.is_empty() {
            let help = "list them in forward order: `- {forward: OPERATION, undo: OPERATION}`".to_owned();
            review.key(&at("steps"), format!("saga `{}` has no steps", saga.name), help);
        }
        for (number, step) in saga.steps.iter().enumerate() {
            let number = number.to_string();
            let path = ["facts", "sagas", &index, "steps", &number, "forward"];
            edge(review, &path, &step.forward.edge, false);
            if let Some(undo) = &step.undo {
                let path = ["facts", "sagas", &index, "steps", &number, "undo"];
                edge(review, &path, &undo.edge, false);
            }
        }
    }
}

fn breakers(review: &mut Review<'_>) {
    for (id, breaker) in &review.system.facts.breakers {
        let name = id.to_string();
        edge(review, &["facts", "breakers", &name], id, true);
        above_zero(review, &["facts", "breakers", &name, "open"], breaker.open);
        for (key, sound, rule) in [
            ("window", breaker.window > 0, "it looks back on one call at least"),
            (
                "failure-ratio",
                breaker.failure_ratio > 0.0 && breaker.failure_ratio <= 1.0,
                "it is a share, more than 0 and at most 1",
            ),
            ("trials", breaker.trials > 0, "it allows one trial call at least"),
        ] {
            if !sound {
                let path = ["facts", "breakers", name.as_str(), key];
                review.value(&path, format!("this `{key}` is out of range"), rule.to_owned());
            }
        }
    }
}

fn headers(review: &mut Review<'_>) {
    let facts = &review.system.facts;
    let mut named: Vec<(Vec<String>, &str)> =
        vec![(vec!["idempotency-key".to_owned()], &facts.idempotency_key)];
    if let Some(correlation) = &facts.correlation {
        for (key, list) in [("headers", &correlation.headers), ("attributes", &correlation.attributes)] {
            if list.is_empty() {
                let help = "name one at least, or leave the key out".to_owned();
                review.key(&["facts", "correlation", key], format!("there are no {key}"), help);
            }
        }
        for (index, header) in correlation.headers.iter().enumerate() {
            named.push((vec!["correlation".to_owned(), "headers".to_owned(), index.to_string()], header));
        }
    }
    for (keys, header) in named {
        if !is_header(header) {
            let path: Vec<&str> = std::iter::once("facts").chain(keys.iter().map(String::as_str)).collect();
            let help = "use letters, digits and `-`: `X-Correlation-ID`".to_owned();
            review.value(&path, format!("`{header}` cannot name a header"), help);
        }
    }
}

/// Whether this is a token as RFC 9110 section 5.6.2 has it.
fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
