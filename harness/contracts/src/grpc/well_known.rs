//! Messages of `google.protobuf` that stand for one value: rules written at such a field speak of that value.

use pact_matching::json::compare_json;
use pact_matching::{CoreMatchingContext, DiffConfig};
use pact_models::matchingrules::{Category, MatchingRuleCategory};
use pact_models::path_exp::DocPath;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};

use super::path::Path;
use super::rules::Rules;
use super::scalar;
use super::value::{message_json, shortened, text};
use crate::matching::rule::describe;
use crate::mismatch::{Mismatch, Part};

/// Compares two messages that are one value; `None` when they are to be compared by their fields.
pub(super) fn compare(
    at: &Path,
    wanted: &DynamicMessage,
    came: &DynamicMessage,
    rules: &Rules<'_>,
) -> Option<Vec<Mismatch>> {
    let descriptor = wanted.descriptor();
    match descriptor.full_name().strip_prefix("google.protobuf.")? {
        "Struct" | "ListValue" | "Value" => Some(by_json(at, wanted, came, rules)),
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
        | "BoolValue" | "StringValue" | "BytesValue" => wrapped(at, wanted, came, rules),
        "Timestamp" | "Duration" | "FieldMask" => {
            // Only a rule that reads a text means the whole; `type` and the like reach the fields.
            let list = rules.direct(at).filter(|list| list.has_non_type_matchers())?;
            let found = rules.best(at)?;
            let as_value = |message| match message_json(message) {
                serde_json::Value::String(text) => Value::String(text),
                other => Value::String(other.to_string()),
            };
            let (wanted, came) = (as_value(wanted), as_value(came));
            let Err(fault) = scalar::check(&Kind::String, &wanted, &came, Some(found)) else {
                return Some(Vec::new());
            };
            Some(vec![Mismatch {
                part: Part::Body,
                path: at.to_string(),
                expected: Some(text(&Kind::String, &wanted)),
                actual: Some(text(&Kind::String, &came)),
                message: fault,
                rule: describe(list),
            }])
        }
        _ => None,
    }
}

/// A wrapper's one field, by the rules at `.value` or, failing those, at the wrapper itself.
fn wrapped(
    at: &Path,
    wanted: &DynamicMessage,
    came: &DynamicMessage,
    rules: &Rules<'_>,
) -> Option<Vec<Mismatch>> {
    let field = wanted.descriptor().get_field_by_name("value")?;
    let inner = at.field("value");
    let inner_found = rules.best(&inner).filter(|found| found.direct);
    let (path, found) = match inner_found {
        Some(found) => (&inner, Some(found)),
        None => (at, rules.best(at)),
    };
    let kind = field.kind();
    let (wanted, came) = (wanted.get_field(&field), came.get_field(&field));
    Some(match scalar::check(&kind, &wanted, &came, found) {
        Ok(()) => Vec::new(),
        Err(fault) => vec![Mismatch {
            part: Part::Body,
            path: path.to_string(),
            expected: Some(text(&kind, &wanted)),
            actual: Some(text(&kind, &came)),
            message: fault,
            rule: found.and_then(|found| describe(found.list)),
        }],
    })
}

/// Protobuf's own JSON values are compared as JSON is, with the rules below the field.
fn by_json(at: &Path, wanted: &DynamicMessage, came: &DynamicMessage, rules: &Rules<'_>) -> Vec<Mismatch> {
    let Ok(path) = DocPath::new(at.as_str()) else { return Vec::new() };
    let category = MatchingRuleCategory { name: Category::BODY, rules: rules.all().into_iter().collect() };
    let context = CoreMatchingContext::new(DiffConfig::AllowUnexpectedKeys, &category);
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        compare_json(&path, &message_json(wanted), &message_json(came), &context).err().unwrap_or_default()
    }));
    let Ok(found) = found else {
        return vec![Mismatch {
            part: Part::Body,
            path: at.to_string(),
            expected: None,
            actual: None,
            message: "could not be compared: a rule is beyond what the matching can read".to_owned(),
            rule: None,
        }];
    };
    let text = |bytes: Option<bytes::Bytes>| {
        bytes.map(|bytes| shortened(String::from_utf8_lossy(&bytes).into_owned()))
    };
    found
        .into_iter()
        .filter_map(|found| match found.to_body_mismatch() {
            pact_matching::Mismatch::BodyMismatch { path, expected, actual, mismatch } => Some(Mismatch {
                part: Part::Body,
                path,
                expected: text(expected),
                actual: text(actual),
                message: mismatch,
                rule: None,
            }),
            _ => None,
        })
        .collect()
}
