//! One interaction: its states are set up, it is asked, judged, and its states are taken back.

use std::collections::HashMap;
use std::time::Duration;

use pact_models::provider_states::ProviderState;
use reqwest::header::HeaderMap;
use seaworthy_core::ids::TraceId;
use serde_json::Value;

use super::exchange::{self, Answer, Failure};
use super::select::Job;
use super::session::{Peer, Session};
use super::states::Action;
use super::synchronous::{Call, Reached};
use super::{curl, message, tidy};
use crate::model::{Contents, HttpRequest, HttpResponse, MessageContents};
use crate::outcome::{Outcome, Warning};
use crate::{generate, matching};

/// What came of one run of an interaction.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) warnings: Vec<Warning>,
    pub(super) request: Option<String>,
    pub(super) trace: Option<TraceId>,
    pub(super) correlation_id: Option<String>,
    pub(super) latency: Option<Duration>,
    /// Time ran out on it.
    pub(super) timed_out: bool,
    /// It was not asked, for who was to be asked has never answered.
    pub(super) given_up: bool,
}

impl Ran {
    pub(super) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            warnings: Vec::new(),
            request: None,
            trace: None,
            correlation_id: None,
            latency: None,
            timed_out: false,
            given_up: false,
        }
    }

    fn undecided(message: impl Into<String>) -> Self {
        Self::new(Outcome::Undecided { message: message.into() })
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(Outcome::RequestFailed { message: message.into() })
    }
}

/// Runs it once.
pub(super) async fn run(session: &Session, job: &Job) -> Ran {
    // Without states the endpoint is told so, with an empty one, as other Pact tools do: some reset themselves then.
    let none = [ProviderState::default("")];
    let states = if job.interaction.states.is_empty() { &none[..] } else { &job.interaction.states[..] };
    let consumer = job.consumers.first().map_or("", |consumer| &**consumer);
    let (set_up, values) = set_up(session, consumer, states).await;
    let (mut ran, up) = match set_up {
        Ok(()) => (ask(session, job, &values).await, states),
        Err((failed, failure)) => {
            let outcome =
                Outcome::StateFailed { state: states[failed].name.clone(), message: failure.message };
            let ran =
                Ran { timed_out: failure.is_timeout, given_up: failure.is_given_up, ..Ran::new(outcome) };
            (ran, &states[..failed])
        }
    };
    if session.states.is_none() {
        let not_set_up = |state: &ProviderState| Warning::StateNotSetUp { state: state.name.clone() };
        ran.warnings.extend(job.interaction.states.iter().map(not_set_up));
    } else if session.state_teardown {
        for state in up.iter().rev() {
            if let Err(failure) = change(session, consumer, state, Action::TearDown).await
                && !state.name.is_empty()
            {
                ran.warnings
                    .push(Warning::TeardownFailed { state: state.name.clone(), message: failure.message });
            }
        }
    }
    if let (Outcome::Verified, Some(limit), Some(latency)) = (&ran.outcome, session.max_latency, ran.latency)
        && latency > limit
    {
        ran.outcome = Outcome::TooSlow { limit };
    }
    ran
}

