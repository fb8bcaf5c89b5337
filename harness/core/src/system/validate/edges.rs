//! Calls, start-up order, ingress.

use std::collections::{BTreeMap, BTreeSet};

use super::Review;
use crate::ids::{EdgeId, PROBE, ServiceName, is_name};
use crate::system::interpolate::Template;
use crate::system::model::{Call, Service};

pub(super) fn review(review: &mut Review<'_>) {
    calls(review);
    brokers(review);
    attached(review);
    ingress(review);
    order(review);
}

fn calls(review: &mut Review<'_>) {
    for (name, service) in review.services() {
        let mut edges: BTreeMap<EdgeId, &str> = BTreeMap::new();
        for (target, call) in &service.calls {
            let path = ["services", name, "calls", target];
            let (provider, port) = match target.split_once('.') {
                Some((provider, port)) => (provider, Some(port)),
                None => (target.as_str(), None),
            };
            let Some(called) = review.system.services.get(provider) else {
                let known = review.system.services.keys().map(ServiceName::as_str);
                review.key(&path, format!("there is no service `{provider}`"), review.meant(provider, known));
                continue;
            };
            if let Call::Broker { broker } = call {
                if !review.system.brokers.contains_key(broker) {
                    let known = review.system.brokers.keys().map(String::as_str);
                    let help = review.meant(broker, known);
                    review.value(&path, format!("there is no broker `{broker}`"), help);
                }
            } else if let Some((message, help)) = port_mistake(review, provider, called, port) {
                review.key(&path, message, help);
                continue;
            }
            let edge = review.system.edge(name, provider, port);
            if let Some(other) = edges.insert(edge, target) {
                let message = format!("`{other}` and `{target}` are the same edge");
                review.key(&path, message, "keep one of the two".to_owned());
            }
        }
    }
}

/// Each broker is a service, on a port of it, and its subscribers are services.
fn brokers(review: &mut Review<'_>) {
    for (name, broker) in &review.system.brokers {
        let at = |key| ["brokers", name.as_str(), key];
        let known = review.system.services.keys().map(ServiceName::as_str);
        if !is_name(name) {
            let help = "use letters, digits, `-` and `_`, starting with a letter".to_owned();
            review.key(&["brokers", name], format!("`{name}` cannot name a broker"), help);
        }
        match review.system.services.get(&broker.service) {
            None => {
                let help = review.meant(broker.service.as_str(), known.clone());
                review.value(&at("service"), format!("there is no service `{}`", broker.service), help);
            }
            Some(service) => {
                let mistake = port_mistake(review, broker.service.as_str(), service, broker.port.as_deref());
                if let Some((message, help)) = mistake {
                    let key = if broker.port.is_some() { "port" } else { "service" };
                    review.value(&at(key), message, help);
                }
            }
        }
        if !broker.url.starts_with("amqp://") {
            let help = "write `amqp://USER:PASSWORD@${host}:${port}`".to_owned();
            review.value(&at("url"), "this is not the address of a broker that speaks AMQP", help);
        } else if let Err(error) = broker.url.parse::<Template>() {
            review.value(&at("url"), error.to_string(), error.help());
        }
        for (subscriber, exchange) in &broker.dead_letters {
            let path = ["brokers", name.as_str(), "dead-letters", subscriber.as_str()];
            if !review.system.services.contains_key(subscriber) {
                let help = review.meant(subscriber.as_str(), known.clone());
                review.key(&path, format!("there is no service `{subscriber}`"), help);
            }
            // AMQP 0-9-1: a short string of at most 255 bytes.
            if exchange.is_empty() || exchange.len() > 255 {
                let help = "name the exchange to which its failed messages go".to_owned();
                review.value(&path, "this cannot name an exchange", help);
            }
        }
    }
}

/// Addresses that were fixed for proxies are those of declared edges, and no two are the same.
fn attached(review: &mut Review<'_>) {
    let mut taken: BTreeMap<std::net::SocketAddr, String> = BTreeMap::new();
    if let Some(receiver) = review.system.attach.receiver {
        taken.insert(receiver, "the receiver".to_owned());
        loopback(review, &["attach", "receiver"], receiver);
    }
    for (edge, address) in &review.system.attach.edges {
        let shown = edge.to_string();
        let path = ["attach", "edges", &shown];
        if !review.edges.contains(edge) && edge.consumer.as_str() != PROBE {
            let known: Vec<String> = review.edges.iter().map(ToString::to_string).collect();
            let help = review.meant(&shown, known.iter().map(String::as_str));
            review.key(&path, format!("there is no edge `{edge}`"), help);
        }
        if let Some(other) = taken.insert(*address, format!("`{edge}`")) {
            let help = "give each an address of its own".to_owned();
            review.value(&path, format!("{address} is the address of {other} too"), help);
        }
        loopback(review, &path, *address);
    }
}

fn loopback(review: &mut Review<'_>, path: &[&str], address: std::net::SocketAddr) {
    if address.ip().to_canonical().is_unspecified() {
        let help = "write the address on which the services reach it, `127.0.0.1` say".to_owned();
        review.value(path, format!("{address} would listen to the whole network"), help);
    } else if address.port() == 0 {
        let help = "write the number that the services were told".to_owned();
        review.value(path, format!("{address} is no fixed address"), help);
    }
}

