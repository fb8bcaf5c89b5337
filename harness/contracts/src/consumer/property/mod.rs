//! Any answer that the contract allows, tried on the consumer's own code.
//!
//! An example shows one answer. The matching rules allow many more: other texts, empty ones, numbers at the edges,
//! lists of other lengths, fields that nobody agreed on. A consumer that relies on more than its contract says
//! breaks on one of these some day; [`Pact::every_response`](super::Pact::every_response) finds it now, and shows
//! the answer nearest to the example that still breaks it.

mod answer;
mod counterexample;
mod json;
mod search;
#[cfg(test)]
mod soundness;
mod text;

use std::ops::RangeInclusive;
use std::time::Duration;

pub use counterexample::Counterexample;
pub(super) use search::{every_message, every_response};

/// How many answers are tried, and which.
///
/// A number says how many: `pact.every_response("…", 100, client)`.
#[derive(Debug, Clone)]
pub struct Cases {
    pub(super) count: u32,
    pub(super) seed: Option<u64>,
    pub(super) integers: RangeInclusive<i64>,
    pub(super) unknown_fields: bool,
    pub(super) deadline: Duration,
}

impl Cases {
    /// So many answers; 0 counts as 1.
    pub fn new(count: u32) -> Cases {
        Cases {
            count: count.max(1),
            seed: None,
            integers: i64::MIN..=i64::MAX,
            unknown_fields: true,
            deadline: Duration::from_secs(10),
        }
    }

    /// The same answers in each run. Without, the environment's `SEAWORTHY_SEED` says it; without that, each run
    /// tries others.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Cases {
        self.seed = Some(seed);
        self
    }

    /// Numbers stay within this range: Pact's rules know none, so without it a price may be negative and as large
    /// as 64 bits allow. An empty range counts as its start alone.
    #[must_use]
    pub fn integers(mut self, range: RangeInclusive<i64>) -> Cases {
        self.integers = *range.start()..=*range.end().max(range.start());
        self
    }

    /// No fields and headers that are not agreed on. Consumers should ignore them; this is for one that cannot yet.
    #[must_use]
    pub fn without_unknown_fields(mut self) -> Cases {
        self.unknown_fields = false;
        self
    }

    /// How long the consumer may take for one answer before it counts as broken; 10 seconds without.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Cases {
        self.deadline = deadline;
        self
    }
}

impl From<u32> for Cases {
    fn from(count: u32) -> Cases {
        Cases::new(count)
    }
}
