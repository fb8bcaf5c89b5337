//! Providers held to pacts: over HTTP, by their messages, from files and from a broker.

use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use pact_models::matchingrules::Category;
use seaworthy_contracts::broker::Access;
use seaworthy_contracts::document;
use seaworthy_contracts::ledger::{Ledger, ProviderVersion, Selection, Timestamp};
use seaworthy_contracts::mismatch::Part;
use seaworthy_contracts::model::{Contract, Interaction, MessageContents};
use seaworthy_contracts::outcome::{InteractionResult, Outcome, Warning};
use seaworthy_contracts::verify::{self, Options, Provider};
use serde_json::{Value, json};

use super::doubles::Double;
use super::fixtures::{cell, change_response, headers, row, rows, unescaped};
use super::messages::{change, message_of, metadata};
use super::world::{Suite, contract, http, message, state};

#[given(expr = "a provider is started that returns the response from interaction {int}")]
async fn a_provider(suite: &mut Suite, number: usize) {
    let interactions = vec![suite.interaction(number).clone()];
    suite.provider = Some(Double::provider(interactions, suite.version).await);
}

#[given(expr = "a provider is started that returns the responses from interactions {string}")]
async fn a_provider_of_several(suite: &mut Suite, numbers: String) {
    let numbers = numbers.split(',').map(|number| number.trim().parse::<usize>().unwrap());
    let interactions = numbers.map(|number| suite.interaction(number).clone()).collect();
    suite.provider = Some(Double::provider(interactions, suite.version).await);
}

#[given(
    expr = "a provider is started that returns the response from interaction {int}, with the following changes:"
)]
async fn a_changed_provider(suite: &mut Suite, step: &Step, number: usize) {
    let (request, mut response) = suite.interaction(number).clone();
    change_response(&mut response, &row(step));
    suite.provider = Some(Double::provider(vec![(request, response)], suite.version).await);
}

#[given(regex = r#"^a provider is started that can generate the "([^"]*)" message with "(.*)"$"#)]
fn a_message_provider(suite: &mut Suite, name: String, contents: String) {
    suite.messages.insert(name, message_of(&unescaped(&contents)));
}

#[given(
    regex = r#"^a provider is started that can generate the "([^"]*)" message with "(.*)" and the following metadata:$"#
)]
fn a_message_provider_with_metadata(suite: &mut Suite, step: &Step, name: String, contents: String) {
    let mut message = message_of(&unescaped(&contents));
    message.metadata.extend(metadata(step));
    suite.messages.insert(name, message);
}

/// Pacts are taken through their file form, as from another tool.
fn to_verify(suite: &mut Suite, consumer: &str, interaction: Interaction) -> Contract {
    let written = document::to_text(&contract(consumer, suite.version, vec![interaction]));
    document::parse(&format!("{consumer}-p.json"), written.as_bytes()).unwrap()
}

fn http_pact(suite: &mut Suite, number: usize, change: impl FnOnce(&mut Interaction)) {
    let mut interaction = http(&format!("interaction {number}"), suite.interaction(number));
    change(&mut interaction);
    let contract = to_verify(suite, &format!("c_{number}"), interaction);
    suite.contracts.push(contract);
}

fn message_pact(
    suite: &mut Suite,
    name: &str,
    contents: MessageContents,
    change: impl FnOnce(&mut Interaction),
) {
    let mut interaction = message(name, contents);
    change(&mut interaction);
    let contract = to_verify(suite, "c", interaction);
    suite.contracts.push(contract);
}

#[given(expr = "a Pact file for interaction {int} is to be verified")]
fn a_pact(suite: &mut Suite, number: usize) {
    http_pact(suite, number, |_| {});
}

#[given(expr = "a Pact file for interaction {int} is to be verified with a provider state {string} defined")]
fn a_pact_with_a_state(suite: &mut Suite, number: usize, name: String) {
    http_pact(suite, number, |interaction| interaction.states.push(state(&name, [])));
}

