//! Pact files read: from text to a contract, each interaction by itself, so that beside the contract itself no more
//! than the text and one interaction's JSON are held at a time.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seaworthy_core::finding::Location;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::{Fault, ReadError};
use super::interaction::{self, List};
use super::place::Places;
use super::version;
use crate::model::{Contract, Interaction, Specification};

/// How large a file may be, in bytes: 256 MiB.
pub const LIMIT: u64 = 256 * 1024 * 1024;

/// How deep folders are looked through.
const DEPTH: usize = 16;

/// What a pact file holds, each part as the text that it has.
#[derive(Deserialize)]
#[serde(expecting = "a pact: an object with consumer, provider and interactions")]
struct Outline<'a> {
    #[serde(borrow, default)]
    consumer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    provider: Option<&'a RawValue>,
    #[serde(borrow, default)]
    interactions: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    messages: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// Reads a pact file of any version from 1.0 to 4.0.
///
/// # Errors
/// It cannot be read, is larger than [`LIMIT`], is not JSON or not a pact; see [`ReadError`].
pub fn read(file: &Path) -> Result<Contract, ReadError> {
    parse(&file.to_string_lossy(), &bounded(file)?)
}

/// Reads all pacts of some files and folders, sorted by path within each folder. In folders, all files that end in
/// `.json` are pacts.
///
/// # Errors
/// The first file that cannot be read, or a folder without any.
pub fn collect(paths: &[PathBuf]) -> Result<Vec<Contract>, ReadError> {
    let mut contracts = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut files = Vec::new();
            files_below(path, 0, &mut files)?;
            if files.is_empty() {
                return Err(ReadError::NothingThere { folder: path.clone() });
            }
            files.sort();
            for file in files {
                contracts.push(read(&file)?);
            }
        } else {
            contracts.push(read(path)?);
        }
    }
    Ok(contracts)
}

fn files_below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let unreadable = |source| ReadError::Unreadable { file: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            // A link may lead back upwards: the depth ends that.
            if depth < DEPTH {
                files_below(&path, depth + 1, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            files.push(path);
        }
    }
    Ok(())
}

/// The bytes of a file, no more than [`LIMIT`].
pub(crate) fn bounded(file: &Path) -> Result<Vec<u8>, ReadError> {
    let unreadable = |source| ReadError::Unreadable { file: file.to_owned(), source };
    let opened = File::open(file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    opened.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    limited(&file.to_string_lossy(), &bytes)?;
    Ok(bytes)
}

fn limited(name: &str, bytes: &[u8]) -> Result<(), ReadError> {
    match bytes.len() as u64 {
        bytes if bytes > LIMIT => Err(ReadError::TooLarge { file: name.to_owned(), bytes, limit: LIMIT }),
        _ => Ok(()),
    }
}

/// The bytes as text, without a leading byte-order mark.
pub(crate) fn text_of<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, ReadError> {
    limited(name, bytes)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let (line, column) = Places::new(valid).at(valid.len());
        ReadError::NotJson {
            location: Location { file: name.to_owned(), line, column, pointer: None },
            reason: "the bytes there are not UTF-8".to_owned(),
        }
    })
}

/// What serde_json says of a part of the file that begins at a line and column.
pub(crate) fn json_error(name: &str, begin: (usize, usize), error: &serde_json::Error) -> ReadError {
    let (line, column) = match error.line() {
        0 | 1 => (begin.0, begin.1 + error.column().saturating_sub(1)),
        line => (begin.0 + line - 1, error.column()),
    };
    let location = Location { file: name.to_owned(), line, column, pointer: None };
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
    if error.is_data() {
        ReadError::NotAPact { location, reason }
    } else {
        ReadError::NotJson { location, reason }
    }
}

/// Reads a pact of any version from 1.0 to 4.0. `name` is what places in it are called by: a path or an URL.
///
/// # Errors
/// It is larger than [`LIMIT`], not JSON or not a pact; see [`ReadError`].
pub fn parse(name: &str, bytes: &[u8]) -> Result<Contract, ReadError> {
    let text = text_of(name, bytes)?;
    let mut reader = Reader { name, places: Places::new(text) };
    if text.trim_start().starts_with('[') {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| json_error(name, (1, 1), &error))?;
        return Err(reader.missing("it is a list, not an object"));
    }
    let outline: Outline<'_> =
        serde_json::from_str(text).map_err(|error| json_error(name, (1, 1), &error))?;
    if outline.interactions.is_none() && outline.messages.is_none() {
        return Err(reader.missing("interactions are missing"));
    }
    let consumer = reader.party("consumer", outline.consumer)?;
    let provider = reader.party("provider", outline.provider)?;
    let mut metadata = reader.metadata(outline.metadata)?;
    let specification = match version::named(&metadata) {
        Some(version) => match version::parse(&version) {
            Some(specification) => specification,
            None => return Err(reader.unknown_version(outline.metadata, version)),
        },
        None => reader.guess(&outline)?,
    };
    version::strip(&mut metadata);
    let mut interactions = Vec::new();
    for (list, key, items) in [
        (List::Interactions, "interactions", outline.interactions),
        (List::Messages, "messages", outline.messages),
    ] {
        // V4 keeps messages among the interactions; before V3 there were none.
        if list == List::Messages && specification != Specification::V3 {
            continue;
        }
        for (index, item) in items.unwrap_or_default().into_iter().enumerate() {
            interactions.push(Arc::new(reader.interaction(item, specification, (list, key, index))?));
        }
    }
    if specification == Specification::V4 {
        reader.contradictions(&interactions)?;
    }
    Ok(Contract {
        consumer,
        provider,
        specification,
        metadata,
        interactions,
        source: name.to_owned(),
        consumer_version: None,
    })
}

