//! Why a ledger could not be used.

use seaworthy_core::finding::Location;

use crate::broker::BrokerError;

/// Why a ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is no ledger where one was named.
    #[error("could not find a ledger at {place}: {hint}")]
    Missing {
        /// Where.
        place: String,
        /// What to do.
        hint: String,
    },
    /// A file could not be read or written.
    #[error("could not {what} {file}: {source}")]
    File {
        /// `read`, `write`, …
        what: &'static str,
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what a ledger holds.
    #[error("could not read the ledger: {}{}: {reason}", location.file, if location.line > 0 { format!(":{}", location.line) } else { String::new() })]
    Fact {
        /// Where.
        location: Location,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// What was given cannot be written down.
    #[error("{0}")]
    Refused(String),
    /// A selector that means nothing.
    #[error("could not read the selector {selector}: {reason}")]
    Selector {
        /// The selector as it was given.
        selector: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What should be a pact is none.
    #[error("{message}")]
    Pact {
        /// What is wrong.
        message: String,
        /// Where.
        location: Option<Location>,
    },
    /// The Pact Broker did not do what it was asked.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl LedgerError {
    /// The place in a file that is wrong, if it is one.
    pub fn location(&self) -> Option<&Location> {
        match self {
            LedgerError::Fact { location, .. } => Some(location),
            LedgerError::Pact { location, .. } => location.as_ref(),
            _ => None,
        }
    }
}
