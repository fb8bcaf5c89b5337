//! Finds the program that a service names, or says why it cannot be run.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use seaworthy_core::system::suggest;

/// How many names of one folder are looked through for a suggestion.
const NAMES: usize = 20_000;

/// The file that `program` names: a path if there is a `/` in it, else one on `search` (the value of PATH).
/// The error says what is wrong and what may have been meant.
pub(super) fn find(program: &str, search: Option<&OsStr>) -> Result<PathBuf, String> {
    if program.is_empty() {
        return Err("its command is empty; name a program".to_owned());
    }
    if program.contains('/') {
        let path = std::path::absolute(program).map_err(|error| error.to_string())?;
        return check(&path).map(|()| path.clone()).map_err(|reason| {
            let names = path.parent().map(names_in).unwrap_or_default();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            format!("{reason}{}", meant(name, &names))
        });
    }
    let folders: Vec<PathBuf> = search.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let found = folders.iter().map(|folder| folder.join(program)).find(|path| check(path).is_ok());
    found.ok_or_else(|| {
        let names: Vec<String> = folders.iter().flat_map(|folder| names_in(folder)).collect();
        let meant = meant(program, &names);
        format!("it is in none of the {} folders of PATH{meant}", folders.len())
    })
}

fn check(path: &Path) -> Result<(), String> {
    let meta = path.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if meta.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err("it is not executable; `chmod +x` makes it so".to_owned());
    }
    Ok(())
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(NAMES);
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn meant(name: &str, names: &[String]) -> String {
    let others = names.iter().map(String::as_str).filter(|other| *other != name);
    suggest::closest(name, others).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path_and_by_their_path() {
        let path = Some(OsStr::new("/nowhere:/bin:/usr/bin"));
        assert_eq!(find("sh", path), Ok(PathBuf::from("/bin/sh")));
        assert_eq!(find("/bin/sh", None), Ok(PathBuf::from("/bin/sh")));
    }

    #[test]
    fn what_cannot_be_run_says_why_and_what_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        let orders = folder.path().join("orders");
        std::fs::write(&orders, "").unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();

        let missing = find(&at("ordres"), None).unwrap_err();
        assert_eq!(missing, "there is no such file; did you mean `orders`?");
        assert_eq!(find(&at("orders"), None).unwrap_err(), "it is not executable; `chmod +x` makes it so");
        assert_eq!(find(&at(""), None).unwrap_err(), "it is a folder");
        let on_path = find("ordrs", Some(folder.path().as_os_str())).unwrap_err();
        assert_eq!(on_path, "it is in none of the 1 folders of PATH; did you mean `orders`?");
        assert!(find("", None).unwrap_err().contains("empty"));
    }
}