#[given(
    expr = "a Pact file for interaction {int} is to be verified with the following provider states defined:"
)]
fn a_pact_with_states(suite: &mut Suite, step: &Step, number: usize) {
    http_pact(suite, number, |interaction| {
        for row in rows(step) {
            let params: Value = serde_json::from_str(cell(&row, "Parameters").unwrap_or("{}")).unwrap();
            interaction.states.push(state(&row["State Name"], params.as_object().unwrap().clone()));
        }
    });
}

#[given(expr = "a Pact file for interaction {int} is to be verified, but is marked pending")]
fn a_pending_pact(suite: &mut Suite, number: usize) {
    http_pact(suite, number, |interaction| interaction.pending = true);
}

#[given(expr = "a Pact file for interaction {int} is to be verified with the following comments:")]
fn a_pact_with_comments(suite: &mut Suite, step: &Step, number: usize) {
    http_pact(suite, number, |interaction| add_comments(interaction, step));
}

fn add_comments(interaction: &mut Interaction, step: &Step) {
    let mut lines = Vec::new();
    for row in rows(step) {
        match row["type"].as_str() {
            "text" => lines.push(row["comment"].clone()),
            kind => drop(interaction.comments.insert(kind.to_owned(), json!(row["comment"]))),
        }
    }
    interaction.comments.insert("text".to_owned(), json!(lines));
}

#[given(regex = r#"^a Pact file for "([^"]*)":"([^"]*)" is to be verified$"#)]
fn a_message_pact(suite: &mut Suite, name: String, contents: String) {
    message_pact(suite, &name, message_of(&contents), |_| {});
}

#[given(regex = r#"^a Pact file for "([^"]*)":"([^"]*)" is to be verified with provider state "([^"]*)"$"#)]
fn a_message_pact_with_a_state(suite: &mut Suite, name: String, contents: String, given: String) {
    message_pact(suite, &name, message_of(&contents), |message| message.states.push(state(&given, [])));
}

#[given(regex = r#"^a Pact file for "([^"]*)":"([^"]*)" is to be verified with the following metadata:$"#)]
fn a_message_pact_with_metadata(suite: &mut Suite, step: &Step, name: String, contents: String) {
    let mut message = message_of(&contents);
    message.metadata.extend(metadata(step));
    message_pact(suite, &name, message, |_| {});
}

#[given(regex = r#"^a Pact file for "([^"]*)":"([^"]*)" is to be verified, but is marked pending$"#)]
fn a_pending_message_pact(suite: &mut Suite, name: String, contents: String) {
    message_pact(suite, &name, message_of(&contents), |message| message.pending = true);
}

#[given(regex = r#"^a Pact file for "([^"]*)":"([^"]*)" is to be verified with the following comments:$"#)]
fn a_message_pact_with_comments(suite: &mut Suite, step: &Step, name: String, contents: String) {
    message_pact(suite, &name, message_of(&contents), |message| add_comments(message, step));
}

#[given(regex = r#"^a Pact file for "([^"]*)" is to be verified with the following:$"#)]
fn a_message_pact_with(suite: &mut Suite, step: &Step, name: String) {
    // This table stands on its side: each row is a name and a value.
    let table = &step.table.as_ref().unwrap().rows;
    let row = table.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let mut message = MessageContents::default();
    change(&mut message, &row);
    message.matching_rules = message.matching_rules.rename(Category::BODY, Category::CONTENTS);
    message_pact(suite, &name, message, |_| {});
}

#[given(expr = "a Pact file for interaction {int} is to be verified from a Pact broker")]
async fn a_pact_of_a_broker(suite: &mut Suite, number: usize) {
    let interaction = http(&format!("interaction {number}"), suite.interaction(number));
    let contract = to_verify(suite, &format!("c_{number}"), interaction);
    suite.brokers.push(Double::broker(&format!("pact-broker_c{number}.json"), &contract).await);
}

#[given("publishing of verification results is enabled")]
fn results_are_published(suite: &mut Suite) {
    suite.publishing = true;
}

