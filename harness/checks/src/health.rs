//! `health`: a service knows when it cannot do its work, and is not taken for dead then.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Health, Purpose, StepRecord};
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::EdgeId;

use crate::cases::Cases;

const LIES: &str = "health.ready-lies";
const LIVE: &str = "health.live-checks-deps";
const NOT_AGAIN: &str = "health.not-ready-again";

pub(crate) struct HealthEndpoints;

/// What was asked about one edge, in order.
#[derive(Default)]
struct Asked<'e> {
    ready_cut: Vec<&'e StepRecord>,
    live_cut: Vec<&'e StepRecord>,
    ready_whole: Vec<&'e StepRecord>,
}

impl Check for HealthEndpoints {
    fn id(&self) -> &str {
        "health"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let declared = &evidence.system().facts.readiness;
        if declared.is_empty() {
            return vec![
                Finding::not_applicable(LIES, "no edge is declared on which a service's readiness depends")
                    .hint("add `facts.readiness`, such as `- \"orders -> postgres\"`"),
            ];
        }
        let asked = asked(evidence);
        let edges = declared.iter().flat_map(|pattern| evidence.system().edges_like(pattern));
        let mut findings = Vec::new();
        for edge in edges {
            match asked.get(&edge) {
                Some(asked) => findings.extend(judge_edge(&edge, asked)),
                None => findings.push(unasked(&edge)),
            }
        }
        findings
    }
}

fn asked(evidence: &dyn Evidence) -> BTreeMap<EdgeId, Asked<'_>> {
    let mut asked: BTreeMap<EdgeId, Asked<'_>> = BTreeMap::new();
    for step in evidence.steps() {
        let Purpose::HealthProbe { edge, asked: what, cut } = &step.purpose else { continue };
        let of_edge = asked.entry(edge.clone()).or_default();
        match (what, cut) {
            (Health::Ready, true) => of_edge.ready_cut.push(step),
            (Health::Live, true) => of_edge.live_cut.push(step),
            (Health::Ready, false) => of_edge.ready_whole.push(step),
            (Health::Live, false) => {}
        }
    }
    asked
}

fn unasked(edge: &EdgeId) -> Finding {
    Finding::undecided(LIES, format!("`{}` was not asked how it is while `{edge}` was cut", edge.consumer))
        .hint("let the whole plan run: health is asked at its end")
        .edge(edge)
}

fn judge_edge(edge: &EdgeId, asked: &Asked<'_>) -> Vec<Finding> {
    let service = &edge.consumer;
    let mut findings = Vec::new();
    match asked.ready_cut.last() {
        None => findings.push(unasked(edge)),
        Some(last) if says_well(last) => {
            let mut cases = Cases::default();
            asked.ready_cut.iter().for_each(|step| cases.in_trace(shown(step), None));
            let message = format!(
                "`{service}` says that it is ready while `{edge}` is cut: {} were answered {}",
                cases.of("question"),
                last.status.unwrap_or_default(),
            );
            let finding = Finding::error(LIES, message)
                .hint("let its readiness path ask each dependency, within a short deadline, and answer 503 when one is gone")
                .service(service)
                .edge(edge);
            findings.push(cases.onto(finding));
        }
        Some(_) => match asked.ready_whole.last() {
            Some(last) if says_well(last) => {}
            Some(last) => {
                let message = format!("`{service}` did not get ready again once `{edge}` was whole");
                let finding = Finding::error(NOT_AGAIN, message)
                    .hint("let it connect anew by itself; nobody restarts it for a dependency's outage")
                    .service(service)
                    .edge(edge);
                findings.push(finding.evidence(shown(last)));
            }
            None => {
                let message =
                    format!("`{service}` was not asked whether it is ready again once `{edge}` was whole");
                let hint = "let the whole plan run: health is asked at its end";
                findings.push(Finding::undecided(NOT_AGAIN, message).hint(hint).edge(edge));
            }
        },
    }
    let mut not_alive = Cases::default();
    let unwell = asked.live_cut.iter().filter(|step| !says_well(step));
    unwell.for_each(|step| not_alive.in_trace(shown(step), None));
    if not_alive.count() > 0 {
        let message = format!(
            "`{service}` does not say that it lives while `{edge}` is cut: it would be restarted for the outage of a dependency"
        );
        let finding = Finding::error(LIVE, message)
            .hint("let its liveness path look at the process alone, and its readiness path at dependencies")
            .service(service)
            .edge(edge);
        findings.push(not_alive.onto(finding));
    }
    findings
}

fn says_well(step: &StepRecord) -> bool {
    step.status.is_some_and(|status| (200..300).contains(&status))
}

fn shown(step: &StepRecord) -> EvidenceRef {
    let answer = step.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    EvidenceRef::other("step", step.step.clone(), format!("{} → {answer}", step.step))
}
