//! The examples of the OTLP repository, when `SEAWORTHY_CONFORMANCE` names the folder that holds them: what was
//! read says the same as the example. That they are accepted over a socket is tested in `tests/it/conformance.rs`.

use std::path::PathBuf;

use serde_json::Value;

use super::{logs_from_json, metrics_from_json, traces_from_json};

/// Whether everything that the example says stands in what was read. Ids are hex in either case; 64-bit integers
/// are text or numbers; what was read may say more (defaults).
fn differs(example: &Value, read: &Value, at: &str) -> Option<String> {
    match (example, read) {
        (Value::Object(example), Value::Object(read)) => example.iter().find_map(|(key, value)| {
            let at = format!("{at}.{key}");
            match read.get(key) {
                Some(read) => differs(value, read, &at),
                // Defaults need not be written.
                None if is_default(value) => None,
                None => Some(format!("{at} is gone")),
            }
        }),
        (Value::Array(example), Value::Array(read)) if example.len() == read.len() => example
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(index, (a, b))| differs(a, b, &format!("{at}[{index}]"))),
        (Value::String(a), Value::String(b)) if a == b => None,
        (Value::String(a), Value::String(b)) if at.ends_with("Id") && a.eq_ignore_ascii_case(b) => None,
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (Value::String(text), Value::Number(number)) | (Value::Number(number), Value::String(text))
            if *text == number.to_string() =>
        {
            None
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{at} is {b}, not {a}")),
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
    }
}

#[test]
fn the_examples_of_the_specification_are_read_unchanged() {
    let Some(folder) = std::env::var_os("SEAWORTHY_CONFORMANCE") else {
        println!("OTLP examples: 0 read, SEAWORTHY_CONFORMANCE is not set");
        return;
    };
    let folder = PathBuf::from(folder).join("otlp");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut read = 0;
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let bytes = std::fs::read(&file).unwrap();
        let example: Value = serde_json::from_slice(&bytes).unwrap();
        let back = match example.as_object().and_then(|fields| fields.keys().next()).map(String::as_str) {
            Some("resourceSpans") => serde_json::to_value(traces_from_json(&bytes).unwrap()),
            Some("resourceMetrics") => serde_json::to_value(metrics_from_json(&bytes).unwrap()),
            Some("resourceLogs") => serde_json::to_value(logs_from_json(&bytes).unwrap()),
            other => panic!("{}: {other:?} is no signal", file.display()),
        };
        assert_eq!(differs(&example, &back.unwrap(), ""), None, "{}", file.display());
        read += 1;
    }
    println!("OTLP examples: {read} read unchanged");
    assert!(read > 0, "no example in {}", folder.display());
}

#[test]
fn the_comparison_sees_a_difference() {
    let example = serde_json::json!({"a": [{"traceId": "AB", "n": "7"}]});
    assert_eq!(
        differs(&example, &serde_json::json!({"a": [{"traceId": "ab", "n": 7, "more": 1}]}), ""),
        None
    );
    for other in [
        serde_json::json!({"a": [{"traceId": "ac", "n": 7}]}),
        serde_json::json!({"a": [{"traceId": "ab"}]}),
        serde_json::json!({"a": []}),
        serde_json::json!({}),
    ] {
        assert!(differs(&example, &other, "").is_some(), "{other}");
    }
}
