//! The folder in which all services of one runtime work, and what is left of those whose harness was killed.
//!
//! Each such folder holds a lock file that its harness keeps locked. A lock ends with its holder, also by
//! SIGKILL; so a folder whose lock can be had has no harness any more, and the next one removes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;
use tempfile::TempDir;

const PREFIX: &str = "seaworthy-";
const LOCK: &str = ".lock";
/// How many names of the parent folder are looked at.
const NAMES: usize = 10_000;

/// A folder that goes when this is dropped, or when the next one is made after its harness was killed.
#[derive(Debug)]
pub(super) struct Workplace {
    folder: TempDir,
    /// Locked for as long as this lives.
    _lock: File,
}

impl Workplace {
    /// Makes a folder below `parent`, and removes those there whose harness is gone.
    pub(super) fn new_in(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // It gets its name when it is locked, so that no one finds it unlocked.
        let new = folder.path().join(".lock-new");
        let lock = File::create_new(&new)?;
        lock.lock()?;
        fs::rename(&new, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders below `parent` that are ours and whose lock can be had. What cannot be removed stays:
/// that is no reason not to start.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().take(NAMES).flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX))
            && entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
        let lock = entry.path().join(LOCK);
        if ours && File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok()) {
            tracing::info!(folder = %entry.path().display(), "removing what a killed harness left behind");
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_or_with_the_next_one() {
        let parent = tempfile::tempdir().unwrap();
        let first = Workplace::new_in(parent.path()).unwrap();
        let abandoned = parent.path().join("seaworthy-abandoned");
        fs::create_dir_all(abandoned.join("orders")).unwrap();
        fs::write(abandoned.join(LOCK), "").unwrap();
        let foreign = parent.path().join("seaworthy-unlike");
        fs::create_dir_all(&foreign).unwrap();

        let second = Workplace::new_in(parent.path()).unwrap();
        assert!(first.path().is_dir(), "its owner lives");
        assert!(!abandoned.exists());
        assert!(foreign.exists(), "what has no lock is not ours");
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }
}
