//! Requests and responses held against expected ones.

use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use pact_models::headers::parse_header;
use regex::Regex;
use seaworthy_contracts::matching;
use seaworthy_contracts::mismatch::{Mismatch, Part};
use seaworthy_contracts::model::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::fixtures::{change_request, change_response, row, rows, unescaped};
use super::world::Suite;

#[given("an expected request configured with the following:")]
fn an_expected_request(suite: &mut Suite, step: &Step) {
    change_request(&mut suite.expected_request, &row(step));
}

#[given(expr = "an expected request with a(n) {string} header of {string}")]
fn an_expected_header(suite: &mut Suite, name: String, value: String) {
    let values = parse_header(&name, &value);
    suite.expected_request.headers.get_or_insert_default().insert(name, values);
}

#[given(expr = "a request is received with a(n) {string} header of {string}")]
fn a_header_is_received(suite: &mut Suite, name: String, value: String) {
    let values = parse_header(&name, &value);
    suite.requests.push(HttpRequest { headers: Some([(name, values)].into()), ..HttpRequest::default() });
}

#[given("a request is received with the following:")]
#[given("the following requests are received:")]
fn requests_are_received(suite: &mut Suite, step: &Step) {
    for row in rows(step) {
        let mut request = HttpRequest::default();
        change_request(&mut request, &row);
        suite.requests.push(request);
    }
}

#[given("an expected response configured with the following:")]
fn an_expected_response(suite: &mut Suite, step: &Step) {
    change_response(&mut suite.expected_response, &row(step));
}

#[given(expr = "a status {int} response is received")]
fn a_status_is_received(suite: &mut Suite, status: u16) {
    suite.responses.push(HttpResponse { status, ..HttpResponse::default() });
}

#[when("the request is compared to the expected one")]
#[when("the requests are compared to the expected one")]
fn requests_are_compared(suite: &mut Suite) {
    for request in &suite.requests {
        suite.mismatches.extend(matching::request(&suite.expected_request, request, suite.version));
    }
}

#[when("the response is compared to the expected one")]
fn responses_are_compared(suite: &mut Suite) {
    for response in &suite.responses {
        suite.mismatches.extend(matching::response(&suite.expected_response, response, suite.version));
    }
}

#[then("the comparison should be OK")]
#[then("the response comparison should be OK")]
fn nothing_differs(suite: &mut Suite) {
    assert_eq!(suite.mismatches, []);
}

#[then("the comparison should NOT be OK")]
#[then("the response comparison should NOT be OK")]
fn something_differs(suite: &mut Suite) {
    assert!(!suite.mismatches.is_empty(), "nothing differs");
}

#[then(expr = "the mismatches will contain a mismatch with error {string} -> {string}")]
fn a_mismatch_at_a_path(suite: &mut Suite, path: String, error: String) {
    assert_some(&suite.mismatches, |mismatch| mismatch.path == path && says(mismatch, &error));
}

#[then(expr = "the response mismatches will contain a {string} mismatch with error {string}")]
fn a_mismatch_of_a_response(suite: &mut Suite, kind: String, error: String) {
    assert_some(&suite.mismatches, |mismatch| is(mismatch, &kind) && says(mismatch, &error));
}

/// Whether a mismatch says what a feature wants: as it stands, as a regex, or with an object whose keys stand in
/// another order.
pub(crate) fn says(mismatch: &Mismatch, error: &str) -> bool {
    let error = unescaped(error);
    mismatch.message.contains(&error)
        || Regex::new(&error).is_ok_and(|error| error.is_match(&mismatch.message))
        || with_object(&error).is_some_and(|error| with_object(&mismatch.message) == Some(error))
}

/// A text with an object in it: before, the object, after.
fn with_object(text: &str) -> Option<(&str, Value, &str)> {
    let (begin, end) = (text.find('{')?, text.rfind('}')? + 1);
    Some((&text[..begin], serde_json::from_str(&text[begin..end]).ok()?, &text[end..]))
}

/// Whether a mismatch is of the kind that a feature names.
pub(crate) fn is(mismatch: &Mismatch, kind: &str) -> bool {
    match kind {
        "body-content-type" => mismatch.part == Part::Body && mismatch.path.is_empty(),
        kind => mismatch.part.to_string() == kind,
    }
}

/// Fails with all there are unless one of them is the one.
pub(crate) fn assert_some(mismatches: &[Mismatch], is_the_one: impl Fn(&Mismatch) -> bool) {
    assert!(mismatches.iter().any(is_the_one), "among {mismatches:#?}");
}
