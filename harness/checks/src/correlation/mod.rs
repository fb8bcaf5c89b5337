//! `correlation`: one id on the wire, in spans and in logs, from the first request to the last event.

mod said;
mod wire;

use std::collections::HashMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, header};
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::TraceId;
use seaworthy_core::span::Attributes;
use seaworthy_core::system::Correlation as Names;

use crate::causality::Causality;

const WIRE: &str = "correlation.wire";
const EVENT: &str = "correlation.event";
const ECHO: &str = "correlation.echo";
const SPAN: &str = "correlation.span";
const LOG: &str = "correlation.log";

pub(crate) struct Correlation;

/// What the parts of this check share.
struct Scope<'e> {
    evidence: &'e dyn Evidence,
    causality: Causality<'e>,
    names: Names,
    /// Whether the system file says that there are correlation ids.
    declared: bool,
    /// The id that came in with each trace that a step started.
    ids: HashMap<TraceId, &'e str>,
}

impl Check for Correlation {
    fn id(&self) -> &str {
        "correlation"
    }

    fn needs(&self) -> Needs {
        Needs { exchanges: true, ..Needs::default() }
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let scope = Scope::of(evidence);
        if !scope.declared && !scope.is_in_use() {
            return vec![
                Finding::not_applicable(WIRE, "no service passes a correlation id on and none is declared")
                    .hint("add `facts.correlation`, such as `{headers: [X-Correlation-ID], attributes: [correlation_id]}`"),
            ];
        }
        if scope.ids.is_empty() {
            return vec![
                Finding::undecided(WIRE, "no request with a correlation id came in")
                    .hint("add a flow that sends a request through an ingress"),
            ];
        }
        let mut findings = wire::judge(&scope);
        findings.extend(said::judge(&scope));
        findings
    }
}

impl<'e> Scope<'e> {
    fn of(evidence: &'e dyn Evidence) -> Self {
        let declared = evidence.system().facts.correlation.clone();
        let mut ids = HashMap::new();
        for step in evidence.steps() {
            let trace = step.trace.trace_id;
            let exchanges = evidence.exchanges_of(trace);
            let mut ways_in = exchanges.iter().filter(|exchange| !exchange.edge.is_internal()).peekable();
            let sent = match ways_in.peek() {
                // What the wire saw counts, not what the step meant to send.
                Some(first) => first.correlation_id.as_deref(),
                None => Some(step.correlation_id.as_str()),
            };
            if let Some(sent) = sent {
                ids.insert(trace, sent);
            }
        }
        Self {
            evidence,
            causality: Causality::of(evidence),
            declared: declared.is_some(),
            names: declared.unwrap_or_default(),
            ids,
        }
    }

    /// Whether any service passes a correlation id on or gives it back.
    fn is_in_use(&self) -> bool {
        self.evidence.exchanges().iter().any(|exchange| {
            (exchange.edge.is_internal() && exchange.correlation_id.is_some())
                || (exchange.edge.is_ingress() && self.given_back(exchange).is_some())
        })
    }

    /// The correlation id of the response, before any fault of ours.
    fn given_back<'x>(&self, exchange: &'x Exchange) -> Option<&'x str> {
        let response = exchange.provider.as_ref()?.response.as_ref()?;
        self.names.headers.iter().find_map(|name| header(&response.headers, name))
    }

    /// The id that everything in this trace must bear.
    fn id_of(&self, trace: TraceId) -> Option<&'e str> {
        self.ids.get(&self.causality.started_trace(trace)?).copied()
    }

    /// The value of the correlation attribute.
    fn attribute(&self, attributes: &Attributes) -> Option<String> {
        self.names.attributes.iter().find_map(|name| attributes.get(name)).map(ToString::to_string)
    }
}
