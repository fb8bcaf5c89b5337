//! `shutdown`: asked to end, a service finishes what it has in hand and ends in order and in time.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind};
use seaworthy_core::system::RunKind;
use seaworthy_core::time::{Nanos, for_people};

use crate::cases::Cases;
use crate::instances::how_it_ended;

const LOST: &str = "shutdown.in-flight-lost";
const SLOW: &str = "shutdown.too-slow";
const CRASHED: &str = "shutdown.crashed";

/// The signal of a request to end, and the exit code by which shells and virtual machines pass it on.
const SIGTERM: i32 = 15;
const ENDED_BY_SIGTERM: i32 = 128 + SIGTERM;

/// Faults of ours that break an exchange off whatever the provider does.
const BREAKING: [&str; 3] = ["reset", "truncate", "refuse"];

pub(crate) struct Shutdown;

impl Check for Shutdown {
    fn id(&self) -> &str {
        "shutdown"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let is_asked = |event: &&InstanceEvent| event.kind == InstanceEventKind::AskedToEnd;
        let asked: Vec<&InstanceEvent> = evidence.instances().iter().filter(is_asked).collect();
        if asked.is_empty() && evidence.system().on == RunKind::Attach {
            return vec![
                Finding::not_applicable(LOST, "services that run already are not the harness's to end")
                    .hint("run on `process` or `docker` to see how they end"),
            ];
        }
        if asked.is_empty() {
            return vec![
                Finding::undecided(LOST, "no instance was asked to end")
                    .hint("let the harness stop the system, or use an instance fault `term`"),
            ];
        }
        let mut lost: BTreeMap<&ServiceName, Cases> = BTreeMap::new();
        let mut slow: BTreeMap<&ServiceName, Cases> = BTreeMap::new();
        let mut crashed: BTreeMap<&ServiceName, Cases> = BTreeMap::new();
        let slack = evidence.system().checks.thresholds.budget_slack.0;
        let allowed = evidence.system().facts.shutdown.map(|allowed| allowed.0);
        for asked in asked {
            for exchange in evidence.exchanges().iter().filter(|one| was_lost(one, &asked.instance, asked.at))
            {
                lost.entry(&asked.service).or_default().exchange(exchange);
            }
            let Some(end) = end_after(evidence, asked) else { continue };
            let took = end.at.since(asked.at);
            if allowed.is_some_and(|allowed| took > allowed + slack) {
                let text = format!("ended {} after it was asked to", for_people(took));
                let piece = EvidenceRef::other("instance", asked.instance.as_str(), text);
                slow.entry(&asked.service).or_default().in_trace(piece, None);
            }
            if let InstanceEventKind::Exited { code, signal, .. } = end.kind
                && !ended_in_order(code, signal)
            {
                let text = format!("ended with {} after it was asked to end", how_it_ended(code, signal));
                let piece = EvidenceRef::other("instance", asked.instance.as_str(), text);
                crashed.entry(&asked.service).or_default().in_trace(piece, None);
            }
        }
        let mut findings = Vec::new();
        for (service, cases) in lost {
            let message = format!("`{service}` was asked to end and left {} unanswered", cases.of("request"));
            let finding = Finding::error(LOST, message)
                .hint("on SIGTERM stop accepting, finish what is in flight, then end")
                .service(service);
            findings.push(cases.onto(finding));
        }
        for (service, cases) in slow {
            let allowed = allowed.unwrap_or_default();
            let message = format!("`{service}` took longer to end than the {} allowed", for_people(allowed));
            let finding = Finding::error(SLOW, message)
                .hint("bound the drain by a deadline, or raise `facts.shutdown`")
                .service(service);
            findings.push(cases.onto(finding));
        }
        for (service, cases) in crashed {
            let message = format!("`{service}` was asked to end and did not end in order");
            let finding = Finding::error(CRASHED, message)
                .hint("end with exit code 0 after SIGTERM; its last lines of output say what went wrong")
                .service(service);
            findings.push(cases.onto(finding));
        }
        findings
    }
}

/// In hand when it was asked to end, and broken off by the provider.
fn was_lost(exchange: &Exchange, instance: &InstanceId, asked: Nanos) -> bool {
    let Some(provider) = &exchange.provider else { return false };
    provider.instance.as_ref() == Some(instance)
        && provider.started <= asked
        && provider.ended.is_none_or(|ended| ended > asked)
        && matches!(provider.outcome, Outcome::Reset | Outcome::InFlight)
        && exchange.outcome != Outcome::Cancelled
        && !exchange.faults.iter().any(|fault| BREAKING.contains(&fault.action.as_str()))
}

/// When and how the instance ended after it was asked to: by itself, or killed because it did not.
fn end_after<'e>(evidence: &'e dyn Evidence, asked: &InstanceEvent) -> Option<&'e InstanceEvent> {
    let ends = |event: &&InstanceEvent| {
        event.instance == asked.instance
            && event.at >= asked.at
            && matches!(event.kind, InstanceEventKind::Killed | InstanceEventKind::Exited { .. })
    };
    evidence.instances().iter().filter(ends).min_by_key(|event| event.at)
}

fn ended_in_order(code: Option<i32>, signal: Option<i32>) -> bool {
    matches!((code, signal), (Some(0 | ENDED_BY_SIGTERM), None) | (_, Some(SIGTERM)))
}
