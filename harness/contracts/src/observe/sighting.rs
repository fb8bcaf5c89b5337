//! Which exchanges can speak for or against a contract, and as what.

use std::collections::BTreeMap;
use std::fmt;

use seaworthy_core::exchange::{Body, Exchange, Outcome, Protocol, Response, header};
use seaworthy_core::ids::{DEAD_LETTERS, ServiceName};
use serde::{Deserialize, Serialize};

/// Why an exchange says nothing of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// The harness asked, not a service: its health probes and audits.
    Probe,
    /// A message that its subscriber gave up; it was seen when it was published.
    DeadLetter,
    /// A fault was injected, so it is not what consumer and provider do of themselves.
    Faulted,
    /// No whole answer came.
    Unanswered,
    /// gRPC: what it says cannot be read without the provider's descriptors.
    Grpc,
    /// It went on as another protocol (WebSocket, say).
    Upgraded,
    /// More of a body passed than is kept.
    Truncated,
    /// A body is not text, or no bodies were kept.
    NotText,
    /// The provider failed (5xx): nobody agrees on that.
    ServerError,
    /// What would be written down still looked like a secret.
    Secret,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LeftOut::Probe => "asked by the harness itself",
            LeftOut::DeadLetter => "dead letters",
            LeftOut::Faulted => "with an injected fault",
            LeftOut::Unanswered => "without a whole answer",
            LeftOut::Grpc => "gRPC",
            LeftOut::Upgraded => "of another protocol after an upgrade",
            LeftOut::Truncated => "with a body longer than was kept",
            LeftOut::NotText => "with a body that is not text",
            LeftOut::ServerError => "in which the provider failed (5xx)",
            LeftOut::Secret => "that held a secret throughout",
        })
    }
}

/// How many exchanges were left out, by why.
pub type LeftOuts = BTreeMap<LeftOut, u64>;

/// One line about what was left out: `3 with an injected fault, 2 gRPC`; empty when nothing was.
pub fn in_words(left_out: &LeftOuts) -> String {
    let parts: Vec<String> = left_out.iter().map(|(why, count)| format!("{count} {why}")).collect();
    parts.join(", ")
}

/// What an exchange is to a contract.
#[derive(Debug, Clone)]
pub enum Sighting<'x> {
    /// A request with its response: the edge's consumer is the contract's consumer.
    Http(&'x Exchange, &'x Response),
    /// An event: the edge's consumer published it, so it is the contract's *provider*.
    Event(Event<'x>),
}

/// An event that a service published and another received.
#[derive(Debug, Clone)]
pub struct Event<'x> {
    /// The exchange that carried it.
    pub exchange: &'x Exchange,
    /// Its type: CloudEvents `type`; without one the property `type` or, from a broker, the routing key.
    pub kind: String,
    /// Whether its attributes and data stand in the body together (CloudEvents' structured mode).
    pub structured: bool,
    /// Its body as text.
    pub body: &'x str,
}

impl Event<'_> {
    /// Who published it: the provider of the contract.
    pub fn publisher(&self) -> &ServiceName {
        &self.exchange.edge.consumer
    }

    /// Who received it: the consumer of the contract.
    pub fn subscriber(&self) -> &ServiceName {
        &self.exchange.edge.provider
    }

    /// What tells it from other events, however often it was delivered: the same id and the same body.
    pub fn identity(&self) -> (String, &str) {
        let headers = &self.exchange.request.headers;
        let id = header(headers, "ce-id").or_else(|| header(headers, "message-id")).unwrap_or_default();
        let source = header(headers, "ce-source").unwrap_or_default();
        (format!("{source} {id}"), &self.exchange.request.body.digest)
    }
}

impl<'x> Sighting<'x> {
    /// What `exchange` is.
    ///
    /// A fault on an event was done to its delivery; the exchange has it as it was published.
    ///
    /// # Errors
    /// Why it is nothing.
    pub fn of(exchange: &'x Exchange) -> Result<Self, LeftOut> {
        if exchange.edge.is_probe() {
            return Err(LeftOut::Probe);
        }
        if exchange.edge.provider == DEAD_LETTERS {
            return Err(LeftOut::DeadLetter);
        }
        match exchange.protocol {
            Protocol::Grpc => return Err(LeftOut::Grpc),
            Protocol::Upgraded => return Err(LeftOut::Upgraded),
            Protocol::Message => return event(exchange).map(Sighting::Event),
            Protocol::Http1 | Protocol::Http2 => {}
        }
        if is_cloud_event(exchange) {
            let length =
                header(&exchange.request.headers, "content-length").and_then(|text| text.parse::<u64>().ok());
            // A fault may answer a publisher before its body was read: then nobody saw what it published.
            let is_whole = match length {
                Some(length) => length == exchange.request.body.bytes,
                None => exchange.outcome == Outcome::Answered && exchange.reached_provider(),
            };
            return if is_whole { event(exchange).map(Sighting::Event) } else { Err(LeftOut::Unanswered) };
        }
        if !exchange.faults.is_empty() {
            return Err(LeftOut::Faulted);
        }
        let whole = exchange.response.as_ref().filter(|response| response.last_byte.is_some());
        let response = whole.filter(|_| exchange.outcome == Outcome::Answered).ok_or(LeftOut::Unanswered)?;
        text(&exchange.request.body)?;
        text(&response.body)?;
        Ok(Sighting::Http(exchange, response))
    }
}

/// Sorts exchanges into sightings, and counts what is left out.
pub(super) fn sort<'x>(exchanges: impl IntoIterator<Item = &'x Exchange>) -> (Vec<Sighting<'x>>, LeftOuts) {
    let (mut sightings, mut left_out) = (Vec::new(), LeftOuts::new());
    for exchange in exchanges {
        match Sighting::of(exchange) {
            Ok(sighting) => sightings.push(sighting),
            Err(why) => *left_out.entry(why).or_default() += 1,
        }
    }
    (sightings, left_out)
}

/// The body as text, whole.
fn text(body: &Body) -> Result<&str, LeftOut> {
    if body.truncated {
        return Err(LeftOut::Truncated);
    }
    match &body.text {
        Some(text) => Ok(text),
        None if body.bytes == 0 => Ok(""),
        None => Err(LeftOut::NotText),
    }
}

fn is_cloud_event(exchange: &Exchange) -> bool {
    let headers = &exchange.request.headers;
    header(headers, "ce-specversion").is_some() || is_structured(exchange)
}

/// CloudEvents' HTTP binding, section 3: told by the content type.
fn is_structured(exchange: &Exchange) -> bool {
    header(&exchange.request.headers, "content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/cloudevents+json"))
}

fn event(exchange: &Exchange) -> Result<Event<'_>, LeftOut> {
    let body = text(&exchange.request.body)?;
    let headers = &exchange.request.headers;
    let structured = is_structured(exchange);
    let of_body = || {
        let whole: serde_json::Value = serde_json::from_str(body).ok().filter(|_| structured)?;
        Some(whole.get("type")?.as_str()?.to_owned())
    };
    let kind = header(headers, "ce-type").map(str::to_owned).or_else(of_body);
    let kind = kind.or_else(|| header(headers, "type").map(str::to_owned));
    let kind = kind.unwrap_or_else(|| exchange.path.trim_start_matches('/').to_owned());
    Ok(Event { exchange, kind, structured, body })
}
