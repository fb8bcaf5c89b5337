//! The committed schema is the one of the types, and what is rendered is what it says.

use std::path::Path;

use seaworthy_core::finding::Location;
use seaworthy_report::{error_json, json, json_schema};
use serde_json::{Value, json};

use crate::scene;

/// What of JSON Schema our schema uses; a keyword that is not here fails the test rather than being passed over.
fn violation(schema: &Value, root: &Value, value: &Value, at: &str) -> Option<String> {
    let Value::Object(schema) = schema else {
        return (*schema == json!(false)).then(|| format!("{at}: nothing may stand here"));
    };
    let type_is = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    };
    for (keyword, rule) in schema {
        let wrong = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => None,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                violation(target, root, value, at)
            }
            "type" => {
                let fits = match rule {
                    Value::Array(names) => names.iter().any(type_is),
                    name => type_is(name),
                };
                (!fits).then(|| format!("{at}: not of type {rule}"))
            }
            "const" => (rule != value).then(|| format!("{at}: not {rule}")),
            "enum" => (!rule.as_array().unwrap().contains(value)).then(|| format!("{at}: none of {rule}")),
            "minimum" => value
                .as_f64()
                .is_some_and(|number| number < rule.as_f64().unwrap())
                .then(|| format!("{at}: too small")),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .find(|key| value.get(key.as_str().unwrap()).is_none())
                .map(|key| format!("{at}: {key} is missing")),
            "properties" => rule
                .as_object()
                .unwrap()
                .iter()
                .find_map(|(key, rule)| violation(rule, root, value.get(key)?, &format!("{at}/{key}"))),
            // Ours only ever stands without `properties` beside it: the values of a map.
            "additionalProperties" => {
                assert!(!schema.contains_key("properties"));
                value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .find_map(|(key, value)| violation(rule, root, value, &format!("{at}/{key}")))
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
                .find_map(|(index, value)| violation(rule, root, value, &format!("{at}/{index}"))),
            "anyOf" => {
                let all: Vec<String> = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .map_while(|rule| violation(rule, root, value, at))
                    .collect();
                (all.len() == rule.as_array().unwrap().len()).then(|| all.join(" and "))
            }
            "oneOf" => {
                let fitting = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|rule| violation(rule, root, value, at).is_none())
                    .count();
                (fitting != 1).then(|| format!("{at}: fits {fitting} of {rule}"))
            }
            other => panic!("the schema uses `{other}`, which this test does not know"),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

#[test]
fn the_committed_schema_is_the_one_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/report.schema.json");
    let now = format!("{:#}\n", json_schema());
    if std::env::var_os("SEAWORTHY_WRITE_SCHEMAS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == now,
        "write it anew with SEAWORTHY_WRITE_SCHEMAS=1 and see whether the change is additive"
    );
}

#[test]
fn what_is_rendered_is_what_the_schema_says() {
    let schema = json_schema();
    let place = Location { file: "f.yaml".to_owned(), line: 1, column: 1, pointer: Some("/a".to_owned()) };
    for text in [
        json(&scene::passed()),
        json(&scene::failed()),
        json(&scene::inconclusive()),
        error_json("could not start", None),
        error_json("could not read", Some(&place)),
    ] {
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(violation(&schema, &schema, &document, ""), None);
    }
}

#[test]
fn what_is_not_a_report_is_refused_by_the_schema() {
    let schema = json_schema();
    let good: Value = serde_json::from_str(&json(&scene::failed())).unwrap();
    let spoiled = |pointer: &str, value: Value| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    for document in [
        json!({}),
        json!({"schema_version": "1.0", "error": {}}),
        spoiled("/verdict", json!("green")),
        spoiled("/checks/6/findings/0/severity", json!("fatal")),
        spoiled("/summary/spans", json!(-1)),
        spoiled("/checks", json!({})),
    ] {
        assert!(violation(&schema, &schema, &document, "").is_some(), "{document:#}");
    }
}
