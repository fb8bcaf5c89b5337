//! A provider is held to its contracts: real sockets, the provider in this process.

mod concurrency;
mod failures;
mod keys;
mod messages;
mod provider;
mod requests;
mod saying;
mod selection;
mod states;

use seaworthy_contracts::document;
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::outcome::{InteractionResult, Outcome, Warning};
use seaworthy_contracts::verify::{Options, Provider, Verification, verify};
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough for a machine that is busy with other things; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A contract between `shop` and `payments`, version 4, of these interactions.
fn contract(interactions: impl IntoIterator<Item = Value>) -> Contract {
    contract_of("shop", interactions)
}

fn contract_of(consumer: &str, interactions: impl IntoIterator<Item = Value>) -> Contract {
    let interactions: Vec<Value> = interactions.into_iter().collect();
    let text = json!({
        "consumer": { "name": consumer },
        "provider": { "name": "payments" },
        "interactions": interactions,
        "metadata": { "pactSpecification": { "version": "4.0" } },
    });
    let text = serde_json::to_string_pretty(&text).unwrap();
    document::parse(&format!("{consumer}.json"), text.as_bytes()).unwrap()
}

/// GET of this path answers 200.
fn get(path: &str) -> Value {
    json!({
        "type": "Synchronous/HTTP",
        "description": format!("a request for {path}"),
        "request": { "method": "GET", "path": path },
        "response": { "status": 200 },
    })
}

/// The interaction with provider states: `(name, parameters)`.
fn given(mut interaction: Value, states: &[(&str, Value)]) -> Value {
    let states: Vec<Value> =
        states.iter().map(|(name, params)| json!({ "name": name, "params": params })).collect();
    interaction["providerStates"] = json!(states);
    interaction
}

fn with(mut interaction: Value, field: &str, value: Value) -> Value {
    interaction[field] = value;
    interaction
}

fn provider_at(url: &str) -> Provider {
    Provider { name: "payments".to_owned(), url: url.to_owned(), message_url: None }
}

fn patient() -> Options {
    Options { request_timeout: PATIENCE, ..Options::default() }
}

async fn run(contracts: &[Contract], url: &str, options: &Options) -> Verification {
    verify(contracts, &provider_at(url), options, &|_| {}).await.unwrap()
}

fn outcomes(verification: &Verification) -> Vec<&Outcome> {
    verification.results.iter().map(|result| &result.outcome).collect()
}

fn all_verified(verification: &Verification) -> bool {
    !verification.results.is_empty() && verification.results.iter().all(|result| result.outcome.is_verified())
}

fn interfered(result: &InteractionResult) -> bool {
    result.warnings.iter().any(|warning| matches!(warning, Warning::Interference { .. }))
}
