//! Cases of one kind, gathered: one finding per rule and blamed part, however often it happened.

use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::TraceId;

/// How many pieces of evidence a finding shows.
const SHOWN: usize = 3;

/// How often something happened, and the first few times.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    count: usize,
    shown: Vec<EvidenceRef>,
    trace: Option<TraceId>,
}

impl Cases {
    /// One more: an exchange.
    pub(crate) fn exchange(&mut self, exchange: &Exchange) {
        self.in_trace(EvidenceRef::exchange(exchange), exchange.trace_id());
    }

    /// One more: anything, in a trace where known.
    pub(crate) fn in_trace(&mut self, evidence: EvidenceRef, trace: Option<TraceId>) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(evidence);
            self.trace = self.trace.or(trace);
        }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many there were, in words: `1 request`, `3 requests`.
    pub(crate) fn of(&self, what: &str) -> String {
        counted(self.count, what)
    }

    /// The finding with what is shown of them, and with the first trace.
    pub(crate) fn onto(self, finding: Finding) -> Finding {
        let finding = self.shown.into_iter().fold(finding, Finding::evidence);
        match self.trace {
            Some(trace) => finding.evidence(EvidenceRef::trace(trace)),
            None => finding,
        }
    }
}

/// `1 request`, `3 requests`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The first few of a list in words: `a, b, c and 4 more`.
pub(crate) fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<T> = items.into_iter().collect();
    let shown: Vec<&str> = items.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match items.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
