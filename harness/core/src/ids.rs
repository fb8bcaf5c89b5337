//! Names and numbers by which evidence refers to things.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a piece of text is not the id that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A trace or span id that is not the right count of lower-case hex digits, or all zero.
    #[error("`{text}` is not {digits} lower-case hex digits with at least one that is not 0")]
    Hex {
        /// What was given.
        text: String,
        /// How many digits it must have.
        digits: usize,
    },
    /// An edge that is not `consumer -> provider[.port][#instance]`.
    #[error(
        "`{0}` is not an edge: write `consumer -> provider`, `consumer -> provider.port` or `consumer -> provider#1`"
    )]
    Edge(String),
    /// A name with characters other than letters, digits, `-` and `_`, or none at all.
    #[error("`{0}` is not a name: use letters, digits, `-` and `_`, starting with a letter")]
    Name(String),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(with = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }
        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name! {
    /// A deployable of the system, as `seaworthy.yaml` names it and as `service.name` says in telemetry.
    ServiceName
}
name! {
    /// One running copy of a service: `orders-1`, and `orders-2` after its restart. Never used twice in a run.
    InstanceId
}
name! {
    /// A fault rule, unique in the run.
    FaultId
}

/// Whether `text` can name a service, a port or a flow: letters, digits, `-` and `_`, starting with a letter.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The consumer name that stands for the world outside: whoever calls an ingress.
pub const INGRESS: &str = "ingress";
/// The consumer name of the harness's own health probes and audits, so that they are counted and told apart.
pub const PROBE: &str = "probe";

/// The provider name of the place where a subscriber's messages go that it gave up: an edge
/// `notifications -> dead-letters` shows each of them.
pub const DEAD_LETTERS: &str = "dead-letters";

/// `consumer -> provider[.port][#instance]`: one direction of calls over one protocol.
///
/// Consumer `ingress` is the world, consumer `probe` the harness itself.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId {
    /// Who calls.
    pub consumer: ServiceName,
    /// Who answers.
    pub provider: ServiceName,
    /// Which of the provider's ports; `None` when it has one only.
    pub port: Option<Arc<str>>,
    /// Which of the provider's instances, counted from 1; `None` when it has one only.
    pub instance: Option<u32>,
}

impl EdgeId {
    /// The edge between two services with one port and one instance each.
    pub fn new(consumer: impl Into<ServiceName>, provider: impl Into<ServiceName>) -> Self {
        Self { consumer: consumer.into(), provider: provider.into(), port: None, instance: None }
    }

    /// The same edge towards the provider's port of this name.
    #[must_use]
    pub fn with_port(mut self, port: &str) -> Self {
        self.port = Some(port.into());
        self
    }

    /// Whether the consumer is a service of the system, not the world and not the harness.
    pub fn is_internal(&self) -> bool {
        self.consumer != INGRESS && self.consumer != PROBE && self.provider != DEAD_LETTERS
    }

    /// Whether the world calls here.
    pub fn is_ingress(&self) -> bool {
        self.consumer == INGRESS
    }

    /// Whether the harness itself calls here.
    pub fn is_probe(&self) -> bool {
        self.consumer == PROBE
    }

    /// Whether `pattern` names this edge: consumer and provider agree, and port and instance do where the
    /// pattern gives them. So `orders -> inventory` covers `orders -> inventory.grpc#2`.
    pub fn is_covered_by(&self, pattern: &EdgeId) -> bool {
        self.consumer == pattern.consumer
            && self.provider == pattern.provider
            && (pattern.port.is_none() || pattern.port == self.port)
            && (pattern.instance.is_none() || pattern.instance == self.instance)
    }
}

impl fmt::Display for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.consumer, self.provider)?;
        if let Some(port) = &self.port {
            write!(f, ".{port}")?;
        }
        if let Some(instance) = self.instance {
            write!(f, "#{instance}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for EdgeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Edge(text.to_owned());
        let (consumer, provider) = text.split_once("->").ok_or_else(wrong)?;
        let (consumer, provider) = (consumer.trim(), provider.trim());
        let (provider, instance) = match provider.split_once('#') {
            Some((provider, number)) => {
                let number: u32 = number.parse().map_err(|_| wrong())?;
                if number == 0 {
                    return Err(wrong());
                }
                (provider, Some(number))
            }
            None => (provider, None),
        };
        let (provider, port) = match provider.split_once('.') {
            Some((provider, port)) if is_name(port) => (provider, Some(Arc::from(port))),
            Some(_) => return Err(wrong()),
            None => (provider, None),
        };
        if !is_name(consumer) || !is_name(provider) {
            return Err(wrong());
        }
        Ok(Self { consumer: consumer.into(), provider: provider.into(), port, instance })
    }
}

/// An exchange, numbered in the order in which the harness first saw it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(pub u64);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.0)
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The id with these bytes; `None` when all are zero, which W3C Trace Context forbids.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }

            /// A fresh random id. Seeds never reach here: ids must differ between runs.
            pub fn random() -> Self {
                let mut bytes: [u8; $bytes] = rand::random();
                bytes[0] |= 1; // never all zero
                Self(bytes)
            }

            /// The bytes, most significant first.
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError::Hex { text: text.chars().take(80).collect(), digits: 2 * $bytes };
                let digits = text.as_bytes();
                if digits.len() != 2 * $bytes {
                    return Err(wrong());
                }
                let mut bytes = [0; $bytes];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    let [high, low] = [lower_hex(pair[0]), lower_hex(pair[1])];
                    *byte = high.zip(low).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?;
                }
                Self::from_bytes(bytes).ok_or_else(wrong)
            }
        }
        hex_id!(@serde $name);
    };
    (@serde $name:ident) => {
        as_text!($name);
    };
}

/// The value of a lower-case hex digit; W3C Trace Context allows no other.
fn lower_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Serialises a type as the text that it displays and parses.
macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }
    };
}
pub(crate) use as_text;

hex_id! {
    /// A W3C trace id: 16 bytes, not all zero.
    TraceId, 16
}
hex_id! {
    /// A W3C span id: 8 bytes, not all zero.
    SpanId, 8
}
as_text!(EdgeId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_edge_reads_back_as_it_prints() {
        for text in ["orders -> payments", "a -> b.grpc", "a -> b#2", "a -> b.grpc#2", "ingress -> gateway"] {
            assert_eq!(text.parse::<EdgeId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_edge_is_refused() {
        for text in
            ["", "orders", "orders ->", "-> x", "a -> b#0", "a -> b#x", "a -> b.", "a b -> c", "a => b"]
        {
            assert!(text.parse::<EdgeId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_without_port_covers_every_port() {
        let edge: EdgeId = "orders -> inventory.grpc#2".parse().unwrap();
        assert!(edge.is_covered_by(&"orders -> inventory".parse().unwrap()));
        assert!(edge.is_covered_by(&"orders -> inventory.grpc".parse().unwrap()));
        assert!(!edge.is_covered_by(&"orders -> inventory.http".parse().unwrap()));
        assert!(!edge.is_covered_by(&"gateway -> inventory".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn a_trace_id_reads_back_as_it_prints(bytes: [u8; 16]) {
            if let Some(id) = TraceId::from_bytes(bytes) {
                prop_assert_eq!(id.to_string().parse::<TraceId>(), Ok(id));
            }
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = text.parse::<TraceId>();
            let _ = text.parse::<SpanId>();
            let _ = text.parse::<EdgeId>();
        }
    }
}
