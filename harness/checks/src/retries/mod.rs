//! `retries`: what is made again may be made again, after a pause, a few times, and on one hop only.

mod amplification;

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::time::for_people;

use crate::attempts::{Call, calls, delivers_event, failed, header_of};
use crate::cases::Cases;
use crate::causality::Causality;
use crate::timeline;

const FINAL_ANSWER: &str = "retry.final-answer";
const NO_BACKOFF: &str = "retry.no-backoff";
const NOT_IDEMPOTENT: &str = "retry.not-idempotent";
const TOO_MANY: &str = "retry.too-many";
const AMPLIFICATION: &str = "retry.amplification";

/// gRPC statuses that say that the request itself cannot be granted.
const FINAL_GRPC: [u16; 8] = [3, 5, 6, 7, 9, 11, 12, 16];
/// HTTP statuses in the 4xx that ask for another try.
const TRY_AGAIN: [u16; 3] = [408, 425, 429];

pub(crate) struct Retries;

impl Check for Retries {
    fn id(&self) -> &str {
        "retries"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let causality = Causality::of(evidence);
        let calls = calls(evidence, &causality, &evidence.system().facts.idempotency_key);
        if !calls.iter().flat_map(|call| &call.attempts).any(|attempt| failed(attempt)) {
            return vec![
                Finding::undecided(
                    FINAL_ANSWER,
                    "no call between services failed, so no retry was called for",
                )
                .hint("inject a fault on an edge: `abort` with status 503, for a first call only"),
            ];
        }
        let mut cases: BTreeMap<(&str, &EdgeId), Cases> = BTreeMap::new();
        for call in &calls {
            judge_call(evidence, call, &mut |rule, piece, attempt| {
                cases.entry((rule, call.edge())).or_default().in_trace(piece, attempt.trace_id());
            });
        }
        for upper in amplification::upper_attempts(evidence, &calls) {
            cases.entry((AMPLIFICATION, &upper.edge)).or_default().exchange(upper);
        }
        cases.into_iter().map(|((rule, edge), cases)| finding(evidence, rule, edge, cases)).collect()
    }
}

/// Judges one call by itself; `report` gets the rule, what shows it, and the attempt.
fn judge_call<'e>(
    evidence: &'e dyn Evidence,
    call: &Call<'e>,
    report: &mut impl FnMut(&'static str, EvidenceRef, &'e Exchange),
) {
    let facts = &evidence.system().facts;
    let share = evidence.system().checks.thresholds.backoff_share;
    // An event is delivered until it is acknowledged: that is what an outbox is for.
    let is_event = call.attempts.iter().any(|attempt| delivers_event(evidence, attempt));
    for (before, again) in call.retries() {
        if !is_event && is_final(before) {
            report(FINAL_ANSWER, EvidenceRef::exchange(before), before);
        }
        if !is_event && may_do_twice(before, again) && !is_repeatable(evidence, before, again) {
            report(NOT_IDEMPOTENT, EvidenceRef::exchange(again), again);
        }
        // When a consumer that gave up did so is not seen exactly.
        let pause =
            before.ended.filter(|_| before.outcome != Outcome::Cancelled).map(|end| again.started.since(end));
        if let (Some(retries), Some(pause)) = (&facts.retries, pause)
            && pause < retries.least_delay.0.mul_f64(share.clamp(0.0, 1.0))
        {
            let mut piece = EvidenceRef::exchange(again);
            piece.text += &format!(", {} after a failed try", for_people(pause));
            report(NO_BACKOFF, piece, again);
        }
    }
    let Some(retries) = &facts.retries else { return };
    if is_event || is_undo(evidence, call.attempts[0]) {
        return;
    }
    let mut tries = 1;
    for (before, again) in call.retries() {
        // A consumer that was started again knows nothing of the tries before.
        let anew = timeline::started_between(evidence, &before.edge.consumer, before.started, again.started);
        tries = if anew { 1 } else { tries + 1 };
        if tries == retries.max_attempts + 1 {
            report(TOO_MANY, EvidenceRef::exchange(again), again);
        }
    }
}

