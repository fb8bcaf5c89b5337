//! TraceQL: questions about spans, in the words of Tempo's query language.
//!
//! ```
//! use seaworthy_telemetry::traceql::Query;
//!
//! let query: Query = r#"{ resource.service.name = "payments" && status = error } | count() > 2"#.parse()?;
//! let selection = query.evaluate(&[]);
//! assert!(selection.is_empty());
//! # Ok::<(), seaworthy_telemetry::traceql::QueryError>(())
//! ```
//!
//! What is understood:
//!
//! | | |
//! |---|---|
//! | spans | `{ }` all, `{ condition }` those that meet it |
//! | conditions | `=` `!=` `<` `<=` `>` `>=` `=~` `!~`, `&&` `\|\|` `!( )`, parentheses |
//! | fields | `span.KEY`, `resource.KEY`, `.KEY` (the span's, else the resource's), `span."key with spaces"` |
//! | intrinsics | `name` `kind` `status` `statusMessage` `duration` `rootName` `rootServiceName` `traceDuration`, and the scoped names `span:name`, `span:id`, `trace:id`, … |
//! | values | `"text"` or `` `text` ``, `5`, `0.5`, `1.5s`, `100ms`, `true`, `nil`, `error` `ok` `unset`, `server` `client` … |
//! | structure | `A > B` children, `A >> B` descendants, `A < B` parents, `A << B` ancestors, `A ~ B` siblings: the spans of B that are so to one of A |
//! | sets | `A && B` both, when neither is empty; `A \|\| B` either |
//! | pipeline | `\| count() > 2`, `\| avg(duration) > 1s`, `min` `max` `sum`, `\| { condition }` |
//!
//! Each trace is asked for itself. As in Tempo: a comparison with a field that is not there is false, `!=` too
//! (`= nil` asks for absence); regular expressions match the whole text; `&&` and `||` bind alike, from left to
//! right, so mixtures want parentheses; a list matches when one of its values does.
//!
//! Limits: 8 KiB of text, 64 levels of parentheses, 1 MiB for a compiled regular expression.

mod condition;
mod evaluate;
mod forest;
mod lexer;
mod parser;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use seaworthy_core::ids::TraceId;
use seaworthy_core::span::Span;

/// A question about spans. It is read from text and prints as text that reads back as itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    root: syntax::Spanset,
}

/// Why a text is not a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct QueryError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        parser::parse(text).map(|root| Self { root })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root, f)
    }
}

impl Query {
    /// The spans that the query selects, by trace. Spans may be of any traces and in any order.
    pub fn evaluate<'s>(&self, spans: &'s [Span]) -> Selection<'s> {
        evaluate::evaluate(&self.root, spans)
    }
}

/// What a query selected.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selection<'s> {
    /// Of each trace of which something was selected, by trace id.
    pub traces: Vec<Selected<'s>>,
}

/// What a query selected of one trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected<'s> {
    /// The trace.
    pub trace_id: TraceId,
    /// The spans, by their start; at least one.
    pub spans: Vec<&'s Span>,
}

impl<'s> Selection<'s> {
    /// Whether nothing was selected.
    pub fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }

    /// How many spans were selected.
    pub fn len(&self) -> usize {
        self.traces.iter().map(|trace| trace.spans.len()).sum()
    }

    /// The spans, trace by trace.
    pub fn spans(&self) -> impl Iterator<Item = &'s Span> + '_ {
        self.traces.iter().flat_map(|trace| trace.spans.iter().copied())
    }
}
