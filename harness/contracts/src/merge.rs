//! Several contracts between the same two become one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use seaworthy_core::finding::Location;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::diff::{self, At, Difference};
use crate::grpc::carried;
use crate::model::{Contract, Interaction};

/// Why contracts do not become one.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Conflict {
    /// They are between others.
    #[error("could not merge the contract of {} with {} into that of {} with {}", other.0, other.1, one.0, one.1)]
    Parties {
        /// Consumer and provider of the one.
        one: (String, String),
        /// Consumer and provider of the other.
        other: (String, String),
    },
    /// Interactions of the same name say different things. Never empty.
    #[error("could not merge the contracts of {consumer} with {provider}:{}", Listed(interactions))]
    Interactions {
        /// The consumer.
        consumer: String,
        /// The provider.
        provider: String,
        /// Each of them.
        interactions: Vec<Contradiction>,
    },
}

/// Two interactions of the same name that say different things.
#[derive(Debug, Clone, PartialEq)]
pub struct Contradiction {
    /// The name.
    pub name: String,
    /// Where the one stands.
    pub one: Location,
    /// Where the other stands.
    pub other: Location,
    /// In what they differ, from the one to the other; never empty.
    pub differences: Vec<Difference>,
}

impl Conflict {
    /// The place of the first contradiction (in the contract that was to be added).
    pub fn location(&self) -> Option<&Location> {
        match self {
            Conflict::Parties { .. } => None,
            Conflict::Interactions { interactions, .. } => interactions.first().map(|first| &first.other),
        }
    }
}

struct Listed<'a>(&'a [Contradiction]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Contradiction { name, one, other, differences } in self.0 {
            write!(formatter, "\n  \"{name}\"{} and{} say different things", At(one), At(other))?;
            for difference in differences {
                let said = difference.to_string();
                write!(formatter, "\n    {}", seaworthy_core::secret::redact(&said).0)?;
            }
        }
        Ok(())
    }
}

/// One contract with the interactions of both, each once, in the order of their states and descriptions; the same
/// whichever comes first. Where the versions of the specification differ, the newer one holds.
///
/// # Errors
///
/// [`Conflict::Parties`] when they are not between the same two, [`Conflict::Interactions`] when interactions of
/// the same name say different things.
pub fn merge(one: &Contract, other: &Contract) -> Result<Contract, Conflict> {
    let mut contradictions = Vec::new();
    let merged = join(one, other, |first, second| {
        let differences = diff::differences(first, second);
        if !differences.is_empty() {
            contradictions.push(Contradiction {
                name: first.name(),
                one: first.location.clone(),
                other: second.location.clone(),
                differences,
            });
        }
        Arc::clone(first)
    })?;
    if contradictions.is_empty() {
        return Ok(merged);
    }
    Err(Conflict::Interactions {
        consumer: one.consumer.clone(),
        provider: one.provider.clone(),
        interactions: contradictions,
    })
}

/// As [`merge`], but where interactions of the same name differ, that of `over` replaces that of `base`.
///
/// # Errors
///
/// [`Conflict::Parties`].
pub fn overlay(base: &Contract, over: &Contract) -> Result<Contract, Conflict> {
    join(base, over, |_, second| Arc::clone(second))
}

/// All of them merged, in any order; `None` for none.
///
/// # Errors
///
/// As [`merge`].
pub fn merge_all<'a>(
    contracts: impl IntoIterator<Item = &'a Contract>,
) -> Result<Option<Contract>, Conflict> {
    contracts.into_iter().try_fold(None, |merged: Option<Contract>, contract| match merged {
        // Merged with itself: in order, and each interaction once.
        None => merge(contract, contract).map(Some),
        Some(merged) => merge(&merged, contract).map(Some),
    })
}

/// One contract for each consumer and provider, in the order of their names: what `contracts merge` makes of a
/// folder.
///
/// # Errors
///
/// [`Conflict::Interactions`] for the first two that contradict each other.
pub fn merge_by_parties<'a>(
    contracts: impl IntoIterator<Item = &'a Contract>,
) -> Result<Vec<Contract>, Conflict> {
    let mut groups: BTreeMap<(&String, &String), Vec<&Contract>> = BTreeMap::new();
    for contract in contracts {
        groups.entry((&contract.consumer, &contract.provider)).or_default().push(contract);
    }
    groups.into_values().filter_map(|group| merge_all(group).transpose()).collect()
}

fn join(
    one: &Contract,
    other: &Contract,
    mut both: impl FnMut(&Arc<Interaction>, &Arc<Interaction>) -> Arc<Interaction>,
) -> Result<Contract, Conflict> {
    if (&one.consumer, &one.provider) != (&other.consumer, &other.provider) {
        return Err(Conflict::Parties {
            one: (one.consumer.clone(), one.provider.clone()),
            other: (other.consumer.clone(), other.provider.clone()),
        });
    }
    let mut interactions: BTreeMap<_, Arc<Interaction>> = BTreeMap::new();
    for interaction in one.interactions.iter().chain(&other.interactions) {
        let identity = diff::identity(interaction);
        let kept = match interactions.get(&identity) {
            Some(first) => both(first, interaction),
            None => Arc::clone(interaction),
        };
        interactions.insert(identity, kept);
    }
    let mut metadata = metadata(&one.metadata, &other.metadata);
    carried::pruned(&mut metadata, interactions.values().map(Arc::as_ref));
    Ok(Contract {
        consumer: one.consumer.clone(),
        provider: one.provider.clone(),
        specification: one.specification.max(other.specification),
        metadata,
        interactions: interactions.into_values().collect(),
        source: one.source.clone(),
        consumer_version: one
            .consumer_version
            .clone()
            .filter(|version| other.consumer_version.as_ref() == Some(version)),
    })
}

/// What tools say of themselves. Of two values for the same name the greater text is kept: it does not matter which,
/// but it must be the same one whatever comes first.
fn metadata(one: &Map<String, Value>, other: &Map<String, Value>) -> Map<String, Value> {
    let mut merged: BTreeMap<&String, Value> =
        one.iter().map(|(name, value)| (name, value.clone())).collect();
    for (name, value) in other {
        let kept = merged.entry(name).or_insert_with(|| value.clone());
        // Each test carries the descriptors of its own interactions.
        if let ("plugins", Some(plugins)) = (name.as_str(), carried::merged(kept, value)) {
            *kept = plugins;
            continue;
        }
        let (said, known) = (value.to_string(), kept.to_string());
        if said > known {
            *kept = value.clone();
        }
    }
    merged.into_iter().map(|(name, value)| (name.clone(), value)).collect()
}
