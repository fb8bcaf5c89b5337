//! What the gate must know of a ledger to answer a question.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Question};
use crate::ledger::facts::Facts;

/// A consumer's version, a provider's version: (consumer, version, provider, version).
pub type Pair = (String, String, String, String);

/// What came of verifying a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the provider keeps the pact.
    pub success: bool,
    /// When that was found, as the ledger writes it.
    pub when: String,
    /// The build that found it.
    pub build_url: Option<String>,
}

/// What the gate knows. For the versions that are wanted or in the environment it is complete.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// All known versions by service, oldest first. A service that only others' pacts name has none.
    pub versions: BTreeMap<String, Vec<String>>,
    /// The providers with which a version of a consumer has a pact, by (consumer, version).
    pub agreements: BTreeMap<(String, String), BTreeSet<String>>,
    /// What came of verifying pairs.
    pub results: BTreeMap<Pair, Outcome>,
    /// The names of all environments.
    pub environments: BTreeSet<String>,
    /// The versions of each service that are deployed in the environment; a new deployment takes their place.
    pub deployed: BTreeMap<String, BTreeSet<String>>,
    /// The versions of each service that are released in the environment; they stay.
    pub released: BTreeMap<String, BTreeSet<String>>,
    /// What the ledger itself answers, where it does (a Pact Broker), with its reasons.
    pub own_answer: Option<(Answer, Vec<String>)>,
}

impl Picture {
    /// What a folder's facts say to the question.
    pub fn of_facts(facts: &Facts, question: &Question) -> Self {
        let mut picture =
            Self { environments: facts.environments.keys().cloned().collect(), ..Self::default() };
        if let Some(there) = facts.environments.get(&question.environment) {
            for (service, (version, _)) in &there.deployed {
                picture.deployed.entry(service.clone()).or_default().insert(version.clone());
            }
            for (service, versions) in &there.released {
                picture.released.entry(service.clone()).or_default().extend(versions.keys().cloned());
            }
        }
        for (name, service) in &facts.services {
            let versions = service.in_order().into_iter().map(|(version, _)| version.to_owned()).collect();
            picture.versions.insert(name.clone(), versions);
        }
        for (consumer, service) in &facts.services {
            for (version, known) in &service.versions {
                let relevant = picture.is_relevant(question, consumer, version);
                for (provider, pact) in &known.pacts {
                    picture.versions.entry(provider.clone()).or_default();
                    if relevant {
                        let agreements = picture.agreements.entry((consumer.clone(), version.clone()));
                        agreements.or_default().insert(provider.clone());
                    }
                    let Some(service) = facts.services.get(provider) else { continue };
                    for (provider_version, known) in &service.versions {
                        let Some(result) = known.results.get(&pact.content) else { continue };
                        if !relevant && !picture.is_relevant(question, provider, provider_version) {
                            continue;
                        }
                        let pair =
                            (consumer.clone(), version.clone(), provider.clone(), provider_version.clone());
                        let outcome = Outcome {
                            success: result.success,
                            when: result.verified_at.short(),
                            build_url: result.build_url.clone(),
                        };
                        picture.results.insert(pair, outcome);
                    }
                }
            }
        }
        picture
    }

    /// Whether the version is wanted, or in the environment.
    fn is_relevant(&self, question: &Question, service: &str, version: &str) -> bool {
        question.wanted.get(service).is_some_and(|wanted| wanted == version)
            || self.deployed.get(service).is_some_and(|versions| versions.contains(version))
            || self.released.get(service).is_some_and(|versions| versions.contains(version))
    }

    /// All services that are in the environment.
    pub(super) fn present(&self) -> BTreeSet<&str> {
        self.deployed.keys().chain(self.released.keys()).map(String::as_str).collect()
    }

    /// The providers with which the version has a pact.
    pub(super) fn providers(&self, consumer: &str, version: &str) -> impl Iterator<Item = &str> {
        let key = (consumer.to_owned(), version.to_owned());
        self.agreements.get(&key).into_iter().flatten().map(String::as_str)
    }

    /// The providers with which any version of the consumer has a pact.
    pub(super) fn ever_relied_on(&self, consumer: &str) -> impl Iterator<Item = &str> {
        let of_consumer = self.agreements.iter().filter(move |((name, _), _)| name == consumer);
        of_consumer.flat_map(|(_, providers)| providers).map(String::as_str)
    }

    pub(super) fn result(
        &self,
        consumer: &str,
        version: &str,
        provider: &str,
        provider_version: &str,
    ) -> Option<&Outcome> {
        let pair =
            (consumer.to_owned(), version.to_owned(), provider.to_owned(), provider_version.to_owned());
        self.results.get(&pair)
    }

    /// The newest version of the provider that keeps the consumer version's pact: of those that keep all that is
    /// deployed and released as well, if there are such.
    pub(super) fn newest_provider(&self, consumer: &str, version: &str, provider: &str) -> Option<&str> {
        let versions = self.versions.get(provider)?;
        let keeps = |consumer: &str, version: &str, each: &str| {
            self.result(consumer, version, provider, each).is_some_and(|known| known.success)
        };
        let there = self.deployed.iter().chain(&self.released);
        let there: Vec<(&str, &str)> = there
            .flat_map(|(service, versions)| versions.iter().map(move |version| (&**service, &**version)))
            .filter(|(service, version)| self.providers(service, version).any(|each| each == provider))
            .collect();
        let mut able = versions.iter().rev().filter(|each| keeps(consumer, version, each));
        let fits = |each: &&String| there.iter().all(|(consumer, version)| keeps(consumer, version, each));
        able.clone().find(fits).or_else(|| able.next()).map(String::as_str)
    }

    /// The newest version of the consumer whose pact the provider's version keeps.
    pub(super) fn newest_consumer(&self, consumer: &str, provider: &str, version: &str) -> Option<&str> {
        let versions = self.versions.get(consumer)?;
        let kept = |each: &&String| {
            self.result(consumer, each, provider, version).is_some_and(|known| known.success)
        };
        versions.iter().rev().find(kept).map(String::as_str)
    }
}
