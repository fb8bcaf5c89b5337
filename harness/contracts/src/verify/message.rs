//! Messages through the provider's message endpoint, as other Pact tools ask for them.
//!
//! Asked: POST `{description, providerStates}`, and for a synchronous message its `request`. Answered: the contents as the
//! body with their type; the metadata in `Pact-Message-Metadata`, as base64 of a JSON object.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pact_models::bodies::OptionalBody;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::exchange::Answer;
use crate::model::{HttpRequest, Interaction, MessageContents};

/// The header that carries a message's metadata.
const METADATA: &str = "pact-message-metadata";

/// What is posted for a message; `request` is the consumer's, for a synchronous one.
pub(super) fn request(interaction: &Interaction, request: Option<&MessageContents>) -> HttpRequest {
    let mut body = Map::new();
    body.insert("description".to_owned(), json!(interaction.description));
    if !interaction.states.is_empty() {
        body.insert("providerStates".to_owned(), json!(interaction.states));
    }
    if let Some(request) = request {
        body.insert("request".to_owned(), request.to_json());
    }
    HttpRequest {
        method: "POST".to_owned(),
        path: String::new(),
        headers: Some(HashMap::from([("content-type".to_owned(), vec!["application/json".to_owned()])])),
        body: OptionalBody::Present(Value::Object(body).to_string().into(), None, None),
        ..HttpRequest::default()
    }
}

/// The message in an answer.
pub(super) fn contents(mut answer: Answer) -> Result<MessageContents, String> {
    let mut metadata: HashMap<String, Value> = HashMap::new();
    if let Some(value) = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        metadata.insert("contentType".to_owned(), json!(value));
    }
    for value in answer.headers.get_all(METADATA) {
        let given: HashMap<String, Value> = STANDARD
            .decode(value.as_bytes())
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or("its Pact-Message-Metadata is not base64 of a JSON object")?;
        metadata.extend(given);
    }
    Ok(MessageContents { contents: answer.take_body(), metadata, ..MessageContents::default() })
}
