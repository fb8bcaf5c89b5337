//! What came of verifying an interaction, whichever way it was verified.

use std::time::Duration;

use seaworthy_core::finding::Location;
use seaworthy_core::ids::{ExchangeId, TraceId};
use serde::{Deserialize, Serialize};

use crate::mismatch::Mismatch;
use crate::model::{Contract, Interaction};

/// What came of verifying one interaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InteractionResult {
    /// The consumers whose contracts hold it; several where it stands in several in the same form.
    pub consumers: Vec<String>,
    /// The provider that was asked.
    pub provider: String,
    /// The interaction's description.
    pub description: String,
    /// Its provider states by name, in order.
    pub states: Vec<String>,
    /// Where it stands (first).
    pub location: Location,
    /// It may fail without failing the run.
    pub pending: bool,
    /// What came of it.
    pub outcome: Outcome,
    /// What else is worth saying.
    pub warnings: Vec<Warning>,
    /// What was sent, as a line for the shell (`curl …`), secrets redacted.
    pub request: Option<String>,
    /// The trace that its request carried.
    pub trace: Option<TraceId>,
    /// The correlation id that its request carried.
    pub correlation_id: Option<String>,
    /// The exchange that shows it, where it was judged from the wire.
    pub exchange: Option<ExchangeId>,
    /// From the request's first byte to the answer's last; without states.
    pub latency: Option<Duration>,
    /// What its contract notes of it, line by line (V4: `comments.text`).
    #[serde(default)]
    pub notes: Vec<String>,
    /// The consumer's test that wrote it, where its contract says (V4: `comments.testname`).
    #[serde(default)]
    pub test_name: Option<String>,
}

impl InteractionResult {
    /// What came of an interaction that nobody was asked about, or that is only now being asked about.
    pub fn new(contract: &Contract, interaction: &Interaction, outcome: Outcome) -> Self {
        Self {
            consumers: vec![contract.consumer.clone()],
            provider: contract.provider.clone(),
            description: interaction.description.clone(),
            states: interaction.states.iter().map(|state| state.name.clone()).collect(),
            location: interaction.location.clone(),
            pending: interaction.pending,
            outcome,
            warnings: Vec::new(),
            request: None,
            trace: None,
            correlation_id: None,
            exchange: None,
            latency: None,
            notes: Vec::new(),
            test_name: None,
        }
    }

    /// The name by which the interaction is known within its contract, as [`crate::model::Interaction::name`] has it.
    pub fn name(&self) -> String {
        if self.states.is_empty() {
            return self.description.clone();
        }
        format!("given {}, {}", self.states.join(" and "), self.description)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    /// The provider keeps it.
    Verified,
    /// What came is not what was agreed. Never empty.
    Mismatched {
        /// The differences.
        mismatches: Vec<Mismatch>,
    },
    /// It is kept, but took longer than the limit.
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// A provider state could not be set up, so nothing was asked.
    StateFailed {
        /// Which.
        state: String,
        /// Why.
        message: String,
    },
    /// No whole answer came: the provider is down, did not answer in time, or answered more than is read.
    RequestFailed {
        /// Why.
        message: String,
    },
    /// It cannot be told.
    Undecided {
        /// Why, and what would decide it.
        message: String,
    },
}

impl Outcome {
    /// Whether the provider keeps the interaction.
    pub fn is_verified(&self) -> bool {
        matches!(self, Outcome::Verified)
    }

    /// Whether it is known that the provider does not keep it.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Outcome::Verified | Outcome::Undecided { .. })
    }
}

/// What is worth saying of an interaction besides its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Warning {
    /// It failed beside others and passed alone: they share something that their states do not tell.
    Interference {
        /// What was wrong when it ran beside others.
        was: String,
    },
    /// A provider state could not be taken back.
    TeardownFailed {
        /// Which.
        state: String,
        /// Why.
        message: String,
    },
    /// A provider state was not set up, for there is nobody to ask for it.
    StateNotSetUp {
        /// Which.
        state: String,
    },
    /// It was judged from events on the wire.
    SeenOnTheWire {
        /// How many were compared, each once however often it was delivered.
        compared: u64,
        /// How many of them differ from what was agreed.
        differing: u64,
    },
}
