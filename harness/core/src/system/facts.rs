//! Declared facts that no one can infer from watching, and how checks are set.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{EdgeId, ServiceName};
use crate::route::{Operation, Route};
use crate::time::HumanDuration;

/// What was declared about the system. A check that lacks its fact is skipped and names the line to add.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Facts {
    /// Routes at the ingress that must refuse a request without valid credentials.
    #[serde(default)]
    pub protected: Vec<Protected>,
    /// How long a consumer may wait on an edge, at most: `orders -> payments: 2s`, `ingress -> gateway: 5s`.
    #[serde(default)]
    pub budgets: BTreeMap<EdgeId, HumanDuration>,
    /// Operations that may be repeated although their method (POST, PATCH, gRPC) does not say so. Requests with
    /// the idempotency key header may be repeated anyway.
    #[serde(default)]
    pub idempotent: Vec<Operation>,
    /// The header that makes a request repeatable; `Idempotency-Key` unless said.
    #[serde(default = "idempotency_key")]
    pub idempotency_key: String,
    /// Chains of operations of which all or none must stand at the end.
    #[serde(default)]
    pub sagas: Vec<Saga>,
    /// Providers without which their consumers must go on answering.
    #[serde(default)]
    pub optional: Vec<EdgeId>,
    /// Edges without which their consumer is not ready: it must say so on its readiness path while one is cut, and
    /// stay alive.
    #[serde(default)]
    pub readiness: Vec<EdgeId>,
    /// Edges whose consumer has a circuit breaker.
    #[serde(default)]
    pub breakers: BTreeMap<EdgeId, Breaker>,
    /// What retries must keep to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// Names of correlation headers and attributes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Correlation>,
    /// Edges that deliver events (CloudEvents in HTTP binary mode).
    #[serde(default)]
    pub events: BTreeMap<EdgeId, Events>,
    /// How long an instance may take to end after SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<HumanDuration>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            protected: Vec::new(),
            budgets: BTreeMap::new(),
            idempotent: Vec::new(),
            idempotency_key: idempotency_key(),
            sagas: Vec::new(),
            optional: Vec::new(),
            readiness: Vec::new(),
            breakers: BTreeMap::new(),
            retries: None,
            correlation: None,
            events: BTreeMap::new(),
            shutdown: None,
        }
    }
}

fn idempotency_key() -> String {
    "Idempotency-Key".to_owned()
}

/// A route that must refuse a request without valid credentials (401), or without the right scope (403).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Protected {
    /// The ingress edge.
    pub edge: EdgeId,
    /// The route.
    pub route: Route,
}

/// A chain of operations of which all or none must stand at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Saga {
    /// Its name.
    pub name: String,
    /// The service that drives it: blamed when it is left half done.
    pub owner: ServiceName,
    /// Its steps in forward order.
    pub steps: Vec<SagaStep>,
}

/// One step with what takes it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SagaStep {
    /// The operation.
    pub forward: Operation,
    /// What takes it back. A last step that completes the saga has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Operation>,
}

/// A circuit breaker as its consumer is meant to have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Breaker {
    /// How many calls it looks back on.
    #[serde(default = "ten")]
    pub window: u32,
    /// At which share of failures among them it opens.
    #[serde(default = "half")]
    pub failure_ratio: f64,
    /// How long it stays open.
    pub open: HumanDuration,
    /// How many trial calls it allows when half-open.
    #[serde(default = "three")]
    pub trials: u32,
}

fn ten() -> u32 {
    10
}
fn half() -> f64 {
    0.5
}
fn three() -> u32 {
    3
}

/// What retries must keep to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retries {
    /// The least time between the end of a failed try and the next.
    pub least_delay: HumanDuration,
    /// How many tries in all, at most; 5 unless said.
    #[serde(default = "five")]
    pub max_attempts: u32,
}

fn five() -> u32 {
    5
}

/// How the correlation id travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Correlation {
    /// Header names, the first that is present counts; `X-Correlation-ID` unless said.
    #[serde(default = "correlation_headers")]
    pub headers: Vec<String>,
    /// Names of the attribute that carries it in spans and logs; `correlation_id` unless said.
    #[serde(default = "correlation_attributes")]
    pub attributes: Vec<String>,
}

fn correlation_headers() -> Vec<String> {
    vec!["X-Correlation-ID".to_owned()]
}
fn correlation_attributes() -> Vec<String> {
    vec!["correlation_id".to_owned()]
}

impl Default for Correlation {
    fn default() -> Self {
        Self { headers: correlation_headers(), attributes: correlation_attributes() }
    }
}

/// What is known of the events on an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Events {
    /// Where the producer can be asked for the aggregate that an event is about: `/orders/{subject}`, in which
    /// `{subject}` is the event's `ce-subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Route>,
}

/// Which checks are run, with which thresholds, and checks of your own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CheckSettings {
    /// Checks that are not run.
    #[serde(default)]
    pub skip: Vec<String>,
    /// Numbers that checks judge by.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Checks of your own: a TraceQL expression over all spans of the run.
    #[serde(default)]
    pub custom: Vec<CustomCheck>,
}

/// Numbers that checks judge by. Each check's page (`seaworthy explain`) says what its own means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Thresholds {
    /// How much longer than its declared budget an exchange may last before the budget counts as broken: room
    /// for scheduling, not for the work.
    pub budget_slack: HumanDuration,
    /// How far apart what a service says of its durations and what the wire saw may be before units are
    /// suspected, as a factor.
    pub duration_factor: f64,
    /// How many requests a service's own count may differ from the wire's, as a share of the wire's.
    pub count_tolerance: f64,
    /// What share of the declared least delay a retry must keep, 0 to 1.
    pub backoff_share: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            budget_slack: HumanDuration::millis(300),
            duration_factor: 20.0,
            count_tolerance: 0.0,
            backoff_share: 0.9,
        }
    }
}

/// A check of your own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CustomCheck {
    /// Its name.
    pub id: String,
    /// A TraceQL expression: `{ resource.service.name = "payments" && status = error }`.
    pub query: String,
    /// What must be so of it.
    #[serde(default)]
    pub expect: Expect,
    /// What to say when it is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What must be so of the spans that a query selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// It selects nothing.
    #[default]
    None,
    /// It selects at least one.
    Some,
}
