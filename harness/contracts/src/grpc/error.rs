//! Why a gRPC interaction cannot be played: something in the contract is wrong, and where.

use seaworthy_core::finding::Location;

/// Why a gRPC interaction of a contract cannot be read or played. All of these are faults of the contract, never of
/// the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrpcError {
    /// The contract's `metadata.plugins` does not hold protobuf descriptors that can be read.
    #[error("could not read the protobuf descriptors `{key}` of the contract: {reason}")]
    Descriptors {
        /// The key of `configuration` under which they stand; empty where there is no such key.
        key: String,
        /// Why.
        reason: String,
        /// The contract, with `/metadata/plugins`.
        location: Location,
    },
    /// The interaction names a service, a method or a message that its descriptors do not have.
    #[error("could not find {what}: {reason}")]
    Unknown {
        /// What was looked for: ``the service `shop.Inventory` ``.
        what: String,
        /// What there is instead.
        reason: String,
        /// The interaction.
        location: Location,
    },
    /// A message, a matching rule, a status or metadata of the interaction cannot be used.
    #[error("could not use {what}: {reason}")]
    Contents {
        /// Which part: `the request`, `response 2`.
        what: String,
        /// Why.
        reason: String,
        /// The interaction.
        location: Location,
    },
}

impl GrpcError {
    /// Where the fault lies.
    pub fn location(&self) -> &Location {
        match self {
            GrpcError::Descriptors { location, .. }
            | GrpcError::Unknown { location, .. }
            | GrpcError::Contents { location, .. } => location,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            GrpcError::Descriptors { .. } => {
                "let the consumer's test write the contract again: `metadata.plugins` needs an entry named `protobuf` \
                 whose configuration holds each `descriptorKey` with its `protoDescriptors`"
            }
            GrpcError::Unknown { .. } => {
                "`pluginConfiguration.protobuf.service` is written `.package.Service/Method`; contents say their type \
                 as `application/protobuf;message=.package.Message`"
            }
            GrpcError::Contents { .. } => {
                "contents are a message encoded as protobuf, in base64; let the consumer's test write the contract again"
            }
        }
    }
}
