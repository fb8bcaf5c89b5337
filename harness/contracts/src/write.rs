//! A folder of contracts: one file for each consumer and provider, written by many tests at once.
//!
//! Tests run in parallel, in threads and in processes, and several of them write the same contract. So each writer
//! locks the folder, merges what it has into what is there, and replaces the file as a whole. Who comes first makes
//! no difference to what comes out. The lock is on the folder itself and goes with the process that holds it:
//! nothing is left behind, whatever dies.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use seaworthy_core::finding::Location;
use thiserror::Error;

use crate::diff::{self, Change};
use crate::document::{self, ReadError};
use crate::merge::{self, Conflict};
use crate::model::{Contents, Contract, Specification};

/// How long the folder may be locked by others. They hold it for milliseconds; this is for one that was stopped.
const LOCK_DEADLINE: Duration = Duration::from_secs(30);

/// What is done with a contract that a test has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The file must say so already; nothing is written. What else it says belongs to other tests.
    Check,
    /// It is merged into the file; an interaction of the same name that says something else is an error.
    Merge,
    /// It is merged into the file; an interaction of the same name is replaced.
    Update,
}

impl Mode {
    /// What the environment says:
    ///
    /// | variable | mode |
    /// |---|---|
    /// | `UPDATE_PACTS=1` | [`Mode::Update`] |
    /// | `SEAWORTHY_PACTS=write` | [`Mode::Merge`]: for a folder that is made anew in each run (`target/pacts`) |
    /// | `SEAWORTHY_PACTS=check`, or nothing | [`Mode::Check`]: for committed contracts. A test in a fresh clone leaves nothing behind, and fails where the contract is stale |
    ///
    /// # Errors
    ///
    /// [`WriteError::Mode`] for any other value.
    pub fn from_environment() -> Result<Mode, WriteError> {
        let set = |name: &str| std::env::var(name).unwrap_or_default();
        Mode::from_values(&set("UPDATE_PACTS"), &set("SEAWORTHY_PACTS"))
    }

    fn from_values(update: &str, pacts: &str) -> Result<Mode, WriteError> {
        let wrong =
            |variable, value: &str, allowed| WriteError::Mode { variable, value: value.to_owned(), allowed };
        match (update, pacts) {
            ("1" | "true", _) => Ok(Mode::Update),
            ("" | "0" | "false", "" | "check") => Ok(Mode::Check),
            ("" | "0" | "false", "write") => Ok(Mode::Merge),
            ("" | "0" | "false", other) => Err(wrong("SEAWORTHY_PACTS", other, "check or write")),
            (other, _) => Err(wrong("UPDATE_PACTS", other, "1 or 0")),
        }
    }
}

/// Why a contract is not kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A variable has a value that means nothing.
    #[error("could not tell what to do with contracts: {variable}={value}; use {allowed}")]
    Mode {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// The folder or the file cannot be read or written.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was tried: `make`, `lock`, `write`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Another process holds the folder.
    #[error("could not lock {} within {LOCK_DEADLINE:?}: another process holds it", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The file that is there cannot be read as a contract.
    #[error("could not merge into {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// The file says something else about the same interaction ([`Mode::Merge`]).
    #[error("{conflict}\n  UPDATE_PACTS=1 replaces what {} says", path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// What contradicts.
        conflict: Box<Conflict>,
    },
    /// There is no such file ([`Mode::Check`]).
    #[error("could not find {}; UPDATE_PACTS=1 writes it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file does not say what the test says ([`Mode::Check`]).
    #[error(
        "could not find in {} what the test relies on:\n{}  UPDATE_PACTS=1 writes it",
        path.display(),
        listed(changes)
    )]
    Stale {
        /// The file.
        path: PathBuf,
        /// What differs, from the file to the test; never empty.
        changes: Vec<Change>,
    },
}

impl WriteError {
    /// The place in the file, where there is one.
    pub fn location(&self) -> Option<Location> {
        match self {
            WriteError::Read { source, .. } => Some(source.location()),
            WriteError::Conflict { conflict, .. } => match conflict.as_ref() {
                Conflict::Interactions { interactions, .. } => {
                    interactions.first().map(|first| first.one.clone())
                }
                Conflict::Parties { .. } => None,
            },
            WriteError::Stale { changes, .. } => changes.iter().find_map(|change| match change {
                Change::Changed { old, .. } => Some(old.clone()),
                _ => None,
            }),
            _ => None,
        }
    }
}

fn listed(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        for line in change.to_string().lines() {
            let _ = writeln!(text, "  {line}");
        }
        if let Change::Changed { old, .. } = change {
            let _ = writeln!(text, "      in the file it stands at line {}", old.line);
        }
    }
    seaworthy_core::secret::redact(&text).0.into_owned()
}

