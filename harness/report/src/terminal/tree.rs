//! The trace behind a finding, with the failing span marked; what says nothing is folded away.

use std::collections::BTreeSet;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::{SpanId, TraceId};
use seaworthy_core::span::Span;
use seaworthy_core::tree::{TraceTree, TreeOptions};

/// Trees of up to so many lines are shown whole.
const WHOLE: usize = 24;

/// What stands behind a span that the finding is about; [`TraceTree`] puts it there.
pub(super) const MARK: &str = "  ◀ here";

/// A line of the tree.
pub(super) struct Line {
    pub(super) text: String,
    /// Whether the finding is about it.
    pub(super) marked: bool,
}

/// The tree of the trace in lines; `None` when nothing is known of it.
pub(super) fn lines(
    evidence: &dyn Evidence,
    trace: TraceId,
    finding: &Finding,
    whole: bool,
) -> Option<Vec<Line>> {
    let traces = with_linked(evidence, trace);
    let spans: Vec<Span> = traces.iter().flat_map(|trace| evidence.spans_of(*trace)).cloned().collect();
    let exchanges: Vec<Exchange> =
        traces.iter().flat_map(|trace| evidence.exchanges_of(*trace)).cloned().collect();
    if spans.is_empty() && exchanges.is_empty() {
        return None;
    }
    let without = evidence.system().services.iter().filter(|(_, service)| !service.has_telemetry());
    let options = TreeOptions {
        with_durations: true,
        marked: marks(finding, &exchanges),
        without_telemetry: without.map(|(name, _)| name.clone()).collect(),
    };
    let text = TraceTree::build(&spans, &exchanges).render(&options);
    let lines =
        text.lines().map(|line| Line { text: line.to_owned(), marked: line.ends_with(MARK) }).collect();
    Some(if whole { lines } else { fold(lines) })
}

/// The trace and those that go on from it by links.
fn with_linked(evidence: &dyn Evidence, trace: TraceId) -> BTreeSet<TraceId> {
    let mut traces = BTreeSet::from([trace]);
    loop {
        let linked: Vec<TraceId> = evidence
            .spans()
            .iter()
            .filter(|span| !traces.contains(&span.trace_id))
            .filter(|span| span.links.iter().any(|link| traces.contains(&link.trace_id)))
            .map(|span| span.trace_id)
            .collect();
        if linked.is_empty() {
            return traces;
        }
        traces.extend(linked);
    }
}

/// The spans that the finding is about: those it names, else the senders of the exchanges it names.
fn marks(finding: &Finding, exchanges: &[Exchange]) -> BTreeSet<SpanId> {
    let of_kind = |kind: &'static str| finding.evidence.iter().filter(move |evidence| evidence.kind == kind);
    let named: BTreeSet<SpanId> = of_kind("span").filter_map(|evidence| evidence.id.parse().ok()).collect();
    if !named.is_empty() {
        return named;
    }
    of_kind("exchange")
        .filter_map(|evidence| exchanges.iter().find(|exchange| exchange.id.to_string() == evidence.id))
        .filter_map(|exchange| exchange.trace.map(|trace| trace.parent_id))
        .collect()
}

/// How deep a line hangs.
fn depth(line: &str) -> usize {
    line.chars().take_while(|c| "│├└─ ".contains(*c)).count()
}

/// Leaves out of a long tree what is neither marked, nor wrong, nor on the way to what is.
fn fold(lines: Vec<Line>) -> Vec<Line> {
    if lines.len() <= WHOLE {
        return lines;
    }
    let speaks = |line: &Line| {
        line.marked
            || ["⚡", "(missing", "(no ", "(in flight"].iter().any(|sign| line.text.contains(sign))
            || { line.text.contains("\" error") }
    };
    let mut keep: Vec<bool> = lines.iter().map(speaks).collect();
    if !keep.contains(&true) {
        keep.iter_mut().take(WHOLE - 1).for_each(|keep| *keep = true);
    }
    // From the last line up: a line that has something below it that is kept is on the way there.
    let mut wanted = usize::MAX;
    for (line, keep) in lines.iter().zip(&mut keep).rev() {
        let here = depth(&line.text);
        if *keep || here < wanted {
            wanted = if *keep || wanted != usize::MAX { here } else { wanted };
            *keep = *keep || wanted != usize::MAX;
        }
    }
    let mut folded = Vec::new();
    let mut gone: Vec<Line> = Vec::new();
    for (line, keep) in lines.into_iter().zip(keep) {
        if keep {
            close_gap(&mut folded, &mut gone);
            folded.push(line);
        } else {
            gone.push(line);
        }
    }
    close_gap(&mut folded, &mut gone);
    folded
}

/// Puts one line in the place of those that are left out; a single one stays, as it takes no more room.
fn close_gap(folded: &mut Vec<Line>, gone: &mut Vec<Line>) {
    if let ([first, _, ..], count) = (gone.as_slice(), gone.len()) {
        let indent = " ".repeat(depth(&first.text).saturating_sub(3));
        gone.clear();
        folded.push(Line { text: format!("{indent}⋮  {count} more, -v shows them"), marked: false });
    }
    folded.append(gone);
}
