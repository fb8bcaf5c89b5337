//! Why a system file was refused, with the place in it and what to do.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::finding::Location;

/// One mistake in a system file.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Mistake {
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do.
    #[help]
    pub help: Option<String>,
    /// The file.
    #[source_code]
    pub source_code: NamedSource<Arc<str>>,
    /// Where in it.
    #[label("{label}")]
    pub span: Option<SourceSpan>,
    /// What to say at that place.
    pub label: String,
    /// The same place as line and column, with the JSON pointer of the value.
    pub location: Location,
}

/// Why a system file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SystemFileError {
    /// It could not be read.
    #[error("could not read `{}`: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than what is read.
    #[error("could not read `{}`: it is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How many bytes are read at most.
        limit: usize,
    },
    /// It says something that cannot be.
    #[error("could not use `{}`: {}", first.location.file, first.message)]
    Wrong {
        /// The first mistake.
        first: Box<Mistake>,
        /// Further mistakes, in the order of the file.
        more: Vec<Mistake>,
    },
}

impl Diagnostic for SystemFileError {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        match self {
            SystemFileError::Read { .. } => {
                Some(Box::new("name a `seaworthy.yaml`, or a folder that holds one"))
            }
            SystemFileError::TooLarge { .. } => {
                Some(Box::new("a system file is written by hand; move large texts into files of their own"))
            }
            SystemFileError::Wrong { first, .. } => first.help(),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.first().and_then(Diagnostic::source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.first().and_then(Diagnostic::labels)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self {
            SystemFileError::Wrong { more, .. } if !more.is_empty() => {
                Some(Box::new(more.iter().map(|mistake| mistake as &dyn Diagnostic)))
            }
            _ => None,
        }
    }
}

impl SystemFileError {
    /// The place of the first mistake, where it has one.
    pub fn location(&self) -> Option<Location> {
        match self {
            SystemFileError::Wrong { first, .. } => Some(first.location.clone()),
            SystemFileError::Read { path, .. } | SystemFileError::TooLarge { path, .. } => {
                Some(Location { file: path.display().to_string(), ..Location::default() })
            }
        }
    }

    fn first(&self) -> Option<&Mistake> {
        match self {
            SystemFileError::Wrong { first, .. } => Some(first),
            _ => None,
        }
    }

    /// All mistakes in the order of the file.
    pub fn mistakes(&self) -> impl Iterator<Item = &Mistake> {
        let more = match self {
            SystemFileError::Wrong { more, .. } => more.as_slice(),
            _ => &[],
        };
        self.first().into_iter().chain(more)
    }
}
