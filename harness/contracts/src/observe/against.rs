//! One exchange held against all that was agreed on its edge.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::exchange::{Exchange, Response};
use seaworthy_core::ids::EdgeId;

use super::sighting::{self, Event, LeftOuts, Sighting};
use super::usages::message_type;
use super::{actual, form};
use crate::matching;
use crate::mismatch::{Mismatch, Part};
use crate::model::{
    Contents, Contract, HttpRequest, HttpResponse, Interaction, MessageContents, Specification,
};

/// An interaction with the contract that it stands in.
#[derive(Clone, Copy)]
pub(super) struct Agreed<'c> {
    /// The contract.
    pub(super) contract: &'c Contract,
    /// Its place among the contracts.
    pub(super) of: usize,
    /// The interaction.
    pub(super) interaction: &'c Interaction,
    /// Its place among all.
    pub(super) at: usize,
}

/// What comes of holding an exchange against what was agreed.
pub(super) enum Held<'c> {
    /// No contract binds the two.
    Unbound,
    /// Contracts bind them, and none has this operation, or this type of event.
    Operation,
    /// The operation is agreed, and no interaction allows this request (or event).
    Request {
        /// The one from which it differs least.
        nearest: Agreed<'c>,
        /// How.
        mismatches: Vec<Mismatch>,
    },
    /// No interaction of the operation has this status.
    Status {
        /// One of the operation that allows the request.
        asked: Agreed<'c>,
    },
    /// Interactions of the operation have this status, and none allows this response.
    Response {
        /// The one from which it differs least.
        nearest: Agreed<'c>,
        /// How.
        mismatches: Vec<Mismatch>,
    },
    /// All in line.
    Allowed {
        /// The interactions that allow both request and response: to the letter, or where none does, by their form.
        /// Empty where what allows the request is not what allows the response: another state of the provider, then.
        exercised: Vec<Agreed<'c>>,
    },
}

/// All that was agreed, by who agreed it.
pub(super) struct Against<'c> {
    http: BTreeMap<(&'c str, &'c str), Vec<Http<'c>>>,
    messages: BTreeMap<(&'c str, &'c str), Vec<Message<'c>>>,
    all: Vec<Agreed<'c>>,
}

struct Http<'c> {
    agreed: Agreed<'c>,
    request: &'c HttpRequest,
    response: &'c HttpResponse,
    /// Both with their values as examples.
    form: (HttpRequest, HttpResponse),
    /// Only method and path of the request's form, with their rules.
    operation: HttpRequest,
    /// The operation as people write it; examples of several states share it.
    template: String,
}

struct Message<'c> {
    agreed: Agreed<'c>,
    message: &'c MessageContents,
    kind: Option<String>,
}

impl<'c> Against<'c> {
    pub(super) fn new(contracts: &'c [Contract]) -> Self {
        let mut against = Self { http: BTreeMap::new(), messages: BTreeMap::new(), all: Vec::new() };
        for (of, contract) in contracts.iter().enumerate() {
            let pair = (contract.consumer.as_str(), contract.provider.as_str());
            for interaction in &contract.interactions {
                let agreed = Agreed { contract, of, interaction, at: against.all.len() };
                against.all.push(agreed);
                match &interaction.contents {
                    Contents::Http { request, response } => {
                        against.http.entry(pair).or_default().push(Http::new(agreed, request, response));
                    }
                    Contents::Message(message) => {
                        let message = Message { agreed, message, kind: message_type(message) };
                        against.messages.entry(pair).or_default().push(message);
                    }
                    Contents::SynchronousMessage { .. } => {}
                }
            }
        }
        against
    }

    /// All interactions, in order.
    pub(super) fn all(&self) -> &[Agreed<'c>] {
        &self.all
    }

    /// Whether a contract has somebody outside as its consumer, by the name of this edge.
    pub(super) fn binds(&self, edge: &EdgeId) -> bool {
        self.http.contains_key(&(edge.consumer.as_str(), edge.provider.as_str()))
    }

