//! What came of verifying one pact, drawn from what came of its interactions.

use std::collections::HashMap;

use seaworthy_core::finding::Location;

use crate::model::{Contract, Interaction};
use crate::outcome::InteractionResult;

/// What is published of verifying a pact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Whether the provider keeps it: every interaction that is not pending by itself was verified.
    pub success: bool,
    /// How many interactions were verified.
    pub verified: u64,
    /// How many failed.
    pub failed: u64,
    /// One line for each that failed.
    pub failures: Vec<String>,
}

/// Draws the result of one contract; `all` are the contracts that were verified in the same run.
///
/// # Errors
/// Why there is none: an interaction was not run, or could not be decided, or there is none at all.
pub(super) fn summary(
    contract: &Contract,
    all: &[&Contract],
    results: &[InteractionResult],
) -> Result<Summary, String> {
    let mut summary = Summary { success: true, verified: 0, failed: 0, failures: Vec::new() };
    if contract.interactions.is_empty() {
        return Err("the pact has no interaction".to_owned());
    }
    let index = Index::new(contract, all, results);
    for interaction in &contract.interactions {
        let found = index.of(interaction);
        if found.is_empty() {
            return Err(format!("`{}` was not run (a filter left it out?)", interaction.name()));
        }
        if let Some(failed) = found.iter().find(|result| result.outcome.is_failure()) {
            summary.failed += 1;
            summary.success &= interaction.pending;
            summary.failures.push(format!("{}: {}", interaction.name(), why(failed)));
        } else if found.iter().all(|result| result.outcome.is_verified()) {
            summary.verified += 1;
        } else {
            return Err(format!("`{}` could not be decided", interaction.name()));
        }
    }
    Ok(summary)
}

type Place<'p> = (&'p str, usize, Option<&'p str>);

fn place(location: &Location) -> Place<'_> {
    (&location.file, location.line, location.pointer.as_deref())
}

/// The results that a contract's interactions may have, by name; and what stands where.
struct Index<'r> {
    by_name: HashMap<(&'r str, Vec<&'r str>), Vec<&'r InteractionResult>>,
    places: HashMap<Place<'r>, &'r Interaction>,
}

impl<'r> Index<'r> {
    fn new(contract: &Contract, all: &[&'r Contract], results: &'r [InteractionResult]) -> Self {
        let mut by_name: HashMap<_, Vec<&InteractionResult>> = HashMap::new();
        for result in results {
            if result.provider == contract.provider && result.consumers.contains(&contract.consumer) {
                let states = result.states.iter().map(String::as_str).collect();
                by_name.entry((result.description.as_str(), states)).or_default().push(result);
            }
        }
        let interactions = all.iter().flat_map(|contract| &contract.interactions);
        let places = interactions.map(|each| (place(&each.location), &**each)).collect();
        Self { by_name, places }
    }

    /// The result at the interaction's own place; else those of the same name and form: an interaction that stands in
    /// several pacts in the same form is run once, at the place of the first.
    fn of(&self, interaction: &Interaction) -> Vec<&'r InteractionResult> {
        let states = interaction.states.iter().map(|state| state.name.as_str()).collect();
        let named = self.by_name.get(&(interaction.description.as_str(), states));
        let named = named.map(Vec::as_slice).unwrap_or_default();
        if let Some(own) = named.iter().find(|result| place(&result.location) == place(&interaction.location))
        {
            return vec![own];
        }
        let same_form = |result: &&&InteractionResult| {
            self.places.get(&place(&result.location)).is_none_or(|other| {
                other.contents == interaction.contents && other.states == interaction.states
            })
        };
        named.iter().filter(same_form).copied().collect()
    }
}

fn why(result: &InteractionResult) -> String {
    use crate::outcome::Outcome;
    match &result.outcome {
        Outcome::Mismatched { mismatches } => {
            mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        Outcome::TooSlow { limit } => format!("took longer than {limit:?}"),
        Outcome::StateFailed { state, message } => format!("state `{state}` could not be set up: {message}"),
        Outcome::RequestFailed { message } | Outcome::Undecided { message } => message.clone(),
        Outcome::Verified => String::new(),
    }
}
