//! What a contract is, the same for all versions of the Pact specification: a consumer, a provider, interactions.

use std::fmt;
use std::sync::Arc;

use pact_models::PactSpecification;
pub use pact_models::provider_states::ProviderState;
pub use pact_models::v4::http_parts::{HttpRequest, HttpResponse};
pub use pact_models::v4::message_parts::MessageContents;
use seaworthy_core::finding::Location;
use serde_json::{Map, Value};

/// The version of the Pact specification that a file was written to. Matching differs between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Specification {
    /// 1.0: equality only; the query string is compared as a whole.
    V1,
    /// 1.1: the query's parameters may come in any order.
    V1_1,
    /// 2.0: matching rules by JSON path.
    V2,
    /// 3.0: rules by category, generators, several provider states with parameters, messages.
    V3,
    /// 4.0: several kinds of interaction in one file, keys, comments, pending, synchronous messages.
    V4,
}

impl Specification {
    /// What `pact_models` calls it.
    pub fn as_pact(self) -> PactSpecification {
        match self {
            Specification::V1 => PactSpecification::V1,
            Specification::V1_1 => PactSpecification::V1_1,
            Specification::V2 => PactSpecification::V2,
            Specification::V3 => PactSpecification::V3,
            Specification::V4 => PactSpecification::V4,
        }
    }
}

impl fmt::Display for Specification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Specification::V1 => "1.0",
            Specification::V1_1 => "1.1",
            Specification::V2 => "2.0",
            Specification::V3 => "3.0",
            Specification::V4 => "4.0",
        })
    }
}

/// What one consumer relies on at one provider: a pact.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Who relies on it.
    pub consumer: String,
    /// Who must keep it.
    pub provider: String,
    /// The version of the specification that it was written to.
    pub specification: Specification,
    /// The file's `metadata` as it was read, without `pactSpecification`; written back unchanged.
    pub metadata: Map<String, Value>,
    /// What is agreed, in the order of the file.
    pub interactions: Vec<Arc<Interaction>>,
    /// Where it was read from: a path relative to where the tool was started, or an URL; empty for one made in memory.
    pub source: String,
    /// The version of the consumer that it belongs to, where a ledger or a broker tells.
    pub consumer_version: Option<String>,
}

/// One thing that is agreed.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    /// What it is, in words; with the provider states, its name within the contract.
    pub description: String,
    /// V4: its key, if the file has one.
    pub key: Option<String>,
    /// What must hold at the provider beforehand, in order.
    pub states: Vec<ProviderState>,
    /// V4: it may fail without failing the run.
    pub pending: bool,
    /// V4: comments; `text` (lines) and `testname` have meaning.
    pub comments: Map<String, Value>,
    /// V4: `http`, `https`, `grpc`, …
    pub transport: Option<String>,
    /// V4: what plugins configured, by plugin name. `protobuf` has meaning here.
    pub plugin_configuration: Map<String, Value>,
    /// What passes.
    pub contents: Contents,
    /// Where it stands: the file with the line on which it begins, and `/interactions/N`.
    pub location: Location,
}

/// What passes between consumer and provider.
#[derive(Debug, Clone, PartialEq)]
pub enum Contents {
    /// A request with its response.
    Http {
        /// What the consumer sends.
        request: Box<HttpRequest>,
        /// What the provider answers.
        response: Box<HttpResponse>,
    },
    /// A message that the provider sends to the consumer.
    Message(Box<MessageContents>),
    /// A message that the consumer sends, and the messages with which the provider answers (gRPC).
    SynchronousMessage {
        /// What the consumer sends.
        request: Box<MessageContents>,
        /// What the provider answers, in order.
        responses: Vec<MessageContents>,
    },
}

impl Interaction {
    /// The name by which it is known within its contract: provider states and description.
    ///
    /// `given a payment exists, a request for it`
    pub fn name(&self) -> String {
        if self.states.is_empty() {
            return self.description.clone();
        }
        let states: Vec<&str> = self.states.iter().map(|state| state.name.as_str()).collect();
        format!("given {}, {}", states.join(" and "), self.description)
    }

    /// What the contract notes of it, line by line: V4's `comments.text`.
    pub fn notes(&self) -> Vec<String> {
        match self.comments.get("text") {
            Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(line)) => vec![line.clone()],
            _ => Vec::new(),
        }
    }

    /// The consumer's test that wrote it: V4's `comments.testname`.
    pub fn test_name(&self) -> Option<&str> {
        self.comments.get("testname").and_then(Value::as_str)
    }
}
