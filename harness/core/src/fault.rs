//! What the harness does to an edge: a rule is a value that can be written to a file, sent over a socket and
//! installed at any proxy. How it is carried out is the wire's business.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{EdgeId, FaultId, TraceId};
use crate::route::Route;
use crate::time::HumanDuration;

/// Which exchanges a rule is for. Every part that is given must agree, but for the trace and the correlation id: where
/// both are given, either tells, so that a service which loses one of them does not escape its faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultMatcher {
    /// Only on this edge; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<EdgeId>,
    /// Only requests on this route: `POST /payments`, `/payments/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// Only requests whose headers (lower-case names) have these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Only requests of this trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Only requests with this correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Only requests whose baggage has these entries.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baggage: BTreeMap<String, String>,
    /// Only the nth request (from 1) of those that match all of the above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only the first this many of those that match all of the above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Only this share of them, 0 to 1, chosen by the rule's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

impl FaultMatcher {
    /// Whether it is about some requests only, not about a whole edge.
    pub fn is_request_scoped(&self) -> bool {
        self.trace_id.is_some()
            || self.correlation_id.is_some()
            || !self.baggage.is_empty()
            || !self.headers.is_empty()
    }

    /// Whether it asks anything of a request at all, beyond the edge.
    pub fn looks_at_requests(&self) -> bool {
        self.is_request_scoped()
            || self.route.is_some()
            || self.nth.is_some()
            || self.first.is_some()
            || self.probability.is_some()
    }
}

/// On which side of the provider's work a fault sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the request reaches the provider: the work is not done.
    #[default]
    Before,
    /// After the provider has answered: the work is done and the answer is lost.
    After,
}

/// What is done to an exchange that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum FaultAction {
    /// Hold the request back for a while, then go on.
    Delay {
        /// How long.
        by: HumanDuration,
        /// Up to this much more, uniformly, by the rule's seed.
        #[serde(default)]
        jitter: HumanDuration,
    },
    /// Answer with a status of ours.
    Abort {
        /// HTTP status, 400 to 599.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// gRPC status 1 to 16, for gRPC requests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grpc_status: Option<u16>,
        /// Further response headers, `retry-after` say.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// Before the provider works, or after it has answered.
        #[serde(default)]
        when: When,
    },
    /// Break the connection (HTTP/1: linger-0 close) or the stream (HTTP/2: RST_STREAM).
    Reset {
        /// Before the provider works, or after it has answered.
        #[serde(default)]
        when: When,
    },
    /// Nothing moves for a while, then all goes on as if nothing had been.
    Stall {
        /// How long until it heals.
        #[serde(rename = "for")]
        length: HumanDuration,
        /// Before the provider works, or after it has answered.
        #[serde(default)]
        when: When,
    },
    /// Nothing moves until the rule is released (or its lease lapses).
    Hold {
        /// Before the provider works, or after it has answered.
        #[serde(default)]
        when: When,
    },
    /// Break the response off after this many bytes of its body.
    Truncate {
        /// How many bytes pass.
        after_bytes: u64,
    },
    /// Flip bits in the response's body, by the rule's seed.
    Corrupt {
        /// About every how many bytes one is changed.
        every_bytes: u64,
    },
    /// Pass the response's body at this rate.
    SlowBody {
        /// Bytes per second, at least 1.
        bytes_per_second: u64,
    },
    /// Messages only: the subscriber gets it this many times more.
    Duplicate {
        /// How many more copies, 1 to 100.
        #[serde(default = "one")]
        copies: u32,
    },
    /// Messages only: the subscriber never gets it; the broker is told that it was delivered.
    Drop,
    /// Messages only: later messages of the edge overtake it.
    Reorder {
        /// How many, 1 to 10,000; it goes on without them when the rule is released or its lease lapses.
        #[serde(default = "one")]
        behind: u32,
    },
    /// Messages only: its body is replaced by bytes that are neither JSON nor UTF-8; headers stay.
    Poison,
    /// TCP edges only: bytes pass at this rate, in each direction.
    Throttle {
        /// Bytes per second, at least 1.
        bytes_per_second: u64,
    },
    /// Whole edge only: new connections are refused (accepted and reset at once), open ones are cut.
    Refuse,
    /// Whole edge only: new connections are accepted this much later.
    ConnectDelay {
        /// How much later.
        by: HumanDuration,
    },
}

