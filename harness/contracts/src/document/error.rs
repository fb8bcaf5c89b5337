//! Why a pact could not be read, where, and what to do about it.

use std::path::PathBuf;

use seaworthy_core::finding::Location;

/// The versions that can be read, for messages.
pub(crate) const KNOWN_VERSIONS: &str = "1.0, 1.1, 2.0, 3.0 and 4.0";

/// Why a pact or a case file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file or folder could not be opened or read.
    #[error("{} could not be read: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// An address gave no pact.
    #[error("{url} could not be fetched: {reason}")]
    Unreachable {
        /// Which, secrets redacted.
        url: String,
        /// Why.
        reason: String,
    },
    /// It is larger than anything that is read.
    #[error("{file} has {bytes} bytes, and more than {limit} could not be read")]
    TooLarge {
        /// Which.
        file: String,
        /// How large it is, in bytes (or at least is).
        bytes: u64,
        /// How large it may be, in bytes.
        limit: u64,
    },
    /// It is not JSON.
    #[error("{}:{}:{} is not JSON: {reason}", location.file, location.line, location.column)]
    NotJson {
        /// Where reading stopped.
        location: Location,
        /// What is wrong there.
        reason: String,
    },
    /// It is JSON, but something of a pact is missing or has the wrong form.
    #[error("{}:{}{} is not as a pact must be: {reason}", location.file, location.line, within(location))]
    NotAPact {
        /// Where.
        location: Location,
        /// What is missing or wrong.
        reason: String,
    },
    /// It names a version of the specification that nobody knows.
    #[error("{}:{} names version '{version}' of the Pact specification, which could not be recognised", location.file, location.line)]
    UnknownVersion {
        /// Where.
        location: Location,
        /// What it names.
        version: String,
    },
    /// Two interactions have one key but differ (V4).
    #[error("{}:{} has the same key '{key}' as line {first}, but differs from it", location.file, location.line)]
    Contradiction {
        /// The second of the two.
        location: Location,
        /// The line of the first.
        first: usize,
        /// Their key.
        key: String,
    },
    /// A folder has no pact in it.
    #[error("no pact could be found in {}", folder.display())]
    NothingThere {
        /// Which folder.
        folder: PathBuf,
    },
}

impl ReadError {
    /// Where it lies. Line and column are 0 where the whole file is meant.
    pub fn location(&self) -> Location {
        match self {
            ReadError::Unreadable { file, .. } => whole(&file.to_string_lossy()),
            ReadError::TooLarge { file, .. } | ReadError::Unreachable { url: file, .. } => whole(file),
            ReadError::NothingThere { folder } => whole(&folder.to_string_lossy()),
            ReadError::NotJson { location, .. }
            | ReadError::NotAPact { location, .. }
            | ReadError::UnknownVersion { location, .. }
            | ReadError::Contradiction { location, .. } => location.clone(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            ReadError::Unreadable { .. } => "name a file or folder that exists and may be read".to_owned(),
            ReadError::Unreachable { .. } => {
                "see whether the address is right, and whether it wants credentials".to_owned()
            }
            ReadError::TooLarge { .. } => "split the contract, or take large bodies out of it".to_owned(),
            ReadError::NotJson { .. } => {
                "mend the JSON there, or let the consumer's test write the file anew".to_owned()
            }
            ReadError::NotAPact { location, .. } if location.pointer.is_some() => {
                "mend that part, or let the consumer's test write the file anew".to_owned()
            }
            ReadError::NotAPact { .. } => {
                "a pact is an object with consumer.name, provider.name and a list of interactions".to_owned()
            }
            ReadError::UnknownVersion { .. } => {
                format!("set metadata.pactSpecification.version to one of {KNOWN_VERSIONS}")
            }
            ReadError::Contradiction { .. } => {
                "give one of the two another key, or delete the one that no longer holds".to_owned()
            }
            ReadError::NothingThere { .. } => "pacts are files that end in .json".to_owned(),
        }
    }
}

/// The pointer, for a message.
fn within(location: &Location) -> String {
    location.pointer.as_ref().map_or_else(String::new, |pointer| format!(" ({pointer})"))
}

fn whole(file: &str) -> Location {
    Location { file: file.to_owned(), line: 0, column: 0, pointer: None }
}

/// What is wrong within one interaction, before it is known on which line that begins.
#[derive(Debug)]
pub(crate) struct Fault {
    /// JSON pointer, from where the reader began.
    pub(crate) pointer: String,
    /// What is missing or wrong.
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { pointer: String::new(), reason: reason.into() }
    }

    /// The same, seen from one level above.
    #[must_use]
    pub(crate) fn under(mut self, key: &str) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{key}{}", self.pointer);
        self
    }
}

/// What a JSON value is, in words.
pub(crate) fn kind(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a string",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}
