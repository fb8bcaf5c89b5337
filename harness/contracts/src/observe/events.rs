//! A provider's messages, verified from what it really published: no message endpoint, no test harness in the
//! provider, only events on the wire.

use std::collections::BTreeSet;

use seaworthy_core::exchange::Exchange;

use super::against::{Agreed, differences};
use super::sighting::{Event, Sighting};
use super::usages::message_type;
use crate::mismatch::Mismatch;
use crate::model::{Contents, Contract, MessageContents};
use crate::outcome::{InteractionResult, Outcome, Warning};
use crate::verify::tidied;

/// Verifies the message interactions of these contracts with `provider` from what it published. Interactions of other
/// kinds and of other providers are not looked at.
///
/// An event counts for an interaction if it went from the provider to the consumer and is of the type that the
/// interaction names: in its metadata (`ce-type`, `type`, `cloudEvents:type`, …), in its contents, or by routing key.
/// Every such event must be what was agreed, each one once however often it was delivered; faults on a delivery do
/// not matter, for what was published is what counts. Where none was seen, the outcome is undecided.
pub fn verify(contracts: &[Contract], provider: &str, exchanges: &[Exchange]) -> Vec<InteractionResult> {
    let published: Vec<Result<Event<'_>, &Exchange>> = exchanges
        .iter()
        .filter(|exchange| exchange.edge.consumer == provider && exchange.edge.is_internal())
        .filter_map(|exchange| match Sighting::of(exchange) {
            Ok(Sighting::Event(event)) => Some(Ok(event)),
            Ok(Sighting::Http(..)) => None,
            Err(_) => Some(Err(exchange)),
        })
        .collect();
    let mut results = Vec::new();
    let of_provider = contracts.iter().enumerate().filter(|(_, contract)| contract.provider == provider);
    for (of, contract) in of_provider {
        for interaction in &contract.interactions {
            if let Contents::Message(message) = &interaction.contents {
                let agreed = Agreed { contract, of, interaction, at: results.len() };
                results.push(judge(agreed, message, &published));
            }
        }
    }
    results
}

fn judge(
    agreed: Agreed<'_>,
    message: &MessageContents,
    published: &[Result<Event<'_>, &Exchange>],
) -> InteractionResult {
    let kind = message_type(message);
    let consumer = agreed.contract.consumer.as_str();
    let mut known = BTreeSet::new();
    let received: Vec<&Event<'_>> = published
        .iter()
        .flatten()
        .filter(|event| *event.subscriber() == *consumer)
        .filter(|event| kind.as_deref().is_none_or(|kind| kind == event.kind))
        .filter(|event| known.insert(event.identity()))
        .collect();
    let compared: Vec<(&Event<'_>, Vec<Mismatch>)> =
        received.iter().map(|event| (*event, differences(agreed, message, event))).collect();
    match kind {
        Some(kind) => of_type(agreed, &kind, &compared, published),
        None => of_any_type(agreed, &compared),
    }
}

fn of_type(
    agreed: Agreed<'_>,
    kind: &str,
    compared: &[(&Event<'_>, Vec<Mismatch>)],
    published: &[Result<Event<'_>, &Exchange>],
) -> InteractionResult {
    let (consumer, provider) = (&agreed.contract.consumer, &agreed.contract.provider);
    let Some((first, _)) = compared.first() else {
        let unread = published.iter().filter_map(|event| event.as_ref().err());
        let unread = unread
            .filter(|exchange| exchange.edge.provider == consumer.as_str() && tells(exchange, kind))
            .count();
        let message = if unread > 0 {
            format!(
                "{unread} events of type `{kind}` went from {provider} to {consumer}, but no body of theirs could be read; keep longer bodies"
            )
        } else {
            format!(
                "no event of type `{kind}` went from {provider} to {consumer}; a flow that makes {provider} publish one would decide it"
            )
        };
        return result(agreed, None, Outcome::Undecided { message }, Vec::new());
    };
    let differing = compared.iter().filter(|(_, mismatches)| !mismatches.is_empty()).count() as u64;
    let warnings = vec![Warning::SeenOnTheWire { compared: compared.len() as u64, differing }];
    // The worst says most; of equally bad ones the first.
    let worst = compared.iter().rev().max_by_key(|(_, mismatches)| mismatches.len());
    match worst.filter(|(_, mismatches)| !mismatches.is_empty()) {
        Some((event, mismatches)) => {
            result(agreed, Some(event), Outcome::Mismatched { mismatches: mismatches.clone() }, warnings)
        }
        None => match cut_off(published, consumer, kind) {
            0 => result(agreed, Some(first), Outcome::Verified, warnings),
            cut => {
                let message = format!(
                    "{} events of type `{kind}` are as agreed, but of {cut} more the body is longer than what is kept; keep longer bodies",
                    compared.len()
                );
                result(agreed, Some(first), Outcome::Undecided { message }, warnings)
            }
        },
    }
}

/// How many events of the type passed of which only the start was kept.
fn cut_off(published: &[Result<Event<'_>, &Exchange>], consumer: &str, kind: &str) -> usize {
    let unread = published.iter().filter_map(|event| event.as_ref().err());
    let cut = unread.filter(|exchange| exchange.request.body.truncated);
    cut.filter(|exchange| exchange.edge.provider == *consumer && tells(exchange, kind)).count()
}

fn tells(exchange: &Exchange, kind: &str) -> bool {
    exchange.cloud_event("type") == Some(kind) || exchange.path.trim_start_matches('/') == kind
}

/// An interaction that names no type: one event that is what was agreed verifies it, and no event can refute it.
fn of_any_type(agreed: Agreed<'_>, compared: &[(&Event<'_>, Vec<Mismatch>)]) -> InteractionResult {
    let (consumer, provider) = (&agreed.contract.consumer, &agreed.contract.provider);
    let warnings = vec![Warning::SeenOnTheWire { compared: compared.len() as u64, differing: 0 }];
    match compared.iter().find(|(_, mismatches)| mismatches.is_empty()) {
        Some((event, _)) => result(agreed, Some(event), Outcome::Verified, warnings),
        None => {
            let message = format!(
                "the interaction names no event type, and none of the {} events from {provider} to {consumer} is what it says; `ce-type` in its metadata would decide it",
                compared.len()
            );
            result(agreed, None, Outcome::Undecided { message }, Vec::new())
        }
    }
}

fn result(
    agreed: Agreed<'_>,
    event: Option<&Event<'_>>,
    outcome: Outcome,
    warnings: Vec<Warning>,
) -> InteractionResult {
    let exchange = event.map(|event| event.exchange);
    InteractionResult {
        consumers: vec![agreed.contract.consumer.clone()],
        provider: agreed.contract.provider.clone(),
        description: agreed.interaction.description.clone(),
        states: agreed.interaction.states.iter().map(|state| state.name.clone()).collect(),
        location: agreed.interaction.location.clone(),
        pending: agreed.interaction.pending,
        outcome: match outcome {
            Outcome::Mismatched { mismatches } => Outcome::Mismatched { mismatches: tidied(mismatches) },
            other => other,
        },
        warnings,
        request: None,
        trace: exchange.and_then(Exchange::trace_id),
        correlation_id: exchange.and_then(|exchange| exchange.correlation_id.clone()),
        exchange: exchange.map(|exchange| exchange.id),
        latency: None,
        notes: agreed.interaction.notes(),
        test_name: agreed.interaction.test_name().map(str::to_owned),
    }
}