/// Sets states up in order until one fails, and says which. Gives what states say of themselves: their parameters, and
/// what the endpoint answered.
async fn set_up(
    session: &Session,
    consumer: &str,
    states: &[ProviderState],
) -> (Result<(), (usize, Failure)>, HashMap<String, Value>) {
    let mut values: HashMap<String, Value> = HashMap::new();
    for state in states {
        values.extend(state.params.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    for (number, state) in states.iter().enumerate() {
        match change(session, consumer, state, Action::SetUp).await {
            Ok(given) => values.extend(given),
            // There is nothing to set up for the empty one, so an endpoint that does not know it fails nobody.
            Err(_) if state.name.is_empty() => {}
            Err(failure) => return (Err((number, failure)), values),
        }
    }
    (Ok(()), values)
}

async fn change(
    session: &Session,
    consumer: &str,
    state: &ProviderState,
    action: Action,
) -> Result<HashMap<String, Value>, Failure> {
    let Some(endpoint) = &session.states else { return Ok(HashMap::new()) };
    let patience = &session.states_patience;
    if let Some(message) = patience.lost() {
        return Err(Failure { is_given_up: true, ..Failure::new(message) });
    }
    let result = endpoint.change(&session.client, &session.instead, consumer, state, action).await;
    match &result {
        Err(failure) if failure.is_silence => patience.silent(&failure.message),
        _ => patience.answered(),
    }
    result
}

async fn ask(session: &Session, job: &Job, values: &HashMap<String, Value>) -> Ran {
    let interaction = &*job.interaction;
    match &interaction.contents {
        Contents::Http { request, response } => {
            let request = match generate::request(request, values) {
                Ok(request) => request,
                Err(error) => return Ran::failed(format!("the request could not be generated: {error}")),
            };
            ask_peer(session, &session.provider, &request, |answer| {
                let actual: HttpResponse = answer.into_response();
                Ok(matching::response(response, &actual, job.specification))
            })
            .await
        }
        Contents::Message(expected) => {
            let Some(peer) = &session.messages else {
                return Ran::undecided(
                    "it is a message: --message-url, or a system that publishes it, would decide",
                );
            };
            ask_for_message(session, peer, job, &message::request(interaction, None), expected).await
        }
        Contents::SynchronousMessage { request, responses } => {
            if let Some(caller) = session.synchronous.as_ref().filter(|caller| caller.calls(interaction)) {
                let mut headers = session.fresh_ids();
                headers.extend(session.instead.clone());
                return call(session, job, values, &headers, caller.as_ref()).await;
            }
            let transport = interaction.transport.as_deref().unwrap_or("message");
            match (&session.messages, &responses[..]) {
                (Some(peer), [expected]) => {
                    let request = message::request(interaction, Some(request));
                    ask_for_message(session, peer, job, &request, expected).await
                }
                (Some(_), _) => Ran::undecided(format!(
                    "a message endpoint answers one message, and {} are agreed here over `{transport}`",
                    responses.len()
                )),
                (None, _) => Ran::undecided(format!(
                    "it is a synchronous message over `{transport}`: --message-url would decide"
                )),
            }
        }
    }
}

async fn ask_for_message(
    session: &Session,
    peer: &Peer,
    job: &Job,
    request: &HttpRequest,
    expected: &MessageContents,
) -> Ran {
    ask_peer(session, peer, request, |answer| {
        if !answer.is_success() {
            return Err(format!("{} answered {}: {}", peer.who, answer.status, answer.excerpt()));
        }
        let actual = message::contents(answer).map_err(|why| format!("{}: {why}", peer.who))?;
        let by_its_form =
            session.synchronous.as_ref().and_then(|form| form.compare(&job.interaction, &actual));
        Ok(by_its_form.unwrap_or_else(|| matching::message(expected, &actual, job.specification)))
    })
    .await
}

async fn ask_peer(
    session: &Session,
    peer: &Peer,
    http: &HttpRequest,
    judge: impl FnOnce(Answer) -> Result<Vec<crate::mismatch::Mismatch>, String>,
) -> Ran {
    if let Some(why) = peer.patience.lost() {
        return Ran { given_up: true, ..Ran::failed(why) };
    }
    let request = match exchange::request(&peer.url, http, &session.fresh_ids(), &session.instead) {
        Ok(request) => request,
        Err(why) => return Ran::failed(why),
    };
    let (trace, correlation_id) = session.ids(request.headers());
    let kept = request.try_clone();
    let result =
        exchange::exchange(&session.client, request, session.timeout, session.body_limit, &peer.who).await;
    let mut latency = None;
    let mut timed_out = false;
    let outcome = match result {
        Ok(answer) => {
            peer.patience.answered();
            latency = Some(answer.latency);
            match judge(answer) {
                Ok(mismatches) if mismatches.is_empty() => Outcome::Verified,
                Ok(mismatches) => Outcome::Mismatched { mismatches: tidy::tidied(mismatches) },
                Err(message) => Outcome::RequestFailed { message: tidy::text(&message) },
            }
        }
        Err(failure) => {
            if failure.is_silence {
                peer.patience.silent(&failure.message);
            } else {
                peer.patience.answered();
            }
            timed_out = failure.is_timeout;
            Outcome::RequestFailed { message: failure.message }
        }
    };
    // Nobody reads the line of what went well, and 100,000 of them are many.
    let request = kept.filter(|_| !outcome.is_verified()).map(|request| curl::line(&request));
    Ran { request, trace, correlation_id, latency, timed_out, ..Ran::new(outcome) }
}

async fn call(
    session: &Session,
    job: &Job,
    values: &HashMap<String, Value>,
    headers: &HeaderMap,
    caller: &dyn super::synchronous::SynchronousCaller,
) -> Ran {
    let (trace, correlation_id) = session.ids(headers);
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let call = Call {
        interaction: &job.interaction,
        specification: job.specification,
        values,
        headers: &headers,
        timeout: session.timeout,
        body_limit: session.body_limit,
    };
    let patience = &session.provider.patience;
    if let Some(why) = patience.lost() {
        return Ran { given_up: true, ..Ran::failed(why) };
    }
    let Ok(called) = tokio::time::timeout(session.timeout, caller.call(call)).await else {
        let message = format!("{} did not answer within {:?}", session.provider.who, session.timeout);
        patience.silent(&message);
        return Ran { trace, correlation_id, timed_out: true, ..Ran::failed(message) };
    };
    match (called.reached, &called.outcome) {
        (Reached::Silence | Reached::Timeout, Outcome::RequestFailed { message }) => patience.silent(message),
        (Reached::Silence | Reached::Timeout | Reached::Nobody, _) => {}
        (Reached::Provider, _) => patience.answered(),
    }
    let timed_out = called.reached == Reached::Timeout;
    let outcome = match called.outcome {
        Outcome::Mismatched { mismatches } => Outcome::Mismatched { mismatches: tidy::tidied(mismatches) },
        other => other,
    };
    let request = called.request.filter(|_| !outcome.is_verified());
    Ran { request, trace, correlation_id, latency: called.latency, timed_out, ..Ran::new(outcome) }
}
