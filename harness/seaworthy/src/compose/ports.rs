//! Which ports a service has, and what is spoken there. Compose does not say; it is read from who calls whom and how.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::system::PortProtocol;

use super::addresses;
use super::project::{Project, Service};

/// Databases, brokers and the like, with the port that each listens on unless told.
const PARTS: [(&str, u16); 18] = [
    ("postgres", 5432),
    ("postgis", 5432),
    ("timescale", 5432),
    ("cockroach", 26257),
    ("mysql", 3306),
    ("mariadb", 3306),
    ("mongo", 27017),
    ("redis", 6379),
    ("valkey", 6379),
    ("memcached", 11211),
    ("rabbitmq", 5672),
    ("kafka", 9092),
    ("redpanda", 9092),
    ("zookeeper", 2181),
    ("nats", 4222),
    ("cassandra", 9042),
    ("mosquitto", 1883),
    ("etcd", 2379),
];

/// The ports of all services.
#[derive(Debug, Default)]
pub(super) struct Ports(BTreeMap<String, BTreeMap<u16, Port>>);

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// Its name in the system file.
    pub(super) name: String,
    /// What is spoken there.
    pub(super) protocol: PortProtocol,
    /// Whether nothing told what is spoken there.
    pub(super) is_guess: bool,
}

impl Ports {
    /// The ports of a service by number.
    pub(super) fn of(&self, service: &str) -> impl Iterator<Item = (u16, &Port)> {
        self.0.get(service).into_iter().flatten().map(|(number, port)| (*number, port))
    }

    /// One port of a service.
    pub(super) fn get(&self, service: &str, number: u16) -> Option<&Port> {
        self.0.get(service)?.get(&number)
    }

    /// What a call to a port of a service is called: `orders`, or `orders.grpc` if it has several.
    pub(super) fn target(&self, service: &str, number: u16) -> Option<String> {
        let port = self.get(service, number)?;
        let several = self.of(service).count() > 1;
        Some(if several { format!("{service}.{}", port.name) } else { service.to_owned() })
    }
}

/// Whether it is a database, a broker or the like, and the port that it listens on.
pub(super) fn part(service: &Service) -> Option<u16> {
    let image = match &service.image {
        Some(image) => image.whole.as_str(),
        None => service.name.as_str(),
    };
    let name = image.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default();
    PARTS.iter().find(|(part, _)| name.contains(part)).map(|(_, port)| *port)
}

/// What speaks for what is spoken on a port, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// It is there.
    Seen,
    /// Somebody has its address, and that begins with no scheme.
    Bytes,
    /// It is a database's or a broker's.
    Part,
    /// By the scheme of an address.
    Scheme(Spoken),
    /// A variable says so.
    Named,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spoken {
    Other,
    Http,
    Grpc,
}

/// The ports of all services of a Compose file.
pub(super) fn of(project: &Project) -> Ports {
    let mut signs: BTreeMap<&str, BTreeMap<u16, BTreeSet<Sign>>> = BTreeMap::new();
    let hosts = project.hosts();
    for service in &project.services {
        let own = signs.entry(&service.name).or_default();
        for number in service.published.iter().chain(&service.exposed) {
            own.entry(*number).or_default().insert(Sign::Seen);
        }
        if let Some((number, _)) = service.health.as_deref().and_then(health_url) {
            own.entry(number).or_default().insert(Sign::Scheme(Spoken::Http));
        }
    }
    for service in &project.services {
        let texts = service.env.iter().map(|(name, text)| (name.as_str(), text));
        for (variable, text) in texts.chain(service.command.iter().map(|text| ("", text))) {
            for address in addresses::find(&text.whole, &hosts) {
                let Some((called, _)) = signs.get_key_value(address.service.as_str()) else { continue };
                let of_called = signs.entry(called).or_default().entry(address.port).or_default();
                of_called.insert(match address.scheme.as_deref() {
                    _ if variable.to_ascii_uppercase().contains("GRPC") => Sign::Named,
                    Some("http" | "ws") => Sign::Scheme(Spoken::Http),
                    Some("grpc") => Sign::Scheme(Spoken::Grpc),
                    Some(_) => Sign::Scheme(Spoken::Other),
                    None => Sign::Bytes,
                });
            }
        }
        for pair in addresses::pairs(&service.env, &hosts) {
            let Some((called, _)) = signs.get_key_value(pair.service.as_str()) else { continue };
            if let Some((_, number)) = pair.port {
                signs.entry(called).or_default().entry(number).or_default().insert(Sign::Bytes);
            }
        }
    }
    for service in &project.services {
        let own = signs.entry(&service.name).or_default();
        if let Some(usual) = part(service) {
            if own.is_empty() {
                own.entry(usual).or_default();
            }
            own.values_mut().for_each(|signs| _ = signs.insert(Sign::Part));
        }
        // A service that is told its own port says what it is for: `GRPC_PORT: 9090`.
        for (number, signs) in own {
            for (name, text) in &service.env {
                let value = text.whole.rsplit(':').next().unwrap_or_default();
                let name = name.to_ascii_uppercase();
                match value.parse::<u16>() {
                    Ok(value) if value == *number && name.contains("GRPC") => _ = signs.insert(Sign::Named),
                    Ok(value) if value == *number && name.contains("HTTP") => {
                        signs.insert(Sign::Scheme(Spoken::Http));
                    }
                    _ => {}
                }
            }
        }
    }
    Ports(signs.into_iter().map(|(service, signs)| (service.to_owned(), named(&signs))).collect())
}

