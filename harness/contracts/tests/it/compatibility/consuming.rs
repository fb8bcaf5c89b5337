//! Consumers over HTTP: their mock, what it says in the end, and the contract that is written.

use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use regex::Regex;
use seaworthy_contracts::consumer::Pact;
use seaworthy_contracts::document::{self, query};
use seaworthy_contracts::mismatch::{Mismatch, Part};
use seaworthy_contracts::model::{Contents, HttpRequest, HttpResponse, Interaction, MessageContents};
use seaworthy_contracts::write::Mode;
use serde_json::{Value, json};

use super::fixtures::{bytes, cell, change_request, change_response, json_of, ordinal, row, rows, unescaped};
use super::matching::{assert_some, is, says};
use super::world::{Suite, http, interaction, message, state};

#[given("the following HTTP interactions have been defined:")]
fn interactions_are_defined(suite: &mut Suite, step: &Step) {
    for mut row in rows(step) {
        let response_rules = row.remove("response matching rules");
        let mut request = HttpRequest::default();
        change_request(&mut request, &row);
        // What is not said of the response must not be taken from the request.
        row.retain(|name, _| name.starts_with("response"));
        let mut response = HttpResponse::default();
        row.extend(response_rules.map(|rules| ("matching rules".to_owned(), rules)));
        change_response(&mut response, &row);
        suite.interactions.push((request, response));
    }
}

#[when(expr = "the mock server is started with interaction {int}")]
async fn the_mock_is_started(suite: &mut Suite, number: usize) {
    start(suite, vec![http(&format!("interaction {number}"), suite.interaction(number))]).await;
}

#[when(expr = "the mock server is started with interactions {string}")]
async fn the_mock_is_started_with_several(suite: &mut Suite, numbers: String) {
    let numbers = numbers.split(',').map(|number| number.trim().parse::<usize>().unwrap());
    let interactions =
        numbers.map(|number| http(&format!("interaction {number}"), suite.interaction(number))).collect();
    start(suite, interactions).await;
}

#[when(expr = "the mock server is started with interaction {int} but with the following changes:")]
async fn the_mock_is_started_with_changes(suite: &mut Suite, step: &Step, number: usize) {
    let (mut request, mut response) = suite.interaction(number).clone();
    let row = row(step);
    change_request(&mut request, &row);
    change_response(
        &mut response,
        &row.into_iter().filter(|(name, _)| name.starts_with("response")).collect(),
    );
    start(suite, vec![http(&format!("interaction {number}"), &(request, response))]).await;
}

async fn start(suite: &mut Suite, interactions: Vec<Interaction>) {
    suite.mock = Some(pact(suite, interactions).serve().await.unwrap());
}

fn pact(suite: &Suite, interactions: Vec<Interaction>) -> Pact {
    let mut pact = Pact::new("c", "p").specification(suite.version).mode(Mode::Merge);
    for interaction in interactions {
        pact.add(interaction);
    }
    pact
}

#[when(expr = "request {int} is made to the mock server")]
async fn a_request_is_made(suite: &mut Suite, number: usize) {
    let request = suite.interaction(number).0.clone();
    send(suite, &request).await;
}

#[when(expr = "request {int} is made to the mock server with the following changes:")]
async fn a_changed_request_is_made(suite: &mut Suite, step: &Step, number: usize) {
    let mut request = suite.interaction(number).0.clone();
    change_request(&mut request, &row(step));
    send(suite, &request).await;
}

async fn send(suite: &mut Suite, request: &HttpRequest) {
    // Another scenario may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let query = request.query.as_ref().map_or(String::new(), |query| format!("?{}", query::to_text(query)));
    let url = format!("{}{}{query}", suite.mock.as_ref().unwrap().url(), request.path);
    let mut call = reqwest::Client::new().request(request.method.parse().unwrap(), url);
    for (name, values) in request.headers.iter().flatten() {
        call = values.iter().fold(call, |call, value| call.header(name, value));
    }
    let answer = call.body(request.body.value().unwrap_or_default()).send().await.unwrap();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    suite.answer = Some((answer.status().as_u16(), headers, answer.bytes().await.unwrap()));
    suite.report = suite.mock.as_ref().unwrap().report();
}

