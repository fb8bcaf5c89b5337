//! Holding a running provider to its contracts, many interactions at the same time, each under a trace of its own.
//!
//! Interactions run at the same time unless they conflict: a provider state claims keys (see [`StateKeys`]), and who shares
//! one goes one after the other in the order of the file. Stateful ones of which a file of keys does not know a state run
//! alone. What fails beside others is run again alone; if it passes then, that is a warning, for they share something that
//! their states do not tell.
//!
//! An interaction that stands in several contracts in the same form runs once. A provider, a state endpoint or a message
//! endpoint that has never answered is given up after a few requests; every wait has an end.

mod curl;
mod engine;
mod error;
mod exchange;
mod findings;
mod keys;
mod message;
mod options;
mod patience;
mod run;
mod schedule;
mod select;
mod session;
mod states;
mod synchronous;
mod tidy;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use error::VerifyError;
pub use findings::findings;
pub use keys::StateKeys;
pub use options::{Filter, Options, Provider};
pub use synchronous::{Call, Called, Reached, SynchronousCaller};
pub(crate) use tidy::tidied;

use crate::model::Contract;
use crate::outcome::{InteractionResult, Outcome};

/// What came of verifying a provider.
#[derive(Debug, Clone)]
pub struct Verification {
    /// Who was asked.
    pub provider: String,
    /// What came of each interaction that was run, in the order of the contracts.
    pub results: Vec<InteractionResult>,
    /// Contracts that bind another provider, and were left out: their source, and whom they name.
    pub elsewhere: Vec<(String, String)>,
    /// How many interactions the filters left out.
    pub filtered: usize,
    /// How many interactions were not run, for one before them failed ([`Options::exit_on_first_error`]).
    pub not_run: usize,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
}

/// How many interactions came out how. Pending ones are counted apart, whatever came of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Kept.
    pub verified: usize,
    /// Not kept, or not answered, or without their state.
    pub failed: usize,
    /// Cannot be told.
    pub undecided: usize,
    /// May fail, and did.
    pub pending_failed: usize,
    /// May fail, and did not.
    pub pending_verified: usize,
}

impl Verification {
    /// Of results that were gathered or kept elsewhere; `provider` names who was asked, for people.
    pub fn of(provider: impl Into<String>, results: Vec<InteractionResult>) -> Self {
        Self {
            provider: provider.into(),
            results,
            elsewhere: Vec::new(),
            filtered: 0,
            not_run: 0,
            started: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
        }
    }

    /// How many came out how.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for result in &self.results {
            let counter = match (&result.outcome, result.pending) {
                (Outcome::Verified, false) => &mut counts.verified,
                (Outcome::Verified, true) => &mut counts.pending_verified,
                (Outcome::Undecided { .. }, _) => &mut counts.undecided,
                (_, false) => &mut counts.failed,
                (_, true) => &mut counts.pending_failed,
            };
            *counter += 1;
        }
        counts
    }

    /// The names of those that failed, pending or not: what [`Options::only`] wants to run them again.
    pub fn failed(&self) -> BTreeSet<String> {
        self.results
            .iter()
            .filter(|result| result.outcome.is_failure())
            .map(InteractionResult::name)
            .collect()
    }
}

/// Verifies what the contracts say of this provider.
///
/// `progress` hears of each interaction once, as soon as its result is final, in no order. Dropping the future ends all that
/// runs.
///
/// # Errors
/// What was asked for is wrong, and nothing was verified: an address, a pattern, a header, the state keys, a certificate.
/// A provider that does not answer is no such error; the results say so.
pub async fn verify(
    contracts: &[Contract],
    provider: &Provider,
    options: &Options,
    progress: &(dyn Fn(&InteractionResult) + Send + Sync),
) -> Result<Verification, VerifyError> {
    let started = SystemTime::now();
    let clock = Instant::now();
    let selection = select::select(contracts, &provider.name, options)?;
    let claims = options.state_keys.claims(selection.jobs.iter().map(|job| &*job.interaction))?;
    let session = Arc::new(session::Session::new(provider, options)?);
    let engine = engine::Engine::new(session, provider, options, selection.jobs, claims, progress);
    let results = Box::pin(engine.run()).await;
    let not_run = results.iter().filter(|result| result.is_none()).count();
    Ok(Verification {
        provider: provider.name.clone(),
        results: results.into_iter().flatten().collect(),
        elsewhere: selection.elsewhere,
        filtered: selection.filtered,
        not_run,
        started,
        took: clock.elapsed(),
    })
}