#[given("a provider state callback is configured")]
async fn states_are_set_up(suite: &mut Suite) {
    suite.states = Some(Double::states(200).await);
}

#[given("a provider state callback is configured, but will return a failure")]
async fn states_fail(suite: &mut Suite) {
    suite.states = Some(Double::states(500).await);
}

#[given("a request filter is configured to make the following changes:")]
fn requests_are_changed(suite: &mut Suite, step: &Step) {
    let changed = headers(cell(&row(step), "headers").unwrap());
    suite.request_headers = changed.into_iter().map(|(name, values)| (name, values.join(", "))).collect();
}

#[when("the verification is run")]
async fn it_is_verified(suite: &mut Suite) {
    if suite.provider.is_none() {
        suite.provider = Some(Double::messages(suite.messages.clone()).await);
    }
    let url = suite.provider.as_ref().unwrap().url.clone();
    let message_url = (!suite.messages.is_empty()).then(|| url.clone());
    let provider = Provider { name: "p".to_owned(), url, message_url };
    let options = Options {
        states: suite.states.as_ref().map(|states| states.url.clone()),
        state_teardown: true,
        headers: suite.request_headers.clone(),
        ..Options::default()
    };
    let mut published = Vec::new();
    for broker in &suite.brokers {
        let ledger = Ledger::open(&broker.url, &Access::default()).unwrap();
        let selection = Selection {
            provider: "p".to_owned(),
            provider_branch: None,
            selectors: Vec::new(),
            include_pending: false,
            wip_since: None,
        };
        let pacts = ledger.pacts_for_verification(&selection).await.unwrap();
        suite.contracts.extend(pacts.iter().map(|pact| pact.contract.clone()));
        published.push((ledger, pacts));
    }
    let verification = verify::verify(&suite.contracts, &provider, &options, &|_| {}).await.unwrap();
    if suite.publishing {
        let version = ProviderVersion {
            provider: "p".to_owned(),
            version: "1.2.3".to_owned(),
            branch: None,
            build_url: None,
        };
        for (ledger, pacts) in &published {
            let at = Timestamp::now();
            ledger.publish_results(pacts, &verification.results, &version, at).await.unwrap();
        }
    }
    suite.results = verification.results;
}

fn failed(suite: &Suite) -> bool {
    suite.results.iter().any(|result| result.outcome.is_failure() && !result.pending)
}

#[then("the verification will be successful")]
fn it_succeeds(suite: &mut Suite) {
    assert!(!failed(suite), "{:#?}", suite.results);
    assert!(!suite.results.is_empty());
}

#[then("the verification will NOT be successful")]
fn it_fails(suite: &mut Suite) {
    assert!(failed(suite), "{:#?}", suite.results);
}

#[then(expr = "the verification results will contain a {string} error")]
fn an_error_is_told(suite: &mut Suite, error: String) {
    assert!(
        suite.results.iter().any(|result| !result.pending && says(result, &error)),
        "{:#?}",
        suite.results
    );
}

#[then(expr = "there will be a pending {string} error")]
fn a_pending_error_is_told(suite: &mut Suite, error: String) {
    assert!(
        suite.results.iter().any(|result| result.pending && says(result, &error)),
        "{:#?}",
        suite.results
    );
}

/// Whether a result is what the features call it.
fn says(result: &InteractionResult, error: &str) -> bool {
    let part = match error {
        "Response status did not match" => Part::Status,
        "Headers had differences" => Part::Header,
        "Body had differences" => Part::Body,
        "Metadata had differences" => Part::Metadata,
        "State change request failed" => return matches!(result.outcome, Outcome::StateFailed { .. }),
        other => panic!("error {other}"),
    };
    match &result.outcome {
        Outcome::Mismatched { mismatches } => mismatches.iter().any(|mismatch| mismatch.part == part),
        _ => false,
    }
}

fn state_calls(suite: &Suite, action: &str) -> Vec<Value> {
    let mut calls = suite.states.as_ref().unwrap().posted("");
    calls.retain(|call| call["action"] == action);
    calls
}