#[then(expr = "a {int} success response is returned")]
#[then(expr = "a {int} error response is returned")]
fn the_status_is(suite: &mut Suite, status: u16) {
    assert_eq!(suite.answer.as_ref().unwrap().0, status, "{:#?}", suite.report);
}

#[then(expr = "the payload will contain the {string} JSON document")]
fn the_payload_is(suite: &mut Suite, name: String) {
    assert_eq!(suite.answer.as_ref().unwrap().2, bytes(&format!("{name}.json")));
}

#[then(expr = "the content type will be set as {string}")]
fn the_content_type_is(suite: &mut Suite, content_type: String) {
    let headers = &suite.answer.as_ref().unwrap().1;
    assert!(headers.contains(&("content-type".to_owned(), content_type)), "{headers:?}");
}

#[when("the pact test is done")]
fn the_test_is_done(suite: &mut Suite) {
    let mock = suite.mock.take().unwrap();
    suite.report = mock.report();
    suite.written = mock.finish(suite.folder.path()).ok().map(|file| document::read(&file).unwrap());
}

#[then("the mock server status will be OK")]
fn the_mock_is_content(suite: &mut Suite) {
    assert_eq!(suite.report, None);
}

#[then("the mock server status will NOT be OK")]
fn the_mock_is_not_content(suite: &mut Suite) {
    assert!(suite.report.is_some());
}

#[then("the mock server status will be mismatches")]
fn the_mock_has_mismatches(suite: &mut Suite) {
    assert!(!nearest(suite).is_empty(), "{:#?}", suite.report);
}

fn nearest(suite: &Suite) -> Vec<Mismatch> {
    let unmatched = suite.report.iter().flat_map(|report| &report.unmatched);
    unmatched
        .flat_map(|unmatched| &unmatched.nearest)
        .flat_map(|nearest| nearest.mismatches.clone())
        .collect()
}

#[then(expr = "the mismatches will contain a {string} mismatch with error {string}")]
fn a_mismatch_is_told(suite: &mut Suite, kind: String, error: String) {
    assert_some(&nearest(suite), |mismatch| is(mismatch, &kind) && says(mismatch, &error));
}

#[then(expr = "the mismatches will contain a {string} mismatch with path {string} with error {string}")]
fn a_mismatch_at_a_path_is_told(suite: &mut Suite, kind: String, path: String, error: String) {
    assert_some(&nearest(suite), |mismatch| {
        let path = if mismatch.part == Part::Path { "" } else { &path };
        is(mismatch, &kind) && mismatch.path == path && says(mismatch, &error)
    });
}

#[then(
    regex = r"^the mock server status will be an expected but not received error for interaction \{(\d+)\}$"
)]
fn an_interaction_is_unused(suite: &mut Suite, number: usize) {
    let report = suite.report.as_ref().unwrap();
    assert!(report.unused.iter().any(|unused| unused.name == format!("interaction {number}")), "{report:#?}");
}

#[then(
    regex = r#"^the mock server status will be an unexpected "(\w+)" request received error for interaction \{(\d+)\}$"#
)]
fn a_request_of_an_interaction_is_unexpected(suite: &mut Suite, method: String, number: usize) {
    let path = suite.interaction(number).0.path.clone();
    a_request_is_unexpected(suite, method, path);
}

#[then(
    expr = "the mock server status will be an unexpected {string} request received error for path {string}"
)]
fn a_request_is_unexpected(suite: &mut Suite, method: String, path: String) {
    let report = suite.report.as_ref().unwrap();
    let line = Regex::new(&format!(r"^curl -X {method} '\$PROVIDER{}[?']", regex::escape(&path))).unwrap();
    assert!(report.unmatched.iter().any(|unmatched| line.is_match(&unmatched.request)), "{report:#?}");
}

