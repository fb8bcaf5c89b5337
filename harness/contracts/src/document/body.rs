//! Bodies and message contents: as bare JSON (V1 to V3) and as `{content, contentType, encoded}` (V4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::{ContentType, ContentTypeHint, detect_content_type_from_string};
use serde_json::{Map, Value, json};

use super::error::{Fault, kind};

/// Reads a body of V1 to V3. `content_type` is what headers or metadata say.
pub(crate) fn read_bare(value: Option<&Value>, content_type: Option<ContentType>) -> OptionalBody {
    let text = match value {
        None => return OptionalBody::Missing,
        Some(Value::Null) => return OptionalBody::Null,
        Some(Value::String(text)) if text.is_empty() => return OptionalBody::Empty,
        Some(Value::String(text)) => text,
        Some(value) => {
            // A text that says nothing of its type may be anything, but an object or a list is JSON.
            let json = || (value.is_object() || value.is_array()).then(|| "application/json".into());
            return OptionalBody::Present(value.to_string().into(), content_type.or_else(json), None);
        }
    };
    let content_type =
        content_type.unwrap_or_else(|| detect_content_type_from_string(text).unwrap_or_default());
    if content_type.is_json() {
        OptionalBody::Present(json_in_text(text).into(), Some(content_type), None)
    } else if content_type.is_text() {
        OptionalBody::Present(text.clone().into(), Some(content_type), None)
    } else {
        // What is not text is written as base64; what is neither stays as it is.
        let bytes = BASE64.decode(text).unwrap_or_else(|_| text.clone().into_bytes());
        let known = (!content_type.is_unknown()).then_some(content_type);
        OptionalBody::Present(bytes.into(), known, None)
    }
}

/// A JSON body given as a string may be a JSON document in text form, or the string is the body itself.
fn json_in_text(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::String(_))) => value.to_string(),
        _ => Value::from(text).to_string(),
    }
}

/// Writes a body for V1 to V3; `None` for one that is not there. `content_type` is what it is, `named` what headers or
/// metadata say that it is.
pub(crate) fn write_bare(
    body: &OptionalBody,
    content_type: Option<&ContentType>,
    named: Option<&ContentType>,
) -> Option<Value> {
    let bytes = match body {
        OptionalBody::Missing => return None,
        OptionalBody::Null => return Some(Value::Null),
        OptionalBody::Empty => return Some(Value::from("")),
        OptionalBody::Present(bytes, ..) => bytes,
    };
    let text = std::str::from_utf8(bytes).ok();
    let json = || serde_json::from_slice::<Value>(bytes).ok();
    let plain = || text.map(Value::from);
    let base64 = || Some(Value::from(BASE64.encode(bytes)));
    let ways: [&dyn Fn() -> Option<Value>; 3] = match content_type {
        Some(content_type) if content_type.is_json() => [&json, &plain, &base64],
        Some(content_type) if !content_type.is_text() => [&base64, &plain, &json],
        _ => [&plain, &base64, &json],
    };
    // The same value means other things beside other headers: the way that is read as it was is the one.
    let read_again = |value: &Value| read_bare(Some(value), named.cloned()) == *body;
    ways.iter().find_map(|way| way().filter(read_again)).or_else(|| ways.iter().find_map(|way| way()))
}

