//! Which pacts a provider verifies: consumer version selectors as the Pact Broker documents them, pending and
//! work-in-progress pacts, over the facts of a ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::LedgerError;
use super::facts::{Facts, VersionFacts};
use super::time::Timestamp;

/// Selects consumer versions. Field names and meaning are those of the Pact Broker's
/// `consumerVersionSelectors`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// The latest of each consumer's main branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_branch: Option<bool>,
    /// The latest of this branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// With `branch`: the latest of this branch for consumers that have none of the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_branch: Option<String>,
    /// The latest of the branch that is named as the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching_branch: Option<bool>,
    /// Versions with this tag: all, or with `latest` the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// With `tag` and `latest`: the latest with this tag for consumers that have none with the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_tag: Option<String>,
    /// The latest only; alone, the latest of each consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<bool>,
    /// Only versions of this consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// What is deployed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<bool>,
    /// What is released and still supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<bool>,
    /// Both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_or_released: Option<bool>,
    /// Only in this environment; alone, what is deployed or released there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// How a selector chooses.
enum Way<'s> {
    Branch { name: &'s str, fallback: Option<&'s str> },
    MainBranch,
    Tag { name: &'s str, latest: bool, fallback: Option<&'s str> },
    Latest,
    There { deployed: bool, released: bool },
}

impl Selector {
    /// Reads one as it stands on a command line: JSON, `{"mainBranch": true}`.
    ///
    /// # Errors
    /// It is not JSON, has a key that selectors do not have, or means nothing.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let wrong =
            |reason: String| LedgerError::Selector { selector: text.chars().take(200).collect(), reason };
        let selector: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        selector.way(Some("a branch")).map_err(|reason| wrong(reason.to_owned()))?;
        Ok(selector)
    }

    /// What is verified where nobody says what: the latest of each consumer, and what is deployed or released anywhere.
    pub fn usual() -> Vec<Self> {
        vec![
            Self { latest: Some(true), ..Self::default() },
            Self { deployed_or_released: Some(true), ..Self::default() },
        ]
    }

    fn way<'s>(&'s self, provider_branch: Option<&'s str>) -> Result<Way<'s>, &'static str> {
        let flags =
            [self.main_branch, self.matching_branch, self.deployed, self.released, self.deployed_or_released];
        if flags.contains(&Some(false)) {
            return Err(
                "`mainBranch`, `matchingBranch`, `deployed`, `released` and `deployedOrReleased` are either \
                        true or left out",
            );
        }
        let set = |flag: Option<bool>| flag == Some(true);
        let there = set(self.deployed) || set(self.released) || set(self.deployed_or_released);
        let ways = [
            set(self.main_branch),
            set(self.matching_branch),
            self.branch.is_some(),
            self.tag.is_some(),
            there || self.environment.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err("it selects in several ways at once; write one selector for each");
        }
        if self.fallback_branch.is_some() && self.branch.is_none() {
            return Err("`fallbackBranch` needs `branch`");
        }
        if self.fallback_tag.is_some() && (self.tag.is_none() || !set(self.latest)) {
            return Err("`fallbackTag` needs `tag` and `latest`");
        }
        if set(self.main_branch) {
            return Ok(Way::MainBranch);
        }
        if set(self.matching_branch) {
            let name = provider_branch.ok_or("`matchingBranch` needs the provider's branch (`--branch`)")?;
            return Ok(Way::Branch { name, fallback: None });
        }
        if let Some(name) = &self.branch {
            return Ok(Way::Branch { name, fallback: self.fallback_branch.as_deref() });
        }
        if let Some(name) = &self.tag {
            return Ok(Way::Tag { name, latest: set(self.latest), fallback: self.fallback_tag.as_deref() });
        }
        if there || self.environment.is_some() {
            let both = set(self.deployed_or_released) || !(set(self.deployed) || set(self.released));
            return Ok(Way::There {
                deployed: both || set(self.deployed),
                released: both || set(self.released),
            });
        }
        if set(self.latest) {
            return Ok(Way::Latest);
        }
        Err("it selects nothing; say `mainBranch`, `branch`, `matchingBranch`, `tag`, `latest`, `deployed`, \
             `released`, `deployedOrReleased` or `environment`")
    }
}

