//! The protobuf descriptors that a contract carries: what its messages and services look like.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use seaworthy_core::finding::Location;
use serde_json::Value;

use super::error::GrpcError;
use crate::model::Contract;

/// The most that one descriptor set may be, in bytes, decoded. Real ones have some ten thousand.
const MAX_DESCRIPTORS: usize = 32 * 1024 * 1024;
/// The most sets that one contract may carry.
const MAX_SETS: usize = 1_000;
/// How many names an error lists.
const NAMES_SHOWN: usize = 12;

/// The name by which contracts know the plugin whose form this is.
pub(super) const PLUGIN: &str = "protobuf";

/// All descriptors of one contract, by the key that interactions name.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    by_key: BTreeMap<String, DescriptorPool>,
    location: Location,
}

/// Reads the descriptors out of `metadata.plugins`. A contract without the plugin has none, which is no error.
///
/// # Errors
/// [`GrpcError::Descriptors`] when there are any that cannot be read: no base64, no `FileDescriptorSet`, files that
/// import each other in a circle or are not there, more than 1,000 sets, or one of more than 32 MiB.
pub fn descriptors(contract: &Contract) -> Result<Pools, GrpcError> {
    let location = Location {
        file: contract.source.clone(),
        pointer: Some("/metadata/plugins".to_owned()),
        ..Location::default()
    };
    let plugins = contract.metadata.get("plugins").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let sets = plugins
        .iter()
        .filter(|plugin| plugin.get("name").and_then(Value::as_str) == Some(PLUGIN))
        .filter_map(|plugin| plugin.get("configuration")?.as_object())
        .flatten();
    let mut by_key = BTreeMap::new();
    for (key, set) in sets {
        // Whatever else the plugin is configured with has no descriptors.
        let Some(encoded) = set.get("protoDescriptors") else { continue };
        let failed =
            |reason: String| GrpcError::Descriptors { key: key.clone(), reason, location: location.clone() };
        if by_key.len() >= MAX_SETS {
            return Err(failed(format!("the contract carries more than {MAX_SETS} sets of descriptors")));
        }
        let Some(encoded) = encoded.as_str() else {
            return Err(failed("`protoDescriptors` is not a text".to_owned()));
        };
        by_key.insert(key.clone(), decode(encoded).map_err(failed)?);
    }
    Ok(Pools { by_key, location })
}

fn decode(encoded: &str) -> Result<DescriptorPool, String> {
    if encoded.len() / 4 * 3 > MAX_DESCRIPTORS {
        return Err(format!("it has more than {} MiB", MAX_DESCRIPTORS / 1024 / 1024));
    }
    let bytes = STANDARD
        .decode(encoded.trim())
        .map_err(|error| format!("`protoDescriptors` is not base64 ({error})"))?;
    pool(&bytes)
}

/// The pool that an encoded `FileDescriptorSet` makes.
pub(super) fn pool(bytes: &[u8]) -> Result<DescriptorPool, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    DescriptorPool::decode(bytes)
        .map_err(|error| format!("it is not a set of file descriptors that fit together ({error})"))
}

impl Pools {
    /// Whether the contract carries any descriptors.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The descriptors that an interaction names by `descriptorKey`.
    pub(super) fn get(&self, key: &str, location: &Location) -> Result<&DescriptorPool, GrpcError> {
        self.by_key.get(key).ok_or_else(|| GrpcError::Unknown {
            what: format!("the descriptors `{key}`"),
            reason: match self.by_key.len() {
                0 => format!("`metadata.plugins` of {} has none", self.location.file),
                _ => format!("the contract carries {}", listed(self.by_key.keys().map(String::as_str))),
            },
            location: location.clone(),
        })
    }
}

/// The method that a contract names: `.package.Service/Method`, or, as older plugins wrote it, `Service/Method`.
pub(super) fn method(
    pool: &DescriptorPool,
    name: &str,
    location: &Location,
) -> Result<MethodDescriptor, GrpcError> {
    let unknown =
        |what: String, reason: String| GrpcError::Unknown { what, reason, location: location.clone() };
    let Some((service_name, method_name)) = name.trim_start_matches('.').split_once('/') else {
        return Err(unknown(
            format!("the method `{name}`"),
            "it has no `/` between service and method".to_owned(),
        ));
    };
    // `Method:request` and `Method:response` stand for one half of it.
    let method_name = method_name.split_once(':').map_or(method_name, |(method, _)| method);
    let services: Vec<_> = pool.services().collect();
    let mut found: Vec<_> = services.iter().filter(|service| service.full_name() == service_name).collect();
    if found.is_empty() {
        found = services.iter().filter(|service| service.name() == service_name).collect();
    }
    let service = match found.as_slice() {
        [service] => *service,
        [] => {
            let known = listed(services.iter().map(ServiceDescriptor::full_name));
            return Err(unknown(
                format!("the service `{service_name}`"),
                format!("the descriptors have {known}"),
            ));
        }
        several => {
            let known = listed(several.iter().map(|service| service.full_name()));
            return Err(unknown(
                format!("the one service `{service_name}`"),
                format!("the descriptors have {known}"),
            ));
        }
    };
    service.methods().find(|method| method.name() == method_name).ok_or_else(|| {
        let known: Vec<_> = service.methods().collect();
        unknown(
            format!("the method `{method_name}` of `{}`", service.full_name()),
            format!("it has {}", listed(known.iter().map(MethodDescriptor::name))),
        )
    })
}

/// The message of this name: `.package.Message`, or `Message` alone if there is one such.
pub(super) fn message(
    pool: &DescriptorPool,
    name: &str,
    location: &Location,
) -> Result<MessageDescriptor, GrpcError> {
    let name = name.trim_start_matches('.');
    if let Some(message) = pool.get_message_by_name(name) {
        return Ok(message);
    }
    let mut found = pool.all_messages().filter(|message| message.name() == name);
    match (found.next(), found.next()) {
        (Some(message), None) => Ok(message),
        (Some(one), Some(other)) => Err(GrpcError::Unknown {
            what: format!("the one message `{name}`"),
            reason: format!("the descriptors have `{}` and `{}`", one.full_name(), other.full_name()),
            location: location.clone(),
        }),
        (None, _) => Err(GrpcError::Unknown {
            what: format!("the message `{name}`"),
            reason: "the descriptors have no message of that name".to_owned(),
            location: location.clone(),
        }),
    }
}

/// ``none``, or `` `a`, `b` and 3 more``.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let left = names.len().saturating_sub(NAMES_SHOWN);
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    match (shown.is_empty(), left) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, left) => format!("{} and {left} more", shown.join(", ")),
    }
}