fn named(signs: &BTreeMap<u16, BTreeSet<Sign>>) -> BTreeMap<u16, Port> {
    let spoken: BTreeMap<u16, (PortProtocol, bool)> =
        signs.iter().map(|(number, signs)| (*number, spoken(*number, signs))).collect();
    let name = |number: u16, protocol: PortProtocol| {
        let alike = spoken.values().filter(|(other, _)| *other == protocol).count();
        if alike > 1 { format!("{}-{number}", protocol.as_str()) } else { protocol.as_str().to_owned() }
    };
    let port = |(number, (protocol, is_guess)): (&u16, &(PortProtocol, bool))| {
        (*number, Port { name: name(*number, *protocol), protocol: *protocol, is_guess: *is_guess })
    };
    spoken.iter().map(port).collect()
}

/// What is spoken on a port, and whether that is a guess.
fn spoken(number: u16, signs: &BTreeSet<Sign>) -> (PortProtocol, bool) {
    if PARTS.iter().any(|(_, port)| *port == number) {
        return (PortProtocol::Tcp, false);
    }
    match signs.last() {
        Some(Sign::Named | Sign::Scheme(Spoken::Grpc)) => (PortProtocol::Grpc, false),
        Some(Sign::Scheme(Spoken::Http)) => (PortProtocol::Http, false),
        Some(Sign::Scheme(Spoken::Other) | Sign::Part) => (PortProtocol::Tcp, false),
        Some(Sign::Bytes) => (PortProtocol::Tcp, true),
        Some(Sign::Seen) | None => (PortProtocol::Http, true),
    }
}

/// The port and path of the URL that a health check asks.
pub(super) fn health_url(words: &str) -> Option<(u16, String)> {
    let own = BTreeMap::from([("localhost", ""), ("127.0.0.1", ""), ("0.0.0.0", "")]);
    let address = addresses::find(words, &own).into_iter().find(|address| address.is_url)?;
    let rest = words.get(address.range.end..).unwrap_or_default();
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | ')' | '|' | '&'))
        .unwrap_or(rest.len());
    let path = if rest.starts_with('/') { &rest[..end] } else { "/" };
    Some((address.port, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_may_ask_a_url() {
        for (words, expected) in [
            ("CMD curl -f http://localhost:8080/health", Some((8080, "/health"))),
            (
                "CMD-SHELL wget -qO- http://127.0.0.1:8080/ready?deep=1 || exit 1",
                Some((8080, "/ready?deep=1")),
            ),
            ("CMD-SHELL curl -f 'http://localhost'", Some((80, "/"))),
            ("CMD pg_isready -h 127.0.0.1", None),
            ("CMD curl http://elsewhere:80/x", None),
        ] {
            assert_eq!(health_url(words), expected.map(|(port, path)| (port, path.to_owned())), "{words}");
        }
    }
}