/// Reads a body of V4. `content_type` is what headers or metadata say.
pub(crate) fn read_described(
    value: Option<&Value>,
    content_type: Option<ContentType>,
) -> Result<OptionalBody, Fault> {
    let described = match value {
        None => return Ok(OptionalBody::Missing),
        Some(Value::Null) => return Ok(OptionalBody::Null),
        Some(Value::Object(described)) => described,
        // Some tools put the contents where their description belongs.
        Some(bare) => return Ok(OptionalBody::Present(bare.to_string().into(), None, None)),
    };
    let Some(content) = described.get("content") else {
        if described.keys().all(|key| ["contentType", "contentTypeHint", "encoded"].contains(&key.as_str())) {
            return Ok(OptionalBody::Missing);
        }
        return Ok(OptionalBody::Present(Value::Object(described.clone()).to_string().into(), None, None));
    };
    if content.is_null() {
        return Ok(OptionalBody::Null);
    }
    let content_type = match described.get("contentType") {
        None | Some(Value::Null) => content_type,
        Some(Value::String(text)) => {
            Some(parse_content_type(text).map_err(|fault| fault.under("contentType"))?)
        }
        Some(other) => {
            return Err(
                Fault::new(format!("a content type is a string, not {}", kind(other))).under("contentType")
            );
        }
    };
    let hint = match described.get("contentTypeHint").and_then(Value::as_str) {
        None => None,
        Some(hint) => Some(ContentTypeHint::try_from(hint).map_err(|_| {
            Fault::new(format!("'{hint}' is no hint (BINARY, TEXT, DEFAULT)")).under("contentTypeHint")
        })?),
    };
    let encoding = match described.get("encoded") {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(""),
        Some(Value::String(encoding)) => Some(encoding.as_str()),
        Some(other) => {
            return Err(
                Fault::new(format!("encoded is a string or false, not {}", kind(other))).under("encoded")
            );
        }
    };
    let text = || content.as_str().map_or_else(|| content.to_string(), str::to_owned);
    let bytes = match encoding {
        Some(encoding) if encoding.eq_ignore_ascii_case("base64") => BASE64
            .decode(text())
            .map_err(|error| Fault::new(format!("it is not base64: {error}")).under("content"))?,
        Some(_) => text().into_bytes(),
        None if content_type.as_ref().is_some_and(ContentType::is_json) && content.as_str() != Some("") => {
            content.to_string().into_bytes()
        }
        None => text().into_bytes(),
    };
    if bytes.is_empty() {
        return Ok(OptionalBody::Empty);
    }
    let content_type = content_type
        .or_else(|| pact_models::content_types::detect_content_type_from_bytes(&bytes))
        .unwrap_or_default();
    Ok(OptionalBody::Present(bytes.into(), Some(content_type), hint))
}

/// Writes a body for V4; `None` for one that is not there.
pub(crate) fn write_described(body: &OptionalBody, content_type: Option<&ContentType>) -> Option<Value> {
    let (bytes, own, hint) = match body {
        OptionalBody::Missing => return None,
        OptionalBody::Null => return Some(json!({ "content": null })),
        OptionalBody::Empty => return Some(json!({ "content": "" })),
        OptionalBody::Present(bytes, own, hint) => (bytes, own.as_ref(), hint),
    };
    let content_type = own.or(content_type).cloned().unwrap_or_default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if *hint != Some(ContentTypeHint::BINARY) && !content_type.is_binary() => Some(text),
        _ => None,
    };
    let content = if content_type.is_json() {
        // Only what comes back as the same bytes.
        serde_json::from_slice::<Value>(bytes).ok().filter(|value| {
            !value.is_null() && value.as_str() != Some("") && value.to_string().as_bytes() == &bytes[..]
        })
    } else {
        text.map(Value::from)
    };
    let mut described = Map::new();
    let encoded = if content.is_some() { Value::Bool(false) } else { Value::from("base64") };
    described.insert("content".to_owned(), content.unwrap_or_else(|| Value::from(BASE64.encode(bytes))));
    described.insert("contentType".to_owned(), Value::from(content_type.to_string()));
    if let Some(hint) = hint {
        described.insert("contentTypeHint".to_owned(), Value::from(hint.to_string()));
    }
    described.insert("encoded".to_owned(), encoded);
    Some(Value::Object(described))
}

/// A content type, or why it is none.
pub(crate) fn parse_content_type(text: &str) -> Result<ContentType, Fault> {
    ContentType::parse(text).map_err(|_| Fault::new(format!("'{text}' is no content type")))
}
