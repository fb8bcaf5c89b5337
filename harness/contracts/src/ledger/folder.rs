//! A ledger as a folder of plain files, meant for git. Every fact is a file of its own that appears whole or not at
//! all, so that several processes may write at once and two branches rarely meet in one file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::content::Content;
use super::error::LedgerError;
use super::facts::{Facts, LabelFile, MarkerFile, PactFact, PresenceFile, ResultFact, Schema, VersionFile};
use super::time::Timestamp;
use super::{Publication, Record, Recording, name, read};

/// A ledger in a folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// A version of a service, as a writer names it.
struct Version<'v> {
    service: &'v str,
    version: &'v str,
    at: Timestamp,
}

impl Folder {
    /// The ledger in this folder. Nothing is read yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads all its facts.
    ///
    /// # Errors
    /// There is no ledger, or a file of it is not what it should be.
    pub fn facts(&self) -> Result<Facts, LedgerError> {
        read::facts(&self.root)
    }

    /// The text of a pact's content, and the file that it stands in.
    ///
    /// # Errors
    /// The file is missing, or was changed after it was published.
    pub fn content(&self, hash: &str) -> Result<(PathBuf, Vec<u8>), LedgerError> {
        let path = self.root.join("pacts").join(format!("{hash}.json"));
        let bytes = read::bytes(&path, read::LARGEST_PACT)?;
        let text = String::from_utf8_lossy(&bytes);
        if super::content::hash(&text) != hash {
            return Err(LedgerError::Fact {
                location: seaworthy_core::finding::Location {
                    file: path.display().to_string(),
                    ..seaworthy_core::finding::Location::default()
                },
                reason: "its text is not what its name says; it was changed after it was published (with line ends \
                         converted, perhaps). Restore it from git"
                    .to_owned(),
            });
        }
        Ok((path, bytes))
    }

    /// Publishes the pacts of a version of a consumer. Publishing the same again changes nothing.
    ///
    /// # Errors
    /// A pact of another content is already published for the version, or a file could not be written.
    pub fn publish(&self, publication: &Publication) -> Result<Vec<String>, LedgerError> {
        self.create()?;
        let version =
            Version { service: &publication.consumer, version: &publication.version, at: publication.at };
        let folder = self.version(&version)?;
        let mut notices = Vec::new();
        for pact in &publication.pacts {
            let content = Content::of(&pact.document);
            let path = folder.join("pacts").join(file(&pact.provider)?);
            let fact = PactFact {
                schema_version: Schema,
                provider: pact.provider.clone(),
                content: content.hash.clone(),
                published_at: publication.at,
                build_url: publication.build_url.clone(),
            };
            let stored = self.root.join("pacts").join(format!("{}.json", content.hash));
            create_new(&stored, content.text.as_bytes())?;
            let new = create_new(&path, &text(&fact)?)?;
            if !new {
                let there: PactFact = read::fact(&path)?;
                if there.content != content.hash {
                    return Err(LedgerError::Refused(format!(
                        "could not publish {}: version {} of {} already has another pact with {} ({}); a version's \
                         pact does not change, publish it under a new version",
                        pact.name, publication.version, publication.consumer, pact.provider, there.content
                    )));
                }
            }
            notices.push(format!(
                "{} {} for {}: content {}{}",
                publication.consumer,
                publication.version,
                pact.provider,
                content.hash.get(..12).unwrap_or_default(),
                if new { "" } else { " (was published already)" }
            ));
        }
        self.labels(&folder, "branches", publication.branch.as_slice(), publication.at)?;
        self.labels(&folder, "tags", &publication.tags, publication.at)?;
        Ok(notices)
    }

    /// Records what came of verifying a content against a version of a provider; what was recorded of the two before
    /// is replaced, but for when it was kept.
    ///
    /// # Errors
    /// A file could not be written.
    pub fn record_result(
        &self,
        provider: &str,
        version: &str,
        branch: Option<&String>,
        result: &ResultFact,
    ) -> Result<(), LedgerError> {
        self.create()?;
        let folder = self.version(&Version { service: provider, version, at: result.verified_at })?;
        self.labels(&folder, "branches", branch, result.verified_at)?;
        let path = folder.join("results").join(format!("{}.json", result.content));
        let mut result = result.clone();
        if !result.success
            && let Some(before) = present(read::fact::<ResultFact>(&path))?
        {
            result.kept_at = before.success.then_some(before.verified_at).or(before.kept_at);
        }
        replace(&path, &text(&result)?)
    }

    /// Records what happened in an environment.
    ///
    /// # Errors
    /// An undeployment of what is not there; a file could not be written.
    pub fn record(&self, record: &Record) -> Result<String, LedgerError> {
        let Record { service, version, environment, at, .. } = record;
        let there = self.root.join("environments").join(folder(environment)?);
        let deployed = there.join("deployed").join(file(service)?);
        let released = there.join("released").join(folder(service)?).join(file(version)?);
        if record.what == Recording::Undeployment {
            return self.undeploy(record, &deployed, &released);
        }
        self.create()?;
        self.version(&Version { service, version, at: *at })?;
        let fact = PresenceFile {
            schema_version: Schema,
            service: service.clone(),
            version: version.clone(),
            recorded_at: *at,
        };
        if record.what == Recording::Release {
            let new = create_new(&released, &text(&fact)?)?;
            let already = if new { "" } else { " (was released there already)" };
            return Ok(format!("{service} {version} is released in {environment}{already}"));
        }
        let before = match present(read::fact::<PresenceFile>(&deployed))? {
            Some(before) if before.version == *version => {
                return Ok(format!("{service} {version} is deployed in {environment} (was there already)"));
            }
            Some(before) => format!(", in place of {}", before.version),
            None => String::new(),
        };
        replace(&deployed, &text(&fact)?)?;
        Ok(format!("{service} {version} is deployed in {environment}{before}"))
    }

