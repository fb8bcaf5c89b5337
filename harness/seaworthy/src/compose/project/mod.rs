//! A Compose file as typed values.
//!
//! Compose has two spellings of nearly everything, a list or a map, a text or a map; here each is one. What has no like
//! in a system file becomes a note; what cannot be left out without meaning something else is refused.

mod mounts;
mod read;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::ids::{DEAD_LETTERS, INGRESS, PROBE, is_name};
use seaworthy_core::system::document::{Entry, Misfit, Node, Place as Span};

use super::variables::{self, Text};
use super::{Place, read_text};

use read::Reader;

/// The largest env file that is read, in bytes.
const ENV_FILE_LIMIT: usize = 64 * 1024;

/// A Compose file.
#[derive(Debug)]
pub(super) struct Project {
    /// Its name, or its folder's.
    pub(super) name: String,
    /// The services that `docker compose up` would start and keep.
    pub(super) services: Vec<Service>,
    /// What was left out, about the whole.
    pub(super) notes: Vec<String>,
}

/// A service of a Compose file.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) image: Option<Text>,
    pub(super) build: Option<Build>,
    pub(super) command: Vec<Text>,
    pub(super) env: BTreeMap<String, Text>,
    /// Container ports that the host sees.
    pub(super) published: Vec<u16>,
    /// Container ports that other services see.
    pub(super) exposed: Vec<u16>,
    pub(super) mounts: Vec<Mount>,
    pub(super) after: Vec<(String, Span)>,
    /// Services that must have run to their end before it starts.
    pub(super) after_jobs: Vec<(String, Span)>,
    /// The words of its health check.
    pub(super) health: Option<String>,
    /// Further names by which other services reach it.
    pub(super) aliases: BTreeSet<String>,
    /// Keys of the system file that take the place of what is guessed.
    pub(super) extension: Vec<Entry>,
    /// Where its name stands.
    pub(super) place: Span,
    /// What was left out of it.
    pub(super) notes: Vec<String>,
}

/// How its image is built.
#[derive(Debug, Default)]
pub(super) struct Build {
    pub(super) context: String,
    pub(super) dockerfile: Option<String>,
    pub(super) args: BTreeMap<String, String>,
}

/// What lies at a path of its container.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mount {
    /// A folder of its own that outlives the container.
    Volume(String),
    /// A file or folder of the host.
    Bind { source: String, target: String, read_only: bool },
}

impl Project {
    /// All names by which services are reached, with the service's own.
    pub(super) fn hosts(&self) -> BTreeMap<&str, &str> {
        let own = self.services.iter().map(|service| (service.name.as_str(), service.name.as_str()));
        let aliases = self
            .services
            .iter()
            .flat_map(|service| service.aliases.iter().map(|alias| (alias.as_str(), service.name.as_str())));
        // Its own name counts for more than another's alias.
        aliases.chain(own).collect()
    }
}

