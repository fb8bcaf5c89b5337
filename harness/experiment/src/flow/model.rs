//! What a flow file can say.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use seaworthy_core::fault::{FaultAction, When};
use seaworthy_core::ids::{EdgeId, ServiceName};
use seaworthy_core::instance::InstanceFault;
use seaworthy_core::system::RunKind;
use seaworthy_core::time::HumanDuration;
use serde::{Deserialize, Serialize};

use super::expect::{Expect, StatusExpect};
use super::source::Source;
use super::target::Target;

/// A scripted use of the system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flow {
    /// Its name; unique among the flows of a system. Letters, digits, `-` and `_`.
    #[serde(rename = "flow")]
    pub name: String,
    /// What it is for, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// It is for systems on these runtimes only; elsewhere it is passed over. All unless said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<RunKind>,
    /// Texts that are used more than once, as `${var.NAME}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// What is done, in this order. At least one.
    pub steps: Vec<Step>,
    /// The file it came from, for places in findings.
    #[serde(skip)]
    #[schemars(skip)]
    pub source: Source,
}

/// One request with what is broken for it, what is awaited and what must be so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// Its name, unique in the flow.
    pub name: String,
    /// What is sent.
    pub request: RequestTemplate,
    /// How often it is sent, one after the other, each time under a trace of its own; 1 unless said, and as
    /// often as the deadline allows (at most 1000 times) when `until` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<u32>,
    /// Sending ends as soon as this holds of an answer. When it never does, the step has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// What is done to edges meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<StepFault>,
    /// What is done to an instance meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStep>,
    /// What must be so of the answer.
    #[serde(default)]
    pub expect: Expect,
    /// What later texts may use of the answer, as `${capture.NAME}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, Capture>,
    /// The evidence that ends the step's work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wait_until: Vec<Wait>,
    /// What must be so of the step's trace once it is complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<TraceAssertion>,
}

/// A request to be sent through an ingress. Its texts may hold `${…}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestTemplate {
    /// Through which ingress; the only one unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<EdgeId>,
    /// HTTP method in capitals; GET unless said.
    #[serde(default = "get")]
    pub method: String,
    /// Path, with or without a query.
    pub path: String,
    /// Query parameters; encoded and added to those in `path`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Headers. A correlation header given here replaces the generated id; `traceparent` cannot be given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A JSON body; sets `content-type` unless the headers do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
    /// A body as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When the client gives up and hangs up; 10 s unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<HumanDuration>,
}

fn get() -> String {
    "GET".to_owned()
}

impl RequestTemplate {
    /// When the client gives up.
    pub fn patience(&self) -> Duration {
        self.timeout.map_or(Duration::from_secs(10), |timeout| timeout.0)
    }
}

/// When a repeated step has done enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Until {
    /// What must hold of an answer.
    pub expect: Expect,
    /// How long to try; 10 s unless said.
    #[serde(default = "ten_seconds")]
    pub within: HumanDuration,
    /// How long to wait between two requests; not at all unless said.
    #[serde(default)]
    pub every: HumanDuration,
}

fn ten_seconds() -> HumanDuration {
    HumanDuration::millis(10_000)
}

/// What is done to an edge during a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StepFault {
    /// Where.
    pub on: Target,
    /// What.
    pub action: FaultAction,
    /// Only the first this many of the exchanges that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Only the nth of the exchanges that match, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only exchanges whose request has these headers: `ce-type: shop.order.confirmed`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// For everyone on the edge, not for this step's trace alone. Such a flow runs alone.
    #[serde(default)]
    pub whole_edge: bool,
    /// How long it stays.
    #[serde(default)]
    pub until: Lifetime,
    /// Whether the step is undecided when it never fired.
    #[serde(default = "yes")]
    pub must_fire: bool,
}

fn yes() -> bool {
    true
}

/// How long a fault stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lifetime {
    /// Until the step's waits are over.
    #[default]
    Step,
    /// Until the flow is over.
    Flow,
}

/// What is done to an instance during a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InstanceStep {
    /// Of which service.
    pub service: ServiceName,
    /// What.
    pub fault: InstanceFault,
    /// While which exchange of the step's trace is being held; without it, see `at`. On an edge whose bytes are not
    /// understood, a database's or a broker's, whatever moves first once the request is sent is held: with
    /// `when: before` what the consumer sends (and then what it gets as well), with `when: after` what it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// When, where no exchange is held.
    #[serde(default)]
    pub at: Moment,
    /// What comes after.
    #[serde(default)]
    pub then: Aftermath,
}

/// When something is done to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the request is sent.
    #[default]
    Before,
    /// Once the request was answered.
    Answered,
}

/// The exchange to hold while something is done to an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Held {
    /// Which: the first of the step's trace that matches.
    pub on: Target,
    /// Only one whose request has these headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Before the provider gets the request, or after it has answered.
    #[serde(default)]
    pub when: When,
}