    fn undeploy(&self, record: &Record, deployed: &Path, released: &Path) -> Result<String, LedgerError> {
        let Record { service, version, environment, .. } = record;
        read::marker(&self.root)?;
        let mut ended = Vec::new();
        let current = present(read::fact::<PresenceFile>(deployed))?.map(|current| current.version);
        if current.as_deref() == Some(version.as_str()) && remove(deployed)? {
            ended.push("deployed");
        }
        if remove(released)? {
            ended.push("released");
        }
        if ended.is_empty() {
            let there = match current {
                Some(current) => format!("{current} is deployed there"),
                None => "no version of it is deployed there".to_owned(),
            };
            return Err(LedgerError::Refused(format!(
                "could not record the undeployment of {service} {version}: it is not in {environment}; {there}"
            )));
        }
        Ok(format!("{service} {version} is no longer {} in {environment}", ended.join(" or ")))
    }

    /// Makes the ledger where there is none.
    fn create(&self) -> Result<(), LedgerError> {
        let marker = self.root.join("ledger.json");
        if !marker.exists() {
            let wrong =
                |source| LedgerError::File { what: "read", file: self.root.display().to_string(), source };
            if self.root.exists() {
                for entry in fs::read_dir(&self.root).map_err(wrong)? {
                    let name = entry.map_err(wrong)?.file_name();
                    let name = name.to_string_lossy();
                    // Another writer may be making it at this moment.
                    let known = ["README.md", "ledger.json", "services", "environments", "pacts"];
                    if !name.starts_with('.') && !known.contains(&&*name) {
                        return Err(LedgerError::Missing {
                            place: self.root.display().to_string(),
                            hint: format!(
                                "it holds `{name}` and no ledger.json; a new ledger needs an empty or new folder"
                            ),
                        });
                    }
                }
            }
            // A content's name is its hash: git must not convert line ends.
            create_new(&self.root.join(".gitattributes"), b"* -text\n")?;
            create_new(&marker, &text(&MarkerFile { schema_version: Schema })?)?;
        }
        read::marker(&self.root)
    }

    /// The folder of a version, which is made known.
    fn version(&self, version: &Version<'_>) -> Result<PathBuf, LedgerError> {
        let folder = self.root.join("services").join(folder(version.service)?).join("versions");
        let folder = folder.join(self::folder(version.version)?);
        let fact = VersionFile {
            schema_version: Schema,
            service: version.service.to_owned(),
            version: version.version.to_owned(),
            recorded_at: version.at,
        };
        create_new(&folder.join("version.json"), &text(&fact)?)?;
        Ok(folder)
    }

    fn labels<'l>(
        &self,
        version: &Path,
        kind: &str,
        names: impl IntoIterator<Item = &'l String>,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        for label in names {
            let fact = LabelFile { schema_version: Schema, name: label.clone(), recorded_at: at };
            create_new(&version.join(kind).join(file(label)?), &text(&fact)?)?;
        }
        Ok(())
    }
}

fn folder(name: &str) -> Result<String, LedgerError> {
    name::encode(name).ok_or_else(|| {
        let start: String = name.chars().take(40).collect();
        LedgerError::Refused(format!(
            "could not write `{start}` down: a name in the ledger has 1 to 200 characters (others than letters, \
             digits, `-`, `_` and `.` count three for each byte)"
        ))
    })
}

fn file(name: &str) -> Result<String, LedgerError> {
    folder(name).map(|name| format!("{name}.json"))
}

/// The same text for the same fact, one field in a line.
fn text<T: Serialize>(fact: &T) -> Result<Vec<u8>, LedgerError> {
    let mut text = serde_json::to_vec_pretty(fact)
        .map_err(|error| LedgerError::Refused(format!("could not write a fact down: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a file beside its place, whole, for it to be put there at once.
fn prepared(path: &Path, bytes: &[u8]) -> Result<tempfile::NamedTempFile, LedgerError> {
    let wrong = |source| LedgerError::File { what: "write", file: path.display().to_string(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(wrong)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other file of a working copy; the umask still takes its part.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(wrong)?;
    file.write_all(bytes).map_err(wrong)?;
    Ok(file)
}

/// Puts a file where none is. Gives `false`, and changes nothing, where one is.
fn create_new(path: &Path, bytes: &[u8]) -> Result<bool, LedgerError> {
    if path.exists() {
        return Ok(false);
    }
    match prepared(path, bytes)?.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            Err(LedgerError::File { what: "write", file: path.display().to_string(), source: error.error })
        }
    }
}

/// Puts a file in the place of what was there.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    prepared(path, bytes)?.persist(path).map(drop).map_err(|error| LedgerError::File {
        what: "write",
        file: path.display().to_string(),
        source: error.error,
    })
}

/// The fact, or `None` where there is no such file.
fn present<T>(read: Result<T, LedgerError>) -> Result<Option<T>, LedgerError> {
    match read {
        Ok(fact) => Ok(Some(fact)),
        Err(LedgerError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file; gives `false` where there is none.
fn remove(path: &Path) -> Result<bool, LedgerError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(LedgerError::File { what: "remove", file: path.display().to_string(), source }),
    }
}
