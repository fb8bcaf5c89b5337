//! One value of a field against another: equal, or as the matching rules at its place allow.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pact_matching::binary_utils::match_content_type;
use pact_matching::matchingrules::DoMatch;
use pact_models::matchingrules::{MatchingRule, RuleList, RuleLogic};
use prost_reflect::{Kind, Value};
use regex::Regex;
use serde_json::Value as Json;

use super::rules::Found;
use super::value::{enum_values, json, same, text};

/// What is wrong with a value, in one sentence.
///
/// # Errors
/// When something is.
pub(super) fn check(
    kind: &Kind,
    wanted: &Value,
    came: &Value,
    found: Option<Found<'_>>,
) -> Result<(), String> {
    known_enum_values(kind, wanted, came)?;
    match found.filter(|found| !found.list.rules.is_empty()) {
        None => by_rule(kind, &MatchingRule::Equality, wanted, came),
        Some(found) if found.direct => by_list(kind, found.list, wanted, came),
        // A rule for a collection says nothing of what lies in it, unless it is written there.
        Some(found) => {
            let reaches_down = |rule: &&MatchingRule| rule.can_cascade() || **rule == MatchingRule::Values;
            by_list(kind, &found.list.filter(reaches_down), wanted, came)
        }
    }
}

/// What a list of rules says of a value: all of them hold, or with `OR` one of them.
///
/// # Errors
/// With what is wrong, when the value does not keep them.
pub(super) fn by_list(kind: &Kind, list: &RuleList, wanted: &Value, came: &Value) -> Result<(), String> {
    let mut faults = Vec::new();
    for rule in &list.rules {
        match by_rule(kind, rule, wanted, came) {
            Ok(()) if list.rule_logic == RuleLogic::Or => return Ok(()),
            Ok(()) => {}
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

/// An enum's number that the contract's descriptors do not have means nothing to the consumer, whatever the rules say.
fn known_enum_values(kind: &Kind, wanted: &Value, came: &Value) -> Result<(), String> {
    let (Kind::Enum(descriptor), Value::EnumNumber(wanted), Value::EnumNumber(came)) = (kind, wanted, came)
    else {
        return Ok(());
    };
    let name = descriptor.full_name();
    let values = || enum_values(descriptor);
    if descriptor.get_value(*wanted).is_none() {
        return Err(format!(
            "the contract expects the number {wanted}, which is no value of `{name}` in its own descriptors: it has {}",
            values(),
        ));
    }
    if descriptor.get_value(*came).is_none() {
        return Err(format!(
            "is the number {came}, which is no value of `{name}` to the consumer: it knows {}",
            values(),
        ));
    }
    Ok(())
}

/// What one rule says of a value.
///
/// # Errors
/// With what is wrong, when the value does not keep it.
pub(super) fn by_rule(kind: &Kind, rule: &MatchingRule, wanted: &Value, came: &Value) -> Result<(), String> {
    match (rule, came) {
        (MatchingRule::Equality | MatchingRule::Values, _) => {
            if same(wanted, came) {
                Ok(())
            } else {
                Err(format!("is {}, and {} is agreed", text(kind, came), text(kind, wanted)))
            }
        }
        (MatchingRule::Number | MatchingRule::Integer | MatchingRule::Decimal, Value::EnumNumber(number)) => {
            library(rule, &Json::from(*number), &Json::from(*number))
        }
        (MatchingRule::ContentType(expected), Value::Bytes(bytes)) => {
            guarded(|| match_content_type(bytes, expected.as_str()).map_err(|error| error.to_string()))
        }
        (MatchingRule::Regex(pattern), _) => {
            let text = match json(kind, came) {
                Json::String(text) => text,
                other => other.to_string(),
            };
            // Linear in time; the few expressions that it does not know (look-around) are left to the library.
            match Regex::new(pattern) {
                Ok(regex) if regex.is_match(&text) => Ok(()),
                Ok(_) => Err(format!("is {}, which does not match `{pattern}`", Json::String(text))),
                Err(_) => library(rule, &json(kind, wanted), &Json::String(text)),
            }
        }
        _ => library(rule, &json(kind, wanted), &json(kind, came)),
    }
}

fn library(rule: &MatchingRule, wanted: &Json, came: &Json) -> Result<(), String> {
    guarded(|| rule.match_value(wanted, came, false, false).map_err(|error| error.to_string()))
}

/// Expressions and formats come from files, and the library panics on some.
fn guarded(check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| {
        Err("could not be matched: the rule is beyond what the matching can read".to_owned())
    })
}
