//! Causal completeness: whether a trace is all there, told from what the wire saw and not from a count.
//!
//! A trace is complete when
//!
//! 1. every exchange of it has ended, on both sides of the proxy;
//! 2. each span that the exchanges prove to be owed has come: of the consumer a CLIENT or PRODUCER span, of the
//!    provider a SERVER or CONSUMER span if the request reached it;
//! 3. no span names a parent that neither the telemetry nor the wire knows;
//! 4. each CLIENT span towards one of our proxies has its exchange, and no exchange goes without `traceparent`.
//!
//! | module | what it tells |
//! |---|---|
//! | [`trail`] | which exchanges and spans belong: linked traces, correlation ids |
//! | [`debts`] | who owes which span, and which came |
//! | [`mercy`] | who owes nothing: not sampled, `telemetry: none`, killed before it could flush |
//! | [`orphans`] | parents that never came |
//! | [`strays`] | CLIENT spans without exchange |
//! | [`anew`] | where a receiver began a trace of its own instead |
//!
//! It is a function over values. To wait for a trace, ask again whenever the exchange log or the store changed:
//!
//! ```text
//! loop {
//!     let spans = store.spans_near(trace);
//!     let exchanges = untraced and those of each of store.traces_from(trace);
//!     let result = completeness(trace, &exchanges, &spans, &ledger);
//!     if result.is_complete() { break result }
//!     select! { store.changed() | log.changed() | deadline => break result }
//! }
//! ```

mod anew;
mod debts;
mod mercy;
mod orphans;
mod strays;
mod trail;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use seaworthy_core::completeness::{Completeness, Gap};
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{EdgeId, TraceId};
use seaworthy_core::instance::InstanceEvent;
use seaworthy_core::span::Span;
use seaworthy_core::system::System;

use mercy::Waivers;
use trail::Trail;

/// What completeness must know besides exchanges and spans.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    /// What was declared: who has telemetry, how long exports may take, which attributes carry the correlation id.
    pub system: &'a System,
    /// What happened to instances: a killed one owes nothing that it could not flush.
    pub instances: &'a [InstanceEvent],
    /// Where our proxies listen.
    pub proxies: &'a BTreeMap<EdgeId, SocketAddr>,
}

/// What is missing of a trace.
///
/// `exchanges` must hold those of the trace, those of the traces that go on from it by links
/// ([`Store::traces_from`](crate::Store::traces_from)), and those without `traceparent`; `spans` those that
/// [`Store::spans_near`](crate::Store::spans_near) gives. Both may hold more, in any order: what does not belong
/// is passed over, so the whole of the evidence will do.
///
/// Gaps come in the order of the exchanges that prove them; those that only spans prove follow.
pub fn completeness(
    trace: TraceId,
    exchanges: &[Exchange],
    spans: &[Span],
    ledger: &Ledger<'_>,
) -> Completeness {
    let trail = Trail::follow(trace, exchanges, spans);
    let mut waivers = Waivers::new(ledger);
    let mut gaps = Vec::new();
    for &exchange in trail.exchanges.iter().chain(&trail.untraced) {
        if !exchange.is_over() {
            gaps.push((exchange, Gap::InFlight { exchange: exchange.id, edge: exchange.edge.clone() }));
        }
    }
    for &exchange in &trail.untraced {
        if waivers.has_telemetry(&exchange.edge.consumer) {
            gaps.push((exchange, Gap::Untraced { exchange: exchange.id, edge: exchange.edge.clone() }));
        }
    }
    let settled = debts::settle(&trail, spans, ledger, &mut waivers);
    gaps.extend(settled.gaps);
    // Stable: of one exchange, what is in flight comes before what is owed.
    gaps.sort_by_key(|(exchange, _)| (exchange.started, exchange.id));
    let mut gaps: Vec<Gap> = gaps.into_iter().map(|(_, gap)| gap).collect();
    gaps.extend(orphans::find(&trail, settled.absent, &mut waivers));
    gaps.extend(strays::find(&trail, ledger));
    Completeness { trace_id: trace, gaps, owed: settled.owed, waived: waivers.reasons() }
}