#[then(expr = "the mock server will write out a Pact file for the interaction(s) when done")]
fn a_pact_is_written(suite: &mut Suite) {
    assert_eq!(suite.written.as_ref().unwrap().specification, suite.version);
}

#[then(expr = "the mock server will NOT write out a Pact file for the interaction(s) when done")]
fn no_pact_is_written(suite: &mut Suite) {
    assert!(suite.written.is_none());
    assert_eq!(std::fs::read_dir(suite.folder.path()).unwrap().count(), 0);
}

#[then(regex = r"^the pact file will contain \{?(\d+)\}? (?:message )?interactions?$")]
fn the_pact_has_interactions(suite: &mut Suite, count: usize) {
    assert_eq!(suite.written.as_ref().unwrap().interactions.len(), count);
}

fn parts<'a>(suite: &'a Suite, number: &str) -> (&'a HttpRequest, &'a HttpResponse) {
    match &suite.written(ordinal(number)).contents {
        Contents::Http { request, response } => (request, response),
        other => panic!("no HTTP: {other:?}"),
    }
}

#[then(regex = r#"^the \{(\w+)\} interaction request will be for a "(\w+)"$"#)]
fn the_method_is(suite: &mut Suite, number: String, method: String) {
    assert_eq!(parts(suite, &number).0.method, method);
}

#[then(regex = r#"^the \{(\w+)\} interaction request query parameters will be "(.*)"$"#)]
fn the_query_is(suite: &mut Suite, number: String, text: String) {
    assert_eq!(parts(suite, &number).0.query, query::parse(&text));
}

#[then(regex = r#"^the \{(\w+)\} interaction request will contain the header "(.*)" with value "(.*)"$"#)]
fn the_header_is(suite: &mut Suite, number: String, name: String, value: String) {
    let headers = parts(suite, &number).0.headers.clone().unwrap_or_default();
    let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
    assert_eq!(found.map(|(_, values)| values.join(", ")), Some(value));
}

#[then(regex = r#"^the \{(\w+)\} interaction request content type will be "(.*)"$"#)]
fn the_written_content_type_is(suite: &mut Suite, number: String, content_type: String) {
    assert_eq!(parts(suite, &number).0.content_type().unwrap().to_string(), content_type);
}

#[then(regex = r#"^the \{(\w+)\} interaction request will contain the "(.*)" document$"#)]
fn the_request_holds(suite: &mut Suite, number: String, name: String) {
    assert_document(parts(suite, &number).0.body.value(), &name);
}

#[then(regex = r#"^the \{(\w+)\} interaction response will contain the "(.*)" document$"#)]
fn the_response_holds(suite: &mut Suite, number: String, name: String) {
    assert_document(parts(suite, &number).1.body.value(), &name);
}

/// Checks that a body is a fixture (`basic.json`, `file: xml-body.xml`).
pub(crate) fn assert_document(body: Option<bytes::Bytes>, name: &str) {
    let body = body.expect("there is a body");
    let name = name.trim_start_matches("file:").trim();
    if name.ends_with(".json") {
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json_of(name));
    } else {
        assert_eq!(Some(body), super::fixtures::body(&format!("file: {name}")).0.value());
    }
}

#[given("an integration is being defined for a consumer test")]
#[given("an HTTP interaction is being defined for a consumer test")]
fn an_interaction_is_defined(suite: &mut Suite) {
    suite.declared.push(http("an interaction", &(HttpRequest::default(), HttpResponse::default())));
}

#[given("a message interaction is being defined for a consumer test")]
fn a_message_is_declared(suite: &mut Suite) {
    suite.declared.push(message("a message", MessageContents::default()));
}

#[given("a synchronous message interaction is being defined for a consumer test")]
fn a_synchronous_message_is_declared(suite: &mut Suite) {
    let contents = Contents::SynchronousMessage { request: Box::default(), responses: Vec::new() };
    suite.declared.push(interaction("a synchronous message", contents));
}

