//! An edge with or without a route on it, as steps name it: `orders -> payments POST /payments`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::EdgeId;
use seaworthy_core::route::{Operation, Route, RouteError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Exchanges on an edge, or on one route of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The edge; without a port it means every port of the provider.
    pub edge: EdgeId,
    /// The route; every one when absent.
    pub route: Option<Route>,
}

impl Target {
    /// Whether the exchange is one of those.
    pub fn matches(&self, exchange: &Exchange) -> bool {
        exchange.edge.is_covered_by(&self.edge)
            && self.route.as_ref().is_none_or(|route| route.matches(&exchange.method, &exchange.path))
    }
}

impl FromStr for Target {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let provider = text.split_once("->").map_or("", |(_, provider)| provider.trim());
        if provider.contains(' ') {
            let Operation { edge, route } = text.parse()?;
            return Ok(Self { edge, route: Some(route) });
        }
        Ok(Self { edge: text.parse()?, route: None })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.edge)?;
        self.route.as_ref().map_or(Ok(()), |route| write!(f, " {route}"))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An edge, or a route on it: `orders -> payments`, `orders -> payments POST /payments/{id}`.",
            "pattern": "^[A-Za-z][A-Za-z0-9_-]* *-> *[A-Za-z][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+)?(#[0-9]+)?( .+)?$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_target_reads_back_as_it_prints() {
        for text in [
            "orders -> payments",
            "orders -> inventory.grpc#2",
            "orders -> payments POST /payments/{id}/capture",
            "orders -> inventory /shop.inventory.v1.Inventory/Reserve",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for text in ["", "orders", "orders ->", "orders -> payments post /x", "orders -> payments POST"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<Target>();
        }
    }
}
