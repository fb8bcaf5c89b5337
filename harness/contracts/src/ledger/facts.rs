//! What a ledger holds, in memory, and how each fact is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::time::Timestamp;

/// The version of the ledger's files, additive within a major.
pub const SCHEMA_VERSION: &str = "1.0";

/// All that a ledger holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Services by name: consumers and providers alike.
    pub services: BTreeMap<String, ServiceFacts>,
    /// Environments by name.
    pub environments: BTreeMap<String, EnvironmentFacts>,
}

/// What is known of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceFacts {
    /// Its main branch, where that was written down.
    pub main_branch: Option<String>,
    /// Its versions by name.
    pub versions: BTreeMap<String, VersionFacts>,
}

impl ServiceFacts {
    /// The branch that counts as its main line: the one that was written down, else `main` or `master`, whichever has
    /// a version.
    pub fn main_branch(&self) -> Option<&str> {
        self.main_branch.as_deref().or_else(|| {
            ["main", "master"]
                .into_iter()
                .find(|name| self.versions.values().any(|version| version.branches.contains_key(*name)))
        })
    }

    /// Its versions, oldest first.
    pub fn in_order(&self) -> Vec<(&str, &VersionFacts)> {
        let mut versions: Vec<_> = self.versions.iter().map(|(name, facts)| (name.as_str(), facts)).collect();
        versions.sort_by_key(|(name, facts)| (facts.recorded_at, *name));
        versions
    }
}

/// What is known of a version of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionFacts {
    /// When the ledger first heard of it.
    pub recorded_at: Timestamp,
    /// The branches that it was built from, and when that was recorded.
    pub branches: BTreeMap<String, Timestamp>,
    /// Its tags, and when they were recorded.
    pub tags: BTreeMap<String, Timestamp>,
    /// As a consumer: its pacts by provider.
    pub pacts: BTreeMap<String, PactFact>,
    /// As a provider: what came of verifying pacts, by their content.
    pub results: BTreeMap<String, ResultFact>,
}

/// What is in an environment now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvironmentFacts {
    /// The one version of each service that is deployed, and since when.
    pub deployed: BTreeMap<String, (String, Timestamp)>,
    /// The versions of each service that are released and still supported, and since when.
    pub released: BTreeMap<String, BTreeMap<String, Timestamp>>,
}

/// `schema_version` of a file: anything of major 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schema;

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SCHEMA_VERSION)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = String::deserialize(deserializer)?;
        match version.split('.').next() {
            Some("1") => Ok(Self),
            _ => Err(serde::de::Error::custom(format!(
                "schema_version `{}` is not one that this version of seaworthy reads ({SCHEMA_VERSION})",
                version.chars().take(20).collect::<String>()
            ))),
        }
    }
}

/// `ledger.json`: says that the folder is a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkerFile {
    /// The version of the files.
    pub schema_version: Schema,
}

/// `services/S/service.json`: written by hand, where a service's main branch has another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFile {
    /// The version of the file.
    pub schema_version: Schema,
    /// The service.
    pub service: String,
    /// Its main branch.
    pub main_branch: String,
}

/// `services/S/versions/V/version.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionFile {
    /// The version of the file.
    pub schema_version: Schema,
    /// The service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// When the ledger first heard of it.
    pub recorded_at: Timestamp,
}

/// `services/S/versions/V/branches/B.json` and `…/tags/T.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelFile {
    /// The version of the file.
    pub schema_version: Schema,
    /// The branch or tag.
    pub name: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// `services/S/versions/V/pacts/PROVIDER.json`: a version of a consumer has this pact with a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PactFact {
    /// The version of the file.
    pub schema_version: Schema,
    /// The provider.
    pub provider: String,
    /// The pact's content: its name in `pacts/`.
    pub content: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// The build that published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_url: Option<String>,
}

/// `services/S/versions/V/results/CONTENT.json`: what came of verifying a pact against a version of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultFact {
    /// The version of the file.
    pub schema_version: Schema,
    /// The consumer whose pact it is, for people who read the file.
    pub consumer: String,
    /// The pact's content: its name in `pacts/`.
    pub content: String,
    /// Whether the provider keeps the pact.
    pub success: bool,
    /// How many interactions were verified.
    pub verified: u64,
    /// How many failed; with `success`, these are pending ones.
    pub failed: u64,
    /// When.
    pub verified_at: Timestamp,
    /// When the same version kept it, if it did before this failed: what was kept once is not pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_at: Option<Timestamp>,
    /// The build that verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_url: Option<String>,
}

/// `environments/E/deployed/S.json` and `environments/E/released/S/V.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceFile {
    /// The version of the file.
    pub schema_version: Schema,
    /// The service.
    pub service: String,
    /// The version that is there.
    pub version: String,
    /// Since when.
    pub recorded_at: Timestamp,
}
