//! What was played while a consumer's test ran: which interactions were used, which requests fitted none.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use seaworthy_core::finding::Location;

use super::pact::is_named;
use super::playing;
use crate::matching;
use crate::mismatch::{Mismatch, Part};
use crate::model::{Contents, Contract, HttpRequest, Interaction};

/// So many requests that fit nothing are kept; the others are counted.
const KEPT: usize = 20;

/// A contract with what has been used of it.
#[derive(Debug)]
pub(super) struct Played {
    contract: Contract,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How often each interaction was used, in their order.
    uses: Vec<u64>,
    unmatched: Vec<Unmatched>,
    unmatched_count: usize,
}

/// A request that no interaction fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Unmatched {
    /// The request as it came, as a line for the shell; secrets redacted.
    pub request: String,
    /// The interaction that comes nearest to it; `None` where the pact has none over HTTP.
    pub nearest: Option<Nearest>,
}

/// The interaction that comes nearest to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub location: Location,
    /// In what the request differs from it.
    pub mismatches: Vec<Mismatch>,
}

/// An interaction that was not used.
#[derive(Debug, Clone, PartialEq)]
pub struct Unused {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub location: Location,
    /// What it waits for: `GET /payments/1`, or a message.
    pub waits_for: String,
}

/// Why a contract is not written.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The consumer.
    pub consumer: String,
    /// The provider.
    pub provider: String,
    /// Interactions that were not used, in the order of their declaration.
    pub unused: Vec<Unused>,
    /// Requests that fitted none, in the order in which they came; the first 20.
    pub unmatched: Vec<Unmatched>,
    /// How many there were in all.
    pub unmatched_count: usize,
}

impl Played {
    pub(super) fn new(contract: Contract) -> Played {
        let uses = vec![0; contract.interactions.len()];
        Played { contract, state: Mutex::new(State { uses, unmatched: Vec::new(), unmatched_count: 0 }) }
    }

    pub(super) fn contract(&self) -> &Contract {
        &self.contract
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done by a panic: counters and a list.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The interaction that answers this request, which is noted as used; or why there is none.
    pub(super) fn choose(&self, actual: &HttpRequest) -> Result<&Interaction, Box<Unmatched>> {
        let mut nearest: Option<((usize, usize), Nearest)> = None;
        let mut fitting = Vec::new();
        for (index, interaction) in self.contract.interactions.iter().enumerate() {
            let Contents::Http { request, .. } = &interaction.contents else { continue };
            let mismatches = matching::request(request, actual, self.contract.specification);
            if mismatches.is_empty() {
                fitting.push(index);
            } else if fitting.is_empty() {
                let distance = distance(&mismatches);
                if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                    let name = interaction.name();
                    let location = interaction.location.clone();
                    let mismatches = mismatches.into_iter().map(playing::redacted).collect();
                    nearest = Some((distance, Nearest { name, location, mismatches }));
                }
            }
        }
        let mut state = self.state();
        let unused = fitting.iter().copied().find(|index| state.uses[*index] == 0);
        if let Some(index) = unused.or_else(|| fitting.last().copied()) {
            state.uses[index] += 1;
            return Ok(&self.contract.interactions[index]);
        }
        let unmatched =
            Unmatched { request: playing::as_curl(actual), nearest: nearest.map(|(_, nearest)| nearest) };
        state.unmatched_count += 1;
        if state.unmatched.len() < KEPT {
            state.unmatched.push(unmatched.clone());
        }
        Err(Box::new(unmatched))
    }

    /// The requests that fitted none, as far as they are kept.
    pub(super) fn unmatched(&self) -> Vec<Unmatched> {
        self.state().unmatched.clone()
    }

    /// What keeps the contract from being written; `None` where nothing does. `exercised` names what was used
    /// without the mock.
    pub(super) fn report(&self, exercised: &[String]) -> Option<Report> {
        let state = self.state();
        let unused: Vec<Unused> = self
            .contract
            .interactions
            .iter()
            .zip(&state.uses)
            .filter(|(interaction, uses)| {
                **uses == 0 && !exercised.iter().any(|name| is_named(interaction, name))
            })
            .map(|(interaction, _)| Unused {
                name: interaction.name(),
                location: interaction.location.clone(),
                waits_for: waits_for(&interaction.contents),
            })
            .collect();
        (!unused.is_empty() || state.unmatched_count > 0).then(|| Report {
            consumer: self.contract.consumer.clone(),
            provider: self.contract.provider.clone(),
            unused,
            unmatched: state.unmatched.clone(),
            unmatched_count: state.unmatched_count,
        })
    }
}

fn waits_for(contents: &Contents) -> String {
    match contents {
        Contents::Http { request, .. } => format!("{} {}", request.method, request.path),
        Contents::Message(_) => "a message, handed over with `consume`".to_owned(),
        Contents::SynchronousMessage { .. } => "a call with a message".to_owned(),
    }
}

/// How far a request is from an interaction: another path or method is another thing, whatever else is equal.
fn distance(mismatches: &[Mismatch]) -> (usize, usize) {
    let heavy = mismatches.iter().filter(|mismatch| matches!(mismatch.part, Part::Path | Part::Method));
    (heavy.map(|mismatch| if mismatch.part == Part::Path { 2 } else { 1 }).sum(), mismatches.len())
}

impl fmt::Display for Unmatched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no interaction fits this request:\n    {}", self.request)?;
        match &self.nearest {
            None => write!(formatter, "\n  no interaction over HTTP is declared"),
            Some(nearest) => {
                let Location { file, line, .. } = &nearest.location;
                write!(formatter, "\n  nearest is \"{}\" ({file}:{line}), but", nearest.name)?;
                nearest.mismatches.iter().try_for_each(|mismatch| write!(formatter, "\n    {mismatch}"))
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for unused in &self.unused {
            let Location { file, line, .. } = &unused.location;
            writeln!(formatter, "  not used: \"{}\" ({file}:{line}), {}", unused.name, unused.waits_for)?;
        }
        for unmatched in &self.unmatched {
            for line in unmatched.to_string().lines() {
                writeln!(formatter, "  {line}")?;
            }
        }
        let more = self.unmatched_count - self.unmatched.len();
        if more > 0 {
            writeln!(formatter, "  and {more} more requests that no interaction fits")?;
        }
        write!(formatter, "  nothing was written")
    }
}