    /// Holds a sighting against it.
    pub(super) fn hold(&self, sighting: &Sighting<'_>) -> Held<'c> {
        match sighting {
            Sighting::Http(exchange, response) => self.http(exchange, response),
            Sighting::Event(event) => self.event(event),
        }
    }

    fn http(&self, exchange: &Exchange, response: &Response) -> Held<'c> {
        let pair = (exchange.edge.consumer.as_str(), exchange.edge.provider.as_str());
        let Some(agreed) = self.http.get(&pair) else { return Held::Unbound };
        let request = actual::request(exchange);
        let asked: Vec<(&Http<'c>, Asks, Vec<Mismatch>)> = agreed
            .iter()
            .filter(|http| http.speaks_of(&request))
            .map(|http| {
                let (asks, mismatches) = http.asks(&request);
                (http, asks, mismatches)
            })
            .collect();
        if asked.iter().all(|(_, asks, _)| *asks == Asks::Otherwise) {
            return match nearest(asked.into_iter().map(|(http, _, mismatches)| (http, mismatches)).collect())
            {
                Some((http, mismatches)) => Held::Request { nearest: http.agreed, mismatches },
                None => Held::Operation,
            };
        }
        let answer = actual::response(response);
        // A state of the provider may have an example of its own: what is agreed for the operation counts.
        let templates: BTreeSet<&str> = asked.iter().map(|(http, ..)| http.template.as_str()).collect();
        let asks = |http: &Http<'c>| {
            let own = asked.iter().find(|(other, ..)| other.agreed.at == http.agreed.at);
            own.map_or(Asks::Otherwise, |(_, asks, _)| *asks)
        };
        let answered: Vec<(Asks, &Http<'c>, Vec<Mismatch>)> = agreed
            .iter()
            .filter(|http| templates.contains(http.template.as_str()))
            .map(|http| (asks(http), http, http.answers(asks(http), &answer)))
            .collect();
        judged(answered)
    }

    fn event(&self, event: &Event<'_>) -> Held<'c> {
        let pair = (event.subscriber().as_str(), event.publisher().as_str());
        let agreed: &[Message<'c>] = self.messages.get(&pair).map(Vec::as_slice).unwrap_or_default();
        let of_type: Vec<&Message<'c>> =
            agreed.iter().filter(|message| message.kind.as_deref() == Some(&event.kind)).collect();
        let compared: Vec<(&Message<'c>, Vec<Mismatch>)> = of_type
            .iter()
            .map(|message| (*message, differences(message.agreed, message.message, event)))
            .collect();
        let exercised: Vec<Agreed<'c>> = compared
            .iter()
            .filter(|(_, mismatches)| mismatches.is_empty())
            .map(|(message, _)| message.agreed)
            .collect();
        if !exercised.is_empty() {
            return Held::Allowed { exercised };
        }
        if let Some((message, mismatches)) = nearest(compared) {
            return Held::Request { nearest: message.agreed, mismatches };
        }
        // It may be agreed as a request that its subscriber answers.
        let response = event.exchange.response.as_ref();
        let delivered = response.filter(|_| event.exchange.faults.is_empty());
        match delivered.map(|response| self.http(event.exchange, response)) {
            None | Some(Held::Unbound | Held::Operation)
                if agreed.is_empty() && !self.binds(&event.exchange.edge) =>
            {
                Held::Unbound
            }
            None | Some(Held::Unbound) => Held::Operation,
            Some(held) => held,
        }
    }
}

/// What is said of a request that is allowed, by what each interaction of its operation says of the answer.
fn judged<'c>(mut answered: Vec<(Asks, &Http<'c>, Vec<Mismatch>)>) -> Held<'c> {
    let asked = answered.iter().find(|(asks, ..)| *asks != Asks::Otherwise).map(|(_, http, _)| http.agreed);
    if answered.iter().any(|(.., response)| response.is_empty()) {
        answered.retain(|(asks, _, response)| *asks != Asks::Otherwise && response.is_empty());
        // What is agreed to the letter says more than what has the same form.
        let closest = answered.iter().map(|(asks, ..)| *asks).min();
        answered.retain(|(asks, ..)| Some(*asks) == closest);
        return Held::Allowed { exercised: answered.into_iter().map(|(_, http, _)| http.agreed).collect() };
    }
    answered.retain(|(.., response)| !response.iter().any(|mismatch| mismatch.part == Part::Status));
    // Of those with the status, one that asks the same says best what should have come.
    let closest = answered.iter().map(|(asks, ..)| *asks).min();
    answered.retain(|(asks, ..)| Some(*asks) == closest);
    match (nearest(answered.into_iter().map(|(_, http, response)| (http, response)).collect()), asked) {
        (Some((http, mismatches)), _) => Held::Response { nearest: http.agreed, mismatches },
        (None, Some(asked)) => Held::Status { asked },
        (None, None) => Held::Operation,
    }
}

/// How an interaction asks what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    /// By its rules.
    ToTheLetter,
    /// With other values of the same types.
    InForm,
    /// Not so.
    Otherwise,
}

