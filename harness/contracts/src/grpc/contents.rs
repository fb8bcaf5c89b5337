//! A message as a contract holds it: its type, its bytes, its rules.

use bytes::Bytes;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use seaworthy_core::finding::Location;
use serde_json::Value as Json;

use super::compare;
use super::descriptors;
use super::error::GrpcError;
use super::rules::Rules;
use super::value;
use crate::mismatch::{Mismatch, Part};
use crate::model::MessageContents;

/// One message of a contract, decoded.
#[derive(Debug)]
pub(super) struct Example {
    /// What the contract holds; the example and its rules.
    pub(super) contents: MessageContents,
    /// `None` where the contract says nothing of the message itself (an error's status, say).
    pub(super) message: Option<DynamicMessage>,
    descriptor: MessageDescriptor,
}

impl Example {
    /// Decodes it. `what` is what errors call it: `the request`.
    pub(super) fn of(
        contents: &MessageContents,
        descriptor: MessageDescriptor,
        what: &str,
        location: &Location,
    ) -> Result<Example, GrpcError> {
        let failed = |reason: String| GrpcError::Contents {
            what: what.to_owned(),
            reason,
            location: location.clone(),
        };
        let message = match &contents.contents {
            OptionalBody::Missing | OptionalBody::Null => None,
            // A message in which nothing is set has no bytes.
            OptionalBody::Empty => Some(DynamicMessage::new(descriptor.clone())),
            OptionalBody::Present(bytes, ..) => Some(decode(&descriptor, bytes.clone()).map_err(failed)?),
        };
        if let Some(unknown) = message.as_ref().and_then(unknown_field) {
            return Err(failed(format!(
                "it holds field {} of a message `{}`, which the contract's own descriptors do not have there",
                unknown.1, unknown.0
            )));
        }
        Rules::of(&contents.matching_rules).map_err(failed)?;
        Ok(Example { contents: contents.clone(), message, descriptor })
    }

    /// Holds what came against it. `strict`: nothing may come that is not agreed.
    pub(super) fn compare(&self, came: &Bytes, strict: bool) -> Vec<Mismatch> {
        let Some(expected) = &self.message else { return Vec::new() };
        let actual = match decode(&self.descriptor, came.clone()) {
            Ok(actual) => actual,
            Err(reason) => {
                return vec![at_root(&self.descriptor, came, format!("could not be read: {reason}"))];
            }
        };
        match Rules::of(&self.contents.matching_rules) {
            Ok(rules) => compare::messages(expected, &actual, &rules, strict),
            Err(reason) => vec![at_root(&self.descriptor, came, reason)],
        }
    }
}

fn at_root(descriptor: &MessageDescriptor, came: &Bytes, message: String) -> Mismatch {
    Mismatch {
        part: Part::Body,
        path: "$".to_owned(),
        expected: Some(format!("a `{}`", descriptor.full_name())),
        actual: Some(format!("{} bytes", came.len())),
        message,
        rule: None,
    }
}

/// The message in these bytes.
pub(super) fn decode(descriptor: &MessageDescriptor, bytes: Bytes) -> Result<DynamicMessage, String> {
    DynamicMessage::decode(descriptor.clone(), bytes)
        .map_err(|error| format!("it is no `{}` ({error})", descriptor.full_name()))
}

/// The first field that a message or one inside it has and its descriptor does not: the type's name, the number.
fn unknown_field(message: &DynamicMessage) -> Option<(String, u32)> {
    if let Some(field) = message.unknown_fields().next() {
        return Some((message.descriptor().full_name().to_owned(), field.number()));
    }
    fn inside(value: &Value) -> Option<(String, u32)> {
        match value {
            Value::Message(message) => unknown_field(message),
            Value::List(items) => items.iter().find_map(inside),
            Value::Map(entries) => entries.values().find_map(inside),
            _ => None,
        }
    }
    message.fields().find_map(|(_, value)| inside(value))
}

/// The type that contents name: `application/protobuf;message=.package.Message`.
pub(super) fn named_type(
    pool: &DescriptorPool,
    contents: &MessageContents,
    location: &Location,
) -> Result<Option<MessageDescriptor>, GrpcError> {
    let metadata =
        contents.metadata.iter().find(|(key, _)| is_content_type(key)).and_then(|(_, value)| value.as_str());
    let stated = contents.contents.content_type().or_else(|| ContentType::parse(metadata?).ok());
    match stated.as_ref().and_then(|stated| stated.attributes.get("message")) {
        Some(name) => descriptors::message(pool, name, location).map(Some),
        None => Ok(None),
    }
}

/// Keys of a message's metadata that tell its type; they are no metadata of the call.
pub(super) fn is_content_type(key: &str) -> bool {
    key.eq_ignore_ascii_case("contentType") || key.eq_ignore_ascii_case("content-type")
}

/// A value of metadata as it goes over the wire.
pub(super) fn metadata_text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The message as JSON text, for people.
pub(super) fn text(message: &DynamicMessage) -> String {
    value::message_json(message).to_string()
}
