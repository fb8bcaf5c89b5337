//! What is to be said of a verification: each failure with what shows it, and what cannot be told.

use std::collections::BTreeMap;

use seaworthy_core::finding::{Effect, EvidenceRef, Finding, Severity};
use seaworthy_core::ids::{EdgeId, ServiceName, is_name};

use super::Verification;
use super::tidy;
use crate::mismatch::Mismatch;
use crate::outcome::{InteractionResult, Outcome, Warning};

/// More interactions than this that failed in the same words are told in one finding.
const FOLD: usize = 3;
/// So many of them are named.
const NAMED: usize = 5;

/// The findings of a verification, in the order of its interactions; what befell many in the same words is one finding.
///
/// Rules: `contract.mismatch`, `contract.state-failed`, `contract.request-failed`, `contract.too-slow` and
/// `contract.teardown-failed` are errors, or infos for a pending interaction; `contract.interference` is a warning;
/// `contract.state-not-set-up` is an info; `contract.undecided` and `contract.not-verified` (nothing was) are undecided,
/// and the latter an info where only the rest was not run.
pub fn findings(verification: &Verification) -> Vec<Finding> {
    let results = &verification.results;
    let mut findings = Vec::new();
    if results.is_empty() {
        findings.push(nothing_verified(verification));
    } else if results.iter().all(|each| each.pending && matches!(each.outcome, Outcome::Undecided { .. })) {
        // Pending ones are told as infos; that nothing at all was decided is not to pass for their sake.
        let message =
            format!("nothing of {} was verified: no interaction could be decided", verification.provider);
        findings.push(
            Finding::undecided("contract.not-verified", message)
                .hint("see what each of them lacks; -v tells of pending ones as well"),
        );
    }
    // By rule, words and severity: those that failed alike.
    let mut alike: BTreeMap<(&str, &str, bool), Vec<&InteractionResult>> = BTreeMap::new();
    for result in results {
        if let Some((rule, words)) = folding(&result.outcome) {
            alike.entry((rule, words, result.pending)).or_default().push(result);
        }
    }
    for result in results {
        let key = folding(&result.outcome).map(|(rule, words)| (rule, words, result.pending));
        match key.and_then(|key| alike.get(&key)).filter(|alike| alike.len() > FOLD) {
            Some(alike) if alike.first().is_some_and(|first| std::ptr::eq(*first, result)) => {
                findings.extend(folded(alike));
            }
            Some(_) => {}
            None => findings.extend(of_outcome(result)),
        }
        findings.extend(result.warnings.iter().filter_map(|warning| of_warning(result, warning)));
    }
    findings.extend(states_not_set_up(verification));
    if verification.not_run > 0 {
        let message =
            format!("{} were not run, for one before them failed", interactions(verification.not_run));
        let mut finding = Finding::error("contract.not-verified", message)
            .hint("leave out --exit-on-first-error to run them all");
        finding.severity = Severity::Info;
        findings.push(finding);
    }
    findings
}

/// An outcome in one line.
pub(super) fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Verified => "kept".to_owned(),
        Outcome::Mismatched { mismatches } => match &mismatches[..] {
            [] => "it differs".to_owned(),
            [one] => one.to_string(),
            [first, more @ ..] => format!("{first} (and {} more)", more.len()),
        },
        Outcome::TooSlow { limit } => format!("it took longer than {limit:?}"),
        Outcome::StateFailed { state, message } => format!("state `{state}` could not be set up: {message}"),
        Outcome::RequestFailed { message } | Outcome::Undecided { message } => message.clone(),
    }
}

/// The rule, and the words in which others may have failed as well. Differences are each its own.
fn folding(outcome: &Outcome) -> Option<(&'static str, &str)> {
    match outcome {
        Outcome::RequestFailed { message } => Some(("contract.request-failed", message)),
        Outcome::StateFailed { message, .. } => Some(("contract.state-failed", message)),
        Outcome::Undecided { message } => Some(("contract.undecided", message)),
        Outcome::Verified | Outcome::Mismatched { .. } | Outcome::TooSlow { .. } => None,
    }
}

fn of_outcome(result: &InteractionResult) -> Option<Finding> {
    let name = named(result);
    let provider = &result.provider;
    let finding = match &result.outcome {
        Outcome::Verified => return None,
        Outcome::Mismatched { mismatches } => {
            let summary = summary(&result.outcome);
            let finding =
                Finding::error("contract.mismatch", format!("{provider} does not keep {name}: {summary}"))
                    .hint("mend the provider, or agree on a new contract with the consumer");
            // The request first: it must not be what is left out where there are many differences.
            let finding = result.request.iter().map(request).fold(finding, Finding::evidence);
            mismatches.iter().map(difference).fold(finding, Finding::evidence)
        }
        Outcome::TooSlow { limit } => {
            let took = result.latency.unwrap_or_default();
            Finding::error(
                "contract.too-slow",
                format!("{provider} took {took:?} for {name}, more than {limit:?}"),
            )
            .hint("see in the trace where the time went, or allow more")
        }
        Outcome::StateFailed { .. } => Finding::error(
            "contract.state-failed",
            format!("{name} was not asked: {}", summary(&result.outcome)),
        )
        .hint("see what the state endpoint says; it must answer 2xx to each state that contracts name"),
        Outcome::RequestFailed { message } => {
            Finding::error("contract.request-failed", format!("{name} got no whole answer: {message}"))
                .hint("see whether the provider is up and answers within --request-timeout")
        }
        Outcome::Undecided { message } => {
            Finding::undecided("contract.undecided", format!("{name} cannot be told: {message}"))
                .hint("give it what the message names, or leave the interaction out with a filter")
        }
    };
    Some(with_place(finding, result))
}