impl<'c> Http<'c> {
    fn new(agreed: Agreed<'c>, request: &'c HttpRequest, response: &'c HttpResponse) -> Self {
        let form = (form::of_request(request), form::of_response(response));
        let operation = form::operation(&form.0);
        Self {
            agreed,
            request,
            response,
            form,
            operation,
            template: super::coverage::operation(agreed.interaction),
        }
    }

    fn speaks_of(&self, request: &HttpRequest) -> bool {
        if !self.operation.method.eq_ignore_ascii_case(&request.method) {
            return false;
        }
        if self.operation.matching_rules.is_empty() {
            return self.operation.path == request.path;
        }
        let actual = HttpRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            ..HttpRequest::default()
        };
        matching::request(&self.operation, &actual, self.version()).is_empty()
    }

    fn version(&self) -> Specification {
        form::version(self.agreed.contract.specification)
    }

    /// How it asks what was asked, and how not even its form does.
    fn asks(&self, request: &HttpRequest) -> (Asks, Vec<Mismatch>) {
        let exact = told(matching::request(self.request, request, self.agreed.contract.specification));
        if exact.is_empty() {
            return (Asks::ToTheLetter, exact);
        }
        let in_form = told(matching::request(&self.form.0, request, self.version()));
        (if in_form.is_empty() { Asks::InForm } else { Asks::Otherwise }, in_form)
    }

    /// How the answer differs from what it says. To the letter that is agreed only for what asks to the letter.
    fn answers(&self, asks: Asks, answer: &HttpResponse) -> Vec<Mismatch> {
        told(match asks {
            Asks::ToTheLetter => {
                matching::response(self.response, answer, self.agreed.contract.specification)
            }
            Asks::InForm | Asks::Otherwise => matching::response(&self.form.1, answer, self.version()),
        })
    }
}

/// How an event differs from the message that was agreed.
pub(super) fn differences(
    agreed: Agreed<'_>,
    expected: &MessageContents,
    event: &Event<'_>,
) -> Vec<Mismatch> {
    let actual = actual::message(event, &expected.metadata);
    told(matching::message(expected, &actual, agreed.contract.specification))
}

/// The differences that can be told. Where a value was redacted, nobody knows what it was.
fn told(mut mismatches: Vec<Mismatch>) -> Vec<Mismatch> {
    mismatches
        .retain(|mismatch| !mismatch.actual.as_deref().is_some_and(|actual| actual.contains("[redacted ")));
    mismatches
}

fn nearest<T>(compared: Vec<(T, Vec<Mismatch>)>) -> Option<(T, Vec<Mismatch>)> {
    compared.into_iter().min_by_key(|(_, mismatches)| mismatches.len())
}

/// The sightings on these edges; on all between services, and those by which somebody outside is bound, when none is
/// named.
pub(super) fn sightings<'x>(
    exchanges: &'x [Exchange],
    edges: &[EdgeId],
    against: &Against<'_>,
) -> (Vec<Sighting<'x>>, LeftOuts) {
    sighting::sort(exchanges.iter().filter(|exchange| {
        let edge = &exchange.edge;
        if edges.is_empty() {
            !edge.is_ingress() || against.binds(edge)
        } else {
            edges.iter().any(|wanted| edge.is_covered_by(wanted))
        }
    }))
}
