//! Generators applied to requests and responses.

use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use regex::Regex;
use seaworthy_contracts::generate;
use serde_json::Value;

use super::fixtures::{change_request, change_response, row};
use super::world::Suite;

#[given("a request configured with the following generators:")]
fn a_request(suite: &mut Suite, step: &Step) {
    change_request(&mut suite.expected_request, &row(step));
}

#[given("a response configured with the following generators:")]
fn a_response(suite: &mut Suite, step: &Step) {
    change_response(&mut suite.expected_response, &row(step));
}

#[given(expr = "the generator test mode is set as {string}")]
fn the_mode(_suite: &mut Suite, mode: String) {
    // Which generators apply follows from what the context gives.
    assert!(["Provider", "Consumer"].contains(&mode.as_str()));
}

#[when("the request is prepared for use")]
fn the_request_is_made(suite: &mut Suite) {
    suite.made_request = generate::request_in(&suite.expected_request, &suite.context).unwrap();
}

#[when(expr = "the request is prepared for use with a {string} context:")]
fn the_request_is_made_with(suite: &mut Suite, step: &Step, kind: String) {
    let table = step.table.as_ref().unwrap();
    let context: Value = serde_json::from_str(&table.rows[0][0]).unwrap();
    match kind.as_str() {
        "providerState" => suite.context.values = context.as_object().unwrap().clone().into_iter().collect(),
        "mockServer" => suite.context.mock_server_url = Some(context["href"].as_str().unwrap().to_owned()),
        other => panic!("context {other}"),
    }
    the_request_is_made(suite);
}

#[when("the response is prepared for use")]
fn the_response_is_made(suite: &mut Suite) {
    suite.made_response = generate::response(&suite.expected_response, &suite.context).unwrap();
}

#[then(expr = "the body value for {string} will have been replaced with a(n) {string}")]
fn the_body_is_new(suite: &mut Suite, path: String, kind: String) {
    let made = if suite.made_request.body.is_present() {
        &suite.made_request.body
    } else {
        &suite.made_response.body
    };
    let made = at(&made.value().unwrap(), &path);
    assert_ne!(made, Value::from("a"), "the example stayed");
    assert_kind(&made, &kind);
}

#[then(expr = "the body value for {string} will have been replaced with {string}")]
fn the_body_is(suite: &mut Suite, path: String, value: String) {
    let made = at(&suite.made_request.body.value().unwrap(), &path);
    assert_eq!(text(&made), value);
}

#[then(expr = "the request {string} will be set as {string}")]
fn the_request_part_is(suite: &mut Suite, part: String, value: String) {
    assert_eq!(request_part(suite, &part), value);
}

#[then(expr = "the request {string} will match {string}")]
fn the_request_part_matches(suite: &mut Suite, part: String, regex: String) {
    assert_matches(&request_part(suite, &part), &regex);
}

#[then(expr = "the response {string} will match {string}")]
fn the_response_part_matches(suite: &mut Suite, part: String, regex: String) {
    assert_matches(&response_part(suite, &part), &regex);
}

#[then(expr = "the response {string} will not be {string}")]
fn the_response_part_is_not(suite: &mut Suite, part: String, value: String) {
    assert_ne!(response_part(suite, &part), value);
}

fn request_part(suite: &Suite, part: &str) -> String {
    let request = &suite.made_request;
    match part.split_once('[').map_or((part, ""), |(part, name)| (part, name.trim_end_matches(']'))) {
        ("path", _) => request.path.clone(),
        ("method", _) => request.method.clone(),
        ("header", name) => request.headers.as_ref().unwrap()[name].join(", "),
        ("queryParameter", name) => request.query.as_ref().unwrap()[name][0].clone().unwrap(),
        (other, _) => panic!("part {other}"),
    }
}

fn response_part(suite: &Suite, part: &str) -> String {
    let response = &suite.made_response;
    match part.split_once('[').map_or((part, ""), |(part, name)| (part, name.trim_end_matches(']'))) {
        ("status", _) => response.status.to_string(),
        ("header", name) => response.headers.as_ref().unwrap()[name].join(", "),
        (other, _) => panic!("part {other}"),
    }
}

/// The value in a JSON document at a path like `$.one`.
pub(crate) fn at(document: &[u8], path: &str) -> Value {
    let document: Value = serde_json::from_slice(document).unwrap();
    document.pointer(&path.trim_start_matches('$').replace('.', "/")).cloned().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn assert_matches(value: &str, regex: &str) {
    assert!(Regex::new(&format!("^(?:{regex})$")).unwrap().is_match(value), "{value} against {regex}");
}

/// Checks that a value is of a kind that the features name.
pub(crate) fn assert_kind(value: &Value, kind: &str) {
    let hex = "[0-9a-f]";
    let hyphenated = format!("{hex}{{8}}-{hex}{{4}}-{hex}{{4}}-{hex}{{4}}-{hex}{{12}}");
    let regex = match kind {
        "integer" => r"-?\d+".to_owned(),
        "decimal number" => r"-?\d+\.\d+".to_owned(),
        "hexadecimal number" => "[0-9a-fA-F]{6}".to_owned(),
        "random string" => ".{6}".to_owned(),
        "string from the regex" => r"\d{1,8}".to_owned(),
        "date" => r"\d{4}-\d{2}-\d{2}".to_owned(),
        "time" => r"\d{2}:\d{2}:\d{2}".to_owned(),
        "date-time" => r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?([+-]\d{2}:?\d{2}|Z)?".to_owned(),
        "UUID" | "lower-case-hyphenated UUID" => hyphenated,
        "upper-case-hyphenated UUID" => hyphenated.replace("a-f", "A-F"),
        "simple UUID" => format!("{hex}{{32}}"),
        "URN UUID" => format!("urn:uuid:{hyphenated}"),
        "boolean" => "true|false".to_owned(),
        other => panic!("kind {other}"),
    };
    assert_matches(&text(value), &regex);
}