fn of_warning(result: &InteractionResult, warning: &Warning) -> Option<Finding> {
    let name = named(result);
    let finding = match warning {
        Warning::Interference { was } => Finding::warning(
            "contract.interference",
            format!("{name} failed beside others and passed alone; it was: {was}"),
        )
        .hint(
            "name what its states touch in --state-keys, or give the states parameters that tell them apart",
        ),
        Warning::TeardownFailed { state, message } => Finding::error(
            "contract.teardown-failed",
            format!("state `{state}` of {name} could not be taken back: {message}"),
        )
        .hint("see what the state endpoint says to action `teardown`"),
        // Told once for all, or by who watched the wire.
        Warning::StateNotSetUp { .. } | Warning::SeenOnTheWire { .. } => return None,
    };
    Some(with_place(finding, result))
}

fn folded(alike: &[&InteractionResult]) -> Option<Finding> {
    let first = alike.first()?;
    let mut finding = of_outcome(first)?;
    finding.message = format!("{}: {}", interactions(alike.len()), summary(&first.outcome));
    if alike.iter().any(|other| other.consumers != first.consumers) {
        finding.edge = None;
    }
    for result in alike.iter().take(NAMED) {
        let place = format!("{}:{}", result.location.file, result.location.line);
        finding = finding.evidence(EvidenceRef::other("interaction", place, named(result)));
    }
    if alike.len() > NAMED {
        let more = format!("and {} more", alike.len() - NAMED);
        finding = finding.evidence(EvidenceRef::other("interaction", "", more));
    }
    Some(finding)
}

fn states_not_set_up(verification: &Verification) -> Option<Finding> {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for warning in verification.results.iter().flat_map(|result| &result.warnings) {
        if let Warning::StateNotSetUp { state } = warning {
            *states.entry(state).or_default() += 1;
        }
    }
    if states.is_empty() {
        return None;
    }
    let named: Vec<String> = states.keys().take(NAMED).map(|state| format!("`{state}`")).collect();
    let more =
        if states.len() > NAMED { format!(" and {} more", states.len() - NAMED) } else { String::new() };
    let message = format!("nobody was asked to set up the provider states {}{more}", named.join(", "));
    let mut finding = Finding::warning("contract.state-not-set-up", message)
        .hint("name the provider's state endpoint with --states");
    finding.severity = Severity::Info;
    Some(finding)
}

fn nothing_verified(verification: &Verification) -> Finding {
    let provider = &verification.provider;
    let mut why = Vec::new();
    if verification.filtered > 0 {
        why.push(format!("the filters left out {}", interactions(verification.filtered)));
    }
    if !verification.elsewhere.is_empty() {
        let mut names: Vec<&str> = verification.elsewhere.iter().map(|(_, name)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        why.push(format!("there are contracts of other providers: {}", names.join(", ")));
    }
    if why.is_empty() {
        why.push("no contract has an interaction of it".to_owned());
    }
    Finding::undecided(
        "contract.not-verified",
        format!("nothing of {provider} was verified: {}", why.join("; ")),
    )
    .hint("see whether --provider is the name that the contracts have, and what the filters leave")
}

/// Says whose it is, where it stands, and what was sent in which trace; a pending one is worth knowing, no more.
fn with_place(mut finding: Finding, result: &InteractionResult) -> Finding {
    finding.location = Some(result.location.clone());
    if is_name(&result.provider) {
        let provider = ServiceName::from(result.provider.as_str());
        if let [consumer] = &result.consumers[..]
            && is_name(consumer)
        {
            finding = finding.edge(&EdgeId::new(consumer.as_str(), provider.clone()));
        }
        finding = finding.service(&provider);
    }
    if let Some(line) = result.request.as_ref().filter(|_| finding.evidence.is_empty()) {
        finding = finding.evidence(request(line));
    }
    if let Some(trace) = result.trace {
        finding = finding.evidence(EvidenceRef::trace(trace));
    }
    // One that may fail may be undecided as well.
    if result.pending {
        finding.effect = Effect::Violation;
        finding.severity = Severity::Info;
        finding.message = format!("pending: {}", finding.message);
    }
    finding
}

/// What was sent, as a line for the shell.
fn request(line: &String) -> EvidenceRef {
    EvidenceRef::other("request", "request", line)
}

/// One difference as a line: where, what was agreed, what came, by which rule.
fn difference(mismatch: &Mismatch) -> EvidenceRef {
    let place = if mismatch.path.is_empty() {
        mismatch.part.to_string()
    } else {
        format!("{} {}", mismatch.part, mismatch.path)
    };
    let mut text = match (&mismatch.expected, &mismatch.actual) {
        (Some(expected), Some(actual)) => format!("expected {expected}, got {actual}"),
        (Some(expected), None) => format!("expected {expected}, got nothing"),
        (None, Some(actual)) => format!("expected nothing, got {actual}"),
        (None, None) => mismatch.message.clone(),
    };
    if let Some(rule) = &mismatch.rule {
        text = format!("{text} (by {rule})");
    }
    let text = format!("{place}: {text}");
    EvidenceRef::other("difference", place, text)
}

/// The interaction and whose it is, for people.
fn named(result: &InteractionResult) -> String {
    format!("`{}` for {}", tidy::text(&result.name()), result.consumers.join(", "))
}

fn interactions(count: usize) -> String {
    if count == 1 { "1 interaction".to_owned() } else { format!("{count} interactions") }
}
