//! The search: answers are generated, tried on the consumer, and the one that breaks it is made smaller.
//!
//! Proptest's own runner calls a synchronous function; the consumer's code is asynchronous and belongs to the
//! caller's runtime, whichever flavour that is. So the runner only generates here, and trying and shrinking are a
//! loop in the caller's task: nothing is blocked on, and a client needs to be neither `Send` nor `'static`.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use seaworthy_core::secret;

use super::{Cases, Counterexample, answer};
use crate::consumer::error::ConsumerError;
use crate::consumer::mock::VariantServer;
use crate::consumer::pact::Received;
use crate::diff;
use crate::matching;
use crate::model::{Contents, Contract, HttpResponse, Interaction, MessageContents};

/// So many steps are taken to make an answer smaller.
const SHRINKING_STEPS: u32 = 1000;

/// Tries each answer on the client, which asks the mock at the address that it gets.
pub(in crate::consumer) async fn every_response<C, T, E>(
    contract: &Contract,
    interaction: &Arc<Interaction>,
    cases: Cases,
    mut client: C,
) -> Result<(), ConsumerError>
where
    C: AsyncFnMut(String) -> Result<T, E>,
    E: Display,
{
    let Contents::Http { response: agreed, .. } = &interaction.contents else {
        return Err(ConsumerError::Unknown {
            description: interaction.name(),
            known: "it is a message; use `every_message`".to_owned(),
        });
    };
    let specification = contract.specification;
    let server = VariantServer::start(contract, interaction).await?;
    let strategy = answer::responses(agreed, specification, &cases);
    let found = search(strategy, &cases, async |made: HttpResponse| {
        if let Some(mismatch) = matching::response(agreed, &made, specification).first() {
            return Err(Stop::Other(not_allowed(interaction, &written(&made), mismatch)));
        }
        server.serve(made);
        attempt(client(server.url()), &cases).await?;
        match server.unasked() {
            None => Ok(()),
            Some(report) => Err(Stop::Other(ConsumerError::NotAsked {
                name: interaction.name(),
                location: interaction.location.clone(),
                report,
            })),
        }
    });
    let Some((made, message, tried, seed)) = found.await? else { return Ok(()) };
    let with = |response: HttpResponse| match &interaction.contents {
        Contents::Http { request, .. } => Interaction {
            contents: Contents::Http { request: request.clone(), response: Box::new(response) },
            ..interaction.as_ref().clone()
        },
        _ => interaction.as_ref().clone(),
    };
    let answer = written(&made);
    // The rules are the same: only what is said by examples is compared.
    let rules = |mut response: HttpResponse| {
        response.matching_rules = agreed.matching_rules.clone();
        response.generators = agreed.generators.clone();
        response
    };
    let differences = diff::differences(interaction, &with(rules(made)));
    Err(broken(interaction, &answer, differences, message, tried, seed))
}

/// Tries each message on the handler.
pub(in crate::consumer) async fn every_message<H, T, E>(
    contract: &Contract,
    interaction: &Arc<Interaction>,
    cases: Cases,
    mut handler: H,
) -> Result<(), ConsumerError>
where
    H: AsyncFnMut(Received) -> Result<T, E>,
    E: Display,
{
    let Contents::Message(agreed) = &interaction.contents else {
        return Err(ConsumerError::Unknown {
            description: interaction.name(),
            known: "it is no message; use `every_response`".to_owned(),
        });
    };
    let specification = contract.specification;
    let strategy = answer::messages(agreed, specification, &cases);
    let found = search(strategy, &cases, async |made: MessageContents| {
        if let Some(mismatch) = matching::message(agreed, &made, specification).first() {
            return Err(Stop::Other(not_allowed(interaction, &written_message(&made), mismatch)));
        }
        attempt(handler(Received::from(made)), &cases).await
    });
    let Some((made, message, tried, seed)) = found.await? else { return Ok(()) };
    let answer = written_message(&made);
    let made = MessageContents {
        matching_rules: agreed.matching_rules.clone(),
        generators: agreed.generators.clone(),
        ..made
    };
    let made = Interaction { contents: Contents::Message(Box::new(made)), ..interaction.as_ref().clone() };
    let differences = diff::differences(interaction, &made);
    Err(broken(interaction, &answer, differences, message, tried, seed))
}

