//! `attach`: where the services run already, all that the harness is to see passes it; and what follows from seeing only
//! a part of a system is not held against it.

use std::collections::BTreeSet;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, StepFailure, StepRecord};
use seaworthy_core::fault::FaultAction;
use seaworthy_core::finding::{Effect, Finding, Severity};
use seaworthy_core::ids::{EdgeId, ServiceName};
use seaworthy_core::system::{Call, PortProtocol, RunKind, System};

const UNUSED: &str = "attach.edge-unused";
const SILENT: &str = "attach.no-telemetry";
const MESSAGES: &str = "attach.messages-unseen";

/// The rules that judge by what is absent.
const ABSENCES: [&str; 10] = [
    "trace.span-missing",
    "trace.parent-missing",
    "trace.no-exchange",
    "telemetry.silent",
    "saga.not-compensated",
    "saga.unfinished",
    "outbox.event-lost",
    "dead-letters.lost",
    "dead-letters.blocked",
    "health.ready-lies",
];

/// The parts of a step that are judged by what was seen of its trace, and not by its answer alone.
const SEEN: [&str; 2] = ["/trace/", "/wait-until"];

/// What the harness does not get to see of a system that it attached to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gaps {
    /// Nothing passed there in the whole run.
    unused: BTreeSet<EdgeId>,
    /// They took part and exported nothing.
    silent: BTreeSet<ServiceName>,
    /// What passes there goes over a broker that nobody stands at.
    messages: BTreeSet<EdgeId>,
}

impl Gaps {
    /// Those of a system that ran already; `None` for one that the harness started.
    fn of(evidence: &dyn Evidence) -> Option<Self> {
        let system = evidence.system();
        if system.on != RunKind::Attach {
            return None;
        }
        let messages: BTreeSet<EdgeId> = system.message_edges().into_keys().collect();
        let used: BTreeSet<&EdgeId> = evidence.exchanges().iter().map(|exchange| &exchange.edge).collect();
        // Of bytes there are no exchanges, and what comes in is the flows' own doing.
        let shows = |edge: &EdgeId| {
            !edge.is_ingress()
                && !messages.contains(edge)
                && system.protocol(edge).is_some_and(|protocol| protocol != PortProtocol::Tcp)
        };
        let mut unused: BTreeSet<EdgeId> =
            system.edges().into_iter().filter(|edge| shows(edge) && !used.contains(edge)).collect();
        // A database's edge that was cut with nobody noticing at the proxy is one that nobody uses.
        let idle = evidence.faults().iter().filter(|record| record.fired == 0);
        let cut = idle.filter(|record| record.rule.action == FaultAction::Refuse);
        let cut = cut.filter_map(|record| record.rule.matcher.edge.clone());
        unused.extend(cut.filter(|edge| system.protocol(edge) == Some(PortProtocol::Tcp)));
        let spoke: BTreeSet<&ServiceName> = evidence
            .spans()
            .iter()
            .map(|span| &span.resource.service)
            .chain(evidence.logs().iter().map(|log| &log.resource.service))
            .chain(evidence.metrics().iter().map(|point| &point.resource.service))
            .collect();
        let took_part = |name: &ServiceName| {
            used.iter().any(|edge| edge.provider == *name || (edge.consumer == *name && !edge.is_ingress()))
        };
        let silent = system
            .services
            .iter()
            .filter(|(name, service)| service.has_telemetry() && took_part(name) && !spoke.contains(name))
            .map(|(name, _)| name.clone())
            .collect();
        Some(Self { unused, silent, messages })
    }

    fn is_empty(&self) -> bool {
        self.unused.is_empty() && self.silent.is_empty() && self.messages.is_empty()
    }
}

/// Whether all of the system passes the harness.
pub(crate) struct Attach;

