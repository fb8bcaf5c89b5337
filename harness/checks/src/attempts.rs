//! Calls with their attempts: which exchanges are one request made again after it failed.

use std::collections::BTreeMap;
use std::time::Duration;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Outcome, Protocol, header};
use seaworthy_core::ids::{EdgeId, ExchangeId, TraceId};

use crate::causality::Causality;

/// By how much the end of an attempt that the consumer gave up may be seen too late.
const SEEN_LATE: Duration = Duration::from_millis(50);

/// One request with its attempts in order.
pub(crate) struct Call<'e> {
    /// Each but the last failed before the next began.
    pub(crate) attempts: Vec<&'e Exchange>,
    /// What made the consumer call.
    pub(crate) incoming: Option<&'e Exchange>,
}

impl<'e> Call<'e> {
    /// The edge.
    pub(crate) fn edge(&self) -> &'e EdgeId {
        &self.attempts[0].edge
    }

    /// A failed attempt and the one that followed it.
    pub(crate) fn retries(&self) -> impl Iterator<Item = (&'e Exchange, &'e Exchange)> {
        self.attempts.windows(2).map(|pair| (pair[0], pair[1]))
    }
}

/// Whether the consumer saw it fail.
pub(crate) fn failed(exchange: &Exchange) -> bool {
    match (exchange.outcome, &exchange.response) {
        (Outcome::InFlight, _) => false,
        (Outcome::Answered, Some(response)) => {
            response.status >= 400 || response.grpc_status.is_some_and(|status| status != 0)
        }
        _ => true,
    }
}

/// All calls between services, in the order of their first attempts.
///
/// One call is: the same edge, method, path, query, event and body, for the same incoming exchange of the consumer.
pub(crate) fn calls<'e>(
    evidence: &'e dyn Evidence,
    causality: &Causality<'e>,
    key_header: &str,
) -> Vec<Call<'e>> {
    type Key<'e> =
        (&'e EdgeId, Option<TraceId>, Option<ExchangeId>, &'e str, &'e str, Option<&'e str>, Option<&'e str>);
    let mut groups: BTreeMap<Key<'e>, Vec<Call<'e>>> = BTreeMap::new();
    // A message has no answer that its publisher could act on: the broker's word to it is not on this edge.
    let is_call =
        |exchange: &&Exchange| exchange.edge.is_internal() && exchange.protocol != Protocol::Message;
    for exchange in evidence.exchanges().iter().filter(is_call) {
        let incoming = causality.incoming_of(exchange);
        let key = (
            &exchange.edge,
            causality.trace_of(exchange),
            incoming.map(|incoming| incoming.id),
            exchange.method.as_str(),
            exchange.path.as_str(),
            exchange.query.as_deref(),
            exchange.cloud_event("id"),
        );
        let calls = groups.entry(key).or_default();
        let earlier = calls.iter_mut().rev().find(|call| {
            call.attempts
                .last()
                .is_some_and(|last| follows(last, exchange) && same_request(last, exchange, key_header))
        });
        match earlier {
            Some(call) => call.attempts.push(exchange),
            None => calls.push(Call { attempts: vec![exchange], incoming }),
        }
    }
    let mut calls: Vec<Call<'e>> = groups.into_values().flatten().collect();
    calls.sort_by_key(|call| (call.attempts[0].started, call.attempts[0].id));
    calls
}

fn follows(earlier: &Exchange, later: &Exchange) -> bool {
    failed(earlier) && earlier.ended.is_some_and(|ended| ended <= later.started.plus(SEEN_LATE))
}

/// Whether two requests are one made again. Where less of one body passed than of the other, it may have been cut
/// short: then the declared lengths and the keys must agree.
fn same_request(one: &Exchange, other: &Exchange, key_header: &str) -> bool {
    let bytes = |exchange: &Exchange| exchange.request.body.bytes;
    let (short, long) = if bytes(one) < bytes(other) { (one, other) } else { (other, one) };
    if bytes(short) == bytes(long) {
        return short.request.body.digest == long.request.body.digest;
    }
    let declared = |exchange| header_of(exchange, "content-length").and_then(|length| length.parse().ok());
    let cut_short = match declared(short) {
        Some(length) => bytes(short) < length && declared(long).is_none_or(|other: u64| other == length),
        None => !short.reached_provider() || short.outcome != Outcome::Answered,
    };
    cut_short && header_of(short, key_header) == header_of(long, key_header)
}

/// The value of a request header.
pub(crate) fn header_of<'e>(exchange: &'e Exchange, name: &str) -> Option<&'e str> {
    header(&exchange.request.headers, name)
}

/// Whether an edge delivers events: declared, or seen in this exchange.
pub(crate) fn delivers_event(evidence: &dyn Evidence, exchange: &Exchange) -> bool {
    exchange.cloud_event("specversion").is_some() || is_event_edge(evidence, &exchange.edge)
}

/// Whether an edge is declared to deliver events.
pub(crate) fn is_event_edge(evidence: &dyn Evidence, edge: &EdgeId) -> bool {
    evidence.system().facts.events.keys().any(|pattern| edge.is_covered_by(pattern))
}