/// The file of a contract in a folder: `CONSUMER-PROVIDER.json`. What could leave the folder or is awkward in a
/// file's name becomes `_`.
pub fn file_of(folder: &Path, contract: &Contract) -> PathBuf {
    let plain = |name: &str| -> String {
        name.chars().map(|c| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' }).collect()
    };
    let name = format!("{}-{}.json", plain(&contract.consumer), plain(&contract.provider));
    // A leading dot would hide it.
    folder.join(name.strip_prefix('.').map_or_else(|| name.clone(), |rest| format!("_{rest}")))
}

/// Does with the contract what `mode` says. Returns its file.
///
/// # Errors
///
/// See [`WriteError`]; after an error the file is as it was.
pub fn keep(folder: &Path, contract: &Contract, mode: Mode) -> Result<PathBuf, WriteError> {
    match mode {
        Mode::Check => check(folder, contract),
        Mode::Merge => merge_into(folder, contract),
        Mode::Update => replace_in(folder, contract),
    }
}

/// Merges the contract into its file in `folder`; both are made where they are missing. Returns the file.
///
/// # Errors
///
/// [`WriteError::Conflict`] where the file says something else about an interaction of the same name, and what has
/// to do with files.
pub fn merge_into(folder: &Path, contract: &Contract) -> Result<PathBuf, WriteError> {
    write_with(folder, contract, merge::merge)
}

/// As [`merge_into`], but an interaction of the same name is replaced.
///
/// # Errors
///
/// What has to do with files.
pub fn replace_in(folder: &Path, contract: &Contract) -> Result<PathBuf, WriteError> {
    write_with(folder, contract, merge::overlay)
}

/// Compares with the file in `folder`: each interaction of the contract must stand in it and say the same. What else
/// stands there belongs to other tests.
///
/// # Errors
///
/// [`WriteError::Missing`], [`WriteError::Stale`] with what differs, and what has to do with files.
pub fn check(folder: &Path, contract: &Contract) -> Result<PathBuf, WriteError> {
    let path = file_of(folder, contract);
    let Some(committed) = read(&path)? else { return Err(WriteError::Missing { path }) };
    let merged = merge::overlay(&committed, &as_written(contract, &path)?)
        .map_err(|conflict| WriteError::Conflict { path: path.clone(), conflict: Box::new(conflict) })?;
    let changes = diff::diff(&committed, &merged);
    if changes.is_empty() { Ok(path) } else { Err(WriteError::Stale { path, changes }) }
}

/// The contract as it would be read from the file: an older specification does not hold all that a test can say.
/// Each interaction keeps the place where the test declares it.
fn as_written(contract: &Contract, path: &Path) -> Result<Contract, WriteError> {
    let text = document::to_text(contract);
    let mut read = document::parse(&path.display().to_string(), text.as_bytes())
        .map_err(|source| WriteError::Read { path: path.to_owned(), source })?;
    let mut made: Vec<_> = contract.interactions.iter().collect();
    if contract.specification < Specification::V4 {
        // Those files have a list of their own for messages, which is read last.
        made.sort_by_key(|interaction| matches!(interaction.contents, Contents::Message(_)));
    }
    for (read, made) in read.interactions.iter_mut().zip(made) {
        Arc::make_mut(read).location = made.location.clone();
    }
    Ok(read)
}

fn write_with(
    folder: &Path,
    contract: &Contract,
    join: impl Fn(&Contract, &Contract) -> Result<Contract, Conflict>,
) -> Result<PathBuf, WriteError> {
    let path = file_of(folder, contract);
    fs::create_dir_all(folder).map_err(|source| WriteError::Io {
        doing: "make",
        path: folder.to_owned(),
        source,
    })?;
    let _held = lock(folder)?;
    let contract = as_written(contract, &path)?;
    let before = read(&path)?;
    let merged = join(before.as_ref().unwrap_or(&contract), &contract)
        .map_err(|conflict| WriteError::Conflict { path: path.clone(), conflict: Box::new(conflict) })?;
    replace(&path, document::to_text(&merged).as_bytes())?;
    Ok(path)
}

fn read(path: &Path) -> Result<Option<Contract>, WriteError> {
    // Not `exists`: that says no as well where the folder may not be looked into.
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => document::read(path)
            .map(Some)
            .map_err(|source| WriteError::Read { path: path.to_owned(), source }),
    }
}

/// Holds the folder until the file is dropped.
fn lock(folder: &Path) -> Result<File, WriteError> {
    let failed = |source| WriteError::Io { doing: "lock", path: folder.to_owned(), source };
    let directory = File::open(folder).map_err(failed)?;
    match directory.try_lock() {
        Ok(()) => return Ok(directory),
        Err(fs::TryLockError::WouldBlock) => {}
        Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Waiting for a lock has no deadline of its own; a thread that waits can be left behind.
    let (sender, locked) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let result = directory.lock().map(|()| directory);
        // Nobody waits any more: the lock goes with the file.
        let _ = sender.send(result);
    });
    match locked.recv_timeout(LOCK_DEADLINE) {
        Ok(result) => result.map_err(failed),
        Err(_) => Err(WriteError::Locked { path: folder.to_owned() }),
    }
}

/// Replaces the file as a whole, if it says something else. The folder is locked: nobody else has the same
/// temporary name.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let failed = |source| WriteError::Io { doing: "write", path: path.to_owned(), source };
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = path.with_file_name(name);
    let written = File::create(&new)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::{Mode, WriteError};

    #[test]
    fn the_environment_says_what_is_done_and_nothing_means_that_nothing_is_written() {
        for (update, pacts, expected) in [
            ("", "", Mode::Check),
            ("0", "check", Mode::Check),
            ("false", "", Mode::Check),
            ("", "write", Mode::Merge),
            ("1", "", Mode::Update),
            ("true", "check", Mode::Update),
        ] {
            assert_eq!(Mode::from_values(update, pacts).unwrap(), expected, "{update:?} {pacts:?}");
        }
    }

    #[test]
    fn a_value_that_means_nothing_is_an_error_that_names_the_variable() {
        for (update, pacts, said) in [
            ("yes", "", "UPDATE_PACTS=yes; use 1 or 0"),
            ("", "wirte", "SEAWORTHY_PACTS=wirte; use check or write"),
        ] {
            let error = Mode::from_values(update, pacts).unwrap_err();
            assert!(matches!(error, WriteError::Mode { .. }) && error.to_string().ends_with(said), "{error}");
        }
    }
}
