//! What is wrong with a file is said with its place.

use proptest::prelude::*;
use seaworthy_contracts::document::{self, ReadError};
use serde_json::{Value, json};

use super::pact;

fn http(request: &str, response: &str) -> String {
    format!(r#"{{"description": "d", "request": {request}, "response": {response}}}"#)
}

#[test]
fn each_fault_says_what_and_where() {
    let v4 = |interaction: &str| pact("4.0", &format!("\n    {interaction}\n  "));
    let v3 = |request: &str| pact("3.0.0", &http(request, "{}"));
    let cases = [
        ("nothing", String::new()),
        ("half", r#"{"consumer": {"name": "a"},"#.to_owned()),
        ("a list", "[1, 2]".to_owned()),
        ("a broken list", "[1, 2".to_owned()),
        ("a number", "7".to_owned()),
        ("two documents", "{} {}".to_owned()),
        ("no interactions", r#"{"consumer": {"name": "a"}, "provider": {"name": "b"}}"#.to_owned()),
        ("interactions that are none", r#"{"interactions": {"a": 1}}"#.to_owned()),
        ("no consumer", r#"{"provider": {"name": "b"}, "interactions": []}"#.to_owned()),
        ("no name", r#"{"consumer": {}, "provider": {"name": "b"}, "interactions": []}"#.to_owned()),
        ("unknown version", pact("5.0", "")),
        ("unknown minor version", pact("2.7", "")),
        ("no version at all", pact("latest", "")),
        ("an interaction that is none", pact("3.0.0", "7")),
        ("neither request nor response", pact("3.0.0", r#"{"description": "d"}"#)),
        ("a status that is none", pact("2.0.0", &http("{}", r#"{"status": "ok"}"#))),
        ("a status beyond all", pact("2.0.0", &http("{}", r#"{"status": 70000}"#))),
        ("headers that are none", v3(r#"{"headers": 7}"#)),
        ("a header that is none", v3(r#"{"headers": {"A": {"b": 1}}}"#)),
        ("a query that is none", v3(r#"{"query": 7}"#)),
        ("a path that is none", v3(r#"{"path": {}}"#)),
        ("rules for no part", v3(r#"{"matchingRules": {"bdy": {}}}"#)),
        ("a rule for no part", v3(r#"{"matchingRules": {"$.bodya": {"match": "type"}}}"#)),
        ("rules of two versions", v3(r#"{"matchingRules": {"$.body": {}, "path": {}}}"#)),
        (
            "a rule without a path",
            v3(r#"{"matchingRules": {"body": {"$.a[": {"matchers": [{"match": "type"}]}}}}"#),
        ),
        ("a rule of nothing", v3(r#"{"matchingRules": {"body": {"$.a": {"matchers": [{}]}}}}"#)),
        (
            "a regex that is none",
            v3(r#"{"matchingRules": {"body": {"$.a": {"matchers": [{"match": "regex"}]}}}}"#),
        ),
        ("a generator for no part", v3(r#"{"generators": {"bdy": {}}}"#)),
        ("states that are none", pact("3.0.0", r#"{"request": {}, "providerStates": 7}"#)),
        ("a state without a name", pact("3.0.0", r#"{"request": {}, "providerStates": [{}]}"#)),
        ("no type", v4(r#"{"description": "d"}"#)),
        ("an unknown type", v4(r#"{"type": "Smoke/Signals"}"#)),
        (
            "a body that is not base64",
            v4(&format!(
                r#"{{"type": "Synchronous/HTTP", "request": {}, "response": {{}}}}"#,
                r#"{"body": {"content": "%", "encoded": "base64"}}"#
            )),
        ),
        (
            "no content type",
            v4(r#"{"type": "Asynchronous/Messages", "contents": {"content": "a", "contentType": "?"}}"#),
        ),
        ("pending that is none", v4(r#"{"type": "Asynchronous/Messages", "pending": "yes"}"#)),
        (
            "one key twice",
            v4("{\"type\": \"Asynchronous/Messages\", \"key\": \"k\", \"description\": \"a\"},\n    \
             {\"type\": \"Asynchronous/Messages\", \"key\": \"k\", \"description\": \"b\"}"),
        ),
        ("a body too deep", v3(&format!(r#"{{"body": {}{}}}"#, "[".repeat(500), "]".repeat(500)))),
    ];
    let mut told = String::new();
    for (name, text) in cases {
        let error = document::parse("p.json", text.as_bytes()).expect_err(name);
        let location = error.location();
        let pointer = location.pointer.unwrap_or_default();
        told += &format!(
            "{name}\n  {error}\n  at {}:{} {pointer}\n  {}\n",
            location.line,
            location.column,
            error.hint()
        );
    }
    insta::assert_snapshot!(told);
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_place() {
    let error = document::parse("p.json", b"{\n  \"a\": \"\xff\"}").unwrap_err();
    assert_eq!(error.to_string(), "p.json:2:9 is not JSON: the bytes there are not UTF-8");
}

#[test]
fn one_key_twice_with_the_same_content_is_no_contradiction() {
    let one = r#"{"type": "Asynchronous/Messages", "key": "k", "description": "a"}"#;
    let contract = document::parse("p.json", pact("4.0", &format!("{one}, {one}")).as_bytes()).unwrap();
    assert_eq!(contract.interactions.len(), 2);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\PC]{0,12}".prop_map(Value::from),
        prop_oneof![Just("regex"), Just("type"), Just("base64"), Just("application/json"), Just("$.a[*]")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map("[a-z$.\\[\\]*]{0,8}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn whole(version: &str) -> Value {
    json!({
        "consumer": { "name": "a" }, "provider": { "name": "b" },
        "interactions": [{
            "type": "Synchronous/HTTP", "description": "d", "key": "k", "pending": false,
            "providerState": "old", "providerStates": [{ "name": "s", "params": { "a": 1 } }],
            "comments": { "text": ["t"] }, "transport": "http", "pluginConfiguration": { "p": {} },
            "request": {
                "method": "POST", "path": "/p", "query": { "q": ["1"] }, "headers": { "content-type": ["a/b"] },
                "body": { "content": { "a": 1 }, "contentType": "application/json", "encoded": false },
                "matchingRules": {
                    "path": { "matchers": [{ "match": "regex", "regex": "/." }] },
                    "body": { "$.a": { "combine": "OR", "matchers": [{ "match": "type", "min": 1 }] },
                        "$.b": { "matchers": [{ "match": "arrayContains", "variants": [{ "index": 0, "rules": {} }] },
                            { "match": "eachKey", "rules": [{ "match": "type" }], "value": "x" }] } } },
                "generators": { "path": { "type": "RandomInt", "min": 1, "max": 2 },
                    "body": { "$.a": { "type": "Uuid", "format": "URN" } } },
            },
            "response": { "status": 200, "headers": { "a": "b, c" }, "body": { "content": "x" } },
        }],
        "messages": [{ "description": "m", "contents": { "a": 1 }, "metaData": { "contentType": "application/json" },
            "matchingRules": { "metadata": { "k": { "matchers": [{ "match": "include", "value": "x" }] } } } }],
        "metadata": { "pactSpecification": { "version": version } },
    })
}

/// All places in a document.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        pointers(child, &format!("{at}/{key}"), found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_stands_in_a_pact_is_read_or_refused(
        version in prop_oneof![Just("1.0"), Just("2.0"), Just("3.0"), Just("4.0")],
        place in any::<proptest::sample::Index>(),
        value in any_json(),
    ) {
        let mut document = whole(version);
        let mut places = Vec::new();
        pointers(&document, "", &mut places);
        *document.pointer_mut(place.get(places.as_slice()).as_str()).unwrap() = value;
        // Whatever it is, there is an answer, and what was read can be written and read again.
        if let Ok(contract) = document::parse("p.json", document.to_string().as_bytes()) {
            let again = document::parse("p.json", document::to_text(&contract).as_bytes());
            prop_assert!(again.is_ok(), "{}\n{}", again.unwrap_err(), document::to_text(&contract));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let refused = matches!(
            document::parse("p.json", &bytes),
            Err(ReadError::NotJson { .. } | ReadError::NotAPact { .. })
        );
        prop_assert!(refused);
    }
}
