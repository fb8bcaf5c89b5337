//! OTLP messages: from bytes (protobuf or JSON) to the words of `seaworthy-core`. Pure functions.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/>, protocol version 1.

mod convert;
pub(crate) mod json;
pub(crate) mod parts;
pub(crate) mod schema;

pub use convert::{Decoded, logs, metrics, spans};
