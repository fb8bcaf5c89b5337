//! Protobuf messages that a provider publishes: compared by their fields, as the answers of calls are.

use pact_models::bodies::OptionalBody;
use seaworthy_core::finding::Location;
use serde_json::Value;

use super::answer::compare_entry;
use super::call::key_of;
use super::contents::{self, Example, is_content_type, metadata_text};
use super::descriptors::{self, PLUGIN, Pools};
use super::error::GrpcError;
use crate::mismatch::{Mismatch, Part};
use crate::model::{Contents, Interaction, MessageContents};

/// A protobuf message as a contract has it.
#[derive(Debug)]
pub struct Message {
    example: Example,
    location: Location,
}

impl Pools {
    /// The protobuf message that an interaction of this contract means; `None` when it is no message, or one in another
    /// form.
    ///
    /// # Errors
    /// When its descriptors, its type or its contents are not there or do not fit.
    pub fn message(&self, interaction: &Interaction) -> Result<Option<Message>, GrpcError> {
        let Contents::Message(agreed) = &interaction.contents else { return Ok(None) };
        let location = &interaction.location;
        let configured = interaction.plugin_configuration.get(PLUGIN).and_then(Value::as_object);
        let Some(configured) = configured else { return Ok(None) };
        let pool = self.get(&key_of(configured, location)?, location)?;
        let descriptor = match configured.get("message").and_then(Value::as_str) {
            Some(name) => Some(descriptors::message(pool, name, location)?),
            None => contents::named_type(pool, agreed, location)?,
        };
        let descriptor = descriptor.ok_or_else(|| GrpcError::Unknown {
            what: "the type of the message".to_owned(),
            reason: "neither `pluginConfiguration.protobuf.message` nor its content type says it".to_owned(),
            location: location.clone(),
        })?;
        let example = Example::of(agreed, descriptor, "the message", location)?;
        Ok(Some(Message { example, location: location.clone() }))
    }
}

impl Message {
    /// Where a message that came differs from the one that is agreed, in contents or metadata; nothing where it does
    /// not. More may come than is agreed.
    pub fn compare(&self, came: &MessageContents) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let agreed = &self.example.contents;
        let mut keys: Vec<_> = agreed.metadata.iter().filter(|(key, _)| !is_content_type(key)).collect();
        keys.sort_by_key(|(key, _)| key.as_str());
        for (key, wanted) in keys {
            let values: Vec<String> = came.metadata.get(key).map(metadata_text).into_iter().collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            compare_entry(key, &metadata_text(wanted), &values, &agreed.matching_rules, &mut found);
        }
        match &came.contents {
            OptionalBody::Present(bytes, ..) => found.extend(self.example.compare(bytes, false)),
            OptionalBody::Empty => found.extend(self.example.compare(&bytes::Bytes::new(), false)),
            OptionalBody::Missing | OptionalBody::Null => found.push(Mismatch {
                part: Part::Body,
                path: "$".to_owned(),
                expected: Some("a message".to_owned()),
                actual: None,
                message: "is missing".to_owned(),
                rule: None,
            }),
        }
        found
    }

    /// Where the interaction stands.
    pub fn location(&self) -> &Location {
        &self.location
    }
}
