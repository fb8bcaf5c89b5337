//! Reading a ledger's folder. What is not part of a ledger is an error that names the file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use seaworthy_core::finding::Location;
use serde::de::DeserializeOwned;

use super::error::LedgerError;
use super::facts::{
    Facts, LabelFile, MarkerFile, PactFact, PresenceFile, ResultFact, ServiceFile, VersionFacts, VersionFile,
};
use super::name;
use super::time::Timestamp;

/// The largest file of a fact, in bytes.
const LARGEST_FACT: u64 = 64 * 1024;
/// The largest pact, in bytes.
pub(super) const LARGEST_PACT: u64 = 256 * 1024 * 1024;
/// How many files are read at most.
const MOST_FILES: usize = 1_000_000;

/// Reads all facts; contents of pacts are not read.
pub(super) fn facts(root: &Path) -> Result<Facts, LedgerError> {
    marker(root)?;
    let mut reader = Reader { facts: Facts::default(), files: 0 };
    for entry in reader.list(root)? {
        match (entry.name.as_str(), entry.folder) {
            ("services", true) => reader.services(&entry.path)?,
            ("environments", true) => reader.environments(&entry.path)?,
            // Contents are read when they are asked for.
            ("pacts", true) | ("ledger.json" | "README.md", false) => {}
            _ => return Err(stranger(&entry)),
        }
    }
    Ok(reader.facts)
}

/// Whether the folder is a ledger that this version reads.
pub(super) fn marker(root: &Path) -> Result<(), LedgerError> {
    let path = root.join("ledger.json");
    if !path.exists() {
        return Err(LedgerError::Missing {
            place: root.display().to_string(),
            hint: "it holds no ledger.json; `seaworthy publish` and `seaworthy record-deployment` make a ledger in \
                   an empty or new folder, `--ledger DIR|URL` names another"
                .to_owned(),
        });
    }
    fact::<MarkerFile>(&path).map(drop)
}

struct Entry {
    name: String,
    path: PathBuf,
    folder: bool,
}

struct Reader {
    facts: Facts,
    files: usize,
}

impl Reader {
    /// What is in a folder by name, without hidden files; nothing where there is no folder.
    fn list(&mut self, folder: &Path) -> Result<Vec<Entry>, LedgerError> {
        let wrong = |source| LedgerError::File { what: "read", file: folder.display().to_string(), source };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(wrong(error)),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry.map_err(wrong)?;
            self.files += 1;
            if self.files > MOST_FILES {
                return Err(refuse(folder, format!("it holds more than {MOST_FILES} files")));
            }
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                return Err(refuse(&path, "its name is not UTF-8".to_owned()));
            };
            if name.starts_with('.') {
                continue;
            }
            let folder = entry.file_type().map_err(wrong)?.is_dir();
            list.push(Entry { name, path, folder });
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// The folders in a folder, by the names that they stand for.
    fn folders(&mut self, folder: &Path) -> Result<Vec<(String, PathBuf)>, LedgerError> {
        let entries = self.list(folder)?;
        entries
            .into_iter()
            .map(|entry| match name::decode(&entry.name) {
                Some(name) if entry.folder => Ok((name, entry.path)),
                _ => Err(stranger(&entry)),
            })
            .collect()
    }

    /// The facts in a folder, each with the name that its file stands for.
    fn facts<T: DeserializeOwned>(
        &mut self,
        folder: &Path,
    ) -> Result<Vec<(String, PathBuf, T)>, LedgerError> {
        let entries = self.list(folder)?;
        entries
            .into_iter()
            .map(|entry| {
                let name = entry.name.strip_suffix(".json").and_then(name::decode);
                match name {
                    Some(name) if !entry.folder => {
                        let read = fact(&entry.path)?;
                        Ok((name, entry.path, read))
                    }
                    _ => Err(stranger(&entry)),
                }
            })
            .collect()
    }

    fn services(&mut self, folder: &Path) -> Result<(), LedgerError> {
        for (service, path) in self.folders(folder)? {
            for entry in self.list(&path)? {
                match (entry.name.as_str(), entry.folder) {
                    ("service.json", false) => {
                        let read: ServiceFile = fact(&entry.path)?;
                        same(&entry.path, "service", &read.service, &service)?;
                        self.facts.services.entry(service.clone()).or_default().main_branch =
                            Some(read.main_branch);
                    }
                    ("versions", true) => {
                        for (version, path) in self.folders(&entry.path)? {
                            // A writer made the folder this moment; what it will say is not said yet.
                            if self.list(&path)?.is_empty() {
                                continue;
                            }
                            let read = self.version(&service, &version, &path)?;
                            let known = self.facts.services.entry(service.clone()).or_default();
                            known.versions.insert(version, read);
                        }
                    }
                    _ => return Err(stranger(&entry)),
                }
            }
        }
        Ok(())
    }

