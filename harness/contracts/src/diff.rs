//! Two contracts compared: which interactions came, went or changed, and in what.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pact_models::bodies::OptionalBody;
use pact_models::generators::Generators;
use pact_models::matchingrules::{Category, MatchingRule, MatchingRules, RuleLogic};
use seaworthy_core::finding::Location;
use serde_json::Value;

use crate::model::{Contents, Contract, Interaction, MessageContents, Specification};

/// What changed from one contract to another.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The version of the Pact specification, and with it how values are matched.
    Specification {
        /// What it was.
        old: Specification,
        /// What it is.
        new: Specification,
    },
    /// An interaction that the old contract does not have.
    Added {
        /// Its name.
        name: String,
        /// Where it stands.
        location: Location,
    },
    /// An interaction that the new contract does not have.
    Removed {
        /// Its name.
        name: String,
        /// Where it stood.
        location: Location,
    },
    /// An interaction that both have, with other content.
    Changed {
        /// Its name.
        name: String,
        /// Where it stood.
        old: Location,
        /// Where it stands.
        new: Location,
        /// In what it differs; never empty.
        differences: Vec<Difference>,
    },
}

/// One difference between two interactions of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs: `response status`, `response body $.items[0].price`, `response rule body $.id`.
    pub what: String,
    /// What it was; `None` where it is new.
    pub old: Option<String>,
    /// What it is; `None` where it is gone.
    pub new: Option<String>,
}

/// What changed from `old` to `new`: first what holds for the whole, then by interaction in the order of their
/// names. Where they stand in their files, and in which order, makes no difference.
pub fn diff(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.specification != new.specification {
        changes.push(Change::Specification { old: old.specification, new: new.specification });
    }
    let (before, after) = (by_identity(old), by_identity(new));
    let mut all: Vec<&Identity> = before.keys().chain(after.keys()).collect();
    all.sort();
    all.dedup();
    for identity in all {
        match (before.get(identity), after.get(identity)) {
            (None, Some(added)) => {
                changes.push(Change::Added { name: added.name(), location: added.location.clone() });
            }
            (Some(removed), None) => {
                changes.push(Change::Removed { name: removed.name(), location: removed.location.clone() });
            }
            (Some(before), Some(after)) => {
                let differences = differences(before, after);
                if !differences.is_empty() {
                    changes.push(Change::Changed {
                        name: after.name(),
                        old: before.location.clone(),
                        new: after.location.clone(),
                        differences,
                    });
                }
            }
            (None, None) => {}
        }
    }
    changes
}

/// By what an interaction is known within its contract, in the order in which contracts are written: its states
/// with their parameters, and its description.
pub(crate) type Identity = (Vec<(String, String)>, String);

pub(crate) fn identity(interaction: &Interaction) -> Identity {
    let states = interaction.states.iter().map(|state| {
        let params: BTreeMap<&String, &Value> = state.params.iter().collect();
        (state.name.clone(), params.into_iter().map(|(name, value)| format!("{name}={value} ")).collect())
    });
    (states.collect(), interaction.description.clone())
}

fn by_identity(contract: &Contract) -> BTreeMap<Identity, &Interaction> {
    contract.interactions.iter().map(|interaction| (identity(interaction), interaction.as_ref())).collect()
}

/// In what two interactions of the same name differ; empty where they say the same.
pub fn differences(old: &Interaction, new: &Interaction) -> Vec<Difference> {
    let (mut before, after) = (facts(old), facts(new));
    let mut all: Vec<Difference> = after
        .into_iter()
        .filter_map(|(what, new)| {
            let old = before.remove(&what);
            (old.as_ref() != Some(&new)).then_some(Difference { what, old, new: Some(new) })
        })
        .collect();
    all.extend(before.into_iter().map(|(what, old)| Difference { what, old: Some(old), new: None }));
    all.sort_by(|one, other| one.what.cmp(&other.what));
    all
}

/// All that an interaction says, flat: what it is about → what it says, as text. Two interactions say the same
/// exactly if these are equal.
fn facts(interaction: &Interaction) -> BTreeMap<String, String> {
    let mut facts = Facts::default();
    let Interaction { key, pending, comments, transport, plugin_configuration, contents, .. } = interaction;
    if let Some(key) = key {
        facts.say("key", key);
    }
    if *pending {
        facts.say("pending", "true");
    }
    // HTTP is what stands there when nothing does.
    if let Some(transport) = transport.as_ref().filter(|transport| *transport != "http") {
        facts.say("transport", transport);
    }
    for (name, comment) in comments {
        facts.json(&format!("comment {name}"), comment);
    }
    for (name, configuration) in plugin_configuration {
        facts.json(&format!("plugin {name}"), configuration);
    }
    match contents {
        Contents::Http { request, response } => {
            facts.say("kind", "request and response");
            facts.say("request method", request.method.to_uppercase());
            facts.say("request path", &request.path);
            for (name, values) in request.query.iter().flatten() {
                let values: Vec<&str> =
                    values.iter().map(|value| value.as_deref().unwrap_or_default()).collect();
                facts.say(&format!("request query {name}"), values.join(", "));
            }
            facts.headers("request", request.headers.iter().flatten());
            facts.body("request body", &request.body);
            facts.rules("request", &request.matching_rules);
            facts.generators("request", &request.generators);
            facts.say("response status", response.status.to_string());
            facts.headers("response", response.headers.iter().flatten());
            facts.body("response body", &response.body);
            facts.rules("response", &response.matching_rules);
            facts.generators("response", &response.generators);
        }
        Contents::Message(message) => {
            facts.say("kind", "message");
            facts.message("message", message);
        }
        Contents::SynchronousMessage { request, responses } => {
            facts.say("kind", "call with messages");
            facts.message("request", request);
            for (index, response) in responses.iter().enumerate() {
                facts.message(&format!("response {index}"), response);
            }
        }
    }
    facts.0
}