impl FaultAction {
    /// The kind as files write it.
    pub fn kind(&self) -> &'static str {
        match self {
            FaultAction::Delay { .. } => "delay",
            FaultAction::Abort { .. } => "abort",
            FaultAction::Reset { .. } => "reset",
            FaultAction::Stall { .. } => "stall",
            FaultAction::Hold { .. } => "hold",
            FaultAction::Truncate { .. } => "truncate",
            FaultAction::Corrupt { .. } => "corrupt",
            FaultAction::SlowBody { .. } => "slow-body",
            FaultAction::Duplicate { .. } => "duplicate",
            FaultAction::Drop => "drop",
            FaultAction::Reorder { .. } => "reorder",
            FaultAction::Poison => "poison",
            FaultAction::Throttle { .. } => "throttle",
            FaultAction::Refuse => "refuse",
            FaultAction::ConnectDelay { .. } => "connect-delay",
        }
    }

    /// Whether it is about connections and therefore about a whole edge.
    pub fn is_edge_wide(&self) -> bool {
        matches!(self, FaultAction::Refuse | FaultAction::ConnectDelay { .. } | FaultAction::Throttle { .. })
    }

    /// Whether it can be done to messages: some faults can only be done to them, some to requests as well.
    pub fn suits_messages(&self) -> bool {
        self.is_for_messages()
            || matches!(
                self,
                FaultAction::Delay { .. }
                    | FaultAction::Stall { when: When::Before, .. }
                    | FaultAction::Hold { when: When::Before }
            )
    }

    /// Whether it is about messages and nothing else.
    pub fn is_for_messages(&self) -> bool {
        matches!(
            self,
            FaultAction::Duplicate { .. }
                | FaultAction::Drop
                | FaultAction::Reorder { .. }
                | FaultAction::Poison
        )
    }

    /// Whether it can be done to connections whose bytes are not understood. Its matcher names the edge and nothing
    /// of a request then.
    pub fn suits_bytes(&self) -> bool {
        self.is_edge_wide()
            || matches!(
                self,
                FaultAction::Delay { .. }
                    | FaultAction::Stall { .. }
                    | FaultAction::Hold { .. }
                    | FaultAction::Reset { .. }
            )
    }

    /// Whether a consumer sees it as a failure of its provider, so that it can trip a breaker.
    pub fn looks_like_failure(&self) -> bool {
        match self {
            FaultAction::Abort { status, grpc_status, .. } => {
                grpc_status.is_some() || status.is_none_or(|status| status >= 500 || status == 429)
            }
            FaultAction::Delay { .. } | FaultAction::SlowBody { .. } | FaultAction::Throttle { .. } => false,
            // Nobody waits for the answer to a message.
            action if action.is_for_messages() => false,
            _ => true,
        }
    }
}

/// A fault rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultRule {
    /// Its name in evidence and reports; unique among the rules installed.
    pub id: FaultId,
    /// Which exchanges.
    pub matcher: FaultMatcher,
    /// What is done.
    pub action: FaultAction,
    /// The rule lapses this long after its last renewal, so that it cannot outlive the harness.
    #[serde(default = "default_lease")]
    pub lease: HumanDuration,
    /// Governs jitter, probability and corruption; ids are random whatever it is.
    #[serde(default)]
    pub seed: u64,
    /// Whether it shows nothing if it never fires, so that the run is inconclusive then; true unless said.
    #[serde(default = "yes")]
    pub must_fire: bool,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

/// How long a rule lives without renewal unless it says otherwise: 10 s.
pub fn default_lease() -> HumanDuration {
    HumanDuration::millis(10_000)
}

/// Why a rule cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultRuleError {
    /// `refuse` or `connect-delay` with a matcher that looks at requests, which do not exist yet at that point.
    #[error("`{0}` acts on connections, so its matcher can name an edge and nothing of a request")]
    RequestMatcherOnConnectionFault(&'static str),
    /// `refuse` or `connect-delay` without an edge.
    #[error("`{0}` needs an edge")]
    NeedsEdge(&'static str),
    /// An abort without or with both statuses, or one out of range.
    #[error("`abort` needs either `status` from 400 to 599 or `grpc-status` from 1 to 16")]
    AbortStatus,
    /// A probability outside 0 to 1.
    #[error("`probability` must be from 0 to 1")]
    Probability,
    /// `nth: 0`, `first: 0`, a rate or distance of 0, a lease of 0.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// More copies or messages than a rule may ask for.
    #[error("`{0}` must be at most {1}")]
    TooLarge(&'static str, u32),
    /// A matcher that looks at requests, for an edge whose bytes are not understood.
    #[error(
        "`{0}` carries bytes, of which no requests are known, so a rule for it can name the edge and nothing of a request"
    )]
    NoRequests(EdgeId),
    /// An action that cannot be done to what the edge carries.
    #[error("`{kind}` cannot be done to {carried}, and these are what `{edge}` carries")]
    Unsuited {
        /// The action's kind.
        kind: &'static str,
        /// What the edge carries: `requests`, `bytes` or `messages`.
        carried: &'static str,
        /// The edge.
        edge: EdgeId,
    },
    /// Another rule of this id stands.
    #[error("a fault rule `{0}` stands already; ids are unique among the rules installed")]
    Taken(FaultId),
    /// The table has as many rules as it holds.
    #[error("{0} fault rules stand already; remove some first")]
    TooMany(usize),
    /// The process that carries rules out did not take it.
    #[error("the data plane did not take the fault rule `{id}`: {reason}")]
    NotTaken {
        /// Which rule.
        id: FaultId,
        /// Why.
        reason: String,
    },
}

