//! Pact files: read, written, looked for in folders.
//!
//! What is read is checked first: whatever is wrong in a file is an error with its place, never a panic and never
//! something that is silently left out. A contract that is written and read again is equal to the first.

mod body;
mod error;
mod fetch;
mod interaction;
mod part;
mod place;
pub mod query;
mod read;
mod rules;
mod version;
mod write;

pub(crate) use error::Fault;
pub use error::ReadError;
pub use fetch::fetch;
pub(crate) use part::{message, request, response};
pub use read::{LIMIT, collect, parse, read};
pub(crate) use read::{json_error, text_of};
pub use write::{to_json, to_text};
