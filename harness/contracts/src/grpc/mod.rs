//! gRPC calls and protobuf messages of contracts, through the descriptors that a contract carries: no plugin runs, no
//! code is generated.
//!
//! Interactions are V4 synchronous messages (a call) and asynchronous ones (a protobuf message), in the file form of the
//! protobuf plugin of other Pact tools: descriptors in `metadata.plugins`, `pluginConfiguration.protobuf` with the
//! service and the key of its descriptors, messages in base64, rules by the names of fields (`$.lines[0].sku`),
//! `grpc-status` and `grpc-message` in a response's metadata.
//!
//! | for | use |
//! |---|---|
//! | a consumer's test | [`consumer`]: declares calls, plays them, writes the contract |
//! | verifying a provider | [`Caller`], given to [`verify::Options::synchronous`](crate::verify::Options) |
//! | what is wrong in a file, before anything starts | [`validate`]; [`any`] tells whether a [`Caller`] is needed |
//! | one call by itself | [`Call::of`], [`Call::request`], [`Call::compare`] |
//! | a protobuf message | [`Pools::message`], [`Message::compare`]; [`Caller`] does it for `--message-url` |
//!
//! ```no_run
//! # async fn f(contracts: Vec<seaworthy_contracts::model::Contract>) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use seaworthy_contracts::grpc::Caller;
//! use seaworthy_contracts::verify::{Options, Provider, verify};
//!
//! let url = "http://127.0.0.1:50051".to_owned();
//! let caller = Caller::new(&url, &contracts, None)?;
//! let options = Options { synchronous: Some(Arc::new(caller)), ..Options::default() };
//! let provider = Provider { name: "inventory".to_owned(), url, message_url: None };
//! let verification = verify(&contracts, &provider, &options, &|_| {}).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What is compared, and how, beyond Pact's rules:
//!
//! - A field that the contract's message sets must be there; of one that it does not set nothing is agreed. proto3 does
//!   not tell an absent field from one that has its default, so a field without presence counts as its default, and a
//!   contract can agree on a default only by a rule at that field.
//! - Enums are their names, for rules too; a number that the contract's descriptors do not have is a mismatch whatever the
//!   rules say, for the consumer could make nothing of it.
//! - Rules at a wrapper (`google.protobuf.StringValue`) or its `.value` mean its value; text rules at a `Timestamp`, a
//!   `Duration` or a `FieldMask` read it as protobuf's JSON writes it; a `Struct` is compared as JSON.
//! - A stream is read until as many messages have come as are agreed, and to its end where the contract speaks of that.
//!
mod answer;
mod call;
mod caller;
pub(crate) mod carried;
mod compare;
pub mod consumer;
mod contents;
mod descriptors;
mod error;
mod frame;
mod grpcurl;
mod inject;
mod message;
mod path;
mod rules;
mod scalar;
mod status;
mod value;
mod well_known;
mod wire;

pub use answer::Answer;
pub use call::{Call, Outgoing};
pub use caller::{Caller, CallerError, Carried, Played, any, validate};
pub use descriptors::{Pools, descriptors};
pub use error::GrpcError;
pub use message::Message;
pub use status::Status;
