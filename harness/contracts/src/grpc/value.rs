//! Values of fields: as text for people, as JSON for matching rules, and whether two are the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, SerializeOptions, Value};
use serde_json::{Number, Value as Json};

/// How much of a value a mismatch shows, in characters.
const SHOWN: usize = 300;
/// How many values of an enum are listed.
const ENUM_VALUES_SHOWN: usize = 12;

/// As a matching rule sees it: enums by name, bytes as text or base64, floats as they are written.
pub(super) fn json(kind: &Kind, value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::I32(value) => Json::from(*value),
        Value::I64(value) => Json::from(*value),
        Value::U32(value) => Json::from(*value),
        Value::U64(value) => Json::from(*value),
        // By its text: 0.1 as a float is 0.1, not the double next to it.
        Value::F32(value) => float(value.to_string().parse().unwrap_or(f64::from(*value))),
        Value::F64(value) => float(*value),
        Value::String(value) => Json::String(value.clone()),
        Value::Bytes(value) => Json::String(match std::str::from_utf8(value) {
            Ok(text) => text.to_owned(),
            Err(_) => STANDARD.encode(value),
        }),
        Value::EnumNumber(number) => Json::String(enum_text(kind, *number)),
        Value::Message(message) => message_json(message),
        Value::List(items) => items.iter().map(|item| json(kind, item)).collect(),
        Value::Map(entries) => {
            let value_kind = map_value_kind(kind);
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Json::Object(
                entries.into_iter().map(|(key, value)| (key_text(key), json(&value_kind, value))).collect(),
            )
        }
    }
}

fn float(value: f64) -> Json {
    // JSON has no numbers for these; protobuf's JSON writes them so.
    Number::from_f64(value).map_or_else(
        || {
            let text = match value {
                value if value.is_nan() => "NaN",
                value if value > 0.0 => "Infinity",
                _ => "-Infinity",
            };
            Json::String(text.to_owned())
        },
        Json::Number,
    )
}

/// The kind of a map's values, from the kind of its entries.
pub(super) fn map_value_kind(entry: &Kind) -> Kind {
    match entry {
        Kind::Message(entry) if entry.is_map_entry() => entry.map_entry_value_field().kind(),
        other => other.clone(),
    }
}

/// A message as protobuf's JSON has it, by the names of the proto file; what is default is left out.
pub(super) fn message_json(message: &DynamicMessage) -> Json {
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        // What JSON has no form for (a Timestamp of the year 300000): how long it is.
        .unwrap_or_else(|_| {
            Json::String(format!("a message of {} bytes", prost::Message::encoded_len(message)))
        })
}

/// A value for people.
pub(super) fn text(kind: &Kind, value: &Value) -> String {
    let text = match value {
        Value::EnumNumber(number) => enum_text(kind, *number),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(char::is_control) => json(kind, value).to_string(),
            _ => format!("{} bytes, in base64 {}", bytes.len(), STANDARD.encode(bytes)),
        },
        other => json(kind, other).to_string(),
    };
    shortened(text)
}

/// No more of a text than is worth showing.
pub(super) fn shortened(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

/// The key of a map's entry as paths and rules have it.
pub(super) fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

/// The name of an enum's value, or its number where the descriptor has none.
fn enum_text(kind: &Kind, number: i32) -> String {
    match kind {
        Kind::Enum(descriptor) => {
            descriptor.get_value(number).map_or_else(|| number.to_string(), |value| value.name().to_owned())
        }
        _ => number.to_string(),
    }
}

/// What an enum knows, in the order of the numbers: `A = 0, B = 1`.
pub(super) fn enum_values(descriptor: &EnumDescriptor) -> String {
    let mut values: Vec<_> = descriptor.values().collect();
    values.sort_by_key(prost_reflect::EnumValueDescriptor::number);
    let shown = values.iter().take(ENUM_VALUES_SHOWN);
    let mut shown: Vec<String> =
        shown.map(|value| format!("{} = {}", value.name(), value.number())).collect();
    if values.len() > shown.len() {
        shown.push(format!("and {} more", values.len() - shown.len()));
    }
    shown.join(", ")
}

/// Whether two values are the same. A NaN is a NaN.
pub(super) fn same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::F32(expected), Value::F32(actual)) if expected.is_nan() => actual.is_nan(),
        (Value::F64(expected), Value::F64(actual)) if expected.is_nan() => actual.is_nan(),
        (expected, actual) => expected == actual,
    }
}

/// The value that stands in a field which is not on the wire.
pub(super) fn item_default(field: &FieldDescriptor) -> Value {
    Value::default_value(&map_value_kind(&field.kind()))
}