#[given(regex = r#"^a key of "(.*)" is specified for the .*interaction$"#)]
fn a_key_is_given(suite: &mut Suite, key: String) {
    suite.last().key = Some(key);
}

#[given(regex = r"^the .*interaction is marked as pending$")]
fn it_is_pending(suite: &mut Suite) {
    suite.last().pending = true;
}

#[given(regex = r#"^a comment "(.*)" is added to the .*interaction$"#)]
fn a_comment_is_added(suite: &mut Suite, comment: String) {
    suite.last().comments.insert("text".to_owned(), json!(comment));
}

#[given(regex = r#"^a provider state "([^"]*)"(?: for the (?:synchronous )?message)? is specified$"#)]
fn a_state_is_given(suite: &mut Suite, name: String) {
    suite.last().states.push(state(&name, []));
}

#[given(
    regex = r#"^a provider state "([^"]*)"(?: for the (?:synchronous )?message)? is specified with the following data:$"#
)]
fn a_state_with_data_is_given(suite: &mut Suite, step: &Step, name: String) {
    let params = row(step).into_iter().map(|(key, value)| (key, serde_json::from_str(&value).unwrap()));
    suite.last().states.push(state(&name, params));
}

#[when("the Pact file for the test is generated")]
fn the_pact_is_written(suite: &mut Suite) {
    let mut pact = pact(suite, suite.declared.clone());
    for interaction in &suite.declared {
        pact.exercised(interaction.name());
    }
    let file = pact.finish(suite.folder.path()).unwrap();
    suite.written = Some(document::read(&file).unwrap());
}

fn as_json(suite: &Suite) -> Vec<Value> {
    let json = document::to_json(suite.written.as_ref().unwrap());
    json["interactions"].as_array().cloned().unwrap_or_default()
}

#[then(expr = "there will be an interaction in the Pact file with a type of {string}")]
fn a_type_occurs(suite: &mut Suite, kind: String) {
    assert!(as_json(suite).iter().any(|interaction| interaction["type"] == kind.as_str()));
}

#[then(expr = "the {word} interaction in the Pact file will have a type of {string}")]
fn the_type_is(suite: &mut Suite, number: String, kind: String) {
    assert_eq!(as_json(suite)[ordinal(&number)]["type"], kind.as_str());
}

#[then(regex = r#"^the (\w+) interaction in the Pact file will have "(.*)" = '(.*)'$"#)]
fn an_attribute_is(suite: &mut Suite, number: String, key: String, value: String) {
    let value: Value = serde_json::from_str(&unescaped(&value)).unwrap();
    assert_eq!(as_json(suite)[ordinal(&number)][&key], value);
}

#[then(
    regex = r"^the (?:(\w+) )?(?:interaction|message) in the [Pp]act file will contain (\d+) provider states?$"
)]
fn states_are_written(suite: &mut Suite, number: String, count: usize) {
    assert_eq!(one(suite, &number).states.len(), count);
}

#[then(
    regex = r#"^the (?:(\w+) )?(?:interaction|message) in the [Pp]act file will contain provider state "(.*)"$"#
)]
fn a_state_is_written(suite: &mut Suite, number: String, name: String) {
    assert!(one(suite, &number).states.iter().any(|state| state.name == name));
}

#[then(
    regex = r#"^the provider state "(.*)" (?:in the Pact file|for the message) will contain the following parameters:$"#
)]
fn parameters_are_written(suite: &mut Suite, step: &Step, name: String) {
    let row = row(step);
    let wanted: Value = serde_json::from_str(cell(&row, "parameters").unwrap()).unwrap();
    let states = &one(suite, "").states;
    let state = states.iter().find(|state| state.name == name).expect("the state is written");
    assert_eq!(json!(state.params), wanted);
}

fn one<'a>(suite: &'a Suite, number: &str) -> &'a Interaction {
    suite.written(if number.is_empty() { 0 } else { ordinal(number) })
}
