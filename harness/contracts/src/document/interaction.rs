//! Interactions from and to JSON.

use pact_models::matchingrules::Category;
use pact_models::provider_states::ProviderState;
use seaworthy_core::finding::Location;
use serde_json::{Map, Value, json};

use super::error::{Fault, kind};
use super::part::{self, object, text};
use crate::model::{Contents, Interaction, MessageContents, Specification};

/// In which list of the file an interaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Interactions,
    Messages,
}

/// Reads an interaction.
pub(crate) fn read(
    value: &Value,
    version: Specification,
    list: List,
    index: usize,
    location: Location,
) -> Result<Interaction, Fault> {
    let json = object(value, "an interaction")?;
    let description = text(json, "description")?.unwrap_or_else(|| match list {
        List::Interactions => format!("interaction {}", index + 1),
        List::Messages => format!("message {}", index + 1),
    });
    let contents = match (version, list) {
        (Specification::V4, _) => described(json, value)?,
        (_, List::Interactions) => http(json, version)?,
        (_, List::Messages) => Contents::Message(Box::new(v3_message(value)?)),
    };
    let v4 = version == Specification::V4;
    Ok(Interaction {
        description,
        key: if v4 { text(json, "key")? } else { None },
        states: states(json)?,
        pending: v4 && flag(json, "pending")?,
        comments: if v4 { map(json, "comments")? } else { Map::new() },
        transport: if v4 { text(json, "transport")? } else { None },
        plugin_configuration: if v4 { map(json, "pluginConfiguration")? } else { Map::new() },
        contents,
        location,
    })
}

fn http(json: &Map<String, Value>, version: Specification) -> Result<Contents, Fault> {
    let empty = Value::Object(Map::new());
    let (request, response) = match (json.get("request"), json.get("response")) {
        (None, None) => return Err(Fault::new("it has neither request nor response")),
        (request, response) => (request.unwrap_or(&empty), response.unwrap_or(&empty)),
    };
    Ok(Contents::Http {
        request: Box::new(part::request(request, version).map_err(|fault| fault.under("request"))?),
        response: Box::new(part::response(response, version).map_err(|fault| fault.under("response"))?),
    })
}

/// V4 says of each interaction what kind it is.
fn described(json: &Map<String, Value>, value: &Value) -> Result<Contents, Fault> {
    match json.get("type").and_then(Value::as_str) {
        Some("Synchronous/HTTP") => http(json, Specification::V4),
        Some("Asynchronous/Messages") => {
            Ok(Contents::Message(Box::new(part::message(value, Specification::V4)?)))
        }
        Some("Synchronous/Messages") => {
            let request = json.get("request").ok_or_else(|| Fault::new("it has no request"))?;
            let request =
                part::message(request, Specification::V4).map_err(|fault| fault.under("request"))?;
            let responses = match json.get("response") {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(items)) => (items.iter().enumerate())
                    .map(|(index, item)| {
                        part::message(item, Specification::V4)
                            .map_err(|fault| fault.under(&index.to_string()).under("response"))
                    })
                    .collect::<Result<_, _>>()?,
                Some(one) => {
                    vec![part::message(one, Specification::V4).map_err(|fault| fault.under("response"))?]
                }
            };
            Ok(Contents::SynchronousMessage { request: Box::new(request), responses })
        }
        other => {
            let what =
                other.map_or_else(|| "it has no type".to_owned(), |other| format!("'{other}' is no type"));
            let known = "Synchronous/HTTP, Asynchronous/Messages and Synchronous/Messages are";
            Err(Fault::new(format!("{what}; {known}")).under("type"))
        }
    }
}

/// V3 keeps the rules for a message's contents under `body`, as those of a request; V4 under `content`.
fn v3_message(value: &Value) -> Result<MessageContents, Fault> {
    let mut message = part::message(value, Specification::V3)?;
    message.matching_rules = message.matching_rules.rename(Category::BODY, Category::CONTENTS);
    Ok(message)
}

fn states(json: &Map<String, Value>) -> Result<Vec<ProviderState>, Fault> {
    match json.get("providerStates") {
        Some(Value::Array(items)) => {
            return (items.iter().enumerate())
                .map(|(index, item)| {
                    state(item).map_err(|fault| fault.under(&index.to_string()).under("providerStates"))
                })
                .collect();
        }
        Some(Value::String(name)) => return Ok(named(name)),
        None | Some(Value::Null) => {}
        Some(other) => {
            return Err(Fault::new(format!("provider states are a list, not {}", kind(other)))
                .under("providerStates"));
        }
    }
    let key = if json.contains_key("providerState") { "providerState" } else { "provider_state" };
    Ok(text(json, key)?.map(|name| named(&name)).unwrap_or_default())
}

