//! A gRPC call as a contract has it: what is sent, and what is agreed of the answer.

use bytes::Bytes;
use pact_models::generators::{Generator, GeneratorCategory};
use pact_models::path_exp::DocPath;
use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use seaworthy_core::finding::Location;
use serde_json::{Map, Value};

use super::answer::{Answer, Expected};
use super::contents::{self, Example, is_content_type, metadata_text};
use super::descriptors::{self, PLUGIN, Pools};
use super::error::GrpcError;
use super::inject;
use super::status;
use crate::generate::{GenerateContext, GenerateError, StateValues, value};
use crate::mismatch::{Mismatch, Part};
use crate::model::{Contents, Contract, Interaction, MessageContents};

/// A gRPC call as a contract has it.
#[derive(Debug)]
pub struct Call {
    method: MethodDescriptor,
    request: Example,
    expected: Expected,
    location: Location,
}

/// What a call sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message, encoded, without gRPC's prefix.
    pub message: Bytes,
    /// The message as JSON, by the names of the proto file.
    pub json: String,
    /// Metadata, names in lower case, in the order of the names.
    pub metadata: Vec<(String, String)>,
}

impl Outgoing {
    /// Whether it has metadata of this name.
    pub(super) fn states(&self, name: &str) -> bool {
        self.metadata.iter().any(|(stated, _)| stated.eq_ignore_ascii_case(name))
    }
}

impl Call {
    /// The call that an interaction means; `None` when it is no gRPC call. For many interactions of one contract,
    /// read the [`descriptors`](super::descriptors()) once and use [`Pools::call`].
    ///
    /// # Errors
    /// [`GrpcError`] when the interaction cannot be played: descriptors, service, method or message type are not there
    /// or do not fit, a message is not of its type, a rule or a status cannot be read.
    pub fn of(contract: &Contract, interaction: &Interaction) -> Result<Option<Call>, GrpcError> {
        if service_of(interaction).is_none() && interaction.transport.as_deref() != Some("grpc") {
            return Ok(None);
        }
        descriptors::descriptors(contract)?.call(interaction)
    }

    /// Where the call goes: `/package.Service/Method`.
    pub fn path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    /// Whether the provider answers with any number of messages.
    pub fn is_server_streaming(&self) -> bool {
        self.method.is_server_streaming()
    }

    /// How many messages the answer must have; `None` when the contract says nothing of them.
    pub fn expected_messages(&self) -> Option<usize> {
        (self.expected.code == 0 && !self.expected.responses.is_empty())
            .then_some(self.expected.responses.len())
    }

    /// Whether the answer must be read to its end: the contract speaks of it, or there is but one message anyway.
    /// A stream of which only messages are agreed is left once these have come, for it may never end.
    pub fn waits_for_the_end(&self) -> bool {
        !self.is_server_streaming() || self.expected.states_end || self.expected_messages().is_none()
    }

    /// What is sent, with generated values and those of provider states in it.
    ///
    /// # Errors
    /// A generator that cannot work: see [`GenerateError`].
    pub fn request(&self, values: &StateValues) -> Result<Outgoing, GenerateError> {
        let context = GenerateContext { mock_server_url: None, values: values.clone() };
        let contents = &self.request.contents;
        let mut message = self
            .request
            .message
            .clone()
            .unwrap_or_else(|| prost_reflect::DynamicMessage::new(self.method.input()));
        inject::generated(&mut message, &contents.generators, &context)?;
        let mut metadata = contents.metadata.clone();
        let generators = contents.generators.categories.get(&GeneratorCategory::METADATA);
        let mut generators: Vec<(&DocPath, &Generator)> = generators.into_iter().flatten().collect();
        generators.sort_by_key(|(path, _)| *path);
        for (path, generator) in generators {
            let Some(name) = path.last_field() else { continue };
            let example = metadata.get(name).cloned().unwrap_or_default();
            if let Some(made) =
                value::make(generator, &example, &context).map_err(|e| e.at(Part::Metadata, path))?
            {
                metadata.insert(name.to_owned(), made);
            }
        }
        let mut metadata: Vec<(String, String)> = metadata
            .iter()
            .filter(|(name, _)| !is_content_type(name))
            .map(|(name, value)| (name.to_ascii_lowercase(), metadata_text(value)))
            .collect();
        metadata.sort();
        Ok(Outgoing { message: message.encode_to_vec().into(), json: contents::text(&message), metadata })
    }

    /// Only the message that is sent, encoded, without gRPC's prefix.
    ///
    /// # Errors
    /// As [`Call::request`].
    pub fn request_bytes(&self, values: &StateValues) -> Result<Bytes, GenerateError> {
        Ok(self.request(values)?.message)
    }

    /// Where an answer differs from what is agreed; nothing where it does not.
    pub fn compare(&self, answer: &Answer) -> Vec<Mismatch> {
        self.expected.compare(answer)
    }

