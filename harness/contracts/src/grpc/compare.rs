//! Two messages held against each other, field by field.
//!
//! What the contract's message sets must be there, equal or as the matching rules allow; what it leaves out may be
//! anything in an answer, and nothing in a request. proto3 does not tell a field that is absent from one that has its
//! default, so such a field counts as its default where the other side sets it.

use std::collections::BTreeMap;

use pact_models::matchingrules::expressions::MatchingRuleDefinition;
use pact_models::matchingrules::{MatchingRule, RuleList, RuleLogic};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

use super::path::Path;
use super::rules::{Found, Rules, speaks_of_items};
use super::scalar;
use super::value::{self, key_text};
use super::well_known;
use crate::matching::rule::describe;
use crate::mismatch::{Mismatch, Part};

/// Holds one message against another of the same type. `strict`: nothing may be there that is not agreed.
pub(super) fn messages(
    expected: &DynamicMessage,
    actual: &DynamicMessage,
    rules: &Rules<'_>,
    strict: bool,
) -> Vec<Mismatch> {
    let mut comparison = Comparison { strict, mismatches: Vec::new() };
    comparison.message(&Path::root(), expected, actual, rules);
    comparison.mismatches
}

pub(super) struct Comparison {
    strict: bool,
    mismatches: Vec<Mismatch>,
}

impl Comparison {
    pub(super) fn add(
        &mut self,
        path: &Path,
        expected: Option<String>,
        actual: Option<String>,
        message: String,
        rule: Option<&RuleList>,
    ) {
        self.mismatches.push(Mismatch {
            part: Part::Body,
            path: path.to_string(),
            expected,
            actual,
            message,
            rule: rule.and_then(describe),
        });
    }

    /// What differs when only this is compared, told apart from what was found before.
    fn aside(&self, compare: impl FnOnce(&mut Comparison)) -> Vec<Mismatch> {
        let mut aside = Comparison { strict: self.strict, mismatches: Vec::new() };
        compare(&mut aside);
        aside.mismatches
    }

    fn message(
        &mut self,
        path: &Path,
        expected: &DynamicMessage,
        actual: &DynamicMessage,
        rules: &Rules<'_>,
    ) {
        for field in expected.descriptor().fields() {
            let at = path.field(field.name());
            let (wanted, came) = (expected.get_field(&field), actual.get_field(&field));
            match (wanted.as_ref(), came.as_ref()) {
                (Value::List(wanted), Value::List(came)) => self.list(&at, &field, wanted, came, rules),
                (Value::Map(wanted), Value::Map(came)) => {
                    let by_text = |entries: &std::collections::HashMap<_, Value>| {
                        entries.iter().map(|(key, value)| (key_text(key), value.clone())).collect()
                    };
                    self.map(&at, &field, &by_text(wanted), &by_text(came), rules);
                }
                _ => self.singular(&at, &field, expected, actual, rules),
            }
        }
        if self.strict {
            for unknown in actual.unknown_fields() {
                let message = format!(
                    "has field {}, which `{}` does not have in the contract's descriptors",
                    unknown.number(),
                    expected.descriptor().full_name(),
                );
                self.add(path, None, Some(format!("field {}", unknown.number())), message, None);
            }
        }
    }

