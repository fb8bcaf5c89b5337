//! Which contracts bind the services, and what the harness needs to verify them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::System;
use crate::ids::ServiceName;
use crate::time::HumanDuration;

/// Which contracts bind the services of the system. Consumers and providers in them are services by name; a consumer
/// may also be somebody outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Contracts {
    /// Pact files, or folders of them, relative to the system file. None: nothing is verified.
    pub pacts: Vec<PathBuf>,
    /// The path at which each provider sets up states: it gets POST `{consumer, state, params, action}`. Without it,
    /// states are noted and not set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub states: Option<String>,
    /// A file that says of a state which others it disturbs (state → key template over its parameters), relative to
    /// the system file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_keys: Option<PathBuf>,
    /// Whether states are taken back afterwards.
    pub state_teardown: bool,
    /// How long a provider may take to answer an interaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_latency: Option<HumanDuration>,
    /// Headers that a provider's requests carry besides the contract's: credentials, say. By provider.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<ServiceName, BTreeMap<String, String>>,
}

impl System {
    /// The pact files and folders that it names, relative to where the tool was started if they lie below.
    pub fn pact_sources(&self) -> Vec<PathBuf> {
        self.contracts.pacts.iter().map(|path| below_here(self.folder.join(path))).collect()
    }
}

/// The path without detours, and without the working folder before it. One that does not exist stays as it is, to be
/// told so.
fn below_here(path: PathBuf) -> PathBuf {
    let Ok(whole) = path.canonicalize() else { return path };
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    match here.ok().and_then(|here| Some(whole.strip_prefix(here).ok()?.to_owned())) {
        Some(below) if !below.as_os_str().is_empty() => below,
        _ => whole,
    }
}
