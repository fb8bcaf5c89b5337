//! What came held against what was agreed.

mod cases;
mod hostile;

use seaworthy_contracts::document;
use seaworthy_contracts::matching;
use seaworthy_contracts::mismatch::{Mismatch, Part};
use seaworthy_contracts::model::{Contents, HttpRequest, HttpResponse, MessageContents, Specification};
use serde_json::{Value, json};

/// The contents of an interaction that is given as JSON, in V4.
fn contents(interaction: Value) -> Contents {
    let pact = json!({ "consumer": { "name": "a" }, "provider": { "name": "b" }, "interactions": [interaction],
        "metadata": { "pactSpecification": { "version": "4.0" } } });
    document::parse("p.json", pact.to_string().as_bytes()).unwrap().interactions[0].contents.clone()
}

fn request(request: Value) -> HttpRequest {
    match contents(json!({ "type": "Synchronous/HTTP", "request": request, "response": {} })) {
        Contents::Http { request, .. } => *request,
        other => panic!("{other:?}"),
    }
}

fn response(response: Value) -> HttpResponse {
    match contents(json!({ "type": "Synchronous/HTTP", "request": {}, "response": response })) {
        Contents::Http { response, .. } => *response,
        other => panic!("{other:?}"),
    }
}

fn message(mut message: Value) -> MessageContents {
    message["type"] = json!("Asynchronous/Messages");
    match contents(message) {
        Contents::Message(message) => *message,
        other => panic!("{other:?}"),
    }
}

fn xml(text: &str) -> Value {
    json!({ "content": text, "contentType": "application/xml" })
}

#[test]
fn all_that_differs_is_told_in_order_with_the_rule_that_was_applied() {
    let expected = request(json!({
        "method": "POST", "path": "/orders/1", "query": { "page": ["1"], "size": ["5"] },
        "headers": { "X-Trace": ["t-1"], "X-Gone": ["yes"] },
        "body": { "content": { "id": 1, "lines": [{ "price": 2.5 }], "note": "n", "state": "new" },
            "contentType": "application/json" },
        "matchingRules": {
            "path": { "matchers": [{ "match": "regex", "regex": "/orders/\\d+" }] },
            "query": { "page": { "matchers": [{ "match": "regex", "regex": "\\d+" }] } },
            "header": { "x-trace": { "matchers": [{ "match": "regex", "regex": "t-\\d+" }] } },
            "body": { "$.id": { "matchers": [{ "match": "integer" }] },
                "$.lines": { "matchers": [{ "match": "type", "min": 1 }] },
                "$.lines[*].price": { "matchers": [{ "match": "decimal" }] },
                "$.state": { "combine": "OR", "matchers": [
                    { "match": "equality" }, { "match": "include", "value": "paid" }] } },
        },
    }));
    let actual = request(json!({
        "method": "PUT", "path": "/carts/1", "query": { "page": ["one"], "other": ["1"] },
        "headers": { "x-trace": ["none"] },
        "body": { "content": { "id": "1", "lines": [{ "price": 1.5 }, { "price": "2" }], "note": "m", "state": "old" },
            "contentType": "application/json" },
    }));
    let mismatches = matching::request(&expected, &actual, Specification::V4);
    let told: Vec<String> = mismatches
        .iter()
        .map(|mismatch| {
            let Mismatch { expected, actual, rule, .. } = mismatch;
            format!("{mismatch}\n  expected {expected:?}, actual {actual:?}, rule {rule:?}\n")
        })
        .collect();
    insta::assert_snapshot!(told.concat());
    for _ in 0..20 {
        assert_eq!(matching::request(&expected, &actual, Specification::V4), mismatches);
    }
}

#[test]
fn a_response_may_bring_more_than_was_agreed_and_a_request_may_not() {
    let small = json!({ "body": { "content": { "a": 1 }, "contentType": "application/json" } });
    let large = json!({ "body": { "content": { "a": 1, "b": 2 }, "contentType": "application/json" } });
    assert_eq!(matching::response(&response(small.clone()), &response(large.clone()), Specification::V4), []);
    let mismatches = matching::request(&request(small), &request(large), Specification::V4);
    assert_eq!(mismatches.len(), 1, "{mismatches:?}");
    assert_eq!((mismatches[0].part, mismatches[0].path.as_str()), (Part::Body, "$"));
}