#[then("the provider state callback will be called before the verification is run")]
fn a_state_was_set_up(suite: &mut Suite) {
    assert!(!state_calls(suite, "setup").is_empty());
}

#[then("the provider state callback will be called after the verification is run")]
fn a_state_was_taken_back(suite: &mut Suite) {
    assert!(!state_calls(suite, "teardown").is_empty());
}

#[then("the provider state callback will NOT receive a teardown call")]
fn no_state_was_taken_back(suite: &mut Suite) {
    assert_eq!(state_calls(suite, "teardown"), [] as [Value; 0]);
}

#[then(
    regex = r#"^the provider state callback will receive a (setup|teardown) call (?:with )?"(.*)" as the provider state parameter$"#
)]
fn a_state_was_named(suite: &mut Suite, action: String, name: String) {
    let calls = state_calls(suite, &action);
    assert!(calls.iter().any(|call| call["state"] == name.as_str()), "{calls:?}");
}

#[then(
    regex = r#"^the provider state callback will receive a (setup|teardown) call (?:with )?"(.*)" and the following parameters:$"#
)]
fn a_state_had_parameters(suite: &mut Suite, step: &Step, action: String, name: String) {
    let params: serde_json::Map<String, Value> =
        row(step).into_iter().map(|(key, value)| (key, serde_json::from_str(&value).unwrap())).collect();
    let calls = state_calls(suite, &action);
    let wanted = Value::Object(params);
    assert!(calls.iter().any(|call| call["state"] == name.as_str() && call["params"] == wanted), "{calls:?}");
}

#[then(
    expr = "a warning will be displayed that there was no provider state callback configured for provider state {string}"
)]
fn a_warning_is_given(suite: &mut Suite, name: String) {
    let warned = suite.results.iter().flat_map(|result| &result.warnings);
    let is_it = |warning: &Warning| matches!(warning, Warning::StateNotSetUp { state } if *state == name);
    assert!(warned.clone().any(is_it), "{:?}", warned.collect::<Vec<_>>());
}

#[then(expr = "the request to the provider will contain the header {string}")]
fn the_provider_saw(suite: &mut Suite, header: String) {
    let (name, value) = header.split_once(": ").unwrap();
    let seen = suite.provider.as_ref().unwrap().seen.lock().unwrap().clone();
    let has_it = seen
        .iter()
        .flat_map(|request| request.headers.iter().flatten())
        .any(|(known, values)| known.eq_ignore_ascii_case(name) && values.join(", ") == value);
    assert!(has_it, "{seen:#?}");
}

#[then("a verification result will NOT be published back")]
fn nothing_is_published(suite: &mut Suite) {
    for broker in &suite.brokers {
        assert_eq!(broker.posted("/verification-results"), [] as [Value; 0]);
    }
}

#[then(
    regex = r"^a (successful|failed) verification result will be published back for (?:the )?interaction \{(\d+)\}$"
)]
fn a_result_is_published(suite: &mut Suite, which: String, number: usize) {
    let path = format!("/pacts/provider/p/consumer/c_{number}/verification-results");
    let posted: Vec<Value> = suite.brokers.iter().flat_map(|broker| broker.posted(&path)).collect();
    assert_eq!(posted.len(), 1, "{posted:?}");
    assert_eq!(posted[0]["success"], which == "successful");
    assert_eq!(posted[0]["providerApplicationVersion"], "1.2.3");
}

#[then(expr = "the comment {string} will have been printed to the console")]
fn a_comment_is_told(suite: &mut Suite, comment: String) {
    assert!(suite.results.iter().any(|result| result.notes.contains(&comment)), "{:#?}", suite.results);
}

#[then(expr = "the {string} will displayed as the original test name")]
fn the_test_is_told(suite: &mut Suite, name: String) {
    assert!(
        suite.results.iter().any(|result| result.test_name.as_ref() == Some(&name)),
        "{:#?}",
        suite.results
    );
}
