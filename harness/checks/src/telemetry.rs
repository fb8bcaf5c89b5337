//! `telemetry`: who is expected to speak does speak, in all three signals.

use std::collections::BTreeSet;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Finality};
use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind};

use crate::cases::{Cases, listed};
use crate::evidence::{harmful, say};
use crate::timeline;

const SILENT: &str = "telemetry.silent";

pub(crate) struct Telemetry;

impl Check for Telemetry {
    fn id(&self) -> &str {
        "telemetry"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let services = &evidence.system().services;
        let speaking: Vec<&ServiceName> =
            services.iter().filter(|(_, service)| service.has_telemetry()).map(|(name, _)| name).collect();
        if speaking.is_empty() {
            return vec![
                Finding::not_applicable(SILENT, "no service of the system has telemetry")
                    .hint("remove `telemetry: none` from a service that exports OTLP"),
            ];
        }
        let mut findings = Vec::new();
        let mut served = false;
        for service in speaking {
            let exchanges: Vec<&Exchange> = served_by(evidence, service).collect();
            served |= !exchanges.is_empty();
            let silent = silent_signals(evidence, service, &exchanges);
            if !silent.is_empty() {
                let mut cases = Cases::default();
                exchanges.iter().for_each(|exchange| cases.exchange(exchange));
                let message =
                    format!("`{service}` served {} and exported {}", cases.of("request"), listed(silent));
                findings.push(judged(evidence, service, message, cases));
            }
            let mute = mute_instances(evidence, service, &exchanges);
            if !mute.is_empty() && evidence.metrics().iter().any(|point| point.resource.service == *service) {
                let mut cases = Cases::default();
                for instance in &mute {
                    let text = "ended in order and exported no metric";
                    cases.in_trace(EvidenceRef::other("instance", instance.as_str(), text), None);
                }
                let names = listed(mute.iter().map(|instance| format!("`{instance}`")));
                let message = format!("{names} served requests and ended without exporting a metric");
                findings.push(judged(evidence, service, message, cases));
            }
        }
        if !served {
            return vec![
                Finding::undecided(SILENT, "no service with telemetry served a traced request")
                    .hint("add a flow that reaches them"),
            ];
        }
        findings
    }
}

/// Whole answers to traced and sampled requests by instances that could flush.
fn served_by<'e>(evidence: &'e dyn Evidence, service: &'e ServiceName) -> impl Iterator<Item = &'e Exchange> {
    evidence.exchanges().iter().filter(move |exchange| {
        exchange.edge.provider == *service
            && exchange.trace.is_some_and(|trace| trace.sampled)
            && exchange.provider.as_ref().is_some_and(|provider| {
                provider.outcome == Outcome::Answered
                    && provider.instance.as_ref().is_none_or(|instance| ended_in_order(evidence, instance))
            })
    })
}

/// Whether an instance had its chance to flush: it was neither killed nor did it die.
fn ended_in_order(evidence: &dyn Evidence, instance: &InstanceId) -> bool {
    let died = |event: &InstanceEvent| {
        event.instance == *instance && matches!(event.kind, InstanceEventKind::Exited { expected: false, .. })
    };
    !evidence.was_killed(instance) && !evidence.instances().iter().any(died)
}

fn silent_signals(
    evidence: &dyn Evidence,
    service: &ServiceName,
    exchanges: &[&Exchange],
) -> Vec<&'static str> {
    if exchanges.is_empty() {
        return Vec::new();
    }
    // Metrics come at intervals and at the end, so before the end their absence says nothing.
    let is_final = evidence.finality() == Finality::Final;
    [
        ("no span", !evidence.spans().iter().any(|span| span.resource.service == *service)),
        ("no log record", !evidence.logs().iter().any(|log| log.resource.service == *service)),
        ("no metric", is_final && !evidence.metrics().iter().any(|point| point.resource.service == *service)),
    ]
    .into_iter()
    .filter_map(|(signal, silent)| silent.then_some(signal))
    .collect()
}

/// Instances that served, ended in order and sent no metric though others of the service may have.
fn mute_instances<'e>(
    evidence: &'e dyn Evidence,
    service: &ServiceName,
    exchanges: &[&Exchange],
) -> Vec<&'e InstanceId> {
    if evidence.finality() != Finality::Final {
        return Vec::new();
    }
    let served: BTreeSet<&InstanceId> = exchanges
        .iter()
        .filter_map(|exchange| exchange.provider.as_ref().and_then(|provider| provider.instance.as_ref()))
        .collect();
    let points = evidence.metrics().iter().filter(|point| point.resource.service == *service);
    let spoke: BTreeSet<Option<&InstanceId>> = points.map(|point| point.resource.instance.as_ref()).collect();
    let instances = timeline::instances(evidence, service).into_iter();
    // Points without an instance id may be anybody's.
    instances
        .filter(|instance| {
            served.contains(instance) && !spoke.contains(&None) && !spoke.contains(&Some(*instance))
        })
        .collect()
}

fn judged(evidence: &dyn Evidence, service: &ServiceName, message: String, cases: Cases) -> Finding {
    let lost = harmful(evidence, &["spans", "logs", "metric points", "export requests"]);
    let finding = if lost.is_empty() {
        Finding::error(SILENT, message)
            .hint("set up the OTLP exporters for traces, logs and metrics and flush all three before the process ends, or declare `telemetry: none`")
    } else {
        let lost = listed(lost.into_iter().map(say));
        Finding::undecided(SILENT, format!("{message}, but evidence was lost: {lost}"))
            .hint("mend what `evidence.lost` says, then run again")
    };
    cases.onto(finding.service(service))
}
