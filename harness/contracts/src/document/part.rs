//! Requests, responses and messages from and to JSON.

use std::collections::HashMap;

use pact_models::content_types::ContentType;
use pact_models::headers::parse_header;
use serde_json::{Map, Value};

use super::body;
use super::error::{Fault, kind};
use super::query;
use super::rules;
use crate::model::{HttpRequest, HttpResponse, MessageContents, Specification};

type Headers = HashMap<String, Vec<String>>;

/// Reads a request.
pub(crate) fn request(value: &Value, version: Specification) -> Result<HttpRequest, Fault> {
    let json = object(value, "a request")?;
    let method = text(json, "method")?.map_or_else(|| "GET".to_owned(), |method| method.to_uppercase());
    let path = text(json, "path")?.unwrap_or_else(|| "/".to_owned());
    let query = match json.get("query") {
        Some(value) => query::from_json(value).map_err(|fault| fault.under("query"))?,
        None => None,
    };
    let headers = headers(json)?;
    Ok(HttpRequest {
        method,
        path,
        query,
        body: http_body(json, headers.as_ref(), version)?,
        headers,
        matching_rules: rules::matching(json, "requestMatchingRules")?,
        generators: rules::generators(json)?,
    })
}

/// Reads a response.
pub(crate) fn response(value: &Value, version: Specification) -> Result<HttpResponse, Fault> {
    let json = object(value, "a response")?;
    let headers = headers(json)?;
    Ok(HttpResponse {
        status: status(json)?,
        body: http_body(json, headers.as_ref(), version)?,
        headers,
        matching_rules: rules::matching(json, "responseMatchingRules")?,
        generators: rules::generators(json)?,
    })
}

/// Reads a message's contents with its metadata.
pub(crate) fn message(value: &Value, version: Specification) -> Result<MessageContents, Fault> {
    let json = object(value, "a message")?;
    let key = if json.contains_key("metaData") { "metaData" } else { "metadata" };
    let metadata: HashMap<String, Value> = match json.get(key) {
        None | Some(Value::Null) => HashMap::new(),
        Some(Value::Object(map)) => map.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        Some(other) => {
            return Err(Fault::new(format!("metadata is an object, not {}", kind(other))).under(key));
        }
    };
    let content_type = metadata_content_type(&metadata);
    let contents = json.get("contents");
    let contents = match version {
        Specification::V4 => {
            body::read_described(contents, content_type).map_err(|fault| fault.under("contents"))?
        }
        _ => body::read_bare(contents, content_type),
    };
    Ok(MessageContents {
        contents,
        metadata,
        matching_rules: rules::matching(json, "matchingRules")?,
        generators: rules::generators(json)?,
    })
}

/// The content type that a message's metadata names.
pub(crate) fn metadata_content_type(metadata: &HashMap<String, Value>) -> Option<ContentType> {
    let value = metadata.iter().filter(|(key, _)| {
        key.eq_ignore_ascii_case("contentType") || key.eq_ignore_ascii_case("content-type")
    });
    // There may be several in different spellings: the first in the alphabet, not the first in a map.
    value.min_by_key(|(key, _)| key.as_str()).and_then(|(_, value)| ContentType::parse(value.as_str()?).ok())
}

/// The content type that headers name.
pub(crate) fn header_content_type(headers: Option<&Headers>) -> Option<ContentType> {
    let header = headers?.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    header
        .min_by_key(|(name, _)| name.as_str())
        .and_then(|(_, values)| ContentType::parse(values.first()?.as_str()).ok())
}

fn http_body(
    json: &Map<String, Value>,
    headers: Option<&Headers>,
    version: Specification,
) -> Result<pact_models::bodies::OptionalBody, Fault> {
    let content_type = header_content_type(headers);
    match version {
        Specification::V4 => {
            body::read_described(json.get("body"), content_type).map_err(|fault| fault.under("body"))
        }
        _ => Ok(body::read_bare(json.get("body"), content_type)),
    }
}

fn status(json: &Map<String, Value>) -> Result<u16, Fault> {
    let number = match json.get("status") {
        None | Some(Value::Null) => Some(200),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|status| (100..=999).contains(status))
        .ok_or_else(|| Fault::new("a status is a number from 100 to 999").under("status"))
}