    /// Where the interaction stands.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Where a request that a consumer sent differs from the one that is agreed. Nothing may be in its message that is
    /// not agreed; of metadata only what is agreed is looked at.
    pub(crate) fn compare_request(&self, message: &Bytes, metadata: &[(String, String)]) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let contents = &self.request.contents;
        let mut keys: Vec<_> = contents.metadata.iter().filter(|(key, _)| !is_content_type(key)).collect();
        keys.sort_by_key(|(key, _)| key.as_str());
        for (key, wanted) in keys {
            let lower = key.to_ascii_lowercase();
            let came = metadata.iter().filter(|(name, _)| *name == lower).map(|(_, value)| value.as_str());
            let came: Vec<&str> = came.collect();
            let rules = &contents.matching_rules;
            super::answer::compare_entry(key, &metadata_text(wanted), &came, rules, &mut found);
        }
        found.extend(self.request.compare(message, true));
        found
    }

    /// The examples of the answer with generated values in them, encoded; the status; the metadata.
    pub(crate) fn response(&self, context: &GenerateContext) -> Result<Answer, GenerateError> {
        let mut messages = Vec::new();
        let mut metadata = Vec::new();
        let mut message = String::new();
        for example in &self.expected.responses {
            if self.expected.code == 0 {
                let empty = || prost_reflect::DynamicMessage::new(self.method.output());
                let mut body = example.message.clone().unwrap_or_else(empty);
                inject::generated(&mut body, &example.contents.generators, context)?;
                messages.push(body.encode_to_vec().into());
            }
            for (key, value) in &example.contents.metadata {
                match key.to_ascii_lowercase().as_str() {
                    "grpc-status" => {}
                    "grpc-message" => message = metadata_text(value),
                    _ if is_content_type(key) => {}
                    lower => metadata.push((lower.to_owned(), metadata_text(value))),
                }
            }
        }
        metadata.sort();
        Ok(Answer { messages, status: Some(status::Status { code: self.expected.code, message }), metadata })
    }

    /// Request and answer as JSON, for people.
    pub(crate) fn request_text(&self, message: &Bytes) -> String {
        contents::decode(&self.method.input(), message.clone()).map_or_else(
            |_| format!("{} bytes that are no message", message.len()),
            |message| contents::text(&message),
        )
    }
}

impl Pools {
    /// Whether these are the descriptors that an interaction names.
    pub(super) fn have(&self, interaction: &Interaction) -> bool {
        let key =
            interaction.plugin_configuration.get(PLUGIN).and_then(|it| it.get("descriptorKey")?.as_str());
        key.is_some_and(|key| self.contains(key))
    }

    /// The call that an interaction of this contract means; `None` when it is no gRPC call.
    ///
    /// # Errors
    /// As [`Call::of`].
    pub fn call(&self, interaction: &Interaction) -> Result<Option<Call>, GrpcError> {
        let Contents::SynchronousMessage { request, responses } = &interaction.contents else {
            return Ok(None);
        };
        let location = &interaction.location;
        let Some((configuration, service)) = service_of(interaction) else {
            if interaction.transport.as_deref() == Some("grpc") {
                return Err(GrpcError::Unknown {
                    what: "the service that the interaction calls".to_owned(),
                    reason: "it goes over grpc, but has no `pluginConfiguration.protobuf.service`".to_owned(),
                    location: location.clone(),
                });
            }
            return Ok(None);
        };
        let pool = self.get(&key_of(configuration, location)?, location)?;
        let method = descriptors::method(pool, service, location)?;
        let expected = expected(pool, &method, responses, location)?;
        check_type(pool, request, &method.input(), "the request", location)?;
        let request = Example::of(request, method.input(), "the request", location)?;
        Ok(Some(Call { method, request, expected, location: location.clone() }))
    }
}

/// The part of the interaction's configuration that is the protobuf plugin's, with the service it names.
pub(super) fn service_of(interaction: &Interaction) -> Option<(&Map<String, Value>, &str)> {
    let configuration = interaction.plugin_configuration.get(PLUGIN)?.as_object()?;
    Some((configuration, configuration.get("service")?.as_str()?))
}

/// The key under which the interaction's descriptors stand.
pub(super) fn key_of(configuration: &Map<String, Value>, location: &Location) -> Result<String, GrpcError> {
    configuration.get("descriptorKey").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
        GrpcError::Unknown {
            what: "the interaction's descriptors".to_owned(),
            reason: "`pluginConfiguration.protobuf` has no `descriptorKey`".to_owned(),
            location: location.clone(),
        }
    })
}

fn expected(
    pool: &DescriptorPool,
    method: &MethodDescriptor,
    responses: &[MessageContents],
    location: &Location,
) -> Result<Expected, GrpcError> {
    let streams = method.is_server_streaming();
    if responses.len() > 1 && !streams {
        return Err(GrpcError::Contents {
            what: format!("the {} responses", responses.len()),
            reason: format!("`{}` answers with one message", method.full_name()),
            location: location.clone(),
        });
    }
    let mut examples = Vec::new();
    let mut code = None;
    let mut states_end = false;
    for (index, contents) in responses.iter().enumerate() {
        let what =
            if responses.len() > 1 { format!("response {}", index + 1) } else { "the response".to_owned() };
        for (key, value) in &contents.metadata {
            states_end |= key.eq_ignore_ascii_case("grpc-status") || key.eq_ignore_ascii_case("grpc-message");
            if key.eq_ignore_ascii_case("grpc-status") {
                let text = metadata_text(value);
                code = Some(status::parse(&text).ok_or_else(|| GrpcError::Contents {
                    what: what.clone(),
                    reason: format!(
                        "its `grpc-status` is `{text}`, which is no name or number of a gRPC status"
                    ),
                    location: location.clone(),
                })?);
            }
        }
        check_type(pool, contents, &method.output(), &what, location)?;
        examples.push(Example::of(contents, method.output(), &what, location)?);
    }
    Ok(Expected { responses: examples, streams, code: code.unwrap_or(0), states_end })
}

/// What contents say of their type must be what the method has.
fn check_type(
    pool: &DescriptorPool,
    contents: &MessageContents,
    descriptor: &prost_reflect::MessageDescriptor,
    what: &str,
    location: &Location,
) -> Result<(), GrpcError> {
    match contents::named_type(pool, contents, location)? {
        Some(named) if named != *descriptor => Err(GrpcError::Contents {
            what: what.to_owned(),
            reason: format!(
                "its content type says `{}`, and the method has `{}`",
                named.full_name(),
                descriptor.full_name()
            ),
            location: location.clone(),
        }),
        _ => Ok(()),
    }
}
