//! Where things stand in a YAML text: from a JSON pointer to line, column and byte.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seaworthy_core::finding::Location;
use serde_saphyr::granit_parser::{Event, Parser};

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Bytes.
    pub bytes: Range<usize>,
}

/// A file with the place of each value in it. Empty for flows that were not read from a file.
#[derive(Debug, Clone, Default)]
pub struct Source {
    file: PathBuf,
    text: Arc<str>,
    places: Arc<Places>,
}

#[derive(Debug, Default)]
struct Places {
    values: BTreeMap<String, Place>,
    /// Keys of mappings, under the pointers of their values.
    keys: BTreeMap<String, Place>,
}

/// Where a flow came from says nothing about what it does.
impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Source {
    /// Reads where things stand. A text that is not YAML yields the places up to the error.
    pub fn new(file: impl Into<PathBuf>, text: &str) -> Self {
        Self { file: file.into(), text: text.into(), places: Arc::new(places(text)) }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What stands in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of the value at this JSON pointer, or of the nearest one round it.
    pub fn place(&self, pointer: &str) -> Option<&Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.values.get(pointer) {
                return Some(place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// The place of the key under which the value at this JSON pointer stands.
    pub fn key_place(&self, pointer: &str) -> Option<&Place> {
        self.places.keys.get(pointer)
    }

    /// The place of the character numbered `column` (from 1) of a text that stands at `place`; `None` when it is
    /// written otherwise than it reads (escapes, several lines).
    pub fn inside(&self, place: &Place, text: &str, column: usize) -> Option<Place> {
        let written = self.text.get(place.bytes.clone())?;
        let start = written.find(text).filter(|_| !text.contains('\n'))?;
        let within = text.char_indices().nth(column.checked_sub(1)?).map_or(text.len(), |(at, _)| at);
        let before = written.get(..start + within)?;
        let start = place.bytes.start + before.len();
        Some(Place {
            line: place.line,
            column: place.column + before.chars().count(),
            bytes: start..(start + 1).min(place.bytes.end),
        })
    }

    /// The place as findings have it; `None` when the flow came from no file.
    pub fn locate(&self, pointer: &str) -> Option<Location> {
        self.place(pointer).map(|place| self.location(place, pointer))
    }

    pub(super) fn location(&self, place: &Place, pointer: &str) -> Location {
        let file = self.file.display().to_string();
        Location { file, line: place.line, column: place.column, pointer: Some(pointer.to_owned()) }
    }
}

/// One key of a JSON pointer, escaped as RFC 6901 says.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

struct Level {
    pointer: String,
    /// The next index of a sequence; `None` in a mapping.
    index: Option<usize>,
    /// The key whose value comes next.
    key: Option<String>,
}

fn places(text: &str) -> Places {
    let mut places = Places::default();
    let mut levels: Vec<Level> = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(Ok((event, span))) = parser.next_event() {
        if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
            levels.pop();
            continue;
        }
        if !event.is_node() && !matches!(event, Event::Alias(_)) {
            continue;
        }
        let bytes = span.byte_range().unwrap_or_default();
        let place = Place { line: span.start.line(), column: span.start.col() + 1, bytes };
        let pointer = match levels.last_mut() {
            None => String::new(),
            Some(Level { pointer, index: Some(index), .. }) => {
                let here = format!("{pointer}/{index}");
                *index += 1;
                here
            }
            Some(Level { pointer, key, .. }) => match key.take() {
                Some(key) => format!("{pointer}/{}", escape(&key)),
                None => {
                    // This event is a key itself. One that is no scalar cannot stand in our files; it is
                    // skipped as an unnamed value.
                    if let Event::Scalar(name, ..) = &event {
                        places.keys.entry(format!("{pointer}/{}", escape(name))).or_insert(place);
                        *key = Some(name.to_string());
                        continue;
                    }
                    *key = Some(String::new());
                    format!("{pointer}/")
                }
            },
        };
        match event {
            Event::SequenceStart(..) => {
                levels.push(Level { pointer: pointer.clone(), index: Some(0), key: None });
            }
            Event::MappingStart(..) => {
                levels.push(Level { pointer: pointer.clone(), index: None, key: None });
            }
            _ => {}
        }
        places.values.entry(pointer).or_insert(place);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str =
        "flow: buy\nsteps:\n  - name: order\n    json: {\"$.a/b\": 1, x: [2, 3]}\n  - name: pay\n";

    #[test]
    fn a_pointer_leads_to_its_line_and_column() {
        let source = Source::new("f.yaml", TEXT);
        let at = |pointer: &str| source.place(pointer).map(|place| (place.line, place.column));
        assert_eq!(at("/flow"), Some((1, 7)));
        assert_eq!(at("/steps/0/name"), Some((3, 11)));
        assert_eq!(at("/steps/0/json/$.a~1b"), Some((4, 21)));
        assert_eq!(at("/steps/0/json/x/1"), Some((4, 31)));
        assert_eq!(at("/steps/1/name"), Some((5, 11)));
        let key = source.key_place("/steps/0/json/$.a~1b").map(|place| (place.line, place.column));
        assert_eq!(key, Some((4, 12)));
    }

    #[test]
    fn what_is_not_there_is_placed_at_the_nearest_thing_round_it() {
        let source = Source::new("f.yaml", TEXT);
        assert_eq!(source.place("/steps/1/expect/status"), source.place("/steps/1"));
        assert_eq!(source.locate("/steps/1/name/x").map(|location| location.line), Some(5));
        assert_eq!(Source::default().locate("/flow"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z:\\-\\[\\]{},\"&*!\n ]{0,60}") {
            let _ = Source::new("f.yaml", &text).locate("/a/0");
        }
    }
}