fn headers(json: &Map<String, Value>) -> Result<Option<Headers>, Fault> {
    let map = match json.get("headers") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(map)) => map,
        Some(other) => {
            return Err(Fault::new(format!("headers are an object, not {}", kind(other))).under("headers"));
        }
    };
    let mut headers = Headers::with_capacity(map.len());
    for (name, value) in map {
        let values = match value {
            Value::String(text) => parse_header(name, text),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect(),
            Value::Number(_) | Value::Bool(_) => vec![value.to_string()],
            other => {
                let reason =
                    format!("a header's value is a string or a list of strings, not {}", kind(other));
                return Err(Fault::new(reason).under(name).under("headers"));
            }
        };
        headers.insert(name.clone(), values);
    }
    Ok(Some(headers))
}

/// Writes a request.
pub(crate) fn request_json(request: &HttpRequest, version: Specification) -> Value {
    let mut json = Map::new();
    json.insert("method".to_owned(), Value::from(request.method.to_uppercase()));
    json.insert("path".to_owned(), Value::from(request.path.as_str()));
    if let Some(query) = &request.query {
        let query = match version {
            Specification::V3 | Specification::V4 => query::to_json(query),
            _ => Value::from(query::to_text(query)),
        };
        json.insert("query".to_owned(), query);
    }
    rest_of_http(&mut json, request.headers.as_ref(), &request.body, version);
    rules::write(&mut json, &request.matching_rules, &request.generators, version);
    Value::Object(json)
}

/// Writes a response.
pub(crate) fn response_json(response: &HttpResponse, version: Specification) -> Value {
    let mut json = Map::new();
    json.insert("status".to_owned(), Value::from(response.status));
    rest_of_http(&mut json, response.headers.as_ref(), &response.body, version);
    rules::write(&mut json, &response.matching_rules, &response.generators, version);
    Value::Object(json)
}

/// Writes a message's contents with its metadata into what else is said of it.
pub(crate) fn message_json(message: &MessageContents, json: &mut Map<String, Value>, version: Specification) {
    let named = metadata_content_type(&message.metadata);
    let content_type = message.contents.content_type().or_else(|| named.clone());
    let contents = match version {
        Specification::V4 => body::write_described(&message.contents, content_type.as_ref()),
        _ => body::write_bare(&message.contents, content_type.as_ref(), named.as_ref()),
    };
    if let Some(contents) = contents {
        json.insert("contents".to_owned(), contents);
    }
    if !message.metadata.is_empty() {
        let mut metadata: Vec<(&String, &Value)> = message.metadata.iter().collect();
        metadata.sort_by_key(|(key, _)| key.as_str());
        let metadata = metadata.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        json.insert("metadata".to_owned(), Value::Object(metadata));
    }
    rules::write(json, &message.matching_rules, &message.generators, version);
}

fn rest_of_http(
    json: &mut Map<String, Value>,
    headers: Option<&Headers>,
    body: &pact_models::bodies::OptionalBody,
    version: Specification,
) {
    if let Some(headers) = headers {
        let mut headers: Vec<(&String, &Vec<String>)> = headers.iter().collect();
        headers.sort();
        let headers =
            headers.into_iter().map(|(name, values)| (name.clone(), header_json(name, values, version)));
        json.insert("headers".to_owned(), Value::Object(headers.collect()));
    }
    let named = header_content_type(headers);
    let content_type = body
        .content_type()
        .or_else(|| named.clone())
        .or_else(|| pact_models::content_types::detect_content_type_from_bytes(&body.value()?));
    let body = match version {
        Specification::V4 => body::write_described(body, content_type.as_ref()),
        _ => body::write_bare(body, content_type.as_ref(), named.as_ref()),
    };
    if let Some(body) = body {
        json.insert("body".to_owned(), body);
    }
}

/// Up to V3 a header is one string, unless that would be read as other values than it has.
fn header_json(name: &str, values: &[String], version: Specification) -> Value {
    let joined = values.join(", ");
    if version < Specification::V4 && parse_header(name, &joined) == values {
        Value::from(joined)
    } else {
        Value::from(values)
    }
}

pub(crate) fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| Fault::new(format!("{what} is an object, not {}", kind(value))))
}

/// A field that is a string (numbers and booleans are taken as their text); `None` where it is missing or null.
pub(crate) fn text(json: &Map<String, Value>, key: &str) -> Result<Option<String>, Fault> {
    match json.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(other) => Err(Fault::new(format!("{key} is a string, not {}", kind(other))).under(key)),
    }
}
