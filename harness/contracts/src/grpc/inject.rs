//! Values that are made anew each time, put into a protobuf message by the paths that its generators name.

use pact_models::generators::{Generator, GeneratorCategory, Generators};
use pact_models::path_exp::{DocPath, PathToken};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use serde_json::Value as Json;

use super::value::{json, key_text, map_value_kind};
use crate::generate::{GenerateContext, GenerateError, value};
use crate::mismatch::Part;

/// Puts generated values into a message. A path at which the message has nothing is passed over, as for JSON.
///
/// # Errors
/// A generator that can never work, and a value that does not fit its field.
pub(super) fn generated(
    message: &mut DynamicMessage,
    generators: &Generators,
    context: &GenerateContext,
) -> Result<(), GenerateError> {
    let mut found: Vec<(&DocPath, &Generator)> =
        generators.categories.get(&GeneratorCategory::BODY).into_iter().flatten().collect();
    // Always in the same order, shallow paths first.
    found.sort_by(|(one, _), (other, _)| (one.len(), *one).cmp(&(other.len(), *other)));
    for (path, generator) in found {
        let tokens = path.tokens().strip_prefix(&[PathToken::Root]).unwrap_or(path.tokens());
        let mut make = |kind: &Kind, example: &Value| -> Result<Option<Value>, GenerateError> {
            let made = value::make(generator, &json(kind, example), context)
                .map_err(|failure| failure.at(Part::Body, path))?;
            let Some(made) = made else { return Ok(None) };
            let fitting = from_json(kind, &made).ok_or_else(|| GenerateError {
                part: Part::Body,
                path: path.to_string(),
                generator: generator.name(),
                reason: format!("{made} does not fit a field of type {kind:?}"),
            })?;
            Ok(Some(fitting))
        };
        in_message(message, tokens, &mut make)?;
    }
    Ok(())
}

type Make<'a> = dyn FnMut(&Kind, &Value) -> Result<Option<Value>, GenerateError> + 'a;

fn in_message(
    message: &mut DynamicMessage,
    tokens: &[PathToken],
    make: &mut Make<'_>,
) -> Result<(), GenerateError> {
    let Some((first, rest)) = tokens.split_first() else { return Ok(()) };
    let fields: Vec<FieldDescriptor> = match first {
        PathToken::Field(name) => message.descriptor().get_field_by_name(name).into_iter().collect(),
        PathToken::Star => message.fields().map(|(field, _)| field).collect(),
        _ => Vec::new(),
    };
    for field in fields {
        // A field without presence that holds its default is there; a message that is not set is not.
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        in_value(message.get_field_mut(&field), &field.kind(), rest, make)?;
    }
    Ok(())
}

fn in_value(
    value: &mut Value,
    kind: &Kind,
    tokens: &[PathToken],
    make: &mut Make<'_>,
) -> Result<(), GenerateError> {
    match value {
        Value::Message(message) => in_message(message, tokens, make),
        Value::List(items) => {
            // A path that ends at the field means each item.
            let (first, rest) = tokens.split_first().map_or((&PathToken::StarIndex, tokens), |(f, r)| (f, r));
            for (index, item) in items.iter_mut().enumerate() {
                let meant = match first {
                    PathToken::Index(at) => *at == index,
                    PathToken::Star | PathToken::StarIndex => true,
                    _ => false,
                };
                if meant {
                    in_value(item, kind, rest, make)?;
                }
            }
            Ok(())
        }
        Value::Map(entries) => {
            let value_kind = map_value_kind(kind);
            let (first, rest) = tokens.split_first().map_or((&PathToken::Star, tokens), |(f, r)| (f, r));
            for (key, item) in entries.iter_mut() {
                let meant = match first {
                    PathToken::Field(name) => *name == key_text(key),
                    PathToken::Index(at) => at.to_string() == key_text(key),
                    PathToken::Star | PathToken::StarIndex => true,
                    PathToken::Root => false,
                };
                if meant {
                    in_value(item, &value_kind, rest, make)?;
                }
            }
            Ok(())
        }
        scalar if tokens.is_empty() => {
            if let Some(made) = make(kind, scalar)? {
                *scalar = made;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A JSON value as one of a field: numbers also from text, enums by name or number.
fn from_json(kind: &Kind, value: &Json) -> Option<Value> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(match kind {
        Kind::Double => Value::F64(text.parse().ok()?),
        Kind::Float => Value::F32(text.parse().ok()?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(text.parse().ok()?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(text.parse().ok()?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(text.parse().ok()?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(text.parse().ok()?),
        Kind::Bool => Value::Bool(text.parse().ok()?),
        Kind::String => Value::String(text),
        Kind::Bytes => Value::Bytes(text.into_bytes().into()),
        Kind::Enum(descriptor) => Value::EnumNumber(match descriptor.get_value_by_name(&text) {
            Some(value) => value.number(),
            None => text.parse().ok()?,
        }),
        Kind::Message(_) => return None,
    })
}
