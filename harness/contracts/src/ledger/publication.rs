//! The pacts of files and folders, as they are published.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{LedgerError, PactDocument, read};
use crate::document::{self, ReadError};
use crate::model::Contract;

/// The pacts of some files and folders, checked to be pacts. What is published is what stands in the file.
///
/// # Errors
/// A file cannot be read or is no pact; a folder holds none.
pub fn pacts(paths: &[PathBuf]) -> Result<Vec<PactDocument>, LedgerError> {
    let contracts = document::collect(paths).map_err(refused)?;
    contracts
        .into_iter()
        .map(|contract| {
            let bytes = read::bytes(Path::new(&contract.source), read::LARGEST_PACT)?;
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
            let document: Value = serde_json::from_slice(bytes).map_err(|error| LedgerError::Pact {
                message: format!("could not read {}: {error}", contract.source),
                location: None,
            })?;
            Ok(PactDocument {
                name: contract.source,
                consumer: contract.consumer,
                provider: contract.provider,
                document,
            })
        })
        .collect()
}

/// A pact that a ledger gave out.
pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Contract, LedgerError> {
    document::parse(name, bytes).map_err(refused)
}

fn refused(error: ReadError) -> LedgerError {
    let hint = error.hint();
    let message = if hint.is_empty() { error.to_string() } else { format!("{error}; {hint}") };
    LedgerError::Pact { message, location: Some(error.location()) }
}
