//! Consumers of messages.

use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use pact_models::content_types::ContentType;
use seaworthy_contracts::consumer::Pact;
use seaworthy_contracts::generate;
use seaworthy_contracts::model::{Contents, MessageContents};
use seaworthy_contracts::write::Mode;
use seaworthy_contracts::{consumer::Received, document};
use serde_json::Value;

use super::consuming::assert_document;
use super::fixtures::{Row, body, cell, generators, json_of, ordinal, row, rows, rules, unescaped, value_of};
use super::generating::{assert_kind, at};
use super::world::{Suite, message};

/// A message that a body makes: its content type goes into the metadata.
pub(crate) fn message_of(text: &str) -> MessageContents {
    let mut message = MessageContents::default();
    fill(&mut message, text);
    message
}

fn fill(message: &mut MessageContents, text: &str) {
    let (contents, content_type) = body(text);
    message.contents = contents;
    let content_type = content_type.unwrap_or_else(|| "text/plain".into());
    message.contents.set_content_type(&content_type);
    message.metadata.insert("contentType".to_owned(), Value::from(content_type.to_string()));
}

/// Changes a message as a row says.
pub(crate) fn change(message: &mut MessageContents, row: &Row) {
    if let Some(text) = cell(row, "body") {
        fill(message, text);
    }
    if let Some(text) = cell(row, "generators") {
        message.generators = generators(text);
    }
    if let Some(text) = cell(row, "matching rules") {
        message.matching_rules = rules(text);
    }
    if let Some(text) = cell(row, "metadata") {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(metadata)) => message.metadata.extend(metadata),
            _ => message.metadata.extend(text.split(';').map(|pair| {
                let (key, value) = pair.trim().split_once('=').unwrap();
                (key.to_owned(), value_of(value))
            })),
        }
    }
}

/// The metadata of a table with the columns `key` and `value`.
pub(crate) fn metadata(step: &Step) -> impl Iterator<Item = (String, Value)> {
    rows(step).into_iter().map(|row| (row["key"].clone(), value_of(&row["value"])))
}

/// What is being declared: the message, or the request of a synchronous one.
fn declared(suite: &mut Suite) -> &mut MessageContents {
    match &mut suite.last().contents {
        Contents::Message(message) => message,
        Contents::SynchronousMessage { request, .. } => request,
        Contents::Http { .. } => panic!("it is no message"),
    }
}

#[given("a message integration is being defined for a consumer test")]
fn a_message_is_being_defined(suite: &mut Suite) {
    suite.declared.push(message("a message", MessageContents::default()));
}

#[given("a message is defined")]
fn a_message_is_defined(_suite: &mut Suite) {
    // It is being defined already.
}

#[given(regex = r#"^the message (?:request )?payload contains the "(.*)" JSON document$"#)]
fn the_payload_is(suite: &mut Suite, name: String) {
    fill(declared(suite), &format!("file: {name}.json"));
}

#[given(expr = "the message response payload contains the {string} document")]
fn a_response_is(suite: &mut Suite, text: String) {
    responses(suite).push(message_of(&text));
}

fn responses(suite: &mut Suite) -> &mut Vec<MessageContents> {
    match &mut suite.last().contents {
        Contents::SynchronousMessage { responses, .. } => responses,
        _ => panic!("it has no responses"),
    }
}

#[given(regex = r"^the message(?: request)? is configured with the following:$")]
fn the_message_is_configured(suite: &mut Suite, step: &Step) {
    change(declared(suite), &row(step));
}

#[given("the message response is configured with the following:")]
fn the_response_is_configured(suite: &mut Suite, step: &Step) {
    let mut message = MessageContents::default();
    change(&mut message, &row(step));
    responses(suite).push(message);
}

#[given(regex = r"^the message(?: request)? contains the following metadata:$")]
fn the_metadata_is(suite: &mut Suite, step: &Step) {
    declared(suite).metadata.extend(metadata(step));
}

#[when("the message is successfully processed")]
async fn the_message_is_processed(suite: &mut Suite) {
    process(suite, None).await;
}

#[when(expr = "the message is NOT successfully processed with a {string} exception")]
async fn the_message_is_not_processed(suite: &mut Suite, error: String) {
    process(suite, Some(error)).await;
}

async fn process(suite: &mut Suite, error: Option<String>) {
    let mut pact = Pact::new("c", "p").specification(suite.version).mode(Mode::Merge);
    let declared = suite.last().clone();
    pact.add(declared.clone());
    let mut received = Vec::new();
    match &declared.contents {
        Contents::Message(_) => {
            let handled = pact
                .consume(&declared.description, async |message: Received| {
                    received.push(message);
                    error.map_or(Ok(()), Err)
                })
                .await;
            suite.failure = handled.err().map(|error| error.to_string());
        }
        Contents::SynchronousMessage { request, responses } => {
            let values = generate::StateValues::new();
            for message in std::iter::once(request.as_ref()).chain(responses) {
                received.push(generate::message(message, &values).unwrap().into());
            }
            pact.exercised(declared.description.as_str());
        }
        Contents::Http { .. } => panic!("it is no message"),
    }
    suite.received = received;
    suite.written = pact.finish(suite.folder.path()).ok().map(|file| document::read(&file).unwrap());
}