impl FaultRule {
    /// A rule that applies `action` to what `matcher` says, with the default lease and seed 0.
    pub fn new(id: impl Into<FaultId>, matcher: FaultMatcher, action: FaultAction) -> Self {
        Self { id: id.into(), matcher, action, lease: default_lease(), seed: 0, must_fire: true }
    }

    /// Whether the rule can do what it says.
    ///
    /// # Errors
    /// The first part that cannot work.
    pub fn validate(&self) -> Result<(), FaultRuleError> {
        let kind = self.action.kind();
        if self.action.is_edge_wide() {
            if self.matcher.looks_at_requests() {
                return Err(FaultRuleError::RequestMatcherOnConnectionFault(kind));
            }
            if self.matcher.edge.is_none() {
                return Err(FaultRuleError::NeedsEdge(kind));
            }
        }
        if self.matcher.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(FaultRuleError::Probability);
        }
        for (name, zero) in [
            ("nth", self.matcher.nth == Some(0)),
            ("first", self.matcher.first == Some(0)),
            ("lease", self.lease.0.is_zero()),
            ("every-bytes", matches!(self.action, FaultAction::Corrupt { every_bytes: 0 })),
            (
                "bytes-per-second",
                matches!(
                    self.action,
                    FaultAction::SlowBody { bytes_per_second: 0 }
                        | FaultAction::Throttle { bytes_per_second: 0 }
                ),
            ),
            ("copies", matches!(self.action, FaultAction::Duplicate { copies: 0 })),
            ("behind", matches!(self.action, FaultAction::Reorder { behind: 0 })),
        ] {
            if zero {
                return Err(FaultRuleError::Zero(name));
            }
        }
        match self.action {
            FaultAction::Duplicate { copies: 101.. } => return Err(FaultRuleError::TooLarge("copies", 100)),
            FaultAction::Reorder { behind: 10_001.. } => {
                return Err(FaultRuleError::TooLarge("behind", 10_000));
            }
            _ => {}
        }
        if let FaultAction::Abort { status, grpc_status, .. } = &self.action {
            let fits = match (status, grpc_status) {
                (Some(status), None) => (400..600).contains(status),
                (None, Some(grpc)) => (1..=16).contains(grpc),
                _ => false,
            };
            if !fits {
                return Err(FaultRuleError::AbortStatus);
            }
        }
        Ok(())
    }
}

/// A rule as it stood in a run: what it was and how often it fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// The rule.
    pub rule: FaultRule,
    /// When it was installed.
    pub installed: crate::time::Nanos,
    /// When it was removed, released or lapsed; `None` while it stands.
    pub removed: Option<crate::time::Nanos>,
    /// How often it was applied.
    pub fired: u64,
    /// Whether it went because nobody renewed its lease.
    pub lapsed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matcher: FaultMatcher, action: FaultAction) -> FaultRule {
        FaultRule::new("f1", matcher, action)
    }

    #[test]
    fn a_connection_fault_with_a_request_matcher_is_refused() {
        let edge = Some(EdgeId::new("a", "b"));
        let plain = rule(FaultMatcher { edge: edge.clone(), ..Default::default() }, FaultAction::Refuse);
        assert_eq!(plain.validate(), Ok(()));
        let request = rule(FaultMatcher { edge, nth: Some(1), ..Default::default() }, FaultAction::Refuse);
        assert_eq!(request.validate(), Err(FaultRuleError::RequestMatcherOnConnectionFault("refuse")));
        let nowhere = rule(FaultMatcher::default(), FaultAction::Refuse);
        assert_eq!(nowhere.validate(), Err(FaultRuleError::NeedsEdge("refuse")));
    }

    #[test]
    fn a_rule_reads_back_as_it_is_written() {
        let rule = rule(
            FaultMatcher {
                edge: Some(EdgeId::new("orders", "payments")),
                route: Some("POST /payments".parse().unwrap()),
                trace_id: Some(TraceId::random()),
                first: Some(2),
                ..Default::default()
            },
            FaultAction::Abort {
                status: Some(503),
                grpc_status: None,
                headers: BTreeMap::new(),
                when: When::After,
            },
        );
        let text = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<FaultRule>(&text).unwrap(), rule);
    }
}
