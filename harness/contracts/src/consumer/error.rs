//! What keeps a consumer's test from making a contract.

use seaworthy_core::finding::Location;
use thiserror::Error;

use super::played::Report;
use super::property::Counterexample;
use crate::write::WriteError;

/// What keeps a consumer's test from making a contract.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// An interaction is declared that cannot be.
    #[error("could not use the interaction \"{name}\", declared at {}:{}: {message}", location.file, location.line)]
    Declaration {
        /// The interaction's name.
        name: String,
        /// Where the test declares it.
        location: Location,
        /// What is wrong, and what to do.
        message: String,
    },
    /// An interaction is asked for that is not declared.
    #[error("could not find an interaction called \"{description}\": {known}")]
    Unknown {
        /// What was asked for.
        description: String,
        /// What there is.
        known: String,
    },
    /// The mock provider could not be started.
    #[error("could not start the mock provider on 127.0.0.1")]
    Server(#[source] std::io::Error),
    /// A value could not be generated.
    #[error("could not generate what \"{name}\" answers: {message}")]
    Generate {
        /// The interaction's name.
        name: String,
        /// Why.
        message: String,
    },
    /// The consumer did not use all that is declared, or sent what is not.
    #[error("could not keep the contract of {} with {}\n{report}", report.consumer, report.provider)]
    Unfulfilled {
        /// What was not used, and what came that does not match.
        report: Box<Report>,
    },
    /// The consumer's handler refused a message that the contract allows.
    #[error("could not hand \"{name}\" (declared at {}:{}) to the consumer: {message}", location.file, location.line)]
    Handler {
        /// The interaction's name.
        name: String,
        /// Where the test declares it.
        location: Location,
        /// What the handler said.
        message: String,
    },
    /// The consumer breaks on an answer that the contract allows.
    #[error("could not rely on \"{}\" (declared at {}:{}): the contract allows more than the consumer does\n{_0}", _0.name, _0.location.file, _0.location.line)]
    Broken(Box<Counterexample>),
    /// The client succeeded without asking, so nothing was tried.
    #[error("could not try the answers of \"{name}\" (declared at {}:{}): the client did not ask for it{report}", location.file, location.line)]
    NotAsked {
        /// The interaction's name.
        name: String,
        /// Where the test declares it.
        location: Location,
        /// What it asked instead; empty for nothing.
        report: String,
    },
    /// Answers could not be generated.
    #[error("could not generate answers: {message}")]
    Generation {
        /// Why.
        message: String,
    },
    /// The contract could not be written, or is not what the file says.
    #[error(transparent)]
    Write(#[from] WriteError),
}
