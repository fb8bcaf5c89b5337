//! What checks yield: findings, and the verdicts that follow from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::ids::{EdgeId, ServiceName, SpanId, TraceId};

/// How bad a finding is. Only errors fail a run, unless warnings are denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth mending.
    Warning,
    /// Not fit to ship.
    Error,
}

/// What is said of a check, or of a whole run (which is never `skipped`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Judged, and nothing against it.
    Pass,
    /// Does not apply, or lacks a declared fact.
    Skipped,
    /// Could not be decided. Never green.
    Inconclusive,
    /// Judged, and something against it.
    Fail,
}

impl Verdict {
    /// The exit code that says it: 0 pass, 1 fail, 3 inconclusive.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Pass | Verdict::Skipped => 0,
            Verdict::Fail => 1,
            Verdict::Inconclusive => 3,
        }
    }
}

/// A piece of evidence that a finding points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceRef {
    /// `exchange`, `span`, `trace`, `log`, `output`, `metric`, `instance`, `fault`, `step`.
    pub kind: String,
    /// The id of that kind.
    pub id: String,
    /// What it shows, in one line.
    pub text: String,
}

impl EvidenceRef {
    /// Points at an exchange.
    pub fn exchange(exchange: &Exchange) -> Self {
        Self {
            kind: "exchange".to_owned(),
            id: exchange.id.to_string(),
            text: format!("{}: {}", exchange.edge, exchange.summary()),
        }
    }

    /// Points at a trace.
    pub fn trace(trace: TraceId) -> Self {
        Self { kind: "trace".to_owned(), id: trace.to_string(), text: String::new() }
    }

    /// Points at a span.
    pub fn span(span: SpanId, text: impl Into<String>) -> Self {
        Self { kind: "span".to_owned(), id: span.to_string(), text: text.into() }
    }

    /// Points at anything else.
    pub fn other(kind: &str, id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), id: id.into(), text: text.into() }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub struct Location {
    /// The file, relative to where the tool was started if it lies below.
    pub file: String,
    /// Line, from 1; 0 when not known.
    pub line: usize,
    /// Column, from 1; 0 when not known.
    pub column: usize,
    /// JSON pointer into the document, where that says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// What a finding does to its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Effect {
    /// Something is wrong: by its severity, the check fails.
    #[default]
    Violation,
    /// It cannot be told; the message says why, the hint what would decide it. The check is inconclusive
    /// unless it fails.
    Undecided,
    /// The check does not apply, or lacks a fact; the hint names the line to add. The check is skipped unless
    /// something else was said.
    NotApplicable,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule, as `seaworthy explain` knows it.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// How to mend or decide it.
    pub hint: String,
    /// What shows it.
    pub evidence: Vec<EvidenceRef>,
    /// The service to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The edge to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<EdgeId>,
    /// The flow in which it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The place in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// A payload that shows it, executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
    /// What it does to its check. Reports say it through the check's verdict.
    #[serde(skip)]
    #[schemars(skip)]
    pub effect: Effect,
}

impl Finding {
    fn new(rule: &str, severity: Severity, effect: Effect, message: String) -> Self {
        Self {
            rule: rule.to_owned(),
            severity,
            message,
            hint: String::new(),
            evidence: Vec::new(),
            service: None,
            edge: None,
            flow: None,
            location: None,
            witness: None,
            effect,
        }
    }

    /// Something is wrong (severity error).
    pub fn error(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, Effect::Violation, message.into())
    }

    /// Something is worth mending (severity warning).
    pub fn warning(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, Effect::Violation, message.into())
    }

    /// It cannot be told: say why here and in the hint what would decide it.
    pub fn undecided(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Info, Effect::Undecided, message.into())
    }

    /// The check does not apply, or lacks a fact: say which here and in the hint the line to add.
    pub fn not_applicable(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Info, Effect::NotApplicable, message.into())
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Blames a service.
    #[must_use]
    pub fn service(mut self, service: &ServiceName) -> Self {
        self.service = Some(service.clone());
        self
    }

    /// Blames an edge.
    #[must_use]
    pub fn edge(mut self, edge: &EdgeId) -> Self {
        self.edge = Some(edge.clone());
        self
    }

    /// Seen in this flow.
    #[must_use]
    pub fn flow(mut self, flow: &str) -> Self {
        self.flow = Some(flow.to_owned());
        self
    }

    /// At this place in a file.
    #[must_use]
    pub fn location(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// With a piece of evidence.
    #[must_use]
    pub fn evidence(mut self, evidence: EvidenceRef) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// With this exchange, and its trace, as evidence.
    #[must_use]
    pub fn exchange(self, exchange: &Exchange) -> Self {
        let finding = self.evidence(EvidenceRef::exchange(exchange));
        match exchange.trace_id() {
            Some(trace) if finding.trace_id().is_none() => finding.evidence(EvidenceRef::trace(trace)),
            _ => finding,
        }
    }

    /// The first trace among the evidence.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.evidence.iter().find(|evidence| evidence.kind == "trace").and_then(|trace| trace.id.parse().ok())
    }

    /// What stays the same when lines move: rule and qualified name.
    pub fn fingerprint(&self) -> String {
        let mut name = self.rule.clone();
        if let Some(edge) = &self.edge {
            name += &format!("@{}", edge.to_string().replace(' ', ""));
        } else if let Some(service) = &self.service {
            name += &format!("@{service}");
        }
        if let Some(pointer) = self.location.as_ref().and_then(|location| location.pointer.as_ref()) {
            name += &format!("#{pointer}");
        }
        if let Some(flow) = &self.flow {
            name += &format!("~{flow}");
        }
        name
    }
}