impl Check for Attach {
    fn id(&self) -> &str {
        crate::ATTACH
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let Some(gaps) = Gaps::of(evidence) else {
            return vec![
                Finding::not_applicable(
                    UNUSED,
                    "the harness started the services and told them itself where to call",
                )
                .hint("it is for services that run already: `--on attach`"),
            ];
        };
        let system = evidence.system();
        let mut findings = Vec::new();
        for edge in &gaps.unused {
            let message =
                format!("no exchange passed on `{edge}` in the whole run, so nothing is known of it");
            findings.push(Finding::undecided(UNUSED, message).hint(how_to_route(system, edge)).edge(edge));
        }
        for edge in &gaps.messages {
            let message = format!(
                "messages on `{edge}` pass a broker that the harness does not stand at, so none was seen"
            );
            let hint = "run on `process` or `docker` to see and break them";
            findings.push(Finding::undecided(MESSAGES, message).hint(hint).edge(edge));
        }
        for service in &gaps.silent {
            let message = format!("`{service}` took part and exported no telemetry at all");
            let hint = how_to_export(system, service);
            findings.push(Finding::undecided(SILENT, message).hint(hint).service(service));
        }
        findings
    }
}

/// Which variable of which service is to have which value.
fn how_to_route(system: &System, edge: &EdgeId) -> String {
    let (consumer, provider) = (&edge.consumer, &edge.provider);
    let call = system.services.get(consumer).and_then(|service| {
        let with_port = edge.port.as_ref().and_then(|port| service.calls.get(&format!("{provider}.{port}")));
        with_port.or_else(|| service.calls.get(provider.as_str()))
    });
    let variable = match call {
        Some(Call::Env(name) | Call::Template { env: name, .. }) => format!(" (its variable {name})"),
        _ => String::new(),
    };
    let route = match system.attach.edges.get(edge) {
        Some(address) => format!("tell `{consumer}` to call http://{address}{variable}"),
        None => format!(
            "give the edge an address (`attach: {{edges: {{\"{edge}\": \"127.0.0.1:7401\"}}}}`) and tell `{consumer}` \
             to call it{variable}"
        ),
    };
    format!("{route}; if it does, add a flow that makes it call `{provider}`")
}

fn how_to_export(system: &System, service: &ServiceName) -> String {
    let set = |address: &str| format!("set OTEL_EXPORTER_OTLP_ENDPOINT=http://{address} in `{service}`");
    match system.attach.receiver {
        Some(address) => {
            format!("{}, or declare `telemetry: none` for it", set(&address.to_string()))
        }
        None => format!(
            "fix the receiver's address (`attach: {{receiver: \"127.0.0.1:4318\"}}`) and {}",
            set("127.0.0.1:4318")
        ),
    }
}

/// Whether a step's failure may only follow from what the harness does not get to see.
pub(crate) fn is_consequence(evidence: &dyn Evidence, step: &StepRecord, failure: &StepFailure) -> bool {
    if Gaps::of(evidence).is_none_or(|gaps| gaps.is_empty()) {
        return false;
    }
    let pointer =
        failure.location.as_ref().and_then(|location| location.pointer.as_deref()).unwrap_or_default();
    let never_fired = |record: &seaworthy_core::fault::FaultRecord| {
        record.fired == 0 && step.faults.contains(&record.rule.id)
    };
    SEEN.iter().any(|part| pointer.contains(part)) || evidence.faults().iter().any(never_fired)
}

/// A check that knows that of a system which runs already, and goes on running, what is absent may be absent for
/// another reason than it thinks.
pub(crate) struct Regarding(pub(crate) Box<dyn Check>);

impl Check for Regarding {
    fn id(&self) -> &str {
        self.0.id()
    }

    fn needs(&self) -> Needs {
        self.0.needs()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let mut findings = self.0.judge(evidence);
        if let Some(gaps) = Gaps::of(evidence) {
            for finding in findings.iter_mut().filter(|finding| is_about_absence(finding)) {
                regard(finding, &gaps);
            }
        }
        findings
    }
}

fn is_about_absence(finding: &Finding) -> bool {
    finding.effect == Effect::Violation && ABSENCES.contains(&finding.rule.as_str())
}

fn regard(finding: &mut Finding, gaps: &Gaps) {
    if gaps.is_empty() {
        finding.message += " (provisional: the services go on running, and it may still come)";
        return;
    }
    finding.effect = Effect::Undecided;
    finding.severity = Severity::Info;
    finding.message += ", but only a part of the system is seen";
    finding.hint = format!("do what `{}` says, then run again", crate::ATTACH);
}
