//! What a provider answered to a call, held against what was agreed.

use bytes::Bytes;
use pact_models::matchingrules::{Category, MatchingRules, RuleList};
use prost_reflect::{Kind, Value};
use seaworthy_core::secret;

use super::contents::{Example, is_content_type, metadata_text};
use super::scalar;
use super::status::{self, Status};
use crate::matching::rule::describe;
use crate::mismatch::{Mismatch, Part};

/// What a provider answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The messages, encoded, in the order in which they came.
    pub messages: Vec<Bytes>,
    /// How the call ended; `None` where it was left before its end, for all that was agreed had come.
    pub status: Option<Status>,
    /// Headers and trailers, names in lower case, without those of the protocol itself.
    pub metadata: Vec<(String, String)>,
}

/// What is agreed of an answer.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) responses: Vec<Example>,
    pub(super) streams: bool,
    /// The code, and whether the contract states it.
    pub(super) code: u32,
    pub(super) states_end: bool,
}

impl Expected {
    /// What differs.
    pub(super) fn compare(&self, answer: &Answer) -> Vec<Mismatch> {
        let mut found = self.compare_status(answer);
        let ended_as_agreed = answer.status.as_ref().is_none_or(|status| status.code == self.code);
        if ended_as_agreed {
            for example in &self.responses {
                in_metadata(example, answer, &mut found);
            }
            if self.code == 0 {
                self.compare_messages(answer, &mut found);
            }
        }
        found
    }

    fn compare_status(&self, answer: &Answer) -> Vec<Mismatch> {
        let Some(status) = answer.status.as_ref().filter(|status| status.code != self.code) else {
            return Vec::new();
        };
        let (agreed, came) = (status::describe(self.code), status.code_text());
        let said = match status.message.is_empty() {
            true => String::new(),
            false => format!(": \"{}\"", secret::redact(&status.message).0),
        };
        vec![Mismatch {
            part: Part::Header,
            path: "grpc-status".to_owned(),
            message: format!("the call ended with {came}{said}, and {agreed} is agreed"),
            expected: Some(agreed),
            actual: Some(came),
            rule: None,
        }]
    }

    fn compare_messages(&self, answer: &Answer, found: &mut Vec<Mismatch>) {
        let agreed = self.responses.len();
        let came = answer.messages.len();
        if agreed == 0 {
            return;
        }
        // Of a stream that was left early no more was read than agreed.
        if came != agreed {
            found.push(Mismatch {
                part: Part::Body,
                path: String::new(),
                expected: Some(format!("{agreed} messages")),
                actual: Some(format!("{came} messages")),
                message: match (self.streams, came) {
                    (false, 0) => "the call ended well, but without the message that is agreed".to_owned(),
                    _ => format!("{came} messages came, and {agreed} are agreed"),
                },
                rule: None,
            });
        }
        for (index, (example, message)) in self.responses.iter().zip(&answer.messages).enumerate() {
            let mut mismatches = example.compare(message, false);
            if agreed > 1 {
                for mismatch in &mut mismatches {
                    mismatch.message =
                        format!("in message {} of the stream: {}", index + 1, mismatch.message);
                }
            }
            found.append(&mut mismatches);
        }
    }
}

/// What the contract says of metadata besides the status' code.
fn in_metadata(example: &Example, answer: &Answer, found: &mut Vec<Mismatch>) {
    let mut keys: Vec<_> = example.contents.metadata.iter().collect();
    keys.sort_by_key(|(key, _)| key.as_str());
    for (key, wanted) in keys {
        if is_content_type(key) || key.eq_ignore_ascii_case("grpc-status") {
            continue;
        }
        let wanted = metadata_text(wanted);
        let lower = key.to_ascii_lowercase();
        let came: Vec<&str> = if lower == "grpc-message" {
            answer.status.iter().map(|status| status.message.as_str()).collect()
        } else {
            let named = answer.metadata.iter().filter(|(name, _)| *name == lower);
            named.map(|(_, value)| value.as_str()).collect()
        };
        compare_entry(key, &wanted, &came, &example.contents.matching_rules, found);
    }
}

/// One key of metadata: one of its values must be as agreed.
pub(super) fn compare_entry(
    key: &str,
    wanted: &str,
    came: &[&str],
    rules: &MatchingRules,
    found: &mut Vec<Mismatch>,
) {
    let list = metadata_rules(rules, key);
    let fault = came
        .iter()
        .map(|came| entry_fault(wanted, came, list))
        .reduce(|one, other| if one.is_err() { other } else { one })
        .unwrap_or_else(|| Err("is missing".to_owned()))
        .err();
    let Some(fault) = fault else { return };
    let part = if key.eq_ignore_ascii_case("grpc-message") { Part::Header } else { Part::Metadata };
    let shown = |value: &str| secret::redact_header(key, value);
    // What is wrong is told with values in it.
    let message = if came.iter().chain([&wanted]).any(|value| shown(value) != **value) {
        "is not as agreed".to_owned()
    } else {
        fault
    };
    found.push(Mismatch {
        part,
        path: key.to_owned(),
        expected: Some(shown(wanted)),
        actual: (!came.is_empty())
            .then(|| came.iter().map(|came| shown(came)).collect::<Vec<_>>().join(", ")),
        message,
        rule: list.and_then(describe),
    });
}

fn entry_fault(wanted: &str, came: &str, list: Option<&RuleList>) -> Result<(), String> {
    let (wanted, came) = (Value::String(wanted.to_owned()), Value::String(came.to_owned()));
    match list {
        Some(list) => scalar::by_list(&Kind::String, list, &wanted, &came),
        None => scalar::check(&Kind::String, &wanted, &came, None),
    }
}

fn metadata_rules<'a>(rules: &'a MatchingRules, key: &str) -> Option<&'a RuleList> {
    let category = rules.rules.get(&Category::METADATA)?;
    let mut lists: Vec<_> = category
        .rules
        .iter()
        .filter(|(path, list)| {
            path.last_field().is_some_and(|name| name.eq_ignore_ascii_case(key)) && !list.rules.is_empty()
        })
        .collect();
    lists.sort_by_key(|(path, _)| path.to_string());
    lists.first().map(|(_, list)| *list)
}