/// Whether the answer says that the same request will fail again.
fn is_final(exchange: &Exchange) -> bool {
    let Some(response) = exchange.response.as_ref().filter(|_| exchange.outcome == Outcome::Answered) else {
        return false;
    };
    match response.grpc_status {
        Some(status) if response.status == 200 => FINAL_GRPC.contains(&status),
        _ => (400..500).contains(&response.status) && !TRY_AGAIN.contains(&response.status),
    }
}

/// Whether making the request again can do its work twice: it changes something, and the first try may have got
/// through. An answer that it was not even begun (429, 425, RESOURCE_EXHAUSTED) or no connection rules that out.
fn may_do_twice(before: &Exchange, again: &Exchange) -> bool {
    let not_begun = before.outcome == Outcome::Unreachable
        || before
            .response
            .as_ref()
            .is_some_and(|response| matches!(response.status, 425 | 429) || response.grpc_status == Some(8));
    let by_method = !again.is_safe() && !matches!(again.method.as_str(), "PUT" | "DELETE");
    by_method && !not_begun
}

/// Whether the request may be made again all the same: it bears the same key both times, or is declared repeatable.
fn is_repeatable(evidence: &dyn Evidence, before: &Exchange, again: &Exchange) -> bool {
    let facts = &evidence.system().facts;
    let key = |exchange| header_of(exchange, &facts.idempotency_key);
    let declared = facts.idempotent.iter().any(|one| one.matches(&again.edge, &again.method, &again.path));
    declared || (key(again).is_some() && key(before) == key(again))
}

/// Whether the operation takes a step of a saga back: that is tried until it succeeds.
fn is_undo(evidence: &dyn Evidence, exchange: &Exchange) -> bool {
    let steps = evidence.system().facts.sagas.iter().flat_map(|saga| &saga.steps);
    let mut undos = steps.filter_map(|step| step.undo.as_ref());
    undos.any(|undo| undo.matches(&exchange.edge, &exchange.method, &exchange.path))
}

fn finding(evidence: &dyn Evidence, rule: &'static str, edge: &EdgeId, cases: Cases) -> Finding {
    let consumer = &edge.consumer;
    let times = cases.of("time");
    let (message, hint) = match rule {
        FINAL_ANSWER => (
            format!("`{consumer}` made a request on `{edge}` again after an answer that is final, {times}"),
            "retry only on time-outs, broken connections, 429, 502, 503 and 504".to_owned(),
        ),
        NO_BACKOFF => {
            let least = evidence.system().facts.retries.as_ref().map(|retries| retries.least_delay);
            (
                format!(
                    "`{consumer}` made a failed request on `{edge}` again without waiting the least {}, {times}",
                    least.unwrap_or_default()
                ),
                "wait between tries, longer each time and with jitter".to_owned(),
            )
        }
        NOT_IDEMPOTENT => (
            format!("`{consumer}` repeated a request on `{edge}` that may have been done already, {times}"),
            format!(
                "send the header `{}` with each try, do not retry, or declare the operation under `facts.idempotent`",
                evidence.system().facts.idempotency_key
            ),
        ),
        TOO_MANY => {
            let most = evidence.system().facts.retries.as_ref().map_or(0, |retries| retries.max_attempts);
            (
                format!("`{consumer}` tried more than {most} times on `{edge}`, {times}"),
                "give up after the declared number of tries and say so to the caller".to_owned(),
            )
        }
        _ => (
            format!(
                "`{consumer}` retries on `{edge}` what `{}` retries below: tries multiply",
                edge.provider
            ),
            "retry on one hop only, the one next to the failure".to_owned(),
        ),
    };
    cases.onto(Finding::error(rule, message).hint(hint).edge(edge))
}
