//! What a consumer relies on at a provider, field by field: what contracts pin, for whoever judges a change.

use serde::{Deserialize, Serialize};

use crate::finding::Location;

/// An operation of a provider that a contract speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum UsedOperation {
    /// A request over HTTP, with the status that its answer has.
    Http {
        /// Method, in capitals.
        method: String,
        /// Path as in the contract's example, without query.
        path: String,
        /// The answer's status.
        status: u16,
    },
    /// A message, by its type (CloudEvents `type`) or, without one, by the interaction's description.
    Message {
        /// The type.
        name: String,
    },
    /// A call of gRPC.
    Rpc {
        /// The service's full name.
        service: String,
        /// The method's name.
        method: String,
    },
}

/// On which way a field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the consumer: the provider must accept it.
    Request,
    /// To the consumer: the provider must send it.
    Response,
}

/// One field that one consumer relies on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Who relies on it.
    pub consumer: String,
    /// At whom.
    pub provider: String,
    /// In which operation.
    #[serde(flatten)]
    pub operation: UsedOperation,
    /// On which way it goes.
    pub direction: Direction,
    /// The field as a JSON pointer into the body, `*` for any item: `/items/*/price`; empty for the whole body.
    /// Headers and query parameters are `header:NAME` and `query:NAME`.
    pub field: String,
    /// The value in the contract's example, unless it is an object or array.
    pub value: Option<serde_json::Value>,
    /// Whether the very value is agreed, not only its type.
    pub exact: bool,
    /// The interaction that says so.
    pub interaction: String,
    /// Where that stands.
    pub location: Location,
}