/// What is wrong with naming this port, or none, of a service.
fn port_mistake(
    review: &Review<'_>,
    name: &str,
    service: &Service,
    port: Option<&str>,
) -> Option<(String, Option<String>)> {
    let known = service.ports.keys().map(String::as_str);
    match port {
        _ if service.ports.is_empty() => {
            let help = format!("add `ports: {{http: http}}` to `{name}`");
            Some((format!("`{name}` has no ports"), Some(help)))
        }
        Some(port) if !service.ports.contains_key(port) => {
            Some((format!("`{name}` has no port `{port}`"), review.meant(port, known)))
        }
        None if service.ports.len() > 1 => {
            let names: Vec<String> = known.map(|port| format!("`{name}.{port}`")).collect();
            let message = format!("`{name}` has several ports; which one is meant?");
            Some((message, Some(format!("write {}", names.join(" or ")))))
        }
        _ => None,
    }
}

fn ingress(review: &mut Review<'_>) {
    for (name, ingress) in &review.system.ingress {
        let path = ["ingress", name.as_str()];
        let Some(service) = review.system.services.get(name) else {
            let known = review.system.services.keys().map(ServiceName::as_str);
            review.key(&path, format!("there is no service `{name}`"), review.meant(name.as_str(), known));
            continue;
        };
        let Some((message, help)) = port_mistake(review, name.as_str(), service, ingress.port.as_deref())
        else {
            continue;
        };
        match ingress.port {
            Some(_) => review.value(&["ingress", name.as_str(), "port"], message, help),
            None if service.ports.len() > 1 => {
                let names: Vec<String> = service.ports.keys().map(|port| format!("`port: {port}`")).collect();
                review.key(&path, message, format!("add {}", names.join(" or ")));
            }
            None => review.key(&path, message, help),
        }
    }
}

/// `after` names services, and can be kept.
fn order(review: &mut Review<'_>) {
    for (name, service) in review.services() {
        for (index, other) in service.after.iter().enumerate() {
            if !review.system.services.contains_key(other) {
                let known = review.system.services.keys().map(ServiceName::as_str);
                review.value(
                    &["services", name, "after", &index.to_string()],
                    format!("there is no service `{other}`"),
                    review.meant(other.as_str(), known),
                );
            }
        }
    }
    for circle in circles(&review.system.services) {
        let Some(first) = circle.first() else { continue };
        let shown: Vec<&str> = circle.iter().chain([first]).map(|name| name.as_str()).collect();
        review.key(
            &["services", first.as_str(), "after"],
            format!("`after` goes in a circle: {}", shown.join(" → ")),
            "none of them can be first; take one out (calls may go in circles, `after` may not)".to_owned(),
        );
    }
}

/// Circles in the start-up order: each service is in one of them at most, and each begins with the first of its
/// names by alphabet.
fn circles(services: &BTreeMap<ServiceName, Service>) -> Vec<Vec<&ServiceName>> {
    let mut done: BTreeSet<&ServiceName> = BTreeSet::new();
    let mut found: Vec<Vec<&ServiceName>> = Vec::new();
    for start in services.keys() {
        // The way from the start, each with the index of its next neighbour to look at.
        let mut way: Vec<(&ServiceName, usize)> = vec![(start, 0)];
        while let Some((name, next)) = way.last_mut() {
            let name = *name;
            let after = services.get(name).map(|service| service.after.as_slice()).unwrap_or_default();
            let neighbour = if done.contains(name) { None } else { after.get(*next) };
            *next += 1;
            let Some(neighbour) = neighbour else {
                done.insert(name);
                way.pop();
                continue;
            };
            if let Some(from) = way.iter().position(|(name, _)| *name == neighbour) {
                let mut circle: Vec<&ServiceName> = way[from..].iter().map(|(name, _)| *name).collect();
                let first = (0..circle.len()).min_by_key(|index| circle[*index]).unwrap_or_default();
                circle.rotate_left(first);
                if !found.iter().flatten().any(|name| circle.contains(name)) {
                    found.push(circle);
                }
            } else if !done.contains(neighbour) {
                way.push((neighbour, 0));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn services(after: &[Vec<usize>]) -> BTreeMap<ServiceName, Service> {
        let name = |index: usize| ServiceName::from(format!("s{index}"));
        let service = |others: &Vec<usize>| Service {
            after: others.iter().map(|other| name(*other)).collect(),
            ..Service::default()
        };
        after.iter().enumerate().map(|(index, others)| (name(index), service(others))).collect()
    }

    /// Whether services can be started one after the other: take away what waits for nothing, until nothing is
    /// left or everything waits.
    fn can_be_kept(after: &[Vec<usize>]) -> bool {
        let mut waiting: BTreeSet<usize> = (0..after.len()).collect();
        loop {
            let free = waiting
                .iter()
                .copied()
                .find(|index| after[*index].iter().all(|other| !waiting.contains(other)));
            match free {
                Some(index) => waiting.remove(&index),
                None => return waiting.is_empty(),
            };
        }
    }

    proptest! {
        #[test]
        fn a_circle_is_found_exactly_when_the_order_cannot_be_kept(
            after in (1usize..8).prop_flat_map(|count| {
                prop::collection::vec(prop::collection::vec(0..count, 0..3), count)
            })
        ) {
            let services = services(&after);
            let found = circles(&services);
            prop_assert_eq!(found.is_empty(), can_be_kept(&after));
            for circle in found {
                for (index, name) in circle.iter().enumerate() {
                    let next = circle[(index + 1) % circle.len()];
                    prop_assert!(services[*name].after.contains(next), "{:?}", circle);
                }
            }
        }
    }
}
