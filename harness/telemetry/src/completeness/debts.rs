//! Who owes which span, and which of them came.
//!
//! The attempts of one call share a parent id: they owe one sender span (the parent itself) and as many receiver
//! spans as reached the provider.

use std::collections::HashMap;

use seaworthy_core::completeness::{End, Gap};
use seaworthy_core::exchange::{Exchange, Outcome, Protocol, ProviderSide};
use seaworthy_core::ids::{ServiceName, TraceId};
use seaworthy_core::span::Span;

use super::mercy::{Waivers, was_killed};
use super::trail::{Place, Trail, place};
use super::{Ledger, anew};

/// What came of looking at all debts.
pub(super) struct Settled<'a> {
    /// Debts that stand, each with the exchange that proves it.
    pub(super) gaps: Vec<(&'a Exchange, Gap)>,
    /// How many spans were owed.
    pub(super) owed: u32,
    /// How many receiver spans of a service in a trace are not there, whatever the reason: their children name
    /// parents that nobody knows, and that is no second finding.
    pub(super) absent: HashMap<(TraceId, ServiceName), usize>,
}

/// Goes through all debts of a trail; `all_spans` is searched for traces begun anew.
pub(super) fn settle<'a>(
    trail: &Trail<'a>,
    all_spans: &[Span],
    ledger: &Ledger<'_>,
    waivers: &mut Waivers<'_>,
) -> Settled<'a> {
    let mut settled = Settled { gaps: Vec::new(), owed: 0, absent: HashMap::new() };
    for (place, service, calls) in calls(trail, |exchange| Some(&exchange.edge.consumer)) {
        settle_sender(place, service, &calls, trail, waivers, &mut settled);
    }
    let reached = |exchange: &'a Exchange| exchange.provider.is_some().then_some(&exchange.edge.provider);
    for (place, service, calls) in calls(trail, reached) {
        settle_receivers(place, service, &calls, (trail, all_spans, ledger), waivers, &mut settled);
    }
    settled
}

/// Exchanges under one parent id of one service, in order.
type Call<'a> = (Place, &'a ServiceName, Vec<&'a Exchange>);

fn calls<'a>(trail: &Trail<'a>, whose: impl Fn(&'a Exchange) -> Option<&'a ServiceName>) -> Vec<Call<'a>> {
    let mut calls: Vec<Call<'a>> = Vec::new();
    let mut at: HashMap<(Place, &ServiceName), usize> = HashMap::new();
    for &exchange in &trail.exchanges {
        let (Some(place), Some(service)) = (place(exchange), whose(exchange)) else { continue };
        let index = *at.entry((place, service)).or_insert_with(|| {
            calls.push((place, service, Vec::new()));
            calls.len() - 1
        });
        if let Some((_, _, exchanges)) = calls.get_mut(index) {
            exchanges.push(exchange);
        }
    }
    calls
}

fn settle_sender<'a>(
    place: Place,
    service: &ServiceName,
    calls: &[&'a Exchange],
    trail: &Trail<'a>,
    waivers: &mut Waivers<'_>,
    settled: &mut Settled<'a>,
) {
    if !calls.iter().any(|exchange| exchange.edge.is_internal()) || !waivers.has_telemetry(service) {
        return;
    }
    // While any attempt is in flight the span round them may be open.
    if calls.iter().any(|exchange| !exchange.is_over()) {
        return;
    }
    let Some(&first) = calls.first() else { return };
    let came = trail.by_place.get(&place).is_some_and(|span| span.kind.is_sender());
    if !came {
        if !first.trace.is_some_and(|trace| trace.sampled) {
            return waivers.waive("not sampled".to_owned());
        }
        if let Some(instance) = calls.iter().find_map(|exchange| waivers.killed_consumer(exchange)) {
            return waivers.waive(was_killed(instance));
        }
    }
    settled.owed += 1;
    if !came {
        let gap = Gap::MissingSpan {
            exchange: first.id,
            edge: first.edge.clone(),
            end: End::Sender,
            service: service.clone(),
            instance: None,
            owed: 1,
            came: 0,
            started_anew: None,
        };
        settled.gaps.push((first, gap));
    }
}