#[derive(Default)]
struct Facts(BTreeMap<String, String>);

impl Facts {
    fn say(&mut self, what: &str, says: impl Into<String>) {
        self.0.insert(what.to_owned(), says.into());
    }

    /// Each leaf for itself, so that a change deep inside is told as that.
    fn json(&mut self, what: &str, value: &Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
                    let at = if plain { format!("{what}.{name}") } else { format!("{what}[{name:?}]") };
                    self.json(&at, value);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, value) in items.iter().enumerate() {
                    self.json(&format!("{what}[{index}]"), value);
                }
            }
            leaf => self.say(what, leaf.to_string()),
        }
    }

    fn headers<'a>(&mut self, side: &str, headers: impl Iterator<Item = (&'a String, &'a Vec<String>)>) {
        for (name, values) in headers {
            self.say(&format!("{side} header {}", name.to_lowercase()), values.join(", "));
        }
    }

    fn body(&mut self, what: &str, body: &OptionalBody) {
        match body {
            OptionalBody::Missing => {}
            OptionalBody::Empty => self.say(what, "empty"),
            OptionalBody::Null => self.say(what, "null"),
            OptionalBody::Present(bytes, content_type, _) => {
                if let Some(content_type) = content_type {
                    self.say(&format!("{what} content type"), content_type.to_string());
                }
                match (serde_json::from_slice(bytes), std::str::from_utf8(bytes)) {
                    (Ok(json), _) => self.json(&format!("{what} $"), &json),
                    (Err(_), Ok(text)) => self.say(what, format!("{text:?}")),
                    (Err(_), Err(_)) => self.say(what, BASE64.encode(bytes)),
                }
            }
        }
    }

    fn message(&mut self, side: &str, message: &MessageContents) {
        self.body(&format!("{side} contents"), &message.contents);
        for (name, value) in &message.metadata {
            self.json(&format!("{side} metadata {name}"), value);
        }
        self.rules(side, &message.matching_rules);
        self.generators(side, &message.generators);
    }

    fn rules(&mut self, side: &str, rules: &MatchingRules) {
        for (category, rules) in &rules.rules {
            // V3 has the one for messages, V4 the other.
            let category = if *category == Category::CONTENTS { &Category::BODY } else { category };
            for (path, list) in &rules.rules {
                let separator = if list.rule_logic == RuleLogic::And { " and " } else { " or " };
                let said: Vec<String> = list.rules.iter().map(rule).collect();
                if !said.is_empty() {
                    let what = format!("{side} rule {category} {path}");
                    self.say(what.trim_end(), said.join(separator));
                }
            }
        }
    }

    fn generators(&mut self, side: &str, generators: &Generators) {
        for (category, generators) in &generators.categories {
            let category: String = (*category).into();
            for (path, generator) in generators {
                let what = format!("{side} generator {category} {path}");
                let says = generator.to_json().unwrap_or_default();
                self.say(what.trim_end(), sorted(&says).to_string());
            }
        }
    }
}

/// A rule in few words: `type`, `regex "\d+"`, `type min 1`.
fn rule(rule: &MatchingRule) -> String {
    let json = rule.to_json();
    let name = json.get("match").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Value::Object(fields) = sorted(&json) else { return name };
    let mut fields: Vec<_> = fields.iter().filter(|(key, _)| *key != "match").collect();
    fields.sort_by_key(|(key, _)| *key == "max"); // after `min`
    fields.into_iter().fold(name.clone(), |said, (key, value)| {
        if *key == name { format!("{said} {value}") } else { format!("{said} {key} {value}") }
    })
}

/// The same value with the fields of each object in order: some come from hash maps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let ordered: BTreeMap<&String, Value> =
                fields.iter().map(|(name, value)| (name, sorted(value))).collect();
            ordered.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        leaf => leaf.clone(),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.what)?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(formatter, "{old} -> {new}"),
            (None, Some(new)) => write!(formatter, "added {new}"),
            (Some(old), None) => write!(formatter, "removed, was {old}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Specification { old, new } => write!(formatter, "~ Pact specification: {old} -> {new}"),
            Change::Added { name, location } => write!(formatter, "+ {name}{}", At(location)),
            Change::Removed { name, location } => write!(formatter, "- {name}{}", At(location)),
            Change::Changed { name, new, differences, .. } => {
                write!(formatter, "~ {name}{}", At(new))?;
                differences.iter().try_for_each(|difference| write!(formatter, "\n    {difference}"))
            }
        }
    }
}

/// ` (FILE:LINE)`, or nothing for what stands in no file.
pub(crate) struct At<'a>(pub(crate) &'a Location);

impl fmt::Display for At<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.file.as_str(), self.0.line) {
            ("", _) => Ok(()),
            (file, 0) => write!(formatter, " ({file})"),
            (file, line) => write!(formatter, " ({file}:{line})"),
        }
    }
}

/// The changes for people, one line each with its differences below, and a line that counts them.
///
/// Secrets in them are redacted.
pub fn render(changes: &[Change]) -> String {
    let count = |kind: fn(&Change) -> bool| changes.iter().filter(|change| kind(change)).count();
    let mut text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    if changes.is_empty() {
        text.push_str("no differences\n");
    } else {
        text.push_str(&format!(
            "{} added, {} removed, {} changed\n",
            count(|change| matches!(change, Change::Added { .. })),
            count(|change| matches!(change, Change::Removed { .. })),
            count(|change| matches!(change, Change::Changed { .. } | Change::Specification { .. })),
        ));
    }
    seaworthy_core::secret::redact(&text).0.into_owned()
}
