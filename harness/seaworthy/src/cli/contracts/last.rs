//! What failed the last time, for `--last-failed`: kept in the user's cache folder, by working folder and provider.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use seaworthy_contracts::verify::Verification;
use seaworthy_core::secret::fingerprint;

use crate::cli::failure::Failure;

/// The names of the interactions of a provider that failed the last time.
pub(super) fn failed(provider: &str) -> Result<BTreeSet<String>, Failure> {
    let path = path(provider).ok_or_else(nowhere)?;
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(Failure::plain(format!("could not read {}: {error}", path.display()))),
    };
    serde_json::from_slice(&text)
        .map_err(|error| Failure::plain(format!("could not read {}: {error}; remove it", path.display())))
}

/// Keeps what failed now, and what had failed and was not run now: a filter left it out.
pub(super) fn keep(verification: &Verification) {
    let Some(path) = path(&verification.provider) else { return };
    let mut names = failed(&verification.provider).unwrap_or_default();
    for result in &verification.results {
        names.remove(&result.name());
    }
    names.extend(verification.failed());
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Two runs may end at the same time; each leaves a whole file.
        let whole = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(whole.path(), serde_json::to_vec(&names)?)?;
        whole.persist(&path)?;
        Ok(())
    };
    // The verdict does not depend on it; without it `--last-failed` says that nothing is known.
    if let Err(error) = write() {
        tracing::warn!(path = %path.display(), %error, "what failed could not be kept for --last-failed");
    }
}

fn path(provider: &str) -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    let working = std::env::current_dir().ok()?;
    let key = fingerprint(&format!("{}\n{provider}", working.display()));
    Some(cache.join("seaworthy/last-failed").join(format!("{key}.json")))
}

fn nowhere() -> Failure {
    Failure::plain(
        "could not tell where the last result is kept: neither XDG_CACHE_HOME nor HOME is set".to_owned(),
    )
}
