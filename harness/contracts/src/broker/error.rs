//! Why a Pact Broker did not do what it was asked.

/// Why a Pact Broker could not be used. No secret stands in any message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// What should be the broker's URL is none.
    #[error("could not use `{url}` as the URL of a Pact Broker: {reason}")]
    Url {
        /// As it was given, without credentials.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// No whole answer came.
    #[error("could not {method} {url}: {reason}")]
    Request {
        /// The method.
        method: String,
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The broker refused.
    #[error("could not {method} {url}: the broker answered {status}{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
    Status {
        /// The method.
        method: String,
        /// Where.
        url: String,
        /// The status of its answer.
        status: u16,
        /// What it said, or what that status means here.
        message: String,
    },
    /// The answer is not what such a resource is documented to be.
    #[error("could not read the answer of {url}: {reason}")]
    Answer {
        /// Where.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A resource lacks a link, so that the broker cannot do this (an old version, or no permission).
    #[error("could not find the link `{relation}` at {url}: {hint}")]
    NoLink {
        /// Where.
        url: String,
        /// Which.
        relation: String,
        /// What to do.
        hint: String,
    },
    /// The broker does not know what was named.
    #[error("could not find {what}: {hint}")]
    Unknown {
        /// What.
        what: String,
        /// What to do.
        hint: String,
    },
}