    fn version(&mut self, service: &str, version: &str, folder: &Path) -> Result<VersionFacts, LedgerError> {
        let path = folder.join("version.json");
        let read: VersionFile = fact(&path)?;
        same(&path, "service", &read.service, service)?;
        same(&path, "version", &read.version, version)?;
        let mut facts = VersionFacts { recorded_at: read.recorded_at, ..VersionFacts::default() };
        for entry in self.list(folder)? {
            match (entry.name.as_str(), entry.folder) {
                ("version.json", false) => {}
                ("branches", true) => facts.branches = self.labels(&entry.path)?,
                ("tags", true) => facts.tags = self.labels(&entry.path)?,
                ("pacts", true) => {
                    for (provider, path, read) in self.facts::<PactFact>(&entry.path)? {
                        same(&path, "provider", &read.provider, &provider)?;
                        hash(&path, &read.content)?;
                        facts.pacts.insert(provider, read);
                    }
                }
                ("results", true) => {
                    for (content, path, read) in self.facts::<ResultFact>(&entry.path)? {
                        same(&path, "content", &read.content, &content)?;
                        hash(&path, &read.content)?;
                        facts.results.insert(content, read);
                    }
                }
                _ => return Err(stranger(&entry)),
            }
        }
        Ok(facts)
    }

    fn labels(&mut self, folder: &Path) -> Result<BTreeMap<String, Timestamp>, LedgerError> {
        let mut labels = BTreeMap::new();
        for (name, path, read) in self.facts::<LabelFile>(folder)? {
            same(&path, "name", &read.name, &name)?;
            labels.insert(name, read.recorded_at);
        }
        Ok(labels)
    }

    fn environments(&mut self, folder: &Path) -> Result<(), LedgerError> {
        for (environment, path) in self.folders(folder)? {
            self.facts.environments.entry(environment.clone()).or_default();
            for entry in self.list(&path)? {
                match (entry.name.as_str(), entry.folder) {
                    ("deployed", true) => {
                        for (service, path, read) in self.facts::<PresenceFile>(&entry.path)? {
                            same(&path, "service", &read.service, &service)?;
                            let there = self.facts.environments.entry(environment.clone()).or_default();
                            there.deployed.insert(service, (read.version, read.recorded_at));
                        }
                    }
                    ("released", true) => {
                        for (service, folder) in self.folders(&entry.path)? {
                            for (version, path, read) in self.facts::<PresenceFile>(&folder)? {
                                same(&path, "service", &read.service, &service)?;
                                same(&path, "version", &read.version, &version)?;
                                let there = self.facts.environments.entry(environment.clone()).or_default();
                                let released = there.released.entry(service.clone()).or_default();
                                released.insert(version, read.recorded_at);
                            }
                        }
                    }
                    _ => return Err(stranger(&entry)),
                }
            }
        }
        Ok(())
    }
}

fn stranger(entry: &Entry) -> LedgerError {
    refuse(&entry.path, "it is no part of a ledger; remove it, or begin its name with a dot".to_owned())
}

fn refuse(path: &Path, reason: String) -> LedgerError {
    let location = Location { file: path.display().to_string(), ..Location::default() };
    LedgerError::Fact { location, reason }
}

/// A fact names what its path says.
fn same(path: &Path, field: &str, written: &str, expected: &str) -> Result<(), LedgerError> {
    if written == expected {
        return Ok(());
    }
    let written: String = written.chars().take(80).collect();
    Err(refuse(
        path,
        format!("`{field}` is `{written}`, but the path says `{expected}`; one of them was changed"),
    ))
}

fn hash(path: &Path, content: &str) -> Result<(), LedgerError> {
    if super::content::is_hash(content) {
        return Ok(());
    }
    let content: String = content.chars().take(80).collect();
    Err(refuse(path, format!("`content` is `{content}`, not the name of a file in `pacts/` (40 hex digits)")))
}

/// Reads a file up to a limit.
pub(super) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, LedgerError> {
    let wrong = |source| LedgerError::File { what: "read", file: path.display().to_string(), source };
    // A named pipe would keep the reader waiting for ever.
    if !fs::metadata(path).map_err(wrong)?.is_file() {
        return Err(refuse(path, "it is not a plain file".to_owned()));
    }
    let file = fs::File::open(path).map_err(wrong)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > limit {
        return Err(refuse(path, format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads the file of a fact.
pub(super) fn fact<T: DeserializeOwned>(path: &Path) -> Result<T, LedgerError> {
    let bytes = bytes(path, LARGEST_FACT)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let location = Location {
            file: path.display().to_string(),
            line: error.line(),
            column: error.column(),
            pointer: None,
        };
        let reason = error.to_string();
        // The place is said by the location.
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        let reason = match bytes.starts_with(b"<<<<<<<") || bytes.windows(8).any(|at| at == b"\n<<<<<<<") {
            true => "a merge left its conflict markers here; keep one of the two sides".to_owned(),
            false => reason,
        };
        LedgerError::Fact { location, reason }
    })
}
