//! Matching rules and generators from and to JSON: `pact_models` reads them, after what it would overlook or stumble
//! over was looked for.

use pact_models::generators::{Generators, generators_from_json, generators_to_json};
use pact_models::matchingrules::{MatchingRules, matchers_from_json, matchers_to_json};
use serde_json::{Map, Value};

use super::error::{Fault, kind};
use crate::model::Specification;

/// The parts of an interaction that rules and generators are given for.
const CATEGORIES: [&str; 10] =
    ["method", "path", "header", "headers", "query", "body", "status", "content", "contents", "metadata"];

/// Reads the matching rules of a request, response or message. `older` is the name that some tools gave them.
pub(crate) fn matching(json: &Map<String, Value>, older: &str) -> Result<MatchingRules, Fault> {
    let key = if json.contains_key("matchingRules") { "matchingRules" } else { older };
    let rules = match json.get(key) {
        None | Some(Value::Null) => return Ok(MatchingRules::default()),
        Some(Value::Object(rules)) => rules,
        Some(other) => {
            return Err(Fault::new(format!("matching rules are an object, not {}", kind(other))).under(key));
        }
    };
    let by_path = rules.keys().any(|name| name.starts_with('$'));
    for (name, rule) in rules {
        let path = name.strip_prefix("$.");
        let part = path.map_or(name.as_str(), |path| path.split(['.', '[']).next().unwrap_or_default());
        if by_path != name.starts_with('$') || !CATEGORIES.contains(&part.to_ascii_lowercase().as_str()) {
            let reason =
                format!("'{name}' is neither a path like $.body.id nor a part ({})", CATEGORIES.join(", "));
            return Err(Fault::new(reason).under(name).under(key));
        }
        check(rule).map_err(|fault| fault.under(name).under(key))?;
    }
    let mut rules_only = Map::new();
    rules_only.insert("matchingRules".to_owned(), Value::Object(rules.clone()));
    matchers_from_json(&Value::Object(rules_only), &None)
        .map_err(|error| Fault::new(format!("{error:#}")).under(key))
}

/// What must hold of all rules, wherever they are nested.
fn check(value: &Value) -> Result<(), Fault> {
    match value {
        Value::Object(map) => {
            if map.get("match").and_then(Value::as_str) == Some("regex")
                && !map.get("regex").is_some_and(Value::is_string)
            {
                return Err(Fault::new("a regex rule needs its regex, a string").under("regex"));
            }
            map.iter().try_for_each(|(key, value)| check(value).map_err(|fault| fault.under(key)))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| check(value).map_err(|fault| fault.under(&index.to_string()))),
        _ => Ok(()),
    }
}

/// Reads the generators of a request, response or message.
pub(crate) fn generators(json: &Map<String, Value>) -> Result<Generators, Fault> {
    let generators = match json.get("generators") {
        None | Some(Value::Null) => return Ok(Generators::default()),
        Some(Value::Object(generators)) => generators,
        Some(other) => {
            return Err(
                Fault::new(format!("generators are an object, not {}", kind(other))).under("generators")
            );
        }
    };
    let mut known = Map::new();
    for (name, generators) in generators {
        let category = match name.to_ascii_lowercase().as_str() {
            // `pact_models` knows these by another name.
            "content" | "contents" => "body".to_owned(),
            "headers" => "header".to_owned(),
            category if CATEGORIES.contains(&category) => category.to_owned(),
            _ => {
                let reason = format!("'{name}' is no part ({})", CATEGORIES.join(", "));
                return Err(Fault::new(reason).under(name).under("generators"));
            }
        };
        known.insert(category, generators.clone());
    }
    let mut generators_only = Map::new();
    generators_only.insert("generators".to_owned(), Value::Object(known));
    generators_from_json(&Value::Object(generators_only))
        .map_err(|error| Fault::new(format!("{error:#}")).under("generators"))
}

/// Writes both, keys in alphabetical order.
pub(crate) fn write(
    json: &mut Map<String, Value>,
    matching_rules: &MatchingRules,
    generators: &Generators,
    version: Specification,
) {
    if matching_rules.is_not_empty() {
        json.insert("matchingRules".to_owned(), sorted(matchers_to_json(matching_rules, &version.as_pact())));
    }
    if generators.is_not_empty() {
        let written = sorted(generators_to_json(generators, &version.as_pact()));
        if !written.is_null() {
            json.insert("generators".to_owned(), written);
        }
    }
}

/// The same with all keys in alphabetical order.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        value => value,
    }
}