struct Reader<'a> {
    name: &'a str,
    places: Places<'a>,
}

impl Reader<'_> {
    fn location(&self, line: usize, column: usize, pointer: Option<String>) -> Location {
        Location { file: self.name.to_owned(), line, column, pointer }
    }

    fn missing(&self, reason: &str) -> ReadError {
        ReadError::NotAPact { location: self.location(1, 1, None), reason: reason.to_owned() }
    }

    /// The JSON of a part of the file.
    fn value(&mut self, part: &RawValue) -> Result<(Value, (usize, usize)), ReadError> {
        let begin = self.places.of(part.get());
        let value = serde_json::from_str(part.get()).map_err(|error| json_error(self.name, begin, &error))?;
        Ok((value, begin))
    }

    fn party(&mut self, role: &str, part: Option<&RawValue>) -> Result<String, ReadError> {
        let Some(part) = part else { return Err(self.missing(&format!("{role} is missing"))) };
        let (value, (line, column)) = self.value(part)?;
        match value.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            Some(name) => Ok(name.to_owned()),
            None => Err(ReadError::NotAPact {
                location: self.location(line, column, Some(format!("/{role}"))),
                reason: format!("{role}.name is missing"),
            }),
        }
    }

    fn metadata(&mut self, part: Option<&RawValue>) -> Result<Map<String, Value>, ReadError> {
        let Some(part) = part else { return Ok(Map::new()) };
        match self.value(part)? {
            (Value::Object(map), _) => Ok(map),
            (Value::Null, _) => Ok(Map::new()),
            (_, (line, column)) => Err(ReadError::NotAPact {
                location: self.location(line, column, Some("/metadata".to_owned())),
                reason: "metadata is not an object".to_owned(),
            }),
        }
    }

    fn unknown_version(&mut self, metadata: Option<&RawValue>, version: String) -> ReadError {
        let (line, column) = metadata.map_or((1, 1), |metadata| self.places.of(metadata.get()));
        ReadError::UnknownVersion {
            location: self.location(line, column, Some("/metadata".to_owned())),
            version,
        }
    }

    /// A file that names no version is taken for V3, as Pact tools do, unless its interactions say what only V4 says.
    fn guess(&mut self, outline: &Outline<'_>) -> Result<Specification, ReadError> {
        let Some(first) = outline.interactions.as_ref().and_then(|items| items.first()) else {
            return Ok(Specification::V3);
        };
        let (value, _) = self.value(first)?;
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        let v4 = ["Synchronous/HTTP", "Asynchronous/Messages", "Synchronous/Messages"].contains(&kind);
        Ok(if v4 { Specification::V4 } else { Specification::V3 })
    }

    fn interaction(
        &mut self,
        part: &RawValue,
        version: Specification,
        (list, key, index): (List, &str, usize),
    ) -> Result<Interaction, ReadError> {
        let (value, (line, column)) = self.value(part)?;
        let pointer = format!("/{key}/{index}");
        let location = self.location(line, column, Some(pointer.clone()));
        interaction::read(&value, version, list, index, location).map_err(
            |Fault { pointer: inner, reason }| ReadError::NotAPact {
                location: self.location(line, column, Some(pointer + &inner)),
                reason,
            },
        )
    }

    /// V4 names interactions by keys: two with the same must be the same.
    fn contradictions(&self, interactions: &[Arc<Interaction>]) -> Result<(), ReadError> {
        let mut known: HashMap<&str, &Interaction> = HashMap::new();
        for interaction in interactions {
            let Some(key) = interaction.key.as_deref() else { continue };
            let Some(first) = known.insert(key, interaction) else { continue };
            let mut same = first.clone();
            same.location = interaction.location.clone();
            if same != **interaction {
                return Err(ReadError::Contradiction {
                    location: interaction.location.clone(),
                    first: first.location.line,
                    key: key.to_owned(),
                });
            }
        }
        Ok(())
    }
}
