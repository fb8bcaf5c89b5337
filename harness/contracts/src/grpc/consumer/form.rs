//! The form in which the protobuf plugin writes contracts: messages in base64 with their type, rules by the names of
//! fields, descriptors in the contract's metadata.

use pact_models::bodies::OptionalBody;
use pact_models::content_types::{ContentType, ContentTypeHint};
use pact_models::generators::generators_from_json;
use pact_models::matchingrules::matchers_from_json;
use pact_models::path_exp::DocPath;
use pact_models::v4::message_parts::MessageContents;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::super::descriptors::{PLUGIN, listed};
use crate::consumer::pattern::{Pattern, Resolved};

/// The version of the plugin whose form this is.
const PLUGIN_VERSION: &str = "0.6.5";

/// A pattern as a message with its rules.
pub(super) fn contents(descriptor: &MessageDescriptor, pattern: &Pattern) -> Result<MessageContents, String> {
    let mut resolved = Resolved::default();
    let example = pattern.resolve(&DocPath::root(), &mut resolved);
    by_proto_names(descriptor, &example, "$")?;
    let message = DynamicMessage::deserialize(descriptor.clone(), &example)
        .map_err(|error| format!("the example is no `{}`: {error}", descriptor.full_name()))?;
    let stated = format!("application/protobuf;message=.{}", descriptor.full_name());
    let content_type = ContentType::parse(stated.as_str()).map_err(|error| error.to_string())?;
    let bytes = message.encode_to_vec();
    let mut contents = from_rules("body", resolved.rules_by_path(), resolved.generators_by_path())?;
    contents.contents = if bytes.is_empty() {
        OptionalBody::Empty
    } else {
        OptionalBody::Present(bytes.into(), Some(content_type), Some(ContentTypeHint::BINARY))
    };
    contents.metadata.insert("contentType".to_owned(), Value::String(stated));
    Ok(contents)
}

/// Adds metadata with its rules.
pub(super) fn metadata(contents: &mut MessageContents, entries: &[(String, Pattern)]) -> Result<(), String> {
    let mut resolved = Resolved::default();
    for (name, pattern) in entries {
        if http::HeaderName::try_from(name.as_str()).is_err() {
            return Err(format!("`{name}` is no name of metadata"));
        }
        let mut path = DocPath::empty();
        path.push_field(name);
        let example = match pattern.resolve(&named(name), &mut resolved) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        contents.metadata.insert(name.clone(), Value::String(example));
    }
    let made = from_rules("metadata", resolved.rules_by_path(), resolved.generators_by_path())?;
    contents.matching_rules.merge(&made.matching_rules);
    contents.generators.add_generators(made.generators);
    Ok(())
}

/// The plugin writes rules for metadata under its bare name.
fn named(name: &str) -> DocPath {
    DocPath::new(name).unwrap_or_else(|_| {
        let mut path = DocPath::root();
        path.push_field(name);
        path
    })
}

fn from_rules(category: &str, rules: Value, generators: Value) -> Result<MessageContents, String> {
    let file = json!({ "matchingRules": { category: rules }, "generators": { category: generators } });
    Ok(MessageContents {
        matching_rules: matchers_from_json(&file, &None).map_err(|error| error.to_string())?,
        generators: generators_from_json(&file).map_err(|error| error.to_string())?,
        ..MessageContents::default()
    })
}

/// Rules are found by the names of the proto file, so the example has to use these, not those of protobuf's JSON.
fn by_proto_names(descriptor: &MessageDescriptor, example: &Value, at: &str) -> Result<(), String> {
    if descriptor.full_name().starts_with("google.protobuf.") {
        return Ok(());
    }
    let Value::Object(fields) = example else {
        return Err(format!("at {at}: a `{}` is an object, not {example}", descriptor.full_name()));
    };
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        let Some(field) = descriptor.get_field_by_name(name) else {
            let known: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
            return Err(format!(
                "at {at}: `{}` has no field of that name; it has {}",
                descriptor.full_name(),
                listed(known.iter().map(String::as_str))
            ));
        };
        in_field(&field, value, &at)?;
    }
    Ok(())
}

fn in_field(field: &FieldDescriptor, value: &Value, at: &str) -> Result<(), String> {
    let Kind::Message(message) = field.kind() else { return Ok(()) };
    match value {
        Value::Object(entries) if field.is_map() => match message.map_entry_value_field().kind() {
            Kind::Message(message) => entries
                .iter()
                .try_for_each(|(key, value)| by_proto_names(&message, value, &format!("{at}.{key}"))),
            _ => Ok(()),
        },
        Value::Array(items) if field.is_list() => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| by_proto_names(&message, item, &format!("{at}[{index}]"))),
        value => by_proto_names(&message, value, at),
    }
}

/// Lets a contract carry descriptors: one entry for the plugin, each set under its key, keys in order.
pub(super) fn carry(metadata: &mut Map<String, Value>, key: &str, configuration: Value) {
    let plugins = metadata.entry("plugins").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(plugins) = plugins else { return };
    let is_ours = |plugin: &Value| plugin.get("name").and_then(Value::as_str) == Some(PLUGIN);
    let at = plugins.iter().position(is_ours).unwrap_or_else(|| {
        plugins.push(json!({ "configuration": {}, "name": PLUGIN, "version": PLUGIN_VERSION }));
        plugins.len() - 1
    });
    let sets = plugins.get_mut(at).and_then(|plugin| plugin.get_mut("configuration")?.as_object_mut());
    if let Some(sets) = sets {
        sets.insert(key.to_owned(), configuration);
        sets.sort_keys();
    }
}
