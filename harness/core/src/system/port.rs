//! Ports as the system file writes them: what is spoken there, and the number where it is fixed.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortProtocol {
    /// HTTP/1.1 or HTTP/2 over cleartext.
    Http,
    /// gRPC over cleartext HTTP/2.
    Grpc,
    /// Bytes.
    Tcp,
}

impl PortProtocol {
    const ALL: [PortProtocol; 3] = [PortProtocol::Http, PortProtocol::Grpc, PortProtocol::Tcp];

    /// The name as files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            PortProtocol::Http => "http",
            PortProtocol::Grpc => "grpc",
            PortProtocol::Tcp => "tcp",
        }
    }
}

/// One port of a service: `http`, or with its number `5432/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port {
    /// What is spoken there.
    pub protocol: PortProtocol,
    /// Its number where the service cannot be told one; else it is chosen at each start.
    pub number: Option<u16>,
}

impl From<PortProtocol> for Port {
    fn from(protocol: PortProtocol) -> Self {
        Self { protocol, number: None }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{number}/{}", self.protocol.as_str()),
            None => f.write_str(self.protocol.as_str()),
        }
    }
}

/// Why a text is no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no port: write `http`, `grpc` or `tcp`, with a fixed number before it as in `5432/tcp`")]
pub struct PortError(String);

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let wrong = || PortError(text.chars().take(40).collect());
        let (number, name) = match text.split_once('/') {
            Some((number, name)) => {
                let number: u16 = number.parse().map_err(|_| wrong())?;
                if number == 0 {
                    return Err(wrong());
                }
                (Some(number), name)
            }
            None => (None, text),
        };
        let protocol = PortProtocol::ALL.into_iter().find(|protocol| protocol.as_str() == name);
        Ok(Self { protocol: protocol.ok_or_else(wrong)?, number })
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Port {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What is spoken on the port, with its number before it where that is fixed: `http`, `5432/tcp`.",
            "type": "string",
            "pattern": "^([1-9][0-9]{0,4}/)?(http|grpc|tcp)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_reads_back_as_it_is_written() {
        for text in ["http", "grpc", "tcp", "5432/tcp", "8080/http"] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_port_is_refused_by_name() {
        for text in ["", "https", "0/tcp", "70000/tcp", "tcp/5432", "5432", "-1/tcp", "5432/"] {
            assert_eq!(text.parse::<Port>(), Err(PortError(text.to_owned())), "{text}");
        }
    }
}
