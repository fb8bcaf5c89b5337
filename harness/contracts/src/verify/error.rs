//! What stands in the way of verifying anything at all.

use seaworthy_core::finding::Location;

/// Nothing was verified, for what was asked for is wrong: exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// An address is not one.
    #[error("the {what} `{url}` is not an address that can be asked: {why}")]
    Address {
        /// Whose: the provider's URL, the states URL, the message URL.
        what: &'static str,
        /// What was given, without its password.
        url: String,
        /// Why not.
        why: String,
    },
    /// A filter's pattern is not a regular expression.
    #[error("the pattern `{pattern}` for {what} could not be read: {why}")]
    Pattern {
        /// What it filters: descriptions, states.
        what: &'static str,
        /// The pattern.
        pattern: String,
        /// Why not.
        why: String,
    },
    /// A header that was to be added cannot be sent.
    #[error("the header `{name}` could not be added: {why}")]
    Header {
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },
    /// A file could not be read.
    #[error("{file} could not be read: {why}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why not.
        why: String,
    },
    /// The file of state keys says something that cannot be used.
    #[error("{message}")]
    StateKeys {
        /// What is wrong.
        message: String,
        /// Where in it.
        location: Location,
    },
    /// No client could be made.
    #[error("a client could not be made: {0}")]
    Client(String),
}

impl VerifyError {
    /// The place in a file, where one is to blame.
    pub fn location(&self) -> Option<Location> {
        match self {
            VerifyError::StateKeys { location, .. } => Some(location.clone()),
            VerifyError::Unreadable { file, .. } => {
                Some(Location { file: file.clone(), ..Location::default() })
            }
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            VerifyError::Address { .. } => {
                "write it as http://HOST:PORT or https://HOST, with a path if it has one"
            }
            VerifyError::Pattern { .. } => "write a regular expression as Rust's `regex` crate has it",
            VerifyError::Header { .. } => "write it as NAME:VALUE, in printable characters",
            VerifyError::Unreadable { .. } => "name a file that can be read",
            VerifyError::StateKeys { .. } => {
                "write `state name: key:${parameter}`, with parameters that each interaction gives the state"
            }
            VerifyError::Client(_) => {
                "see whether the certificates are PEM and the system's TLS roots can be read"
            }
        }
    }
}
