//! Contracts written as JSON, always in the same way.

use serde_json::{Map, Value, json};

use super::interaction;
use super::rules::sorted;
use crate::model::{Contents, Contract, Specification};

/// The contract as JSON in the form of its version: keys in a fixed order, maps in alphabetical order.
pub fn to_json(contract: &Contract) -> Value {
    let version = contract.specification;
    let mut json = Map::new();
    json.insert("consumer".to_owned(), json!({ "name": contract.consumer }));
    json.insert("provider".to_owned(), json!({ "name": contract.provider }));
    let mut interactions = Vec::new();
    let mut messages = Vec::new();
    for one in &contract.interactions {
        let is_message = matches!(one.contents, Contents::Message(_)) && version < Specification::V4;
        let list = if is_message { &mut messages } else { &mut interactions };
        list.push(interaction::to_json(one, version));
    }
    if messages.is_empty() || !interactions.is_empty() {
        json.insert("interactions".to_owned(), Value::Array(interactions));
    }
    if !messages.is_empty() {
        json.insert("messages".to_owned(), Value::Array(messages));
    }
    let mut metadata = contract.metadata.clone();
    metadata.insert("pactSpecification".to_owned(), json!({ "version": written(version) }));
    json.insert("metadata".to_owned(), sorted(Value::Object(metadata)));
    Value::Object(json)
}

/// The contract as text: [`to_json`], two spaces per level, a line break at the end.
pub fn to_text(contract: &Contract) -> String {
    format!("{:#}\n", to_json(contract))
}

/// A version as Pact tools write it.
fn written(version: Specification) -> &'static str {
    match version {
        Specification::V1 => "1.0.0",
        Specification::V1_1 => "1.1.0",
        Specification::V2 => "2.0.0",
        Specification::V3 => "3.0.0",
        Specification::V4 => "4.0",
    }
}
