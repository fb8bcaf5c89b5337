//! How the image of a service is built.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// How an image is built: the folder with the Dockerfile, or more about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Build {
    /// The build context, relative to the system file; its `Dockerfile` says the rest.
    Folder(String),
    /// More than that.
    Detailed(BuildDetails),
}

/// What a build is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildDetails {
    /// The build context, relative to the system file.
    pub context: String,
    /// The Dockerfile, relative to the context; `Dockerfile` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Build arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// A binary of the Cargo workspace that the system file lies in: built first, for release and statically linked,
    /// put into the context under its name, and named to the Dockerfile as the argument `BINARY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cargo: Option<String>,
}

impl Build {
    /// What it is made from, in one form.
    pub fn details(&self) -> BuildDetails {
        match self {
            Build::Folder(context) => BuildDetails { context: context.clone(), ..BuildDetails::default() },
            Build::Detailed(details) => details.clone(),
        }
    }
}