/// Reads a Compose file from its tree.
pub(super) fn read(tree: &Node, place: &Place) -> Result<Project, Misfit> {
    let mut notes = Vec::new();
    let mut reader = Reader::new(dot_env(place)?);
    let entries = reader.entries(tree)?;
    let mut name = None;
    let mut services = Vec::new();
    for entry in &entries {
        match entry.key.as_str() {
            "services" => services = reader.entries(&entry.value)?,
            "name" => name = Some(reader.whole(&entry.value)?),
            "include" => {
                let help = "import what `docker compose config` prints: there it is all in one";
                return Err(misfit(entry, "`include` is not followed", help));
            }
            // Of networks nothing is left: each service reaches what it calls, and nothing else.
            "version" | "volumes" | "networks" => {}
            key if key.starts_with("x-") => {}
            key => notes.push(format!("`{key}` has no like in a system file and was left out")),
        }
    }
    let mut read = Vec::new();
    for entry in &services {
        if !is_name(&entry.key) || [INGRESS, PROBE, DEAD_LETTERS].contains(&entry.key.as_str()) {
            let help = "rename it; names are letters, digits, `-` and `_`, and start with a letter";
            let message = format!("a service of a system file cannot be called `{}`", entry.key);
            return Err(misfit(entry, message, help));
        }
        match service::read(entry, &mut reader, place)? {
            Some(service) => read.push(service),
            None => notes.push(format!("{}: it has `profiles`, so it was left out", entry.key)),
        }
    }
    let known: BTreeSet<String> = services.into_iter().map(|entry| entry.key).collect();
    let services = without_jobs(read, &known, &mut notes)?;
    if services.is_empty() {
        return Err(Misfit {
            message: "there are no services in this file".to_owned(),
            help: None,
            place: 0..0,
        });
    }
    if !reader.from_dot_env.is_empty() {
        let names: Vec<String> = reader.from_dot_env.iter().map(|name| format!("`{name}`")).collect();
        notes.push(format!(
            "values from `.env` stand in the result; take out what is secret: {}",
            names.join(", ")
        ));
    }
    let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| folder_name(place));
    Ok(Project { name, services, notes })
}

/// Takes out what is meant to end, and sees that the order can be kept.
fn without_jobs(
    mut services: Vec<Service>,
    known: &BTreeSet<String>,
    notes: &mut Vec<String>,
) -> Result<Vec<Service>, Misfit> {
    let jobs: BTreeSet<String> =
        services.iter().flat_map(|service| service.after_jobs.iter().map(|(name, _)| name.clone())).collect();
    for (name, place) in services.iter().flat_map(|service| service.after.iter().chain(&service.after_jobs)) {
        if !known.contains(name) {
            let message = format!("there is no service `{name}`");
            return Err(Misfit { message, help: None, place: place.clone() });
        }
    }
    services.retain(|service| !jobs.contains(&service.name));
    for job in &jobs {
        notes.push(format!("{job}: others wait for its end; a system's services stay, so it was left out"));
    }
    let kept: BTreeSet<String> = services.iter().map(|service| service.name.clone()).collect();
    for service in &mut services {
        service.after.retain(|(name, _)| kept.contains(name));
    }
    // Whatever waits for nothing that is left can go; what remains waits in a circle.
    let mut waiting: BTreeMap<&str, &Service> =
        services.iter().map(|service| (service.name.as_str(), service)).collect();
    loop {
        let free =
            |service: &&Service| !service.after.iter().any(|(name, _)| waiting.contains_key(name.as_str()));
        let Some(name) = waiting.values().copied().find(free).map(|service| service.name.as_str()) else {
            break;
        };
        waiting.remove(name);
    }
    if let Some(service) = waiting.values().next() {
        let names: Vec<&str> = waiting.keys().copied().collect();
        let message = format!("`depends_on` goes in a circle among {}", names.join(", "));
        return Err(Misfit { message, help: None, place: service.place.clone() });
    }
    Ok(services)
}

/// The `.env` file beside the Compose file, if there is one.
fn dot_env(place: &Place) -> Result<BTreeMap<String, String>, Misfit> {
    let refused = |message: String| Misfit { message, help: None, place: 0..0 };
    let text = match read_text(&place.open(".env"), ENV_FILE_LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(refused(format!("could not read `.env` beside it: {error}"))),
    };
    variables::env_file(&text)
        .map_err(|line| refused(format!("line {line} of `.env` beside it is not `NAME=value`")))
}

fn folder_name(place: &Place) -> String {
    let folder = std::path::absolute(&place.folder).map(|folder| super::plain(&folder)).ok();
    let name = folder
        .as_deref()
        .and_then(std::path::Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "system".to_owned())
}

fn misfit(entry: &Entry, message: impl Into<String>, help: &str) -> Misfit {
    Misfit { message: message.into(), help: Some(help.to_owned()), place: entry.key_place.clone() }
}
