//! The folder that a service works in, and the files that are put there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// How large one file may be, in bytes.
const FILE_LIMIT: usize = 16 * 1024 * 1024;

/// Writes `files` (relative path → content) below `folder`, which is made if it is not there.
pub(super) fn write(folder: &Path, files: &BTreeMap<String, String>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, content) in files {
        if content.len() > FILE_LIMIT {
            let what = format!("`{name}` is larger than {FILE_LIMIT} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        let path = folder.join(below(name)?);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

/// The path if it leads to a file below the folder it is joined to.
fn below(name: &str) -> io::Result<PathBuf> {
    let path = Path::new(name);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.file_name().is_none() || !path.components().all(plain) {
        let what = format!("`{name}` does not lie below the working folder");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_below_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let files = BTreeMap::from([
            ("config.toml".to_owned(), "a = 1".to_owned()),
            ("deep/er/x".to_owned(), String::new()),
        ]);
        write(folder.path(), &files).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("config.toml")).unwrap(), "a = 1");
        assert!(folder.path().join("deep/er/x").is_file());
    }

    #[test]
    fn files_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["../x", "/etc/x", "a/../../x", "", ".", "a/..", "/"] {
            let files = BTreeMap::from([(name.to_owned(), String::new())]);
            let error = write(&folder.path().join("work"), &files).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert!(!folder.path().join("x").exists());
    }
}
