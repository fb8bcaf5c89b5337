//! Builds the tree from the parser's events.

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{DEPTH_LIMIT, Entry, Misfit, NODE_LIMIT, Node, Place, Value};

/// Reads the one document that `text` holds.
pub(super) fn build(text: &str) -> Result<Node, Misfit> {
    let mut builder = Builder { text, ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| builder.not_yaml(&error))?;
        builder.take(event, &span)?;
    }
    builder.root.ok_or_else(|| misfit(0..0, "there is nothing in this file", None))
}

#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    root: Option<Node>,
    /// Maps and lists that are open, the outermost first.
    open: Vec<Open>,
    /// What anchors hold; nothing while the anchored part is open.
    anchors: HashMap<usize, Option<Node>>,
    nodes: usize,
    documents: usize,
}

struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, keys: HashSet<String>, key: Option<(String, Place)> },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Misfit> {
        let place = self.place(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let help = "remove the `---` and what follows it, or move that to a file of its own";
                    return Err(misfit(place, "there may be only one document in this file", Some(help)));
                }
                Ok(())
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, _, Some(_))
            | Event::MappingStart(_, _, Some(_)) => {
                let place = span.tag_span().map_or(place, |tag| self.place(&tag));
                Err(misfit(place, "a tag has no meaning here", Some("remove it")))
            }
            Event::Scalar(scalar, style, anchor, None) => {
                let plain = matches!(style, ScalarStyle::Plain);
                // The parser says `~` for a value that is not there.
                let text = if plain && place.is_empty() { String::new() } else { scalar.into_owned() };
                self.count(1, &place)?;
                let node = Node { value: Value::Scalar { text, plain }, place };
                self.finish(node, anchor)
            }
            Event::SequenceStart(_, anchor, None) => self.open(&place, anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, None) => self.open(
                &place,
                anchor,
                Content::Map { entries: Vec::new(), keys: HashSet::new(), key: None },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.close(&place),
            Event::Alias(anchor) => {
                let node = match self.anchors.get(&anchor) {
                    Some(Some(node)) => node.clone(),
                    Some(None) => {
                        return Err(misfit(place, "this alias stands in what it repeats: itself", None));
                    }
                    None => return Err(misfit(place, "this alias has no anchor before it", None)),
                };
                self.count(size(&node), &place)?;
                self.finish(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, place: &Place, anchor: usize, content: Content) -> Result<(), Misfit> {
        self.count(1, place)?;
        if self.open.len() == DEPTH_LIMIT {
            let message = format!("maps and lists lie deeper than {DEPTH_LIMIT} in each other here");
            return Err(misfit(place.clone(), message, None));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Open { start: place.start, anchor, content });
        Ok(())
    }

    fn close(&mut self, end: &Place) -> Result<(), Misfit> {
        let Some(Open { start, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { value, place: start..end.end.max(start) };
        self.finish(node, anchor)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Misfit> {
        if anchor != 0 {
            self.count(size(&node), &node.place)?;
            self.anchors.insert(anchor, Some(node.clone()));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, keys, key }) => match key.take() {
                Some((name, key_place)) => entries.push(Entry { key: name, key_place, value: node }),
                None => {
                    let Value::Scalar { text, .. } = node.value else {
                        let help = "a key is a single word or a text in quotes";
                        return Err(misfit(node.place, "a map or list cannot be a key here", Some(help)));
                    };
                    if !keys.insert(text.clone()) {
                        return Err(twice(self.text, &text, node.place, entries));
                    }
                    *key = Some((text, node.place));
                }
            },
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, place: &Place) -> Result<(), Misfit> {
        self.nodes += nodes;
        if self.nodes > NODE_LIMIT {
            let message =
                format!("there are more than {NODE_LIMIT} values here, with those that aliases repeat");
            return Err(misfit(place.clone(), message, None));
        }
        Ok(())
    }

    fn place(&self, span: &Span) -> Place {
        let place = span.byte_range().unwrap_or(0..0);
        let end = place.end.min(self.text.len());
        let start = place.start.min(end);
        // A block scalar's end lies on the next line; what is to be shown ends before it.
        let shown = self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        start..start + shown
    }

    fn not_yaml(&self, error: &ScanError) -> Misfit {
        let at = error.marker().byte_offset().unwrap_or_default().min(self.text.len());
        let about = error.info();
        if let Some(tab) = self.indenting_tab().filter(|_| about.contains("tab")) {
            return misfit(tab..tab + 1, "a tab stands where YAML wants spaces", Some("indent with spaces"));
        }
        misfit(at..at, format!("this is not YAML: {about}"), None)
    }

    /// The first tab that indents a line.
    fn indenting_tab(&self) -> Option<usize> {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            let indent = line.len() - line.trim_start().len();
            if let Some(tab) = line.get(..indent).and_then(|indent| indent.find('\t')) {
                return Some(start + tab);
            }
            start += line.len();
        }
        None
    }
}

fn twice(text: &str, key: &str, place: Place, entries: &[Entry]) -> Misfit {
    let first = entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_place.start);
    let line = first.map(|start| text.get(..start).unwrap_or_default().matches('\n').count() + 1);
    let help = line.map(|line| format!("it stands on line {line} already; keep one of the two"));
    Misfit { message: format!("`{key}` is given twice"), help, place }
}

fn misfit(place: Place, message: impl Into<String>, help: Option<&str>) -> Misfit {
    Misfit { message: message.into(), help: help.map(str::to_owned), place }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|entry| 1 + size(&entry.value)).sum::<usize>(),
    }
}
