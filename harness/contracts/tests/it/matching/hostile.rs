//! Input that nobody should send comes out as a mismatch, never as a crash.

use pact_models::bodies::OptionalBody;
use proptest::prelude::*;
use seaworthy_contracts::matching;
use seaworthy_contracts::model::{HttpResponse, Specification};
use serde_json::{Value, json};

use super::{response, xml};

fn differs(expected: &HttpResponse, actual: &HttpResponse) -> bool {
    !matching::response(expected, actual, Specification::V4).is_empty()
}

fn body(bytes: impl Into<bytes::Bytes>, content_type: &str) -> HttpResponse {
    HttpResponse {
        body: OptionalBody::Present(bytes.into(), Some(content_type.into()), None),
        ..HttpResponse::default()
    }
}

#[test]
fn documents_that_are_too_deep_differ() {
    let depth = 200_000;
    let elements = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(differs(&response(json!({ "body": xml("<a/>") })), &body(elements.clone(), "application/xml")));
    assert!(differs(&body(elements.clone(), "application/xml"), &body(elements, "application/xml")));
    let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let expected = response(json!({ "body": { "content": [], "contentType": "application/json" } }));
    assert!(differs(&expected, &body(lists, "application/json")));
}

#[test]
fn documents_that_are_none_differ() {
    for (content, content_type) in [
        ("{\"a\": ", "application/json"),
        ("\u{0}", "application/json"),
        ("<a", "application/xml"),
        ("<!-- nothing -->", "application/xml"),
        ("no element", "application/xml"),
        ("--x", "multipart/form-data; boundary=x"),
        ("no parts", "multipart/mixed"),
    ] {
        let expected = match content_type {
            "application/json" => body("{\"a\": 1}", content_type),
            "application/xml" => body("<a>1</a>", content_type),
            _ => body("--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--\r\n", content_type),
        };
        assert!(differs(&expected, &body(content, content_type)), "{content} as {content_type}");
    }
}

#[test]
fn rules_that_nobody_can_apply_differ() {
    for rule in [
        json!({ "match": "regex", "regex": "(" }),
        json!({ "match": "regex", "regex": "(a+)+$" }),
        json!({ "match": "regex", "regex": "(?<n>a)\\k<m>" }),
        json!({ "match": "datetime", "format": "'''" }),
        json!({ "match": "plugged-in", "with": 1 }),
        json!({ "match": "type", "min": 18_446_744_073_709_551_615_u64 }),
    ] {
        let expected = response(json!({
            "body": { "content": { "a": ["x"] }, "contentType": "application/json" },
            "matchingRules": { "body": { "$.a[0]": { "matchers": [rule] }, "$.a": { "matchers": [rule] } } },
        }));
        let text = format!("{}!", "a".repeat(40));
        let actual =
            response(json!({ "body": { "content": { "a": [text] }, "contentType": "application/json" } }));
        assert!(differs(&expected, &actual), "{rule}");
    }
}

#[test]
fn headers_without_a_value_are_no_trouble() {
    let mut actual = response(json!({ "headers": { "content-type": ["a/b"] }, "body": { "content": "x" } }));
    actual.body = OptionalBody::Present("x".into(), None, None);
    actual.headers = Some([("Content-Type".to_owned(), Vec::new())].into());
    let expected =
        response(json!({ "headers": { "Content-Type": ["text/plain"] }, "body": { "content": "x" } }));
    assert!(differs(&expected, &actual));
}

#[test]
fn what_differs_without_end_is_told_with_an_end() {
    let list = |value: u32| json!((0..2000).map(|item| item * 2 + value).collect::<Vec<_>>());
    let body =
        |value| response(json!({ "body": { "content": list(value), "contentType": "application/json" } }));
    let mismatches = matching::response(&body(0), &body(1), Specification::V4);
    assert_eq!(mismatches.len(), 501);
    assert_eq!(mismatches[500].message, "1500 more differences follow");

    let long = |letter: &str| {
        response(
            json!({ "body": { "content": { "a": letter.repeat(100_000) }, "contentType": "application/json" } }),
        )
    };
    let mismatches = matching::response(&long("ä"), &long("ö"), Specification::V4);
    assert!(mismatches[0].message.len() < 5000 && mismatches[0].message.ends_with(" bytes)"));
    assert!(mismatches[0].actual.as_ref().unwrap().len() < 5000);
}

proptest! {
    #[test]
    fn any_bytes_can_be_compared(
        expected in proptest::collection::vec(any::<u8>(), 0..60),
        actual in proptest::collection::vec(any::<u8>(), 0..60),
        content_type in prop_oneof![
            Just("application/json"), Just("application/xml"), Just("text/plain"), Just("multipart/form-data; boundary=a"),
            Just("application/x-www-form-urlencoded"), Just("application/octet-stream"), Just("image/png"),
        ],
    ) {
        let _ = matching::response(&body(expected, content_type), &body(actual, content_type), Specification::V4);
    }

    #[test]
    fn what_came_as_it_was_agreed_does_not_differ(number in any::<i32>(), text in "\\PC{0,12}", flag in any::<bool>()) {
        let content: Value = json!({ "a": number, "b": [text, flag, null], "c": { "d": text } });
        let one = response(json!({ "body": { "content": content, "contentType": "application/json" } }));
        prop_assert_eq!(matching::response(&one, &one, Specification::V4), []);
    }
}
