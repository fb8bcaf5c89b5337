//! The gate: may these versions go to that environment? Pure functions over what a ledger knows.
//!
//! Each consumer and provider that are, or would be, together in the environment form a pair. Each given version is
//! judged against the others given and against what is deployed or released there; pairs that no given version is part
//! of are as they are and not judged.

mod hint;
mod judge;
mod order;
mod picture;
mod report;
mod table;

use std::collections::BTreeMap;
use std::fmt;

pub use judge::can_i_deploy;
pub use order::{Blocked, Order, order};
pub use picture::{Outcome, Pair, Picture};
pub use report::{answer_of_order, check_report, findings, order_findings};
pub use table::{brief, clean, order_text, text};

/// Which versions are to go where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The versions by service; at most [`MOST_SERVICES`].
    pub wanted: BTreeMap<String, String>,
    /// The environment.
    pub environment: String,
    /// How the ledger is named on a command line, for hints; empty where it goes without saying.
    pub ledger: String,
}

/// How many services one question may hold.
pub const MOST_SERVICES: usize = 60;

/// What the gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Every pair is verified.
    Yes,
    /// It cannot be told: a pair was never verified, a provider is not there, a service is not known.
    Unknown,
    /// A pair is known to fail.
    No,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Answer::Yes => "yes",
            Answer::Unknown => "unknown",
            Answer::No => "no",
        })
    }
}

/// What is known of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The provider's version keeps the consumer version's pact.
    Verified,
    /// It does not.
    Failed,
    /// Nobody ever tried.
    NotVerified,
    /// No version of the provider is, or would be, in the environment.
    ProviderMissing,
}

impl State {
    fn answer(self) -> Answer {
        match self {
            State::Verified => Answer::Yes,
            State::Failed => Answer::No,
            State::NotVerified | State::ProviderMissing => Answer::Unknown,
        }
    }
}

/// A row of the matrix: one pair, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The consumer.
    pub consumer: String,
    /// Its version.
    pub consumer_version: String,
    /// The provider.
    pub provider: String,
    /// Its version; `None` where none is there.
    pub provider_version: Option<String>,
    /// What is known.
    pub state: State,
    /// When it was verified, as the ledger writes it.
    pub when: Option<String>,
    /// The build that verified it.
    pub build_url: Option<String>,
}

/// Why the answer is not yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The rule: `deploy.failed`, `deploy.not-verified`, …
    pub rule: &'static str,
    /// What it makes of the answer: no or unknown.
    pub answer: Answer,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What would make it yes.
    pub hint: String,
    /// The row that says it, if one does.
    pub row: Option<Row>,
    /// The service that it is about, where no row says it.
    pub service: Option<String>,
}

/// The gate's answer, and all that it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What was asked.
    pub question: Question,
    /// The answer.
    pub answer: Answer,
    /// The rows that decide it.
    pub rows: Vec<Row>,
    /// Why it is not yes; empty where it is.
    pub reasons: Vec<Reason>,
    /// What else is worth knowing: a service without contracts, what a broker says.
    pub notes: Vec<String>,
}

impl Ruling {
    /// Whether the ledger knows environment, services and versions, so that an order can be looked for at all.
    pub fn is_of_known(&self) -> bool {
        !self.reasons.iter().any(|reason| reason.rule.starts_with("deploy.unknown"))
    }
}
