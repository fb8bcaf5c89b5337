//! What `pact_matching` found, in the words of this crate.

use std::collections::HashMap;

use bytes::Bytes;
use pact_matching::{BodyMatchResult, Mismatch as Found};
use pact_models::matchingrules::Category;
use pact_models::path_exp::DocPath;

use super::{Rules, rule};
use crate::mismatch::{Mismatch, Part};

/// How much of a body, a value or a sentence is kept in a mismatch, in bytes.
const KEPT: usize = 4096;
/// How many mismatches are kept of one comparison.
const MOST: usize = 500;

/// Collects what differs.
pub(super) struct Report<'a> {
    rules: &'a Rules,
    mismatches: Vec<Mismatch>,
}

impl<'a> Report<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        Self { rules, mismatches: Vec::new() }
    }

    pub(super) fn push(&mut self, mismatch: Mismatch) {
        self.mismatches.push(mismatch);
    }

    /// What was found in a body; `None` where comparing did not come to an end.
    pub(super) fn body(&mut self, result: Option<BodyMatchResult>) {
        match result {
            Some(result) => self.add(result.mismatches()),
            // Only plugins make it wait, and there are none here.
            None => self.mismatches.push(plain(
                Part::Body,
                String::new(),
                None,
                None,
                "it could not be compared: its content type needs a plugin".to_owned(),
            )),
        }
    }

    pub(super) fn add(&mut self, found: impl IntoIterator<Item = Found>) {
        let rules = self.rules;
        self.mismatches.extend(found.into_iter().map(|found| converted(found, rules)));
    }

    /// All that differs, in order, each once. What is absent is told from what is empty by looking it up.
    pub(super) fn finish(
        mut self,
        expected: Option<&HashMap<String, Vec<String>>>,
        actual: Option<&HashMap<String, Vec<String>>>,
    ) -> Vec<Mismatch> {
        for mismatch in self.mismatches.iter_mut().filter(|mismatch| mismatch.part == Part::Header) {
            let values = |headers: Option<&HashMap<String, Vec<String>>>| {
                let same = |(name, _): &(&String, &Vec<String>)| name.eq_ignore_ascii_case(&mismatch.path);
                headers.and_then(|headers| headers.iter().find(same)).map(|(_, values)| values.join(", "))
            };
            let (agreed, came) = (values(expected), values(actual));
            if agreed.is_none() || came.is_none() {
                (mismatch.expected, mismatch.actual) = (agreed, came);
            }
        }
        self.mismatches.sort();
        self.mismatches.dedup();
        let more = self.mismatches.len().saturating_sub(MOST);
        if more > 0 {
            self.mismatches.truncate(MOST);
            let part = self.mismatches.last().map_or(Part::Body, |last| last.part);
            self.mismatches.push(plain(
                part,
                String::new(),
                None,
                None,
                format!("{more} more differences follow"),
            ));
        }
        self.mismatches
    }
}

fn converted(found: Found, rules: &Rules) -> Mismatch {
    match found {
        Found::MethodMismatch { expected, actual, .. } => {
            let message = format!("expected {expected} but was {actual}");
            plain(Part::Method, String::new(), Some(expected), Some(actual), message)
        }
        Found::PathMismatch { expected, actual, mismatch } => Mismatch {
            rule: applied(rules, &Category::PATH, Some(DocPath::empty())),
            ..plain(Part::Path, String::new(), Some(expected), Some(actual), mismatch)
        },
        Found::StatusMismatch { expected, actual, mismatch } => Mismatch {
            rule: applied(rules, &Category::STATUS, Some(DocPath::empty())),
            ..plain(
                Part::Status,
                String::new(),
                Some(expected.to_string()),
                Some(actual.to_string()),
                mismatch,
            )
        },
        Found::QueryMismatch { parameter, expected, actual, mismatch } => Mismatch {
            rule: applied(rules, &Category::QUERY, Some(named(&parameter))),
            ..plain(Part::Query, parameter, values(expected), values(actual), mismatch)
        },
        Found::HeaderMismatch { key, expected, actual, mismatch } => Mismatch {
            rule: applied(rules, &Category::HEADER, Some(named(&key.to_lowercase()))),
            ..plain(Part::Header, key, Some(expected), Some(actual), mismatch)
        },
        Found::MetadataMismatch { key, expected, actual, mismatch } => Mismatch {
            rule: applied(rules, &Category::METADATA, Some(named(&key))),
            ..plain(Part::Metadata, key, present(expected), present(actual), mismatch)
        },
        Found::BodyTypeMismatch { expected, actual, mismatch, .. } => {
            plain(Part::Body, String::new(), present(expected), present(actual), mismatch)
        }
        Found::BodyMismatch { path, expected, actual, mismatch } => {
            let path = if path == "/" { "$".to_owned() } else { path };
            Mismatch {
                rule: applied(rules, &Category::BODY, DocPath::new(path.as_str()).ok()),
                ..plain(Part::Body, path, expected.as_ref().map(text), actual.as_ref().map(text), mismatch)
            }
        }
    }
}

fn plain(
    part: Part,
    path: String,
    expected: Option<String>,
    actual: Option<String>,
    message: String,
) -> Mismatch {
    let (expected, actual) = (expected.map(shortened), actual.map(shortened));
    Mismatch { part, path, expected, actual, message: shortened(message), rule: None }
}

/// No more of a text than is worth keeping.
fn shortened(text: String) -> String {
    if text.len() <= KEPT {
        return text;
    }
    format!("{}… ({} bytes)", &text[..text.floor_char_boundary(KEPT)], text.len())
}

/// The values of a parameter: of a missing or an unexpected one, a list of them is told.
fn values(value: String) -> Option<String> {
    present(serde_json::from_str::<Vec<String>>(&value).map_or(value, |values| values.join(", ")))
}

fn present(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}

/// The path of a header, a query parameter or a key of the metadata.
fn named(name: &str) -> DocPath {
    DocPath::root().join(name)
}

/// The rule that was applied at a place.
fn applied(rules: &Rules, category: &Category, path: Option<DocPath>) -> Option<String> {
    let rules = rules.category(category).filter(|rules| !rules.is_empty())?;
    let tokens = path?.to_vec();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    if !rules.matcher_is_defined(&tokens) {
        return None;
    }
    rule::describe(&rules.select_best_matcher(&tokens))
}

/// Bytes as text.
fn text(bytes: &Bytes) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{} bytes that are not text", bytes.len()),
    }
}
