//! Case files of the versions, each in its own form.

use seaworthy_contracts::casefile::{self, Kind};
use seaworthy_contracts::model::Specification::{self, V1, V1_1, V2, V3, V4};
use serde_json::{Value, json};

fn matches(kind: Kind, version: Specification, expected: Value, actual: Value) -> bool {
    let case = json!({ "match": true, "comment": "c", "expected": expected, "actual": actual });
    let text = format!("\u{feff}{case}");
    let outcome = casefile::run(kind, version, "case.json", text.as_bytes()).unwrap();
    assert!(outcome.expected_match);
    assert_eq!(outcome.comment, "c");
    assert_eq!(outcome.is_right(), outcome.mismatches.is_empty());
    outcome.mismatches.is_empty()
}

#[test]
fn v1_compares_the_query_as_a_whole_and_later_versions_by_parameter() {
    let query = |query: &str| json!({ "method": "GET", "path": "/p", "query": query });
    for (expected, actual, in_v1, later) in [
        ("a=1&b=2", "a=1&b=2", true, true),
        ("a=1&b=2", "b=2&a=1", false, true),
        ("a=1&b=2", "a=1&b=2&", false, true),
        ("a=x y", "a=x%20y", true, true),
        ("a=x+y", "a=x%20y", true, true),
        ("a=%2F", "a=/", true, true),
        ("a=1", "a=2", false, false),
        ("a=1", "a=1&b=2", false, false),
        ("a=1&a=2", "a=2&a=1", false, false),
        ("", "", true, true),
    ] {
        let run = |version| matches(Kind::Request, version, query(expected), query(actual));
        assert_eq!(run(V1), in_v1, "{expected} and {actual} in 1.0");
        for version in [V1_1, V2, V3, V4] {
            assert_eq!(run(version), later, "{expected} and {actual} in {version}");
        }
    }
}

#[test]
fn a_query_may_be_a_map_from_v3_on() {
    let expected = json!({ "query": { "a": ["1", "2"], "b": ["x"] } });
    assert!(matches(
        Kind::Request,
        V3,
        expected.clone(),
        json!({ "query": { "b": ["x"], "a": ["1", "2"] } })
    ));
    assert!(matches(Kind::Request, V3, expected.clone(), json!({ "query": "b=x&a=1&a=2" })));
    assert!(!matches(Kind::Request, V3, expected, json!({ "query": { "b": ["x"], "a": ["2", "1"] } })));
}

#[test]
fn v1_knows_no_rules() {
    let rules = json!({ "$.body.a": { "match": "type" } });
    let expected = json!({ "body": { "a": 1 }, "matchingRules": rules });
    for version in [V1, V1_1] {
        assert!(!matches(Kind::Response, version, expected.clone(), json!({ "body": { "a": 2 } })));
    }
    assert!(matches(Kind::Response, V2, expected, json!({ "body": { "a": 2 } })));
}

#[test]
fn headers_are_compared_without_regard_to_capitals_and_spaces_after_commas() {
    for version in [V1, V1_1, V2, V3, V4] {
        let expected = json!({ "headers": { "Accept": "alligators, hippos" } });
        assert!(matches(
            Kind::Request,
            version,
            expected.clone(),
            json!({ "headers": { "ACCEPT": "alligators,hippos", "X": "1" } })
        ));
        assert!(!matches(
            Kind::Request,
            version,
            expected,
            json!({ "headers": { "Accept": "hippos, alligators" } })
        ));
    }
}

#[test]
fn bodies_are_compared_in_every_version() {
    let expected = json!({ "headers": { "Content-Type": "application/json" }, "body": { "a": [1, null] } });
    for version in [V1, V1_1, V2, V3] {
        let body = |body: Value| json!({ "headers": { "Content-Type": "application/json" }, "body": body });
        assert!(matches(Kind::Response, version, expected.clone(), body(json!({ "a": [1, null], "b": 1 }))));
        assert!(!matches(Kind::Response, version, expected.clone(), body(json!({ "a": [null, 1] }))));
        assert!(!matches(Kind::Response, version, expected.clone(), body(json!({ "a": ["1", null] }))));
        assert!(!matches(Kind::Request, version, expected.clone(), body(json!({ "a": [1, null], "b": 1 }))));
        assert!(matches(Kind::Response, version, json!({ "body": null }), json!({ "headers": {} })));
        assert!(!matches(Kind::Response, version, json!({ "body": null }), body(json!({ "a": 1 }))));
        assert!(matches(Kind::Response, version, json!({}), body(json!({ "a": 1 }))));
    }
}