    fn singular(
        &mut self,
        at: &Path,
        field: &FieldDescriptor,
        expected: &DynamicMessage,
        actual: &DynamicMessage,
        rules: &Rules<'_>,
    ) {
        let kind = field.kind();
        let came = actual.get_field(field);
        let ruled = !field.supports_presence() && rules.direct(at).is_some();
        if !expected.has_field(field) && !ruled {
            if self.strict && actual.has_field(field) {
                let text = value::text(&kind, &came);
                self.add(
                    at,
                    None,
                    Some(text.clone()),
                    format!("is {text}, and nothing is agreed of it"),
                    None,
                );
            }
            return;
        }
        let wanted = expected.get_field(field);
        if field.supports_presence() && !actual.has_field(field) {
            let wanted = value::text(&kind, &wanted);
            let instead = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()).and_then(|oneof| {
                let other = oneof.fields().find(|other| actual.has_field(other))?;
                Some((oneof.name().to_owned(), other.name().to_owned()))
            });
            let message = match instead {
                Some((oneof, other)) => {
                    format!("is missing: of `{oneof}`, `{other}` is set instead")
                }
                None => format!("is missing{}", unknown_fields(actual)),
            };
            self.add(at, Some(wanted), None, message, rules.direct(at));
            return;
        }
        let before = self.mismatches.len();
        self.value(at, &kind, &wanted, &came, rules);
        // A field that was renamed or renumbered shows as its default here and as an unknown field there.
        if !actual.has_field(field) {
            for mismatch in self.mismatches.iter_mut().skip(before) {
                mismatch.message.push_str(&unknown_fields(actual));
            }
        }
    }

    fn value(&mut self, at: &Path, kind: &Kind, wanted: &Value, came: &Value, rules: &Rules<'_>) {
        let (Value::Message(wanted), Value::Message(came)) = (wanted, came) else {
            if let Err(fault) = scalar::check(kind, wanted, came, rules.best(at)) {
                let texts = (value::text(kind, wanted), value::text(kind, came));
                self.add(at, Some(texts.0), Some(texts.1), fault, rules.best(at).map(|found| found.list));
            }
            return;
        };
        if let Some(found) = well_known::compare(at, wanted, came, rules) {
            self.mismatches.extend(found);
            return;
        }
        let exact = rules.direct(at).is_some_and(|list| list.rules.contains(&MatchingRule::Equality));
        let strict = self.strict;
        self.strict |= exact;
        self.message(at, wanted, came, rules);
        self.strict = strict;
    }

    fn list(
        &mut self,
        at: &Path,
        field: &FieldDescriptor,
        wanted: &[Value],
        came: &[Value],
        rules: &Rules<'_>,
    ) {
        let kind = field.kind();
        let Some(found) = rules.best(at) else {
            // Not agreed: an answer may hold anything there.
            if wanted.is_empty() && !self.strict {
                return;
            }
            if wanted.len() != came.len() {
                let message = format!("has {}, and {} agreed", counted(came.len()), agreed(wanted.len()));
                self.add(at, Some(counted(wanted.len())), Some(counted(came.len())), message, None);
            }
            for (index, (wanted, came)) in wanted.iter().zip(came).enumerate() {
                self.value(&at.index(index), &kind, wanted, came, rules);
            }
            return;
        };
        // From a rule above nothing follows for a field of which nothing is agreed.
        if wanted.is_empty() && !found.direct {
            return;
        }
        self.by_rules(found, |comparison, rule| {
            comparison.list_by_rule(at, field, rule, found, wanted, came, rules);
        });
    }

    /// Applies each rule of a list; with `OR`, one that finds nothing wrong is enough.
    fn by_rules(&mut self, found: Found<'_>, apply: impl Fn(&mut Comparison, &MatchingRule)) {
        let results: Vec<_> =
            found.list.rules.iter().map(|rule| self.aside(|aside| apply(aside, rule))).collect();
        if found.list.rule_logic == RuleLogic::Or && results.iter().any(Vec::is_empty) {
            return;
        }
        for mismatch in results.into_iter().flatten() {
            if !self.mismatches.contains(&mismatch) {
                self.mismatches.push(mismatch);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "both sides of a field, and what holds there")]
    fn list_by_rule(
        &mut self,
        at: &Path,
        field: &FieldDescriptor,
        rule: &MatchingRule,
        found: Found<'_>,
        wanted: &[Value],
        came: &[Value],
        rules: &Rules<'_>,
    ) {
        let kind = field.kind();
        match rule {
            MatchingRule::ArrayContains(variants) if found.direct => {
                for (index, category, _) in variants {
                    let Some(wanted) = wanted.get(*index) else {
                        let message = format!(
                            "the rule speaks of item {index}, which the contract's message does not have"
                        );
                        self.add(at, None, None, message, Some(found.list));
                        continue;
                    };
                    let holds = Rules::of_variant(category).map(|rules| {
                        came.iter().any(|came| {
                            let aside =
                                self.aside(|aside| aside.value(&Path::root(), &kind, wanted, came, &rules));
                            aside.is_empty()
                        })
                    });
                    if holds != Ok(true) {
                        let text = value::text(&kind, wanted);
                        let message = holds.err().unwrap_or_else(|| format!("holds nothing like {text}"));
                        self.add(at, Some(text), Some(counted(came.len())), message, Some(found.list));
                    }
                }
            }
            MatchingRule::EachValue(definition) if found.direct => {
                let rules = self.each_value(at, definition, rules);
                self.items(at, field, wanted, came, &rules);
            }
            MatchingRule::Equality => {
                if wanted.len() != came.len() {
                    let message = format!("has {}, and {} agreed", counted(came.len()), agreed(wanted.len()));
                    let texts = (counted(wanted.len()), counted(came.len()));
                    self.add(at, Some(texts.0), Some(texts.1), message, Some(found.list));
                }
                for (index, (wanted, came)) in wanted.iter().zip(came).enumerate() {
                    self.value(&at.index(index), &kind, wanted, came, rules);
                }
            }
            rule => {
                self.size(at, rule, found, came.len());
                self.items(at, field, wanted, came, rules);
            }
        }
    }

    /// What a rule says of how many there are.
    fn size(&mut self, at: &Path, rule: &MatchingRule, found: Found<'_>, count: usize) {
        let (min, max) = match rule {
            _ if !found.direct => return,
            MatchingRule::MinType(min) => (Some(*min), None),
            MatchingRule::MaxType(max) => (None, Some(*max)),
            MatchingRule::MinMaxType(min, max) => (Some(*min), Some(*max)),
            MatchingRule::NotEmpty => (Some(1), None),
            _ => return,
        };
        let limit = match (min, max) {
            (Some(min), _) if count < min => format!("at least {min}"),
            (_, Some(max)) if count > max => format!("at most {max}"),
            _ => return,
        };
        let message = format!("has {}, and {limit} are agreed", counted(count));
        self.add(at, Some(limit), Some(counted(count)), message, Some(found.list));
    }

    /// Each item that came against the example at its place, or else the first one.
    fn items(
        &mut self,
        at: &Path,
        field: &FieldDescriptor,
        wanted: &[Value],
        came: &[Value],
        rules: &Rules<'_>,
    ) {
        let default = value::item_default(field);
        for (index, item) in came.iter().enumerate() {
            let example = wanted.get(index).or(wanted.first()).unwrap_or(&default);
            self.value(&at.index(index), &field.kind(), example, item, rules);
        }
    }

    fn each_value<'r>(
        &mut self,
        at: &Path,
        definition: &MatchingRuleDefinition,
        rules: &'r Rules<'_>,
    ) -> Rules<'r> {
        let mut list = RuleList::empty(RuleLogic::And);
        for rule in &definition.rules {
            match rule.as_ref().left() {
                Some(rule) => list.add_rule(rule),
                None => {
                    let message =
                        "the rule `eachValue` refers to something that the contract does not have".to_owned();
                    self.add(at, None, None, message, None);
                }
            }
        }
        rules.with_items(at, list)
    }

    fn map(
        &mut self,
        at: &Path,
        field: &FieldDescriptor,
        wanted: &BTreeMap<String, Value>,
        came: &BTreeMap<String, Value>,
        rules: &Rules<'_>,
    ) {
        let found = rules.best(at);
        let direct = found.filter(|found| found.direct);
        if wanted.is_empty() && direct.is_none() && !self.strict {
            return;
        }
        let any_key = direct.is_some_and(|found| found.list.rules.iter().any(speaks_of_items));
        if !any_key {
            self.keys(at, field, wanted, came, found);
        }
        match direct {
            Some(found) => self.by_rules(found, |comparison, rule| {
                comparison.size(at, rule, found, came.len());
                match rule {
                    MatchingRule::EachKey(definition) => comparison.each_key(at, definition, came, found),
                    MatchingRule::EachValue(definition) => {
                        let rules = comparison.each_value(at, definition, rules);
                        comparison.entries(at, field, wanted, came, any_key, &rules);
                    }
                    // Of the values it says nothing, if another rule does.
                    _ => comparison.entries(at, field, wanted, came, any_key, rules),
                }
            }),
            None => self.entries(at, field, wanted, came, any_key, rules),
        }
    }

    /// The same keys: none of those agreed is missing, and in a request there is no other.
    fn keys(
        &mut self,
        at: &Path,
        field: &FieldDescriptor,
        wanted: &BTreeMap<String, Value>,
        came: &BTreeMap<String, Value>,
        found: Option<Found<'_>>,
    ) {
        let kind = value::map_value_kind(&field.kind());
        let list = found.map(|found| found.list);
        for (key, value) in wanted.iter().filter(|(key, _)| !came.contains_key(*key)) {
            let message = "is missing: the map has no such entry".to_owned();
            self.add(&at.field(key), Some(value::text(&kind, value)), None, message, list);
        }
        if self.strict {
            for (key, value) in came.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                let text = value::text(&kind, value);
                let message = format!("is {text}, and nothing is agreed of it");
                self.add(&at.field(key), None, Some(text), message, list);
            }
        }
    }

    fn each_key(
        &mut self,
        at: &Path,
        definition: &MatchingRuleDefinition,
        came: &BTreeMap<String, Value>,
        found: Found<'_>,
    ) {
        for rule in definition.rules.iter().filter_map(|rule| rule.as_ref().left()) {
            for key in came.keys() {
                let (wanted, came) = (Value::String(definition.value.clone()), Value::String(key.clone()));
                if let Err(fault) = scalar::by_rule(&Kind::String, rule, &wanted, &came) {
                    let message = format!("has a key that is not agreed: {fault}");
                    self.add(&at.field(key), None, Some(key.clone()), message, Some(found.list));
                }
            }
        }
    }

    /// The values of the entries; `any_key`: also of those that the contract does not name, against its first one.
    fn entries(
        &mut self,
        at: &Path,
        field: &FieldDescriptor,
        wanted: &BTreeMap<String, Value>,
        came: &BTreeMap<String, Value>,
        any_key: bool,
        rules: &Rules<'_>,
    ) {
        let kind = value::map_value_kind(&field.kind());
        let default = value::item_default(field);
        for (key, value) in came {
            let example = match wanted.get(key) {
                Some(example) => example,
                None if any_key => wanted.values().next().unwrap_or(&default),
                None => continue,
            };
            self.value(&at.field(key), &kind, example, value, rules);
        }
    }
}

/// What to say of fields that came and that the contract's descriptors do not have.
fn unknown_fields(message: &DynamicMessage) -> String {
    let mut numbers: Vec<u32> = message.unknown_fields().map(prost_reflect::UnknownField::number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let shown: Vec<String> = numbers.iter().take(5).map(u32::to_string).collect();
    match shown.len() {
        0 => String::new(),
        1 => format!("; field {} came, which the contract's descriptors do not have", shown.join("")),
        _ => format!("; fields {} came, which the contract's descriptors do not have", shown.join(", ")),
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 item".to_owned() } else { format!("{count} items") }
}

fn agreed(count: usize) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{count} are") }
}
