//! Where each part of a system file stands, so that findings can name the line to add or mend.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};

use super::document::{Entry, Misfit, Node, Place, Value};
use super::error::Mistake;
use super::model::System;
use crate::finding::Location;
use crate::ids::EdgeId;

/// Where the parts of a system file stand, by JSON pointer.
///
/// Two systems that say the same are equal, wherever it stands; so all `Places` are equal.
#[derive(Debug, Clone, Default)]
pub struct Places {
    parts: BTreeMap<String, Part>,
}

/// Where one part stands.
#[derive(Debug, Clone)]
struct Part {
    key: Place,
    value: Place,
    line: usize,
    column: usize,
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    /// The places of all parts of a tree that was read from `text`.
    pub(super) fn of(tree: &Node, source: &Source) -> Self {
        let mut places = Self::default();
        places.add(String::new(), &(0..0), tree, source);
        places
    }

    fn add(&mut self, pointer: String, key: &Place, node: &Node, source: &Source) {
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(format!("{pointer}/{index}"), &item.place, item, source);
                }
            }
            Value::Map(entries) => {
                for Entry { key, key_place, value } in entries {
                    // Edges are looked up as they print, however they are spaced in the file.
                    let key = key.parse::<EdgeId>().map_or_else(|_| key.clone(), |edge| edge.to_string());
                    self.add(format!("{pointer}/{}", escaped(&key)), key_place, value, source);
                }
            }
        }
        let (line, column) = source.position(key.start);
        self.parts.insert(pointer, Part { key: key.clone(), value: node.place.clone(), line, column });
    }

    /// The part at the pointer, or the nearest one round it.
    fn nearest(&self, pointer: &str) -> Option<&Part> {
        let mut pointer = pointer;
        loop {
            if let Some(part) = self.parts.get(pointer) {
                return Some(part);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// Where the key of the part at the pointer stands, or of the nearest one round it.
    pub(super) fn key(&self, pointer: &str) -> Place {
        self.nearest(pointer).map(|part| part.key.clone()).unwrap_or_default()
    }

    /// Where the whole value at the pointer stands; nowhere if it is not there.
    pub(super) fn whole(&self, pointer: &str) -> Place {
        self.parts.get(pointer).map(|part| part.value.clone()).unwrap_or_default()
    }

    /// Where the value at the pointer stands; its key's place if it is left out or has many lines.
    pub(super) fn value(&self, pointer: &str, source: &Source) -> Place {
        let Some(part) = self.nearest(pointer) else { return Place::default() };
        let text = source.text.get(part.value.clone()).unwrap_or_default();
        if text.is_empty() || text.contains('\n') { part.key.clone() } else { part.value.clone() }
    }
}

impl System {
    /// The line of the file on which the part at this JSON pointer stands (`/services/orders/calls`), or of the
    /// nearest part round it that is there: the place to add what is missing. The pointer asked for stays in
    /// the location. `None` for a system that was not read from a file.
    pub fn locate(&self, pointer: &str) -> Option<Location> {
        let part = self.places.nearest(pointer)?;
        Some(Location {
            file: shown(&self.file),
            line: part.line,
            column: part.column,
            pointer: Some(pointer.to_owned()),
        })
    }
}

/// A JSON pointer made of these keys.
pub(super) fn pointer(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("/{}", escaped(key))).collect()
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The file as people are told of it: relative to where the tool was started if it lies below.
fn shown(file: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| file.strip_prefix(here).ok());
    below.unwrap_or(file).display().to_string()
}

/// The text of a file, and where its lines start.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: Arc<str>,
    lines: Vec<usize>,
}

impl Source {
    pub(super) fn new(text: &str, file: &Path) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { file: shown(file), text: Arc::from(text), lines: std::iter::once(0).chain(ends).collect() }
    }

    /// Line and column, both from 1, the column in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// A mistake at a place of this file.
    pub(super) fn mistake(&self, misfit: Misfit, pointer: Option<String>) -> Mistake {
        let Misfit { message, help, place } = misfit;
        let (line, column) = self.position(place.start);
        Mistake {
            message,
            help,
            source_code: NamedSource::new(&self.file, Arc::clone(&self.text)),
            span: Some(SourceSpan::from(place)),
            label: "here".to_owned(),
            location: Location { file: self.file.clone(), line, column, pointer },
        }
    }
}