/// What comes after a fault on an instance. `restart` starts again whatever is said here. Faults that leave it
/// running (`pause`, `limit`, `disconnect`) are undone when the step's waits are over, unless they are to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Aftermath {
    /// Once it has ended, a new instance is started and awaited ready.
    #[default]
    StartAgain,
    /// It stays as it is.
    Leave,
}

/// Something of an answer that is kept for later: a JSONPath into its body, or a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Capture {
    /// The first value that this JSONPath (RFC 9535) selects.
    Json(String),
    /// A response header.
    Header {
        /// Its name.
        header: String,
    },
}

/// One thing to wait for. The file gives exactly one of `exchange`, `span` and `poll`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WaitFile", into = "WaitFile")]
#[schemars(with = "WaitFile")]
pub struct Wait {
    /// What.
    pub what: Awaited,
    /// How long, at most; 5 s unless said.
    pub within: Duration,
}

/// What a step can wait for.
#[derive(Debug, Clone, PartialEq)]
pub enum Awaited {
    /// Exchanges of the step's trace (or with its correlation id) that have ended.
    Exchange {
        /// Which.
        on: Target,
        /// How many, at least.
        count: u32,
        /// Only those that succeeded, or only those that did not.
        succeeded: Option<bool>,
        /// Only those with this status.
        status: Option<StatusExpect>,
        /// Only those whose request has these headers.
        headers: BTreeMap<String, String>,
    },
    /// A span of the step's trace, in TraceQL.
    Span(String),
    /// An answer that is asked for again and again.
    Poll(Box<Poll>),
}

/// An answer that is asked for again and again, under traces of its own that are not sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Poll {
    /// What is asked.
    pub request: RequestTemplate,
    /// What the answer must be.
    pub expect: Expect,
    /// How long to wait between two requests; 50 ms unless said.
    #[serde(default = "fifty_millis")]
    pub every: HumanDuration,
}

fn fifty_millis() -> HumanDuration {
    HumanDuration::millis(50)
}

/// A [`Wait`] as files write it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WaitFile {
    /// An exchange of the step's trace: `orders -> notifications POST /events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchange: Option<Target>,
    /// With `exchange`: how many, at least; 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    /// With `exchange`: only those that succeeded (true) or did not (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    succeeded: Option<bool>,
    /// With `exchange`: only those with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<StatusExpect>,
    /// With `exchange`: only those whose request has these headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// A span of the step's trace, in TraceQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span: Option<String>,
    /// An answer that is asked for again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    poll: Option<Box<Poll>>,
    /// How long to wait, at most; 5 s unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<HumanDuration>,
}

impl TryFrom<WaitFile> for Wait {
    type Error = String;

    fn try_from(file: WaitFile) -> Result<Self, String> {
        let for_exchanges = [
            ("count", file.count.is_some()),
            ("succeeded", file.succeeded.is_some()),
            ("status", file.status.is_some()),
            ("headers", !file.headers.is_empty()),
        ];
        let stray = for_exchanges.into_iter().find(|(_, given)| *given);
        let what = match (file.exchange, file.span, file.poll) {
            (Some(on), None, None) => Awaited::Exchange {
                on,
                count: file.count.unwrap_or(1),
                succeeded: file.succeeded,
                status: file.status,
                headers: file.headers,
            },
            (None, Some(query), None) if stray.is_none() => Awaited::Span(query),
            (None, None, Some(poll)) if stray.is_none() => Awaited::Poll(poll),
            (None, None, None) => return Err("say what to wait for: `exchange`, `span` or `poll`".to_owned()),
            _ => {
                return Err(match stray {
                    Some((key, _)) => format!("`{key}` goes with `exchange` only"),
                    None => "wait for one thing at a time: `exchange`, `span` or `poll`".to_owned(),
                });
            }
        };
        Ok(Self { what, within: file.within.map_or(Duration::from_secs(5), |within| within.0) })
    }
}

impl From<Wait> for WaitFile {
    fn from(wait: Wait) -> Self {
        let mut file = WaitFile { within: Some(HumanDuration(wait.within)), ..WaitFile::default() };
        match wait.what {
            Awaited::Exchange { on, count, succeeded, status, headers } => {
                file.exchange = Some(on);
                file.count = Some(count);
                file.succeeded = succeeded;
                file.status = status;
                file.headers = headers;
            }
            Awaited::Span(query) => file.span = Some(query),
            Awaited::Poll(poll) => file.poll = Some(poll),
        }
        file
    }
}

/// What must be so of a trace, in TraceQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TraceAssertion {
    /// At least one span is selected.
    Some(String),
    /// No span is selected.
    None(String),
    /// Each span that `of` selects is selected by `has` too. `of` selecting nothing is undecided, never fine.
    Each {
        /// Which spans.
        of: String,
        /// What they must be.
        has: String,
    },
}

impl Step {
    /// How often it may be sent.
    pub fn times(&self) -> u32 {
        self.repeat.unwrap_or(if self.until.is_some() { 1000 } else { 1 })
    }
}
