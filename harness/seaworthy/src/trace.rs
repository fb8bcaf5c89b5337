//! A trace in the hands of a test: assertions that show the trace when they fail, not a stack.

use std::fmt;

use seaworthy_core::completeness::{Completeness, End, Gap};
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{EdgeId, SpanId};
use seaworthy_core::log::LogRecord;
use seaworthy_core::span::Span;
use seaworthy_core::tree::{TraceTree, TreeOptions};
use seaworthy_experiment::flow::Target;
use seaworthy_telemetry::traceql::Query;

use crate::control::TraceEvidence;

/// All that was seen of one request. Prints as a tree that is the same in every run, so that
/// `insta::assert_snapshot!(trace)` just works.
#[derive(Debug, Clone)]
pub struct Trace {
    evidence: TraceEvidence,
}

impl Trace {
    pub(crate) fn new(evidence: TraceEvidence) -> Self {
        Self { evidence }
    }

    /// Its spans.
    pub fn spans(&self) -> &[Span] {
        &self.evidence.spans
    }

    /// Its exchanges on all edges.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.evidence.exchanges
    }

    /// Its log records.
    pub fn logs(&self) -> &[LogRecord] {
        &self.evidence.logs
    }

    /// What is missing of it.
    pub fn completeness(&self) -> &Completeness {
        &self.evidence.completeness
    }

    /// The exchanges on an edge, or on a route of it: `orders -> payments POST /payments`.
    ///
    /// # Panics
    /// `on` is no edge.
    #[track_caller]
    #[allow(clippy::panic, reason = "assertions of a test report by panicking")]
    pub fn on(&self, on: &str) -> Vec<&Exchange> {
        let target: Target = on.parse().unwrap_or_else(|error| panic!("{error}"));
        self.evidence.exchanges.iter().filter(|exchange| target.matches(exchange)).collect()
    }

    /// The spans that a TraceQL expression selects.
    ///
    /// # Panics
    /// It is no TraceQL.
    #[track_caller]
    #[allow(clippy::panic, reason = "assertions of a test report by panicking")]
    pub fn select(&self, query: &str) -> Vec<Span> {
        let parsed: Query = query.parse().unwrap_or_else(|error| panic!("`{query}`: {error}"));
        parsed.evaluate(&self.evidence.spans).spans().cloned().collect()
    }

    /// At least one span is selected.
    ///
    /// # Panics
    /// None is; shows the trace.
    #[track_caller]
    pub fn assert_some(&self, query: &str) -> &Self {
        assert!(!self.select(query).is_empty(), "no span is selected by\n    {query}\nin\n{self}");
        self
    }

    /// No span is selected.
    ///
    /// # Panics
    /// One is; shows the trace with those marked.
    #[track_caller]
    pub fn assert_none(&self, query: &str) -> &Self {
        let selected = self.select(query);
        assert!(
            selected.is_empty(),
            "{} spans are selected by\n    {query}\nand none should be, in\n{}",
            selected.len(),
            self.marked(selected.iter().map(|span| span.span_id))
        );
        self
    }

    /// Each span that `of` selects is selected by `has` too.
    ///
    /// # Panics
    /// One is not (the trace is shown with those marked), or `of` selects nothing, which proves nothing.
    #[track_caller]
    pub fn assert_each(&self, of: &str, has: &str) -> &Self {
        let (of_spans, has_spans) = (self.select(of), self.select(has));
        assert!(
            !of_spans.is_empty(),
            "nothing is selected by\n    {of}\nso that nothing is shown of each, in\n{self}"
        );
        let lacking: Vec<_> = of_spans
            .iter()
            .map(|span| span.span_id)
            .filter(|id| !has_spans.iter().any(|span| span.span_id == *id))
            .collect();
        assert!(
            lacking.is_empty(),
            "{} of {} spans selected by\n    {of}\nare not selected by\n    {has}\nin\n{}",
            lacking.len(),
            of_spans.len(),
            self.marked(lacking.iter().copied())
        );
        self
    }

    /// So many exchanges went over an edge, or a route of it.
    ///
    /// # Panics
    /// Another number did; shows them.
    #[track_caller]
    pub fn assert_calls(&self, on: &str, count: usize) -> &Self {
        let exchanges = self.on(on);
        let seen: Vec<String> = exchanges.iter().map(|exchange| exchange.summary()).collect();
        assert!(
            exchanges.len() == count,
            "{} exchanges on `{on}`, not {count}:\n    {}\nin\n{self}",
            exchanges.len(),
            seen.join("\n    ")
        );
        self
    }

    /// The edges that the request went over, each once, in the order of their first exchange.
    pub fn edges(&self) -> Vec<EdgeId> {
        let mut edges: Vec<EdgeId> = Vec::new();
        for exchange in &self.evidence.exchanges {
            if !edges.contains(&exchange.edge) {
                edges.push(exchange.edge.clone());
            }
        }
        edges
    }

    fn tree(&self) -> TraceTree {
        TraceTree::build(&self.evidence.spans, &self.evidence.exchanges)
    }

    fn marked(&self, spans: impl Iterator<Item = SpanId>) -> String {
        self.tree().render(&spans.fold(TreeOptions::default(), TreeOptions::mark))
    }

    /// What is missing, for people; `None` when the trace is complete.
    pub(crate) fn missing(&self) -> Option<String> {
        let gaps = &self.evidence.completeness.gaps;
        if gaps.is_empty() {
            return None;
        }
        let lines: Vec<String> = gaps.iter().map(describe).collect();
        Some(format!("{}\nin\n{self}", lines.join("\n")))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.tree(), f)
    }
}

fn describe(gap: &Gap) -> String {
    match gap {
        Gap::InFlight { edge, exchange } => format!("  {edge}: {exchange} has not ended"),
        Gap::MissingSpan { edge, end, service, owed, came, .. } => {
            let kind = match end {
                End::Sender => "CLIENT or PRODUCER",
                End::Receiver => "SERVER or CONSUMER",
            };
            format!("  {edge}: `{service}` owes {owed} {kind} span(s) and {came} came")
        }
        Gap::MissingParent { service, parent, .. } => {
            format!("  a span of `{service}` names the parent {parent}, which never came")
        }
        Gap::NoExchange { service, edge, .. } => {
            format!("  `{service}` says that it called {edge}, and the wire saw nothing")
        }
        Gap::Untraced { edge, .. } => format!("  {edge}: an exchange carries no traceparent"),
    }
}
