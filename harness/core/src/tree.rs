//! A trace as a tree that prints the same in every run.
//!
//! Spans hang under their parents, and what one service sent to another hangs where it was sent: a fault that was
//! injected on the way stands between the client's and the server's span, and a span that the wire proves and that
//! never came stands as `(missing …)` in its place.
//!
//! ```text
//! gateway server "POST /orders" error
//! └─ gateway client "POST orders" error
//!    └─ orders server "POST /orders" error: no payment
//!       └─ orders client "POST payments" error
//!          └─ ⚡ abort on orders -> payments: POST /payments → 503
//! ```
//!
//! Ids, ports and times do not show (durations do when [`TreeOptions::with_durations`] asks for them), so the text
//! can be compared with what an earlier run printed: `insta::assert_snapshot!(tree)` just works.

mod build;
mod render;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::completeness::End;
use crate::exchange::Exchange;
use crate::ids::{EdgeId, ServiceName, SpanId};
use crate::span::{Span, SpanKind, SpanStatus};

/// A trace as a tree. Its [`Display`](std::fmt::Display) is [`TraceTree::render`] with the default options.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceTree {
    /// What has no parent here, in order.
    pub roots: Vec<Node>,
}

/// One place in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What stands here.
    pub content: Content,
    /// What hangs below: what the service did itself in the order of its own clock, then what it sent, in the order
    /// in which the wire saw it, then what went on from here by a link.
    pub children: Vec<Node>,
}

/// What stands in a place of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A span.
    Span {
        /// Its id, for marks; not printed.
        id: SpanId,
        /// Who exported it.
        service: ServiceName,
        /// Its kind.
        kind: SpanKind,
        /// Its name, with ids replaced.
        name: String,
        /// Its status.
        status: SpanStatus,
        /// How long it took.
        duration: Duration,
        /// Whether it hangs here by a link and not as a child.
        linked: bool,
    },
    /// An exchange on which something was injected; what the provider did all the same hangs below.
    Fault {
        /// Where.
        edge: EdgeId,
        /// What was injected: `abort`, `delay`, …
        actions: Vec<String>,
        /// What was asked and what the consumer got: `POST /payments → 503`, with ids replaced.
        summary: String,
    },
    /// A span that an exchange proves and that did not come.
    MissingSpan {
        /// Which end of the exchange.
        end: End,
        /// Who owes it.
        service: ServiceName,
        /// What was asked, with ids replaced.
        request: String,
    },
    /// A span that children name as their parent and that neither telemetry nor wire knows.
    MissingParent {
        /// Who exported the children.
        service: ServiceName,
    },
    /// A request that is still under way and has no span at its other end yet.
    InFlight {
        /// Where.
        edge: EdgeId,
        /// What was asked, with ids replaced.
        request: String,
    },
    /// A request without valid `traceparent`, which belongs here by its correlation id only.
    Untraced {
        /// Where.
        edge: EdgeId,
        /// What was asked, with ids replaced.
        request: String,
    },
    /// Spans so deep below that they are left out.
    Deeper,
}

/// How a tree is printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TreeOptions {
    /// Shows how long each span took. The text then differs from run to run.
    pub with_durations: bool,
    /// Spans that are pointed at with `◀ here`.
    pub marked: BTreeSet<SpanId>,
    /// Services that export no telemetry by declaration: their spans are not missing.
    pub without_telemetry: BTreeSet<ServiceName>,
}

impl TreeOptions {
    /// Points at this span too.
    #[must_use]
    pub fn mark(mut self, span: SpanId) -> Self {
        self.marked.insert(span);
        self
    }
}

impl TraceTree {
    /// The tree of these spans and exchanges. They should be those of one trace and of what goes on from it by
    /// links; what has no place among them becomes a root. Spans deeper than 200 levels are left out.
    pub fn build(spans: &[Span], exchanges: &[Exchange]) -> Self {
        Self { roots: build::roots(spans, exchanges) }
    }

    /// The tree as text, one line for each place, without a newline at its end.
    pub fn render(&self, options: &TreeOptions) -> String {
        render::text(&self.roots, options)
    }
}

impl std::fmt::Display for TraceTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(&TreeOptions::default()))
    }
}
