//! Where a service that runs already is found: `url:` in the system file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::model::Service;
use super::port::PortProtocol;

/// The address of a service that runs already: of its only port, or of each port by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Address {
    /// `http://127.0.0.1:8080`, for a service with one port.
    Only(String),
    /// By the port's name: `{http: "http://127.0.0.1:8080", sql: "tcp://127.0.0.1:5432"}`.
    Ports(BTreeMap<String, String>),
}

/// A port of a host: what an address comes down to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host's name or address; IPv6 without brackets.
    pub host: String,
    /// The port; not 0.
    pub port: u16,
    /// Whether the address says that bytes are spoken there (`tcp://`); else it is HTTP or gRPC.
    pub bytes: bool,
}

/// Why a text is not the address of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not `http://HOST:PORT` or `tcp://HOST:PORT`.
    #[error("`{0}` is not the address of a service")]
    Form(String),
    /// It has a path, a query or a fragment: requests keep the paths that their consumers choose.
    #[error("`{0}` has more than a host and a port")]
    Path(String),
    /// Proxies look into what passes, which TLS forbids.
    #[error("`{0}` speaks TLS, which the proxies cannot look into")]
    Tls(String),
}

impl FromStr for Endpoint {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let shown = || text.chars().take(100).collect::<String>();
        if text.starts_with("https://") {
            return Err(AddressError::Tls(shown()));
        }
        let form = || AddressError::Form(shown());
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let bytes = match scheme {
            "http" | "grpc" => false,
            "tcp" => true,
            _ => return Err(form()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(AddressError::Path(shown()));
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(form)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| form())?;
                (
                    host,
                    after.strip_prefix(':').map_or(after.is_empty().then_some(None), |port| Some(Some(port))),
                )
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(Some(port))),
                None => (rest, Some(None)),
            },
        };
        let port = match port.ok_or_else(form)? {
            Some(port) => port.parse().map_err(|_| form())?,
            None if scheme == "http" => 80,
            None => return Err(form()),
        };
        if host.is_empty()
            || port == 0
            || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@')
        {
            return Err(form());
        }
        Ok(Self { host: host.to_owned(), port, bytes })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.bytes { "tcp" } else { "http" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl Endpoint {
    /// Whether this is what is spoken there.
    pub fn speaks(&self, protocol: PortProtocol) -> bool {
        self.bytes == (protocol == PortProtocol::Tcp)
    }
}

impl Address {
    /// Each address as it is written, with the port that it is for; `None` where the service is meant to have one
    /// port only.
    pub fn written(&self) -> Vec<(Option<&str>, &str)> {
        match self {
            Address::Only(url) => vec![(None, url)],
            Address::Ports(urls) => {
                urls.iter().map(|(port, url)| (Some(port.as_str()), url.as_str())).collect()
            }
        }
    }
}

impl Service {
    /// Where its ports are by name, for a service that runs already; only those whose address can be read.
    pub fn endpoints(&self) -> BTreeMap<String, Endpoint> {
        let written = self.url.iter().flat_map(Address::written);
        let named = written.filter_map(|(port, url)| Some((port.or(self.only_port())?.to_owned(), url)));
        named.filter_map(|(port, url)| Some((port, url.parse().ok()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<(String, u16, bool), AddressError> {
        text.parse().map(|Endpoint { host, port, bytes }| (host, port, bytes))
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let of = |host: &str, port, bytes| Ok((host.to_owned(), port, bytes));
        assert_eq!(read("http://127.0.0.1:8080"), of("127.0.0.1", 8080, false));
        assert_eq!(read("http://orders.test/"), of("orders.test", 80, false));
        assert_eq!(read("grpc://orders:50051"), of("orders", 50051, false));
        assert_eq!(read("tcp://db:5432"), of("db", 5432, true));
        assert_eq!(read("http://[::1]:9"), of("::1", 9, false));
        assert_eq!(read("http://[::1]"), of("::1", 80, false));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for text in [
            "",
            "orders",
            "orders:80",
            "http://",
            "http://:80",
            "http://h:0",
            "http://h:70000",
            "http://h:x",
            "http://a@h:1",
            "http://h h:1",
            "tcp://h",
            "ftp://h:1",
            "http://[::1",
            "http://[x]:1",
            "http://::1:1",
            "http://[::1]x",
        ] {
            assert_eq!(read(text), Err(AddressError::Form(text.to_owned())), "{text}");
        }
        assert_eq!(read("https://h:1"), Err(AddressError::Tls("https://h:1".to_owned())));
        for text in ["http://h:1/api", "http://h/?x", "tcp://h:1/db"] {
            assert_eq!(read(text), Err(AddressError::Path(text.to_owned())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_read_reads_back(text in "(http|tcp|grpc)://[a-z:\\[\\]0-9./@]{0,20}|.*") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }
    }
}