fn settle_receivers<'a>(
    place: Place,
    service: &ServiceName,
    calls: &[&'a Exchange],
    (trail, all_spans, ledger): (&Trail<'a>, &[Span], &Ledger<'_>),
    waivers: &mut Waivers<'_>,
    settled: &mut Settled<'a>,
) {
    if !waivers.has_telemetry(service) {
        return;
    }
    let in_flight = calls.iter().filter(|exchange| !exchange.is_over()).count();
    let over: Vec<&'a Exchange> = calls.iter().copied().filter(|exchange| exchange.is_over()).collect();
    let mut received: Vec<&Span> =
        trail.spans.iter().copied().filter(|span| receives(span, place, service, calls)).collect();
    let unanswered = pair(&over, &mut received);
    let absent = in_flight.saturating_sub(received.len()) + unanswered.len();
    let owing: Vec<&'a Exchange> =
        unanswered.iter().copied().filter(|exchange| !is_waived(exchange, waivers)).collect();
    let owed = over.len() - (unanswered.len() - owing.len());
    if let Some(&first) = owing.first() {
        let gap = Gap::MissingSpan {
            exchange: first.id,
            edge: first.edge.clone(),
            end: End::Receiver,
            service: service.clone(),
            instance: first.provider.as_ref().and_then(|side| side.instance.clone()),
            owed: count(owed),
            came: count(owed - owing.len()),
            started_anew: owing
                .iter()
                .find_map(|exchange| anew::find(exchange, service, all_spans, trail, ledger)),
        };
        settled.gaps.push((first, gap));
    }
    settled.owed += count(owed);
    *settled.absent.entry((place.0, service.clone())).or_default() += absent;
}

/// Whether a span is the receiving end of a request sent under `place` to `service`.
fn receives(span: &Span, place: Place, service: &ServiceName, calls: &[&Exchange]) -> bool {
    let under = span.parent_id.is_some_and(|parent| (span.trace_id, parent) == place);
    let linked = || span.links.iter().any(|link| (link.trace_id, link.span_id) == place);
    let of_instance = |exchange: &&Exchange| {
        let served = exchange.provider.as_ref().and_then(|side| side.instance.as_ref());
        served.is_some() && served == span.resource.instance.as_ref()
    };
    span.kind.is_receiver()
        && (span.resource.service == *service || calls.iter().any(of_instance))
        && (under || linked())
}

/// Takes from `received` one span for each exchange, of the instance that served it where both are known. Returns
/// the exchanges that got none.
fn pair<'a>(exchanges: &[&'a Exchange], received: &mut Vec<&Span>) -> Vec<&'a Exchange> {
    fn known(exchange: &Exchange) -> Option<&seaworthy_core::ids::InstanceId> {
        // A message waits in its queue for whichever instance takes it.
        if exchange.protocol == Protocol::Message {
            return None;
        }
        exchange.provider.as_ref().and_then(|side| side.instance.as_ref())
    }
    let mut open = Vec::new();
    for &exchange in exchanges {
        let same =
            |span: &&Span| known(exchange).is_some() && span.resource.instance.as_ref() == known(exchange);
        match received.iter().position(same) {
            Some(at) => drop(received.remove(at)),
            None => open.push(exchange),
        }
    }
    open.retain(|exchange| {
        let fits = |span: &&Span| known(exchange).is_none() || span.resource.instance.is_none();
        received.iter().position(fits).map(|at| received.remove(at)).is_none()
    });
    open
}

fn is_waived(exchange: &Exchange, waivers: &mut Waivers<'_>) -> bool {
    if !exchange.trace.is_some_and(|trace| trace.sampled) {
        waivers.waive("not sampled".to_owned());
        return true;
    }
    if abandoned(exchange) {
        waivers.waive(format!("{} was abandoned before its provider said anything", exchange.id));
        return true;
    }
    let killed = waivers.killed_provider(exchange);
    if let Some(instance) = killed {
        waivers.waive(was_killed(instance));
    }
    killed.is_some()
}

/// Whether the consumer left before the provider said a word: then nobody can know whether the request was ever
/// handed to a handler, which is what makes a span. One that has a span all the same owes nothing either way.
fn abandoned(exchange: &Exchange) -> bool {
    let silent = |side: &ProviderSide| side.outcome == Outcome::Cancelled && side.response.is_none();
    exchange.provider.as_ref().is_some_and(silent)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
