//! Query strings: as text (V1 to V2, case files) and as a map of names to values (V3, V4).

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::{Fault, kind};

/// The parameters of a query: each name with its values in order; `None` is a name without `=`.
pub type Query = HashMap<String, Vec<Option<String>>>;

/// The parameters of a query string, percent-decoded, `+` as a space; `None` for an empty one.
pub fn parse(text: &str) -> Option<Query> {
    let mut query = Query::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (decode(name), Some(decode(value))),
            None => (decode(pair), None),
        };
        query.entry(name).or_default().push(value);
    }
    (!query.is_empty()).then_some(query)
}

/// The parameters as a query string: names in alphabetical order, the values of one name in theirs.
pub fn to_text(query: &Query) -> String {
    let mut names: Vec<&String> = query.keys().collect();
    names.sort();
    let pairs = names.into_iter().flat_map(|name| {
        query.get(name).into_iter().flatten().map(move |value| match value {
            Some(value) => format!("{}={}", encode(name), encode(value)),
            None => encode(name),
        })
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-decoded, `+` as a space. What is not UTF-8 afterwards stays as it was.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                match after.split_first_chunk::<2>().and_then(|(pair, after)| Some((hex(pair)?, after))) {
                    Some((decoded, after)) => {
                        bytes.push(decoded);
                        rest = after;
                    }
                    None => bytes.push(b'%'),
                }
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex(pair: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(pair[0])? << 4 | digit(pair[1])?)
}

/// Percent-encoded, all but what never needs it (RFC 3986, unreserved).
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Reads either form.
pub(crate) fn from_json(value: &Value) -> Result<Option<Query>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(parse(text)),
        Value::Object(map) => {
            let query = map
                .iter()
                .map(|(name, value)| Ok((name.clone(), values(value).map_err(|fault| fault.under(name))?)));
            Ok(Some(query.collect::<Result<_, Fault>>()?))
        }
        other => Err(Fault::new(format!("a query is a string or an object, not {}", kind(other)))),
    }
}

fn values(value: &Value) -> Result<Vec<Option<String>>, Fault> {
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn one(value: &Value) -> Result<Option<String>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        other => Err(Fault::new(format!("a query parameter's value is a string, not {}", kind(other)))),
    }
}

/// The form of V3 and V4.
pub(crate) fn to_json(query: &Query) -> Value {
    let mut names: Vec<(&String, &Vec<Option<String>>)> = query.iter().collect();
    names.sort();
    let map: Map<String, Value> =
        names.into_iter().map(|(name, values)| (name.clone(), Value::from(values.clone()))).collect();
    Value::Object(map)
}
