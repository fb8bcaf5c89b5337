//! A first system file from a Compose file.
//!
//! What is said in both languages is carried over: images and builds, ports, environment, files, volumes, order,
//! health. Addresses of other services become calls, so that a proxy stands on each; that is what Compose has no word
//! for and the reason why the two files differ. What cannot be carried over is told by name, in the result and to
//! whoever asked.
//!
//! | part | does |
//! |---|---|
//! | `project` | the Compose file as typed values, with its two spellings of nearly everything |
//! | `variables` | `${VAR:-default}` and `.env` |
//! | `addresses` | which words of a text are the address of a service |
//! | `ports` | which ports a service has, and what is spoken there |
//! | `service` | one service of the system file |
//! | `write` | YAML with remarks |
//!
//! A service may hold `x-seaworthy`, a map of keys of the system file that take the place of what was guessed: Compose
//! has no word for the health endpoint of an image without a shell, say.

mod addresses;
mod error;
mod ports;
mod project;
mod service;
mod variables;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use seaworthy_core::system::document::{Misfit, Node};
use seaworthy_core::system::{FILE_LIMIT, Overrides, RunKind, System};

pub use error::ComposeError;
use error::Source;

/// A system file made from a Compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The system file.
    pub yaml: String,
    /// What was not carried over, or needs a second look; each a sentence that starts with the service it is about.
    pub notes: Vec<String>,
}

/// Makes a system file to be written to `target` from the Compose file at `compose`. Nothing is written.
///
/// Variables get their values from `.env` beside the Compose file and from their defaults, never from this process's
/// environment, so that the result is the same everywhere; where the system file allows it they stay variables.
///
/// # Errors
/// The Compose file cannot be read or says what makes no sense, each with its line; or what came of it is no sound
/// system file.
pub fn import(compose: &Path, target: &Path) -> Result<Imported, ComposeError> {
    let text = read_text(compose, FILE_LIMIT)
        .map_err(|source| ComposeError::Read { path: compose.to_owned(), source })?;
    let source = Source::new(&text, compose);
    let wrong = |misfit: Misfit| ComposeError::Wrong(Box::new(source.mistake(misfit)));
    let tree = Node::parse(&text).map_err(wrong)?;
    let place = Place::between(compose, target);
    let project = project::read(&tree, &place).map_err(wrong)?;
    let ports = ports::of(&project);
    let mut notes = project.notes.clone();
    let services: Vec<service::Made> =
        project.services.iter().map(|service| service::make(service, &project, &ports, &place)).collect();
    for service in &services {
        notes.extend(service.notes.iter().map(|note| format!("{}: {note}", service.name)));
    }
    let yaml = write::file(&project, &services, &place.shown);
    let overrides = Overrides { on: RunKind::Docker, ..Overrides::default() };
    match System::parse(&yaml, target, &overrides) {
        Ok(_) => Ok(Imported { yaml, notes }),
        Err(source) => Err(ComposeError::Unsound { path: compose.to_owned(), source: Box::new(source) }),
    }
}

/// Where the Compose file lies and how its paths are written in the system file.
#[derive(Debug)]
struct Place {
    /// The Compose file's folder.
    folder: PathBuf,
    /// How to get there from the system file's folder; nothing where that is not known.
    way: Option<PathBuf>,
    /// The Compose file as the system file's head shows it.
    shown: String,
}

impl Place {
    fn between(compose: &Path, target: &Path) -> Self {
        let folder = parent(compose);
        let from = parent(target);
        let way = match (std::path::absolute(&folder), std::path::absolute(&from)) {
            (Ok(to), Ok(from)) => Some(relative(&plain(&from), &plain(&to))),
            _ => None,
        };
        let name = Path::new(compose.file_name().unwrap_or(compose.as_os_str()));
        let shown = way.as_ref().map_or_else(|| compose.to_owned(), |way| way.join(name));
        Self { folder, way, shown: shown.display().to_string() }
    }

    /// A path of the Compose file, as the system file must write it.
    fn written(&self, path: &str) -> String {
        let plain_path = match &self.way {
            Some(way) if Path::new(path).is_relative() => plain(&way.join(path)),
            None if Path::new(path).is_relative() => self.folder.join(path),
            _ => PathBuf::from(path),
        };
        match plain_path.to_string_lossy().into_owned() {
            empty if empty.is_empty() => ".".to_owned(),
            written => written,
        }
    }

    /// A path of the Compose file, to be opened.
    fn open(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Without `.`, and without `..` after a name.
fn plain(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            (Component::ParentDir, Some(Component::RootDir)) => {}
            _ => parts.push(part),
        }
    }
    parts.iter().collect()
}

/// The way from one folder to another, both absolute and plain.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// Reads a text of at most `limit` bytes.
fn read_text(path: &Path, limit: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let what = format!("it is larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_the_system_file_must_say_them() {
        let place = |compose: &str, target: &str| Place::between(Path::new(compose), Path::new(target));
        let beside = place("/a/b/compose.yaml", "/a/b/seaworthy.yaml");
        assert_eq!((beside.written("./db.sql").as_str(), beside.written(".").as_str()), ("db.sql", "."));
        let above = place("/a/b/compose.yaml", "/a/seaworthy.yaml");
        assert_eq!((above.written("../x").as_str(), above.written("y").as_str()), ("x", "b/y"));
        assert_eq!((above.written("/etc/z").as_str(), above.shown.as_str()), ("/etc/z", "b/compose.yaml"));
        let aside = place("/a/b/compose.yaml", "/c/d/seaworthy.yaml");
        assert_eq!(aside.written("x"), "../../a/b/x");
    }
}
