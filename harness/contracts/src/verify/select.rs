//! Which interactions are run: those of this provider that the filters let through, each form of them once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::error::VerifyError;
use super::options::Options;
use crate::model::{
    Contents, Contract, HttpRequest, HttpResponse, Interaction, MessageContents, Specification,
};

/// An interaction to run.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) interaction: Arc<Interaction>,
    pub(super) specification: Specification,
    /// Whose contracts hold it.
    pub(super) consumers: Vec<Arc<str>>,
}

/// What is run, and what is not.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) jobs: Vec<Job>,
    /// Contracts of other providers, with the provider that they name.
    pub(super) elsewhere: Vec<(String, String)>,
    /// How many interactions the filters left out.
    pub(super) filtered: usize,
}

/// The filters, ready to be asked.
struct Sieve<'a> {
    description: Option<Regex>,
    state: Option<Regex>,
    options: &'a Options,
}

impl<'a> Sieve<'a> {
    fn new(options: &'a Options) -> Result<Self, VerifyError> {
        let compiled = |what, pattern: &Option<String>| {
            pattern.as_deref().map(Regex::new).transpose().map_err(|error| VerifyError::Pattern {
                what,
                pattern: pattern.clone().unwrap_or_default(),
                why: error.to_string(),
            })
        };
        Ok(Self {
            description: compiled("descriptions", &options.filter.description)?,
            state: compiled("states", &options.filter.state)?,
            options,
        })
    }

    fn lets_through(&self, contract: &Contract, interaction: &Interaction) -> bool {
        let filter = &self.options.filter;
        let description =
            self.description.as_ref().is_none_or(|pattern| pattern.is_match(&interaction.description));
        let state = match (&self.state, filter.no_state) {
            (None, false) => true,
            (pattern, no_state) => {
                let states = &interaction.states;
                (no_state && states.is_empty())
                    || pattern
                        .as_ref()
                        .is_some_and(|pattern| states.iter().any(|state| pattern.is_match(&state.name)))
            }
        };
        let consumer = filter.consumers.is_empty() || filter.consumers.contains(&contract.consumer);
        let only = self.options.only.as_ref().is_none_or(|names| names.contains(&interaction.name()));
        description && state && consumer && only
    }
}

/// What of these contracts is run against the provider of this name.
pub(super) fn select(
    contracts: &[Contract],
    provider: &str,
    options: &Options,
) -> Result<Selection, VerifyError> {
    let sieve = Sieve::new(options)?;
    let mut selection = Selection::default();
    let mut alike: HashMap<u64, Vec<usize>> = HashMap::new();
    for contract in contracts {
        if contract.provider != provider {
            selection.elsewhere.push((contract.source.clone(), contract.provider.clone()));
            continue;
        }
        let consumer: Arc<str> = contract.consumer.as_str().into();
        for interaction in &contract.interactions {
            if !sieve.lets_through(contract, interaction) {
                selection.filtered += 1;
                continue;
            }
            let job = Job {
                interaction: Arc::clone(interaction),
                specification: contract.specification,
                consumers: vec![Arc::clone(&consumer)],
            };
            let bucket = alike.entry(rough(&job)).or_default();
            // Whoever sets a state up hears for which consumer, and may do so for each in another way.
            let apart = options.states.is_some() && !job.interaction.states.is_empty();
            let alike = |other: &Job| {
                same_form(other, &job) && (!apart || other.consumers.first() == Some(&consumer))
            };
            match bucket.iter().find(|&&other| alike(&selection.jobs[other])) {
                Some(&other) => {
                    let consumers = &mut selection.jobs[other].consumers;
                    if !consumers.contains(&consumer) {
                        consumers.push(Arc::clone(&consumer));
                    }
                }
                None => {
                    bucket.push(selection.jobs.len());
                    selection.jobs.push(job);
                }
            }
        }
    }
    Ok(selection)
}

/// A number that is the same for interactions of the same form, and mostly another one for others. Matching rules and
/// generators are left to the exact comparison: theirs would come in any order.
fn rough(job: &Job) -> u64 {
    let mut hasher = DefaultHasher::new();
    let interaction = &job.interaction;
    job.specification.hash(&mut hasher);
    interaction.description.hash(&mut hasher);
    for state in &interaction.states {
        state.name.hash(&mut hasher);
    }
    match &interaction.contents {
        Contents::Http { request, response } => {
            request.method.hash(&mut hasher);
            request.path.hash(&mut hasher);
            in_order(request.query.iter().flatten(), &mut hasher);
            in_order(request.headers.iter().flatten(), &mut hasher);
            request.body.hash(&mut hasher);
            response.status.hash(&mut hasher);
            response.body.hash(&mut hasher);
        }
        Contents::Message(contents) => contents.contents.hash(&mut hasher),
        Contents::SynchronousMessage { request, responses } => {
            request.contents.hash(&mut hasher);
            for response in responses {
                response.contents.hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

fn in_order<'a, V: Hash + 'a>(
    entries: impl Iterator<Item = (&'a String, &'a V)>,
    hasher: &mut DefaultHasher,
) {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in entries {
        name.hash(hasher);
        value.hash(hasher);
    }
}

/// Whether running one says all about the other: they differ in nothing but where they stand and what is noted of them.
fn same_form(one: &Job, other: &Job) -> bool {
    let (ours, theirs) = (&one.interaction, &other.interaction);
    one.specification == other.specification
        && ours.description == theirs.description
        && ours.states == theirs.states
        && ours.pending == theirs.pending
        && ours.transport == theirs.transport
        && ours.plugin_configuration == theirs.plugin_configuration
        && same_contents(&ours.contents, &theirs.contents)
}

/// Exact, as written to a file: the models' own equality leaves out content types and what some rules are set to.
fn same_contents(one: &Contents, other: &Contents) -> bool {
    match (one, other) {
        (
            Contents::Http { request: ask, response: answer },
            Contents::Http { request: other_ask, response: other_answer },
        ) => ask == other_ask && answer == other_answer && http(ask, answer) == http(other_ask, other_answer),
        (Contents::Message(one), Contents::Message(other)) => {
            one == other && one.to_json() == other.to_json()
        }
        (
            Contents::SynchronousMessage { request: ask, responses: answers },
            Contents::SynchronousMessage { request: other_ask, responses: other_answers },
        ) => messages(ask, answers) == messages(other_ask, other_answers),
        _ => false,
    }
}

fn http(request: &HttpRequest, response: &HttpResponse) -> (Value, Value) {
    (request.to_json(), response.to_json())
}

fn messages(request: &MessageContents, responses: &[MessageContents]) -> (Value, Vec<Value>) {
    (request.to_json(), responses.iter().map(MessageContents::to_json).collect())
}