/// What to select for whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The provider.
    pub provider: String,
    /// The provider's branch: pacts are pending, and work in progress, for a branch.
    pub provider_branch: Option<String>,
    /// Which consumer versions; [`Selector::usual`] where none is given.
    pub selectors: Vec<Selector>,
    /// Say which pacts are pending: their failures are not the provider's.
    pub include_pending: bool,
    /// Also the latest pacts of branches and tags since then that this provider branch has not verified yet.
    pub wip_since: Option<Timestamp>,
}

/// A pact's content that is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The consumer.
    pub consumer: String,
    /// Its newest version among those that were selected.
    pub version: String,
    /// The content.
    pub content: String,
    /// Why: one line for each way in which it was selected.
    pub reasons: Vec<String>,
    /// The provider never verified it: failures do not fail the run.
    pub pending: bool,
    /// It was not selected but is work in progress.
    pub wip: bool,
}

/// The pacts that a provider is to verify, each content once, by consumer and version.
///
/// # Errors
/// A selector means nothing, or needs the provider's branch.
pub fn select(facts: &Facts, selection: &Selection) -> Result<Vec<Selected>, LedgerError> {
    let mut chosen: BTreeMap<(String, String), Selected> = BTreeMap::new();
    let usual = Selector::usual();
    let selectors = if selection.selectors.is_empty() { &usual } else { &selection.selectors };
    for selector in selectors {
        let way =
            selector.way(selection.provider_branch.as_deref()).map_err(|reason| LedgerError::Selector {
                selector: serde_json::to_string(selector).unwrap_or_default(),
                reason: reason.to_owned(),
            })?;
        for pact in pacts_of(facts, &selection.provider) {
            if selector.consumer.as_ref().is_none_or(|only| only == pact.consumer) {
                choose(facts, &pact, &way, selector.environment.as_deref(), &mut chosen);
            }
        }
    }
    let explicit: Vec<String> = chosen.values().map(|selected| selected.content.clone()).collect();
    for selected in chosen.values_mut() {
        selected.pending = selection.include_pending && !verified(facts, selection, &selected.content);
    }
    if let Some(since) = selection.wip_since {
        for pact in pacts_of(facts, &selection.provider) {
            work_in_progress(facts, &pact, selection, since, &explicit, &mut chosen);
        }
    }
    Ok(chosen.into_values().collect())
}

/// A consumer with its versions that have a pact with the provider, oldest first.
struct Pacts<'f> {
    consumer: &'f str,
    main_branch: Option<&'f str>,
    versions: Vec<(&'f str, &'f VersionFacts, &'f str)>,
}

impl<'f> Pacts<'f> {
    fn latest(&self, with: impl Fn(&VersionFacts) -> bool) -> Option<(&'f str, &'f VersionFacts, &'f str)> {
        self.versions.iter().rev().find(|(_, facts, _)| with(facts)).copied()
    }

    fn of_branch(&self, name: &str) -> Option<(&'f str, &'f VersionFacts, &'f str)> {
        self.latest(|version| version.branches.contains_key(name))
    }

    fn of_tag(&self, name: &str) -> Option<(&'f str, &'f VersionFacts, &'f str)> {
        self.latest(|version| version.tags.contains_key(name))
    }
}

fn pacts_of<'f>(facts: &'f Facts, provider: &str) -> Vec<Pacts<'f>> {
    let mut all = Vec::new();
    for (consumer, service) in &facts.services {
        let versions: Vec<_> = service
            .in_order()
            .into_iter()
            .filter_map(|(name, version)| {
                Some((name, version, version.pacts.get(provider)?.content.as_str()))
            })
            .collect();
        if !versions.is_empty() {
            all.push(Pacts { consumer, main_branch: service.main_branch(), versions });
        }
    }
    all
}

type Chosen = BTreeMap<(String, String), Selected>;

