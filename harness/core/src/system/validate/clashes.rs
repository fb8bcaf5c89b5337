//! One port or address fixed in two places.

use std::collections::BTreeMap;

use super::Review;
use crate::system::address::Endpoint;
use crate::system::model::RunKind;

pub(super) fn review(review: &mut Review<'_>) {
    match review.on {
        RunKind::Process => fixed_ports(review),
        RunKind::Attach => addresses(review),
        // Each container has a network of its own.
        RunKind::Docker => {}
    }
}

/// Two services that are told to listen on the same number cannot both run here.
fn fixed_ports(review: &mut Review<'_>) {
    let mut taken: BTreeMap<u16, (&str, &str)> = BTreeMap::new();
    for (name, service) in review.services() {
        for (key, value) in &service.env {
            let Some(port) = listens_on(key, value) else { continue };
            match taken.get(&port) {
                None => {
                    taken.insert(port, (name, key));
                }
                Some((other, variable)) => {
                    let message =
                        format!("port {port} is taken: `{other}` listens there too, by `{variable}`");
                    let help = "let the harness choose: declare the port and write `${port.NAME}`".to_owned();
                    review.value(&["services", name, "env", key], message, help);
                }
            }
        }
    }
}

/// The number that a variable fixes for its own service to listen on. Only names that say so count: `DB_PORT`
/// is as likely someone else's.
fn listens_on(key: &str, value: &str) -> Option<u16> {
    let key = key.to_ascii_uppercase();
    let says_so = key == "PORT" || key.split('_').any(|word| ["LISTEN", "BIND"].contains(&word));
    let number = value.rsplit(':').next().unwrap_or(value);
    says_so.then(|| number.trim().parse().ok()).flatten().filter(|port| *port != 0)
}

/// Two services cannot both be the one at an address.
fn addresses(review: &mut Review<'_>) {
    let mut taken: BTreeMap<Endpoint, &str> = BTreeMap::new();
    for (name, service) in review.services() {
        for (port, endpoint) in service.endpoints() {
            let other = *taken.entry(endpoint.clone()).or_insert(name);
            // One port may well speak both HTTP and gRPC.
            if other != name {
                let message = format!("`{other}` is at `{endpoint}` too");
                let path = ["services", name, "url", port.as_str()];
                let path = if service.ports.len() > 1 { &path[..] } else { &path[..3] };
                review.value(path, message, "give each service its own address".to_owned());
            }
        }
    }
}