fn named(name: &str) -> Vec<ProviderState> {
    if name.is_empty() { Vec::new() } else { vec![ProviderState::default(name)] }
}

fn state(value: &Value) -> Result<ProviderState, Fault> {
    if let Value::String(name) = value {
        return Ok(ProviderState::default(name.as_str()));
    }
    let json = object(value, "a provider state")?;
    let name = text(json, "name")?.ok_or_else(|| Fault::new("a provider state needs a name"))?;
    Ok(ProviderState { name, params: map(json, "params")?.into_iter().collect() })
}

fn flag(json: &Map<String, Value>, key: &str) -> Result<bool, Fault> {
    match json.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(Fault::new(format!("{key} is true or false, not {}", kind(other))).under(key)),
    }
}

fn map(json: &Map<String, Value>, key: &str) -> Result<Map<String, Value>, Fault> {
    match json.get(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(other) => Err(Fault::new(format!("{key} is an object, not {}", kind(other))).under(key)),
    }
}

/// Writes an interaction in the form of a version.
pub(crate) fn to_json(interaction: &Interaction, version: Specification) -> Value {
    let mut json = Map::new();
    if version == Specification::V4 {
        let kind = match interaction.contents {
            Contents::Http { .. } => "Synchronous/HTTP",
            Contents::Message(_) => "Asynchronous/Messages",
            Contents::SynchronousMessage { .. } => "Synchronous/Messages",
        };
        json.insert("type".to_owned(), Value::from(kind));
        insert_text(&mut json, "key", interaction.key.as_deref());
    }
    json.insert("description".to_owned(), Value::from(interaction.description.as_str()));
    write_states(&mut json, &interaction.states, version);
    if version == Specification::V4 {
        json.insert("pending".to_owned(), Value::Bool(interaction.pending));
        insert_map(&mut json, "comments", &interaction.comments);
        insert_text(&mut json, "transport", interaction.transport.as_deref());
        insert_map(&mut json, "pluginConfiguration", &interaction.plugin_configuration);
    }
    match &interaction.contents {
        Contents::Http { request, response } => {
            json.insert("request".to_owned(), part::request_json(request, version));
            json.insert("response".to_owned(), part::response_json(response, version));
        }
        Contents::Message(message) if version == Specification::V4 => {
            part::message_json(message, &mut json, version);
        }
        Contents::Message(message) => {
            let mut message = message.as_ref().clone();
            message.matching_rules = message.matching_rules.rename(Category::CONTENTS, Category::BODY);
            part::message_json(&message, &mut json, version);
        }
        Contents::SynchronousMessage { request, responses } => {
            let write = |message: &MessageContents| {
                let mut json = Map::new();
                part::message_json(message, &mut json, version);
                Value::Object(json)
            };
            json.insert("request".to_owned(), write(request));
            json.insert("response".to_owned(), Value::Array(responses.iter().map(write).collect()));
        }
    }
    Value::Object(json)
}

/// Up to V2 there is one state without parameters; what does not fit is written as V3 has it.
fn write_states(json: &mut Map<String, Value>, states: &[ProviderState], version: Specification) {
    match states {
        [] => {}
        [state] if version < Specification::V3 && state.params.is_empty() && !state.name.is_empty() => {
            json.insert("providerState".to_owned(), Value::from(state.name.as_str()));
        }
        states => {
            let states = states.iter().map(|state| {
                let mut params: Vec<(&String, &Value)> = state.params.iter().collect();
                params.sort_by_key(|(key, _)| key.as_str());
                let params: Map<String, Value> =
                    params.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                if params.is_empty() {
                    json!({ "name": state.name })
                } else {
                    json!({ "name": state.name, "params": params })
                }
            });
            json.insert("providerStates".to_owned(), states.collect());
        }
    }
}

fn insert_text(json: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        json.insert(key.to_owned(), Value::from(value));
    }
}

fn insert_map(json: &mut Map<String, Value>, key: &str, value: &Map<String, Value>) {
    if !value.is_empty() {
        json.insert(key.to_owned(), Value::Object(value.clone()));
    }
}