fn choose(facts: &Facts, pacts: &Pacts<'_>, way: &Way<'_>, environment: Option<&str>, chosen: &mut Chosen) {
    let mut take = |(version, _, content): (&str, &VersionFacts, &str), why: String| {
        add(chosen, pacts.consumer, version, content, why);
    };
    match *way {
        Way::Latest => {
            if let Some(found) = pacts.latest(|_| true) {
                take(found, format!("latest version ({})", found.0));
            }
        }
        Way::MainBranch => {
            if let Some((branch, found)) =
                pacts.main_branch.and_then(|branch| Some((branch, pacts.of_branch(branch)?)))
            {
                take(found, format!("latest version of the main branch `{branch}` ({})", found.0));
            }
        }
        Way::Branch { name, fallback } => {
            let found = pacts.of_branch(name).map(|found| (name, found));
            let found = found.or_else(|| fallback.and_then(|name| Some((name, pacts.of_branch(name)?))));
            if let Some((branch, found)) = found {
                take(found, format!("latest version of branch `{branch}` ({})", found.0));
            }
        }
        Way::Tag { name, latest: false, .. } => {
            for found in pacts.versions.iter().filter(|(_, version, _)| version.tags.contains_key(name)) {
                take(*found, format!("version tagged `{name}` ({})", found.0));
            }
        }
        Way::Tag { name, fallback, .. } => {
            let found = pacts.of_tag(name).map(|found| (name, found));
            let found = found.or_else(|| fallback.and_then(|name| Some((name, pacts.of_tag(name)?))));
            if let Some((tag, found)) = found {
                take(found, format!("latest version tagged `{tag}` ({})", found.0));
            }
        }
        Way::There { deployed, released } => {
            for (name, there) in &facts.environments {
                if environment.is_some_and(|only| only != name) {
                    continue;
                }
                for found in &pacts.versions {
                    let is =
                        there.deployed.get(pacts.consumer).is_some_and(|(version, _)| version == found.0);
                    if deployed && is {
                        take(*found, format!("version deployed in `{name}` ({})", found.0));
                    }
                    let is = there.released.get(pacts.consumer).is_some_and(|all| all.contains_key(found.0));
                    if released && is {
                        take(*found, format!("version released in `{name}` ({})", found.0));
                    }
                }
            }
        }
    }
}

fn add<'c>(
    chosen: &'c mut Chosen,
    consumer: &str,
    version: &str,
    content: &str,
    why: String,
) -> &'c mut Selected {
    let key = (consumer.to_owned(), content.to_owned());
    let selected = chosen.entry(key).or_insert_with(|| Selected {
        consumer: consumer.to_owned(),
        version: version.to_owned(),
        content: content.to_owned(),
        reasons: Vec::new(),
        pending: false,
        wip: false,
    });
    if !selected.reasons.contains(&why) {
        selected.reasons.push(why);
    }
    selected
}

/// Whether a version of the provider (of its branch, where that is known) ever kept this content.
fn verified(facts: &Facts, selection: &Selection, content: &str) -> bool {
    let versions =
        facts.services.get(&selection.provider).into_iter().flat_map(|known| known.versions.values());
    versions
        .filter(|version| {
            selection.provider_branch.as_ref().is_none_or(|branch| version.branches.contains_key(branch))
        })
        .filter_map(|version| version.results.get(content))
        .any(|result| result.success || result.kept_at.is_some())
}

fn work_in_progress(
    facts: &Facts,
    pacts: &Pacts<'_>,
    selection: &Selection,
    since: Timestamp,
    explicit: &[String],
    chosen: &mut Chosen,
) {
    let mut heads: BTreeMap<(&str, &str), (&str, &VersionFacts, &str)> = BTreeMap::new();
    for &(name, version, content) in &pacts.versions {
        for branch in version.branches.keys() {
            heads.insert(("branch", branch), (name, version, content));
        }
        for tag in version.tags.keys() {
            heads.insert(("tag", tag), (name, version, content));
        }
    }
    for ((kind, label), (name, version, content)) in heads {
        let recent = version.pacts.get(&selection.provider).is_some_and(|pact| pact.published_at >= since);
        if !recent || explicit.iter().any(|known| known == content) || verified(facts, selection, content) {
            continue;
        }
        let why = format!("work in progress: latest of {kind} `{label}` ({name}), not verified yet");
        let selected = add(chosen, pacts.consumer, name, content, why);
        selected.wip = true;
        selected.pending = true;
    }
}