#[then("the consumer test will have passed")]
fn it_passed(suite: &mut Suite) {
    assert_eq!(suite.failure, None);
}

#[then("the consumer test will have failed")]
fn it_failed(suite: &mut Suite) {
    assert!(suite.failure.is_some());
}

#[then(expr = "the consumer test error will be {string}")]
fn it_failed_with(suite: &mut Suite, error: String) {
    let failure = suite.failure.as_ref().unwrap();
    assert!(failure.contains(&error), "{failure}");
}

#[then("a Pact file for the message interaction will have been written")]
fn it_is_written(suite: &mut Suite) {
    assert_eq!(suite.written.as_ref().unwrap().specification, suite.version);
}

#[then("a Pact file for the message interaction will NOT have been written")]
fn it_is_not_written(suite: &mut Suite) {
    assert!(suite.written.is_none());
    assert_eq!(std::fs::read_dir(suite.folder.path()).unwrap().count(), 0);
}

/// What was received last: of a synchronous message, its response.
fn last(suite: &Suite) -> &Received {
    suite.received.last().unwrap()
}

#[then(expr = "the received message payload will contain the {string} JSON document")]
fn the_received_is(suite: &mut Suite, name: String) {
    assert_document(Some(last(suite).contents.clone()), &format!("{name}.json"));
}

#[then(expr = "the received message payload will contain the {string} document")]
fn the_received_document_is(suite: &mut Suite, name: String) {
    assert_document(Some(last(suite).contents.clone()), &name);
}

#[then(expr = "the received message content type will be {string}")]
fn the_received_content_type_is(suite: &mut Suite, content_type: String) {
    let found = last(suite).metadata["contentType"].as_str().unwrap();
    assert_eq!(ContentType::parse(found).unwrap().to_string(), content_type);
}

#[then(regex = r#"^the received message (?:(request|response) )?metadata will contain "([^"]*)" == "(.*)"$"#)]
fn the_received_metadata_is(suite: &mut Suite, which: String, key: String, value: String) {
    assert_eq!(received(suite, &which).metadata[&key], value_of(&value));
}

#[then(
    regex = r#"^the received message (?:(request|response) )?metadata will contain "([^"]*)" replaced with an? "(.*)"$"#
)]
fn the_received_metadata_is_new(suite: &mut Suite, which: String, key: String, kind: String) {
    assert_kind(&received(suite, &which).metadata[&key], &kind);
}

#[then(
    regex = r#"^the message (?:(request|response) )?contents for "(.*)" will have been replaced with an? "(.*)"$"#
)]
fn the_contents_are_new(suite: &mut Suite, which: String, path: String, kind: String) {
    assert_kind(&at(&received(suite, &which).contents, &path), &kind);
}

fn received<'a>(suite: &'a Suite, which: &str) -> &'a Received {
    if which == "response" { last(suite) } else { &suite.received[0] }
}

/// A message of the contract that was written: itself, or the request of a synchronous one, with its responses.
fn written<'a>(suite: &'a Suite, number: &str) -> (&'a MessageContents, &'a [MessageContents]) {
    match &suite.written(ordinal(number)).contents {
        Contents::Message(message) => (message, &[]),
        Contents::SynchronousMessage { request, responses } => (request, responses),
        Contents::Http { .. } => panic!("it is no message"),
    }
}

#[then(
    regex = r#"^the (\w+) (?:message|interaction) in the pact file will contain the "(.*)" document(?: as the request)?$"#
)]
fn the_written_contents_are(suite: &mut Suite, number: String, name: String) {
    assert_document(written(suite, &number).0.contents.value(), &name);
}

#[then(
    regex = r#"^the (\w+) interaction in the pact file will contain the "(.*)" document as (?:a|the (\w+)) response(?: message)?$"#
)]
fn a_written_response_is(suite: &mut Suite, number: String, name: String, which: String) {
    let which = if which.is_empty() { 0 } else { ordinal(&which) };
    assert_document(written(suite, &number).1[which].contents.value(), &name);
}

#[then(expr = "the {word} interaction in the pact file will contain {int} response message(s)")]
fn responses_are_written(suite: &mut Suite, number: String, count: usize) {
    assert_eq!(written(suite, &number).1.len(), count);
}

#[then(
    regex = r#"^the (\w+) (?:message|interaction) in the pact file (?:(request|response) )?content type will be "(.*)"$"#
)]
fn the_written_content_type_is(suite: &mut Suite, number: String, which: String, content_type: String) {
    let (message, responses) = written(suite, &number);
    let message = if which == "response" { &responses[0] } else { message };
    assert_eq!(message.message_content_type().unwrap().to_string(), content_type);
}

#[then(
    regex = r#"^the (\w+) message in the pact file will contain the (?:request )?message metadata "([^"]*)" == "(.*)"$"#
)]
fn the_written_metadata_is(suite: &mut Suite, number: String, key: String, value: String) {
    let value = if value.starts_with("JSON:") { json_of(&value) } else { Value::from(unescaped(&value)) };
    assert_eq!(written(suite, &number).0.metadata[&key], value);
}
