//! Which version of the specification a pact was written to.

use serde_json::{Map, Value};

use crate::model::Specification;

/// The keys under which tools have put the version, newest first.
const KEYS: [&str; 3] = ["pactSpecification", "pact-specification", "pactSpecificationVersion"];

/// The version that the metadata names, as text; `None` where it names none.
pub(crate) fn named(metadata: &Map<String, Value>) -> Option<String> {
    KEYS.iter().filter_map(|key| metadata.get(*key)).find_map(|value| match value {
        Value::Object(object) => object.get("version").map(text),
        Value::Null => None,
        value => Some(text(value)),
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Takes what names the version out of the metadata: it is written anew.
pub(crate) fn strip(metadata: &mut Map<String, Value>) {
    for key in KEYS {
        metadata.shift_remove(key);
    }
}

/// The version of a name like `2`, `2.0`, `2.0.0` or `V2`.
pub(crate) fn parse(name: &str) -> Option<Specification> {
    let name = name.trim().trim_start_matches(['v', 'V']);
    let mut parts = name.split('.');
    let (major, minor) = (parts.next()?, parts.next().unwrap_or("0"));
    if parts
        .any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
    {
        return None;
    }
    match (major, minor) {
        ("1", "0") => Some(Specification::V1),
        ("1", "1") => Some(Specification::V1_1),
        ("2", "0") => Some(Specification::V2),
        ("3", "0") => Some(Specification::V3),
        ("4", "0") => Some(Specification::V4),
        _ => None,
    }
}
