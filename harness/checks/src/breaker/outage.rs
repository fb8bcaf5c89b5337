//! A time in which a whole edge was down, and what its consumer did during and after it.

use std::time::Duration;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::fault::{FaultAction, FaultRecord};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::time::Nanos;

use super::Scope;
use crate::timeline;

/// gRPC statuses by which a provider that is down shows: DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE.
const DOWN: [u16; 3] = [4, 13, 14];

/// From the installation of a rule on the whole edge to its removal.
pub(super) struct Outage<'e> {
    record: &'e FaultRecord,
    from: Nanos,
    to: Nanos,
}

/// What the consumer did while the edge was down.
pub(super) enum During<'e> {
    /// Requests came that it answered without calling.
    Spared,
    /// Not enough happened to tell.
    NotTested,
    /// It went on calling: these came too many.
    Flooded(Vec<&'e Exchange>),
    /// It went on trying to connect, which only the rule's counter saw.
    FloodedUnseen {
        /// How often.
        tries: u64,
        /// How often at most a breaker would have.
        allowed: u64,
    },
}

/// What the consumer did when the edge was back.
pub(super) enum After<'e> {
    /// It called.
    Called,
    /// Nothing was asked of it that needs the edge.
    NotTested,
    /// These requests came and it did not call.
    Forgotten(Vec<&'e Exchange>),
}

impl<'e> Outage<'e> {
    /// The outages of an edge in order: rules that fired, without request scope, on all of it.
    pub(super) fn all_on(evidence: &'e dyn Evidence, edge: &EdgeId) -> Vec<Self> {
        let last = timeline::last_moment(evidence);
        let records = evidence.faults().iter().filter(|record| record.fired > 0 && is_whole(record, edge));
        let mut outages: Vec<Self> = records
            .map(|record| Self { record, from: record.installed, to: record.removed.unwrap_or(last) })
            .collect();
        outages.sort_by_key(|outage| (outage.from, outage.to));
        outages
    }

    pub(super) fn during(&self, scope: &Scope<'e>) -> During<'e> {
        if self.record.rule.action == FaultAction::Refuse {
            let allowed = self.most_tries(scope);
            if self.record.fired > allowed {
                return During::FloodedUnseen { tries: self.record.fired, allowed };
            }
        }
        let open = scope.breaker.open.0;
        let trials = scope.breaker.trials as usize;
        let opened = self.moments_at_which_it_must_be_open(scope);
        for at in &opened {
            let until = at.plus(open).min(self.to);
            let later: Vec<&Exchange> = scope
                .calls
                .iter()
                .copied()
                .filter(|call| call.started > *at && call.started < until)
                .collect();
            let in_flight = scope
                .calls
                .iter()
                .filter(|call| call.started <= *at && call.ended.is_none_or(|end| end > *at));
            if later.len() > trials + in_flight.count() {
                return During::Flooded(later);
            }
        }
        if self.spared_requests(scope, &opened) { During::Spared } else { During::NotTested }
    }

    /// At most so many tries a breaker lets through: the window, and the trials of each time that it is half-open.
    fn most_tries(&self, scope: &Scope<'_>) -> u64 {
        let breaker = scope.breaker;
        let open = breaker.open.0.max(Duration::from_millis(1)).as_nanos();
        let times = self.to.since(self.from).as_nanos() / open + 1;
        let times = u64::try_from(times).unwrap_or(u64::MAX);
        u64::from(breaker.window).saturating_add(times.saturating_mul(u64::from(breaker.trials)))
    }

    /// Ends of failed calls with a whole window of failures, and nothing else, behind them.
    fn moments_at_which_it_must_be_open(&self, scope: &Scope<'_>) -> Vec<Nanos> {
        let mut ended: Vec<(Nanos, &Exchange)> = scope
            .calls
            .iter()
            .filter(|call| call.started >= self.from && call.started <= self.to)
            .filter_map(|call| Some((call.ended?, *call)))
            .collect();
        ended.sort_by_key(|(at, call)| (*at, call.id));
        let mut moments = Vec::new();
        let mut failures = 0;
        let mut since = self.from;
        for (at, call) in ended {
            // A breaker lives in its instance: a new one begins anew.
            if timeline::started_between(scope.evidence, &call.edge.consumer, since, at) {
                failures = 0;
            }
            since = at;
            failures = if shows_it_down(call) { failures + 1 } else { 0 };
            if failures >= scope.breaker.window {
                moments.push(at);
            }
        }
        moments
    }

    /// Whether requests came, after calls had failed, that were answered without a call; or came while the breaker
    /// had to be open.
    fn spared_requests(&self, scope: &Scope<'_>, opened: &[Nanos]) -> bool {
        let failed = scope
            .calls
            .iter()
            .filter(|call| call.started >= self.from && shows_it_down(call))
            .filter_map(|call| call.ended)
            .min();
        let came = |request: &&&Exchange| request.started >= self.from && request.started < self.to;
        scope.requests.iter().filter(came).any(|request| {
            let without_call =
                failed.is_some_and(|failed| request.started > failed) && !scope.causes.contains(&request.id);
            let while_open = opened
                .iter()
                .any(|at| request.started > *at && request.started < at.plus(scope.breaker.open.0));
            without_call || while_open
        })
    }

    /// Judges the time from when the breaker must try again until the next outage.
    pub(super) fn after(&self, scope: &Scope<'e>, next: Option<&Outage<'_>>) -> After<'e> {
        let Some(removed) = self.record.removed else { return After::NotTested };
        let until = next.map_or(Nanos(u64::MAX), |next| next.from);
        let in_outage =
            scope.calls.iter().filter(|call| call.started >= self.from && call.started <= removed);
        let last_failure = in_outage.filter_map(|call| call.ended).max().unwrap_or(removed);
        let slack = scope.evidence.system().checks.thresholds.budget_slack.0;
        let again = removed.max(last_failure).plus(scope.breaker.open.0).plus(slack);
        // A call at any time after the fault shows that the breaker is not stuck.
        if scope.calls.iter().any(|call| call.started > removed && call.started < until) {
            return After::Called;
        }
        let asked: Vec<&Exchange> = scope
            .requests
            .iter()
            .copied()
            .filter(|request| request.started > again && request.started < until && !was_refused(request))
            .collect();
        if asked.is_empty() { After::NotTested } else { After::Forgotten(asked) }
    }
}

/// Whether a rule is about all requests on the edge.
fn is_whole(record: &FaultRecord, edge: &EdgeId) -> bool {
    let matcher = &record.rule.matcher;
    let same =
        matcher.edge.as_ref().is_none_or(|other| edge.is_covered_by(other) || other.is_covered_by(edge));
    let partial = matcher.is_request_scoped()
        || matcher.route.is_some()
        || matcher.nth.is_some()
        || matcher.first.is_some()
        || matcher.probability.is_some_and(|share| share < 1.0);
    same && !partial
}

/// Whether a breaker counts the call as a failure: no answer, or one that blames the server.
fn shows_it_down(call: &Exchange) -> bool {
    match (&call.response, call.outcome) {
        (Some(response), Outcome::Answered) => {
            response.status >= 500 || response.grpc_status.is_some_and(|status| DOWN.contains(&status))
        }
        (_, outcome) => outcome != Outcome::InFlight,
    }
}

/// Whether the consumer found the request itself wanting, so that it had no reason to call.
fn was_refused(request: &Exchange) -> bool {
    let answer = request.provider.as_ref().and_then(|provider| provider.response.as_ref());
    answer.is_some_and(|answer| (400..500).contains(&answer.status))
}
