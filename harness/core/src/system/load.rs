//! Reads a system file: text, tree, overlays, types, validation.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::document::{Misfit, Node};
use super::error::{Mistake, SystemFileError};
use super::interpolate::Template;
use super::locate::{Places, Source};
use super::model::{RunKind, System};
use super::{files, overlay, suggest, validate};
use crate::ids::ServiceName;

/// The largest system file that is read, in bytes.
pub const FILE_LIMIT: usize = 1024 * 1024;
/// The version of the format that is read.
pub const VERSION: u32 = 1;
/// What the file is called in a folder.
pub const FILE_NAME: &str = "seaworthy.yaml";
/// How many mistakes are told at once.
const MISTAKES: usize = 20;

/// What the command line puts over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The runtime: chooses the `on:` overlay.
    pub on: RunKind,
    /// Environment variables of services: service, name, value. A value may hold placeholders.
    pub env: Vec<(ServiceName, String, String)>,
}

impl System {
    /// Reads a system file, or the `seaworthy.yaml` of a folder.
    ///
    /// # Errors
    /// When it cannot be read, is not YAML, or says something that cannot be: each mistake with its place and
    /// what to do.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<System, SystemFileError> {
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
        let text = read(&file)?;
        Self::parse(&text, &file, overrides)
    }

    /// Reads a system from text; `file` is where it lies.
    ///
    /// # Errors
    /// As [`System::load`].
    pub fn parse(text: &str, file: &Path, overrides: &Overrides) -> Result<System, SystemFileError> {
        if text.len() > FILE_LIMIT {
            return Err(SystemFileError::TooLarge { path: file.to_owned(), limit: FILE_LIMIT });
        }
        let source = Source::new(text, file);
        let wrong = |misfit: Misfit| refuse(vec![source.mistake(misfit, None)], file);
        let mut tree = Node::parse(text).map_err(wrong)?;
        version(&tree).map_err(wrong)?;
        files::read_in(&mut tree, file.parent().unwrap_or(Path::new(""))).map_err(wrong)?;
        // Read once as written: what another runtime's overlay says must make sense too.
        tree.read::<System>().map_err(wrong)?;
        overlay::lay(&mut tree, overrides.on).map_err(wrong)?;
        overlay::leave_out(&mut tree, overrides.on);
        let mut system: System = tree.read().map_err(wrong)?;
        system.on = overrides.on;
        system.places = Places::of(&tree, &source);
        system.file = file.to_owned();
        system.folder = file.parent().unwrap_or(Path::new("")).to_owned();

        let mut mistakes = system.put_over(overrides, &source);
        mistakes.extend(validate::review(&system, overrides.on, &source));
        mistakes.sort_by_key(|mistake| (mistake.location.line, mistake.location.column));
        if mistakes.is_empty() { Ok(system) } else { Err(refuse(mistakes, file)) }
    }

    /// Puts the command line's variables into the services, and says which make no sense.
    fn put_over(&mut self, overrides: &Overrides, source: &Source) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (name, key, value) in &overrides.env {
            let said = format!("--env {name}.{key}={value}");
            let (message, help) = match self.services.get_mut(name) {
                None => {
                    let known = self.services.keys().map(ServiceName::as_str);
                    let message = format!("`{said}` is for a service `{name}`, which is not in the file");
                    (message, validate::did_you_mean(name.as_str(), known))
                }
                Some(_) if !validate::is_variable(key) => {
                    (format!("`{said}` does not name a variable"), None)
                }
                Some(service) => match value.parse::<Template>() {
                    Err(error) => (format!("`{said}`: {error}"), Some(error.help())),
                    Ok(_) => {
                        service.env.insert(key.clone(), value.clone());
                        continue;
                    }
                },
            };
            let mut mistake = source.mistake(Misfit { message, help, place: 0..0 }, None);
            // It stands on the command line, not in the file.
            mistake.span = None;
            mistake.location = crate::finding::Location { file: source.file.clone(), ..Default::default() };
            mistakes.push(mistake);
        }
        mistakes
    }
}

/// The first mistakes as an error; there is at least one.
fn refuse(mut mistakes: Vec<Mistake>, file: &Path) -> SystemFileError {
    mistakes.truncate(MISTAKES);
    let mut mistakes = mistakes.into_iter();
    match mistakes.next() {
        Some(first) => SystemFileError::Wrong { first: Box::new(first), more: mistakes.collect() },
        None => SystemFileError::Read {
            path: file.to_owned(),
            source: io::Error::other("it was refused without a reason"),
        },
    }
}

/// Refuses other versions before anything else is said about a file that follows other rules.
fn version(tree: &Node) -> Result<(), Misfit> {
    let Some(entry) = tree.entry("version") else { return Ok(()) };
    let version: u32 = entry.value.read()?;
    if version == VERSION {
        return Ok(());
    }
    Err(Misfit {
        message: format!("this file is of version {version}, and this seaworthy reads version {VERSION}"),
        help: Some(if version > VERSION {
            "use a newer seaworthy".to_owned()
        } else {
            format!("write `version: {VERSION}`")
        }),
        place: entry.value.place.clone(),
    })
}

fn read(file: &Path) -> Result<String, SystemFileError> {
    let failed = |source: io::Error| SystemFileError::Read { path: file.to_owned(), source };
    let opened = File::open(file).map_err(|error| failed(with_suggestion(error, file)))?;
    let mut bytes = Vec::new();
    opened.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > FILE_LIMIT {
        return Err(SystemFileError::TooLarge { path: file.to_owned(), limit: FILE_LIMIT });
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        failed(io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 text from byte {at} on")))
    })
}

/// Names the file beside it that may have been meant.
fn with_suggestion(error: io::Error, file: &Path) -> io::Error {
    if error.kind() != io::ErrorKind::NotFound {
        return error;
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(parent).into_iter().flatten().take(1000);
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let wanted = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let meant = suggest::closest(wanted, names.iter().map(String::as_str));
    let meant = meant.map(|name| format!("; did you mean `{}`?", PathBuf::from(name).display()));
    io::Error::new(error.kind(), format!("there is no such file{}", meant.unwrap_or_default()))
}