#[test]
fn xml_is_compared_in_v1_to_v3() {
    let part = |text: &str| json!({ "headers": { "Content-Type": "application/xml" }, "body": text });
    for version in [V1, V1_1, V2, V3] {
        let expected = part("<?xml version=\"1.0\"?><a x=\"1\"><b>red</b><b>blue</b></a>");
        assert!(matches(
            Kind::Request,
            version,
            expected.clone(),
            part("<a x='1'><b>red</b><b>blue</b></a>")
        ));
        assert!(!matches(
            Kind::Request,
            version,
            expected.clone(),
            part("<a x='1'><b>blue</b><b>red</b></a>")
        ));
        assert!(!matches(
            Kind::Request,
            version,
            expected.clone(),
            part("<a x='1' y='2'><b>red</b><b>blue</b></a>")
        ));
        assert!(!matches(Kind::Request, version, expected, part("<a x='1'><b>red</b></a>")));
    }
}

#[test]
fn v3_has_its_rules_by_part() {
    let expected = json!({
        "headers": { "Content-Type": "application/xml" },
        "body": "<animals><alligator phoneNumber=\"0415674567\"/></animals>",
        "matchingRules": { "body": {
            "$.animals": { "matchers": [{ "match": "type", "min": 1 }] },
            "$.animals.alligator": { "matchers": [{ "match": "type" }] },
            "$.animals[*].alligator['@phoneNumber']": { "matchers": [{ "match": "regex", "regex": "\\d+" }] } } },
    });
    let part = |numbers: [&str; 2]| {
        let [one, two] = numbers;
        json!({ "headers": { "Content-Type": "application/xml" },
            "body": format!("<animals><alligator phoneNumber='{one}'/><alligator phoneNumber='{two}'/></animals>") })
    };
    assert!(matches(Kind::Response, V3, expected.clone(), part(["1", "2"])));
    assert!(!matches(Kind::Response, V3, expected, part(["1", "abc"])));

    let expected = json!({ "path": "/a/1", "status": 200, "headers": { "X": "1" },
        "matchingRules": { "path": { "matchers": [{ "match": "regex", "regex": "/a/\\d" }] },
            "header": { "X": { "matchers": [{ "match": "regex", "regex": "\\d" }] } } } });
    assert!(matches(Kind::Request, V3, expected.clone(), json!({ "path": "/a/7", "headers": { "x": "5" } })));
    assert!(!matches(Kind::Request, V3, expected, json!({ "path": "/b/7", "headers": { "x": "5" } })));
}

#[test]
fn v3_has_messages() {
    let expected = json!({
        "metaData": { "contentType": "application/json" },
        "contents": { "animals": [{ "phone": "04" }] },
        "matchingRules": { "body": {
            "$.animals": { "matchers": [{ "match": "type", "min": 1 }] },
            "$.animals[*].phone": { "matchers": [{ "match": "regex", "regex": "\\d+" }] } } },
    });
    let actual = |phone: &str| json!({ "metaData": { "contentType": "application/json" }, "contents": { "animals": [{ "phone": "1" }, { "phone": phone }] } });
    assert!(matches(Kind::Message, V3, expected.clone(), actual("2")));
    assert!(!matches(Kind::Message, V3, expected, actual("two")));
    assert!(!matches(
        Kind::Message,
        V3,
        json!({ "contents": { "a": 1 }, "metaData": { "queue": "q" } }),
        json!({ "contents": { "a": 1 }, "metaData": { "queue": "r" } })
    ));
}

#[test]
fn a_file_that_is_no_case_is_an_error_with_its_place() {
    for (text, error) in [
        ("{", "c.json:1:1 is not JSON: EOF while parsing an object"),
        (
            "[]",
            "c.json:1 is not as a pact must be: a case file has match, expected and actual: it is not an object",
        ),
        (
            r#"{"match": 1}"#,
            "c.json:1 (/match) is not as a pact must be: a case file has match, expected and actual: match is true or false",
        ),
        (
            r#"{"match": true, "expected": {}}"#,
            "c.json:1 (/actual) is not as a pact must be: a case file has match, expected and actual: actual is missing",
        ),
    ] {
        let told = casefile::run(Kind::Request, V2, "c.json", text.as_bytes()).unwrap_err().to_string();
        assert!(told.starts_with(error), "{told}");
    }
}