/// Why an attempt did not go well.
enum Stop {
    /// The consumer broke on it.
    Broken(String),
    /// The attempt itself could not be made.
    Other(ConsumerError),
}

/// The smallest value found that breaks, what was said, which case it was, and the seed; `None` if none does.
type Found<V> = Option<(V, String, u32, u64)>;

async fn search<V: Clone + std::fmt::Debug>(
    strategy: BoxedStrategy<V>,
    cases: &Cases,
    mut attempt: impl AsyncFnMut(V) -> Result<(), Stop>,
) -> Result<Found<V>, ConsumerError> {
    let seed = match cases.seed {
        Some(seed) => seed,
        None => seed_of_environment()?,
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner =
        TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, random);
    for case in 1..=cases.count {
        let mut tree = strategy
            .new_tree(&mut runner)
            .map_err(|reason| ConsumerError::Generation { message: reason.to_string() })?;
        let value = tree.current();
        let mut smallest = match attempt(value.clone()).await {
            Ok(()) => continue,
            Err(Stop::Other(error)) => return Err(error),
            Err(Stop::Broken(message)) => (value, message),
        };
        let mut more = tree.simplify();
        for _ in 0..SHRINKING_STEPS {
            if !more {
                break;
            }
            let value = tree.current();
            more = match attempt(value.clone()).await {
                Err(Stop::Broken(message)) => {
                    smallest = (value, message);
                    tree.simplify()
                }
                _ => tree.complicate(),
            };
        }
        return Ok(Some((smallest.0, smallest.1, case, seed)));
    }
    Ok(None)
}

fn seed_of_environment() -> Result<u64, ConsumerError> {
    match std::env::var("SEAWORTHY_SEED") {
        Err(_) => Ok(rand::random()),
        Ok(text) => text.trim().parse().map_err(|_| ConsumerError::Generation {
            message: format!("SEAWORTHY_SEED={text} is no number from 0 to {}", u64::MAX),
        }),
    }
}

/// The consumer's code, with a deadline; its panic is an error like others.
async fn attempt<T, E: Display>(code: impl Future<Output = Result<T, E>>, cases: &Cases) -> Result<(), Stop> {
    let ended = tokio::time::timeout(cases.deadline, AssertUnwindSafe(code).catch_unwind()).await;
    let message = match ended {
        Ok(Ok(Ok(_))) => return Ok(()),
        Ok(Ok(Err(error))) => format!("failed with: {error}"),
        Ok(Err(panic)) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("something that is no text");
            format!("panicked with: {text}")
        }
        Err(_) => format!("did not end within {:?}", cases.deadline),
    };
    Err(Stop::Broken(secret::redact(&message).0.into_owned()))
}

fn broken(
    interaction: &Interaction,
    answer: &str,
    differences: Vec<diff::Difference>,
    message: String,
    tried: u32,
    seed: u64,
) -> ConsumerError {
    ConsumerError::Broken(Box::new(Counterexample {
        name: interaction.name(),
        location: interaction.location.clone(),
        answer: Counterexample::shown(answer),
        differences,
        message,
        tried,
        seed,
    }))
}

fn not_allowed(
    interaction: &Interaction,
    answer: &str,
    mismatch: &crate::mismatch::Mismatch,
) -> ConsumerError {
    ConsumerError::Generation {
        message: format!(
            "an answer was generated for \"{}\" that the contract does not allow ({mismatch}); this is a defect of \
             seaworthy, please report it with the interaction and this answer:\n{}",
            interaction.name(),
            Counterexample::shown(answer)
        ),
    }
}

fn written(response: &HttpResponse) -> String {
    let mut headers: Vec<String> = response
        .headers
        .iter()
        .flatten()
        .flat_map(|(name, values)| {
            values.iter().map(move |value| format!("{name}: {}\n", secret::redact_header(name, value)))
        })
        .collect();
    headers.sort();
    let body = response.body.value().unwrap_or_default();
    format!("{}\n{}\n{}", response.status, headers.concat(), String::from_utf8_lossy(&body))
}

fn written_message(message: &MessageContents) -> String {
    let mut metadata: Vec<String> =
        message.metadata.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    metadata.sort();
    let contents = message.contents.value().unwrap_or_default();
    format!("{}\n{}", metadata.concat(), String::from_utf8_lossy(&contents))
}
