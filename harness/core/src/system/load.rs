//! Reads a system file.

use std::path::Path;
use std::sync::Arc;

use miette::NamedSource;

use super::error::{Mistake, SystemFileError};
use super::model::{RunKind, System};
use crate::finding::Location;
use crate::ids::ServiceName;

/// The largest system file that is read, in bytes.
pub const FILE_LIMIT: usize = 1024 * 1024;

/// What the command line puts over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The runtime: chooses the `on:` overlay.
    pub on: RunKind,
    /// Environment variables of services: service, name, value.
    pub env: Vec<(ServiceName, String, String)>,
}

impl System {
    /// Reads a system file.
    ///
    /// # Errors
    /// When it cannot be read, is not YAML, or says something that cannot be.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<System, SystemFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SystemFileError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path, overrides)
    }

    /// Reads a system from text; `file` is where it lies.
    ///
    /// # Errors
    /// As [`System::load`].
    pub fn parse(text: &str, file: &Path, overrides: &Overrides) -> Result<System, SystemFileError> {
        let mut system: System = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location();
            let number =
                |of: fn(&serde_saphyr::Location) -> u64| place.as_ref().map_or(0, |at| of(at) as usize);
            SystemFileError::Wrong {
                first: Box::new(Mistake {
                    message: error.without_snippet().to_string(),
                    help: None,
                    source_code: NamedSource::new(file.display().to_string(), Arc::from(text)),
                    span: None,
                    label: String::new(),
                    location: Location {
                        file: file.display().to_string(),
                        line: number(serde_saphyr::Location::line),
                        column: number(serde_saphyr::Location::column),
                        pointer: None,
                    },
                }),
                more: Vec::new(),
            }
        })?;
        system.file = file.to_owned();
        system.folder = file.parent().unwrap_or(Path::new("")).to_owned();
        for (service, key, value) in &overrides.env {
            if let Some(service) = system.services.get_mut(service) {
                service.env.insert(key.clone(), value.clone());
            }
        }
        Ok(system)
    }
}