#[test]
fn what_is_missing_is_told_from_what_is_empty() {
    let expected = response(json!({ "headers": { "A": ["1"], "B": ["2"] } }));
    let actual = response(json!({ "headers": { "b": [""] } }));
    let mismatches = matching::response(&expected, &actual, Specification::V4);
    let actuals: Vec<_> =
        mismatches.iter().map(|mismatch| (mismatch.path.as_str(), mismatch.actual.as_deref())).collect();
    assert_eq!(actuals, [("A", None), ("B", Some(""))]);
}

#[test]
fn rules_for_a_message_stand_under_body_or_content() {
    for category in ["body", "content", "contents"] {
        let expected = message(json!({
            "contents": { "content": { "id": 1 }, "contentType": "application/json" },
            "matchingRules": { category: { "$.id": { "matchers": [{ "match": "integer" }] } } },
        }));
        let good =
            message(json!({ "contents": { "content": { "id": 7 }, "contentType": "application/json" } }));
        assert_eq!(matching::message(&expected, &good, Specification::V4), [], "{category}");
        let bad =
            message(json!({ "contents": { "content": { "id": "7" }, "contentType": "application/json" } }));
        let mismatches = matching::message(&expected, &bad, Specification::V4);
        assert_eq!(mismatches[0].rule.as_deref(), Some("integer"), "{category}");
    }
}

#[test]
fn metadata_is_held_against_its_rules() {
    let expected = message(json!({
        "contents": { "content": "x", "contentType": "text/plain" }, "metadata": { "queue": "q-1", "ttl": 5 },
        "matchingRules": { "metadata": { "queue": { "matchers": [{ "match": "regex", "regex": "q-\\d" }] } } },
    }));
    let actual = |queue: &str, ttl: u8| {
        message(json!({ "contents": { "content": "x", "contentType": "text/plain" },
            "metadata": { "queue": queue, "ttl": ttl, "more": 1 } }))
    };
    assert_eq!(matching::message(&expected, &actual("q-2", 5), Specification::V4), []);
    let mismatches = matching::message(&expected, &actual("r", 6), Specification::V4);
    let paths: Vec<_> = mismatches.iter().map(|mismatch| (mismatch.part, mismatch.path.as_str())).collect();
    assert_eq!(paths, [(Part::Metadata, "queue"), (Part::Metadata, "ttl")]);
    assert_eq!(mismatches[0].rule.as_deref(), Some("regex \"q-\\d\""));
}

#[test]
fn the_frame_of_a_schema_registry_is_no_part_of_the_contents() {
    let content_type = "application/vnd.schemaregistry.v1+json";
    let expected = message(json!({ "contents": { "content": { "a": 1 }, "contentType": content_type } }));
    let mut actual = expected.clone();
    let framed = |contents: &[u8]| [&[0, 0, 0, 0, 7], contents].concat();
    actual.contents = pact_models::bodies::OptionalBody::Present(
        framed(br#"{"a": 1}"#).into(),
        Some(content_type.into()),
        None,
    );
    assert_eq!(matching::message(&expected, &actual, Specification::V4), []);
    actual.contents = pact_models::bodies::OptionalBody::Present(
        framed(br#"{"a": 2}"#).into(),
        Some(content_type.into()),
        None,
    );
    assert_eq!(matching::message(&expected, &actual, Specification::V4).len(), 1);
}

#[test]
fn in_xml_rules_speak_of_elements_by_name_and_of_their_text() {
    let expected = response(json!({
        "body": xml("<orders><order id='1'><state>new</state></order></orders>"),
        "matchingRules": { "body": {
            "$.orders": { "matchers": [{ "match": "type" }] },
            "$.orders.order": { "matchers": [{ "match": "type" }] },
            "$.orders.order[*]['@id']": { "matchers": [{ "match": "regex", "regex": "\\d+" }] },
            "$.orders.order[*].state": { "matchers": [{ "match": "regex", "regex": "new|paid" }] } } },
    }));
    let good =
        "<orders><order id='2'><state>paid</state></order><order id='3'><state>new</state></order></orders>";
    assert_eq!(matching::response(&expected, &response(json!({ "body": xml(good) })), Specification::V4), []);
    let bad =
        "<orders><order id='x'><state>paid</state></order><order id='3'><state>lost</state></order></orders>";
    let mismatches = matching::response(&expected, &response(json!({ "body": xml(bad) })), Specification::V4);
    let told: Vec<_> = mismatches
        .iter()
        .map(|mismatch| (mismatch.path.as_str(), mismatch.rule.as_deref().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("$.orders.order.state['#text']", "regex \"new|paid\""),
            ("$.orders.order['@id']", "regex \"\\d+\"")
        ]
    );
}
