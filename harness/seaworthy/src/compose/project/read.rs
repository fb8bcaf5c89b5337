//! Takes texts, lists and maps from the tree, with variables filled in and `<<` merged.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::system::document::{Entry, Misfit, Node, Value};

use super::super::variables::{self, Text};

/// How deep `<<` may lie in each other.
const MERGES: usize = 32;

/// Takes values from the tree.
pub(super) struct Reader {
    values: BTreeMap<String, String>,
    /// The variables of `.env` that were used.
    pub(super) from_dot_env: BTreeSet<String>,
}

impl Reader {
    pub(super) fn new(values: BTreeMap<String, String>) -> Self {
        Self { values, from_dot_env: BTreeSet::new() }
    }

    /// A text with its variables filled in.
    pub(super) fn text(&mut self, node: &Node) -> Result<Text, Misfit> {
        let Some(text) = node.text() else { return Err(wanted(node, "a text")) };
        let text = variables::fill(text, &self.values).map_err(|(message, help)| Misfit {
            message,
            help: Some(help),
            place: node.place.clone(),
        })?;
        let used = text.variables.iter().filter(|variable| self.values.contains_key(&variable.name));
        self.from_dot_env.extend(used.map(|variable| variable.name.clone()));
        Ok(text)
    }

    /// A text where a system file takes no variables.
    pub(super) fn whole(&mut self, node: &Node) -> Result<String, Misfit> {
        let text = self.text(node)?;
        match text.variables.iter().find(|variable| variable.range.is_empty()) {
            Some(variable) => Err(Misfit {
                message: format!("`{}` has no value, and it must have one here", variable.name),
                help: Some("give it a default, or a value in `.env` beside the Compose file".to_owned()),
                place: node.place.clone(),
            }),
            None => Ok(text.whole),
        }
    }

    /// A truth value.
    pub(super) fn truth(&mut self, node: &Node) -> Result<bool, Misfit> {
        match self.whole(node)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wanted(node, "`true` or `false`")),
        }
    }

    /// The texts of a list, or the one text that stands in its place.
    pub(super) fn texts(&mut self, node: &Node) -> Result<Vec<Text>, Misfit> {
        match node.items() {
            Some(items) => items.iter().map(|item| self.text(item)).collect(),
            None if node.is_nothing() => Ok(Vec::new()),
            None => self.text(node).map(|text| vec![text]),
        }
    }

    /// `{A: 1}` or `[A=1]`; a name without a value has none.
    pub(super) fn pairs(&mut self, node: &Node) -> Result<Vec<(String, Option<Text>)>, Misfit> {
        if let Some(items) = node.items() {
            let mut pairs = Vec::new();
            for item in items {
                let text = self.text(item)?;
                pairs.push(match text.whole.split_once('=') {
                    None => (text.whole, None),
                    Some((name, _)) => (name.to_owned(), Some(behind(&text, name.len() + 1))),
                });
            }
            return Ok(pairs);
        }
        self.entries(node)?
            .iter()
            .map(|entry| {
                let value = if entry.value.is_nothing() { None } else { Some(self.text(&entry.value)?) };
                Ok((entry.key.clone(), value))
            })
            .collect()
    }

    /// The same with all variables filled in and all `<<` merged, however deep.
    pub(super) fn filled(&mut self, node: &Node) -> Result<Node, Misfit> {
        let value = match &node.value {
            Value::Scalar { plain, .. } => Value::Scalar { text: self.text(node)?.whole, plain: *plain },
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.filled(item)).collect::<Result<_, _>>()?)
            }
            Value::Map(_) => {
                let mut entries = self.entries(node)?;
                for entry in &mut entries {
                    entry.value = self.filled(&entry.value)?;
                }
                Value::Map(entries)
            }
        };
        Ok(Node { value, place: node.place.clone() })
    }

    /// The entries of a map, with those that `<<` adds.
    pub(super) fn entries(&self, node: &Node) -> Result<Vec<Entry>, Misfit> {
        merged(node, 0)
    }
}

/// A text without its first `length` bytes.
fn behind(text: &Text, length: usize) -> Text {
    let whole = text.whole.get(length..).unwrap_or_default().to_owned();
    let kept = text.variables.iter().filter(|variable| variable.range.start >= length);
    let variables = kept
        .map(|variable| {
            let range = variable.range.start - length..variable.range.end - length;
            variables::Variable { range, ..variable.clone() }
        })
        .collect();
    Text { whole, variables }
}

fn merged(node: &Node, depth: usize) -> Result<Vec<Entry>, Misfit> {
    let Some(entries) = node.entries() else { return Err(wanted(node, "a map")) };
    if depth > MERGES {
        let message = format!("`<<` lie deeper than {MERGES} in each other here");
        return Err(Misfit { message, help: None, place: node.place.clone() });
    }
    let mut out: Vec<Entry> = entries.iter().filter(|entry| entry.key != "<<").cloned().collect();
    for entry in entries.iter().filter(|entry| entry.key == "<<") {
        let sources = entry.value.items().unwrap_or(std::slice::from_ref(&entry.value));
        for source in sources {
            for added in merged(source, depth + 1)? {
                if !out.iter().any(|own| own.key == added.key) {
                    out.push(added);
                }
            }
        }
    }
    Ok(out)
}

/// It is not what it should be.
pub(super) fn wanted(node: &Node, what: &str) -> Misfit {
    Misfit {
        message: format!("this should be {what}, not {}", node.kind()),
        help: None,
        place: node.place.clone(),
    }
}
