//! `${…}` in environment, command, files and calls.

use std::collections::BTreeSet;

use super::Review;
use crate::system::interpolate::{AddressPart, BrokerSide, Placeholder, Template};
use crate::system::model::{Call, Process, RunKind, Service};

pub(super) fn review(review: &mut Review<'_>) {
    for (name, service) in review.services() {
        let mut ports = BTreeSet::new();
        for (key, value) in &service.env {
            ports.extend(text(review, name, service, &["services", name, "env", key], value, false));
        }
        for (file, content) in &service.files {
            ports.extend(text(review, name, service, &["services", name, "files", file], content, false));
        }
        if let Some(Process::Command { command }) = &service.process {
            for (index, part) in command.iter().enumerate() {
                let index = index.to_string();
                let path = ["services", name, "process", "command", &index];
                ports.extend(text(review, name, service, &path, part, false));
            }
        }
        for (target, call) in &service.calls {
            if let Call::Template { value, .. } = call {
                let path = ["services", name, "calls", target, "value"];
                ports.extend(text(review, name, service, &path, value, true));
            }
        }
        if review.on == RunKind::Process && service.process.is_some() {
            let told = |port: &&String| {
                !ports.contains(*port) && service.ports.get(*port).is_some_and(|port| port.number.is_none())
            };
            for port in service.ports.keys().filter(told) {
                let message = format!(
                    "nothing tells `{name}` the number of its port `{port}`, which is chosen anew for each start"
                );
                let help = format!(
                    "use `${{port.{port}}}` in its `env`, `command` or `files`: `env: {{PORT: \"${{port.{port}}}\"}}`"
                );
                review.key(&["services", name, "ports", port], message, help);
            }
        }
    }
}

/// A service that names its exchange at a broker publishes or subscribes there.
fn broker_side(
    review: &mut Review<'_>,
    name: &str,
    path: &[&str],
    shown: &str,
    broker: &str,
    side: BrokerSide,
) {
    if !review.system.brokers.contains_key(broker) {
        let known = review.system.brokers.keys().map(String::as_str);
        let help = review.meant(broker, known).unwrap_or_else(|| {
            format!(
                "declare it: `brokers: {{{broker}: {{service: …, url: \"amqp://${{host}}:${{port}}\"}}}}`"
            )
        });
        review.text(path, shown, format!("there is no broker `{broker}`"), help);
        return;
    }
    let mut edges = review.system.message_edges().into_iter().filter(|(_, over)| *over == broker);
    let (takes_part, help) = match side {
        BrokerSide::In => (
            edges.any(|(edge, _)| edge.consumer.as_str() == name),
            format!("declare who gets them: `calls: {{SUBSCRIBER: {{broker: {broker}}}}}` in `{name}`"),
        ),
        BrokerSide::Out => (
            edges.any(|(edge, _)| edge.provider.as_str() == name),
            format!("declare it where they come from: `calls: {{{name}: {{broker: {broker}}}}}`"),
        ),
    };
    if !takes_part {
        let does = if side == BrokerSide::In { "publishes nothing to" } else { "gets no messages from" };
        review.text(path, shown, format!("`{name}` {does} `{broker}`"), help);
    }
}

/// Looks through one text; returns the ports that it names.
fn text(
    review: &mut Review<'_>,
    name: &str,
    service: &Service,
    path: &[&str],
    text: &str,
    in_call: bool,
) -> Vec<String> {
    let template: Template = match text.parse() {
        Ok(template) => template,
        Err(error) => {
            use crate::system::interpolate::InterpolateError::{NoValue, Open, Unknown};
            let shown = match &error {
                Open { text, .. } | Unknown { text, .. } => text.clone(),
                NoValue(placeholder) => placeholder.to_string(),
            };
            review.text(path, &shown, error.to_string(), error.help());
            return Vec::new();
        }
    };
    let mut ports = Vec::new();
    for (placeholder, _) in template.placeholders() {
        let shown = placeholder.to_string();
        match placeholder {
            Placeholder::Port(port) if service.ports.contains_key(port) => ports.push(port.clone()),
            Placeholder::Port(port) => {
                let known = service.ports.keys().map(String::as_str);
                let help = review
                    .meant(port, known)
                    .unwrap_or_else(|| format!("add the port: `ports: {{{port}: http}}`"));
                review.text(path, &shown, format!("`{name}` has no port `{port}`"), help);
            }
            Placeholder::Edge { id, .. } => {
                let edge = review.system.edge_of_placeholder(name, id);
                if !edge.is_some_and(|edge| review.edges.contains(&edge)) {
                    let known: Vec<&str> = service.calls.keys().map(String::as_str).collect();
                    let help = review
                        .meant(id, known.iter().copied())
                        .unwrap_or_else(|| format!("declare the call: `calls: {{{id}: }}`"));
                    review.text(path, &shown, format!("`{name}` does not call `{id}`"), help);
                }
            }
            Placeholder::Call(part) if !in_call => {
                let help = match (part, service.only_port()) {
                    (AddressPart::Port, Some(port)) => format!("did you mean `${{port.{port}}}`?"),
                    _ => format!(
                        "it stands in the `value` of a call; elsewhere write `${{edge.PROVIDER.{}}}`",
                        part.as_str()
                    ),
                };
                review.text(path, &shown, format!("`{shown}` has no meaning here"), help);
            }
            Placeholder::Broker { name: broker, side } => {
                broker_side(review, name, path, &shown, broker, *side);
            }
            Placeholder::Call(_) | Placeholder::Env { .. } => {}
        }
    }
    ports
}
