//! Why no system file could be made, with the place in the Compose file and what to do.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use seaworthy_core::finding::Location;
use seaworthy_core::system::document::Misfit;
use seaworthy_core::system::{Mistake, SystemFileError};

/// Why no system file could be made from a Compose file.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// It could not be read.
    #[error("could not read `{}`: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that makes no sense, or that has no like in a system file and cannot be left out.
    #[error("could not use `{}`, line {}: {}", .0.location.file, .0.location.line, .0.message)]
    Wrong(Box<Mistake>),
    /// What came of it is no system file.
    #[error("could not make a system file from `{}`: {source}", path.display())]
    Unsound {
        /// Which Compose file.
        path: PathBuf,
        /// What is wrong with the result.
        source: Box<SystemFileError>,
    },
}

impl ComposeError {
    /// Where in the Compose file, if it is about a place there.
    pub fn location(&self) -> Option<Location> {
        match self {
            ComposeError::Wrong(mistake) => Some(mistake.location.clone()),
            ComposeError::Read { path, .. } | ComposeError::Unsound { path, .. } => {
                Some(Location { file: path.display().to_string(), ..Location::default() })
            }
        }
    }

    fn inner(&self) -> Option<&dyn Diagnostic> {
        match self {
            ComposeError::Wrong(mistake) => Some(mistake.as_ref()),
            ComposeError::Unsound { source, .. } => Some(source.as_ref()),
            ComposeError::Read { .. } => None,
        }
    }
}

impl Diagnostic for ComposeError {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        match self {
            ComposeError::Read { .. } => Some(Box::new("name a Compose file")),
            _ => self.inner()?.help(),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.inner()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.inner()?.labels()
    }
}

/// The Compose file's text, for the places of mistakes.
pub(super) struct Source {
    file: String,
    text: Arc<str>,
}

impl Source {
    pub(super) fn new(text: &str, file: &Path) -> Self {
        Self { file: file.display().to_string(), text: Arc::from(text) }
    }

    pub(super) fn mistake(&self, misfit: Misfit) -> Mistake {
        let Misfit { message, help, place } = misfit;
        let before = self.text.get(..place.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Mistake {
            message,
            help,
            source_code: NamedSource::new(&self.file, Arc::clone(&self.text)),
            span: Some(SourceSpan::from(place)),
            label: "here".to_owned(),
            location: Location { file: self.file.clone(), line, column, pointer: None },
        }
    }
}
