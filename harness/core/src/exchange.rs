//! The wire witness: one request with its response, recorded on both sides of a proxy.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::context::TraceParent;
use crate::ids::{EdgeId, ExchangeId, FaultId, InstanceId, TraceId};
use crate::time::Nanos;

/// What was spoken on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 over cleartext, prior knowledge.
    Http2,
    /// gRPC: HTTP/2 with `content-type: application/grpc*`.
    Grpc,
    /// A protocol switched to by `Upgrade` (WebSocket, say); bytes are tunnelled.
    Upgraded,
    /// A message that the harness carried from a publisher to one of its subscribers. Its method is `SEND`, its path
    /// `/` and the routing key; headers are the message's own and its properties'. Status 202: the broker has
    /// confirmed that the subscriber's side has it; nobody answers a message itself.
    Message,
}

/// Header names (lower case) with values, in wire order. Secret values are already replaced by fingerprints.
pub type Headers = Vec<(String, String)>;

/// The first value of the header of this name (lower case).
pub fn header<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// What is kept of a body: its size always, its start up to the capture limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Bytes that passed, without framing.
    pub bytes: u64,
    /// SHA-256 of the captured start, before redaction, in hex; empty for an empty body. Two bodies are taken
    /// for equal when size and digest agree.
    pub digest: String,
    /// The captured start as text, secrets redacted; `None` when it is not UTF-8 or capture is off.
    pub text: Option<String>,
    /// Whether more passed than was captured.
    pub truncated: bool,
}

/// The request as one side of the proxy had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Body,
}

/// The response as one side of the proxy had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `grpc-status` from the headers or trailers, for gRPC.
    pub grpc_status: Option<u16>,
    /// Its headers.
    pub headers: Headers,
    /// Its trailers.
    pub trailers: Headers,
    /// Its body.
    pub body: Body,
    /// When its head came.
    pub first_byte: Nanos,
    /// When its last byte came; `None` when it broke off.
    pub last_byte: Option<Nanos>,
}

impl Response {
    /// Whether it says that the operation was done: 2xx, and for gRPC status 0 as well.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status) && self.grpc_status.is_none_or(|status| status == 0)
    }

    /// Whether it blames the server: 5xx, or a gRPC status that does.
    ///
    /// gRPC: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS count, as OpenTelemetry's
    /// RPC conventions have it.
    pub fn is_server_error(&self) -> bool {
        self.status >= 500 || matches!(self.grpc_status, Some(2 | 4 | 12 | 13 | 14 | 15))
    }
}

/// How an exchange ended, for the side that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not ended yet.
    InFlight,
    /// A whole response came (whatever its status).
    Answered,
    /// The consumer left before the response was whole.
    Cancelled,
    /// The connection or stream broke before the response was whole.
    Reset,
    /// No connection to the provider could be made.
    Unreachable,
}

/// The provider's half: what it got and what it answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderSide {
    /// The instance that got it; `None` when the harness did not start it.
    pub instance: Option<InstanceId>,
    /// When the request's head was written to the provider.
    pub started: Nanos,
    /// When it was over on this side.
    pub ended: Option<Nanos>,
    /// What it answered, before any fault changed it.
    pub response: Option<Response>,
    /// How it ended on this side.
    pub outcome: Outcome,
}

/// A fault that was applied to an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedFault {
    /// Which rule.
    pub fault: FaultId,
    /// The action's kind: `abort`, `stall`, …
    pub action: String,
    /// When it was applied.
    pub at: Nanos,
    /// When it let go (delays, stalls, holds).
    pub until: Option<Nanos>,
}

/// One request with its response on one edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Its number.
    pub id: ExchangeId,
    /// Where.
    pub edge: EdgeId,
    /// What was spoken.
    pub protocol: Protocol,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query without `?`, secrets redacted.
    pub query: Option<String>,
    /// The valid `traceparent` that the consumer sent.
    pub trace: Option<TraceParent>,
    /// The `traceparent` that was sent and is not valid.
    pub invalid_traceparent: Option<String>,
    /// The correlation id that the consumer sent, by the first of the declared headers that is there.
    pub correlation_id: Option<String>,
    /// The baggage that the consumer sent.
    pub baggage: Vec<(String, String)>,
    /// When the request's head came from the consumer.
    pub started: Nanos,
    /// When it was over for the consumer.
    pub ended: Option<Nanos>,
    /// What the consumer sent.
    pub request: Request,
    /// What the consumer got.
    pub response: Option<Response>,
    /// How it ended for the consumer.
    pub outcome: Outcome,
    /// The provider's half; `None` when the request never reached it.
    pub provider: Option<ProviderSide>,
    /// The faults that were applied.
    pub faults: Vec<AppliedFault>,
}

impl Exchange {
    /// The trace it belongs to.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.trace.map(|trace| trace.trace_id)
    }

    /// Whether it is over on both sides.
    pub fn is_over(&self) -> bool {
        self.ended.is_some() && self.provider.as_ref().is_none_or(|provider| provider.ended.is_some())
    }

    /// How long it took for the consumer; `None` while in flight.
    pub fn duration(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.since(self.started))
    }

    /// Whether the request reached the provider.
    pub fn reached_provider(&self) -> bool {
        self.provider.is_some()
    }

    /// Whether the consumer got a response that says done.
    pub fn succeeded(&self) -> bool {
        self.outcome == Outcome::Answered && self.response.as_ref().is_some_and(Response::is_success)
    }

    /// Whether the *provider* answered that it is done, whatever reached the consumer.
    pub fn done_by_provider(&self) -> bool {
        self.provider
            .as_ref()
            .and_then(|provider| provider.response.as_ref())
            .is_some_and(Response::is_success)
    }

    /// Whether the method changes nothing by RFC 9110 section 9.2.1. gRPC calls are not taken for safe.
    pub fn is_safe(&self) -> bool {
        !matches!(self.protocol, Protocol::Grpc | Protocol::Message)
            && matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
    }

    /// The CloudEvents attribute `ce-NAME` of a binary-mode event.
    pub fn cloud_event(&self, attribute: &str) -> Option<&str> {
        header(&self.request.headers, &format!("ce-{attribute}"))
    }

    /// One line for people: `POST /payments → 503 (injected abort)`.
    pub fn summary(&self) -> String {
        let mut line = format!("{} {} → ", self.method, self.path);
        match (&self.outcome, &self.response) {
            (Outcome::Answered, Some(Response { status, grpc_status: Some(grpc), .. })) => {
                line += &format!("{status} grpc-status {grpc}");
            }
            (Outcome::Answered, Some(response)) => line += &response.status.to_string(),
            (Outcome::InFlight, _) => line += "still in flight",
            (Outcome::Cancelled, _) => line += "consumer left",
            (Outcome::Unreachable, _) => line += "unreachable",
            _ => line += "reset",
        }
        if let Some(duration) = self.duration() {
            line += &format!(" in {}", crate::time::for_people(duration));
        }
        for fault in &self.faults {
            line += &format!(" (injected {})", fault.action);
        }
        line
    }
}
