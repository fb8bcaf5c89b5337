//! `metrics`: what a service counts and measures of itself is held against what the wire saw on its side.

mod said;
mod seen;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Finality};
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::system::RunKind;

use crate::cases::{Cases, listed};
use crate::evidence::{harmful, say};
use crate::timeline;
use said::Said;
use seen::Seen;

const COUNT: &str = "metrics.count";
const UNIT: &str = "metrics.unit";

/// How many measurements a mean must rest on.
const ENOUGH: u64 = 3;
/// By what factor a duration is out when its unit is mistaken for the next.
const NEXT_UNIT: f64 = 1000.0;
/// A mean on the wire below this is mostly the wire's own time, and then a small figure of the service says nothing.
const LEAST_MEAN: f64 = 0.02;
/// How close to one thousandth a mean must come to count as the wrong unit.
const CLOSE: f64 = 5.0;

pub(crate) struct Metrics;

/// What a family of metrics counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// HTTP requests.
    Http,
    /// gRPC calls.
    Rpc,
}

impl Check for Metrics {
    fn id(&self) -> &str {
        "metrics"
    }

    fn needs(&self) -> Needs {
        Needs { exchanges: true, final_metrics: true, ..Needs::default() }
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        if evidence.system().on == RunKind::Attach {
            return vec![
                Finding::not_applicable(
                    COUNT,
                    "the services ran before and run on, so they did not count for this run alone",
                )
                .hint("run on `process` or `docker` to hold what they count against the wire"),
            ];
        }
        if evidence.finality() == Finality::Provisional {
            return vec![
                Finding::undecided(COUNT, "the services still run, so their totals are not final")
                    .hint("judge again after the services were stopped"),
            ];
        }
        let lost = harmful(evidence, &["metric points", "export requests", "exchanges"]);
        if !lost.is_empty() {
            let lost = listed(lost.into_iter().map(say));
            return vec![
                Finding::undecided(
                    COUNT,
                    format!("totals cannot be compared because evidence was lost: {lost}"),
                )
                .hint("mend what `evidence.lost` says, then run again"),
            ];
        }
        let mut findings = Vec::new();
        let mut judged = false;
        for (service, declared) in &evidence.system().services {
            if declared.has_telemetry() {
                judged |= judge_service(evidence, service, &mut findings);
            }
        }
        if !judged && findings.is_empty() {
            findings.push(
                Finding::not_applicable(COUNT, "no service exports the duration of the requests that it serves")
                    .hint("export the histogram `http.server.request.duration` (or `rpc.server.call.duration`) in seconds"),
            );
        }
        findings
    }
}

/// Judges each instance that could flush; says whether there was anything to judge.
fn judge_service(evidence: &dyn Evidence, service: &ServiceName, findings: &mut Vec<Finding>) -> bool {
    let instances = timeline::instances(evidence, service);
    let flushed: Vec<&InstanceId> =
        instances.iter().copied().filter(|instance| had_its_chance_to_flush(evidence, instance)).collect();
    // A service that the harness did not start has no instances known to it: all of it is judged as one.
    let judged: Vec<Option<&InstanceId>> =
        if instances.is_empty() { vec![None] } else { flushed.into_iter().map(Some).collect() };
    if judged.is_empty() {
        findings.push(
            Finding::undecided(
                COUNT,
                format!("every instance of `{service}` was killed, so none could export its totals"),
            )
            .hint("start the service again after the kill, so that one instance ends in order")
            .service(service),
        );
        return true;
    }
    let (mut counts, mut units) = (Vec::new(), Vec::new());
    let (mut count_cases, mut unit_cases) = (Cases::default(), Cases::default());
    let mut any = false;
    for instance in judged {
        let name = instance.map_or(service.as_str(), InstanceId::as_str);
        for family in [Family::Http, Family::Rpc] {
            let Some(said) = Said::of(evidence, service, instance, family) else { continue };
            any = true;
            let seen = Seen::of(evidence, service, instance, family);
            let tolerance = evidence.system().checks.thresholds.count_tolerance;
            if let Some(text) = differences(&said, &seen, tolerance) {
                count_cases
                    .in_trace(EvidenceRef::other("metric", said.name, format!("{name}: {text}")), None);
                counts.push(text);
            }
            let factor = evidence.system().checks.thresholds.duration_factor;
            if let Some(text) = wrong_unit(&said, &seen, factor) {
                unit_cases.in_trace(EvidenceRef::other("metric", said.name, format!("{name}: {text}")), None);
                units.push(text);
            }
        }
    }
    if let Some(first) = counts.first() {
        let message = format!("`{service}` counts other requests than the wire saw: {first}");
        let finding = Finding::error(COUNT, message)
            .hint("record every request, errors and abandoned ones included, and flush metrics when asked to end")
            .service(service);
        findings.push(count_cases.onto(finding));
    }
    if let Some(first) = units.first() {
        let message = format!("`{service}` measures durations in another unit than it says: {first}");
        let finding = Finding::error(UNIT, message)
            .hint("record seconds as floating point where the unit is `s`")
            .service(service);
        findings.push(unit_cases.onto(finding));
    }
    any
}

fn had_its_chance_to_flush(evidence: &dyn Evidence, instance: &InstanceId) -> bool {
    use seaworthy_core::instance::InstanceEventKind::Exited;
    let died = |event: &seaworthy_core::instance::InstanceEvent| {
        event.instance == *instance && matches!(event.kind, Exited { expected: false, .. })
    };
    !evidence.was_killed(instance) && !evidence.instances().iter().any(died)
}

/// Where the service's counts fall outside what the wire allows. Exchanges that broke off may have been counted or
/// not, and as anything.
fn differences(said: &Said, seen: &Seen, tolerance: f64) -> Option<String> {
    let slack = |wire: u64| (wire as f64 * tolerance).floor() as u64;
    let range = |least: u64| (least.saturating_sub(slack(least)), least + seen.open + slack(least));
    let outside = |counted: u64, least: u64| {
        let (from, to) = range(least);
        counted < from || counted > to
    };
    let mut differ = Vec::new();
    if said.by_class.keys().any(Option::is_some) {
        let classes: std::collections::BTreeSet<u16> =
            said.by_class.keys().copied().flatten().chain(seen.by_class.keys().copied()).collect();
        for class in classes {
            let counted = said.by_class.get(&Some(class)).copied().unwrap_or_default();
            let least = seen.by_class.get(&class).copied().unwrap_or_default();
            if outside(counted, least) {
                differ.push(format!("{} {counted} instead of {least}", said.family.class(class)));
            }
        }
    }
    let least = seen.by_class.values().sum();
    if differ.is_empty() && outside(said.count, least) {
        differ.push(format!("{} in all instead of {least}", said.count));
    }
    if differ.is_empty() {
        return None;
    }
    let open = if seen.open > 0 { format!(", and {} broke off", seen.open) } else { String::new() };
    Some(format!("{}: {}{open}", said.name, listed(differ)))
}

/// Whether the means are about a thousand apart.
fn wrong_unit(said: &Said, seen: &Seen, factor: f64) -> Option<String> {
    let (claimed, wire) = (said.mean_seconds()?, seen.mean_seconds()?);
    if said.count < ENOUGH || seen.timed < ENOUGH || wire <= 0.0 || claimed <= 0.0 {
        return None;
    }
    let ratio = claimed / wire;
    let too_long = ratio > factor && ratio < NEXT_UNIT * factor;
    let too_short =
        ratio < 1.0 / factor && wire >= LEAST_MEAN && (1.0 / CLOSE..=CLOSE).contains(&(ratio * NEXT_UNIT));
    (too_long || too_short).then(|| {
        let (claimed, wire) = (in_seconds(claimed), in_seconds(wire));
        format!("{} in `{}` has a mean of {claimed}, the wire saw {wire}", said.name, said.unit)
    })
}

fn in_seconds(seconds: f64) -> String {
    seaworthy_core::time::for_people(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

impl Family {
    /// What a class of this family is called: `5xx`, `grpc-status 14`.
    fn class(self, class: u16) -> String {
        match self {
            Family::Http => format!("{class}xx"),
            Family::Rpc => format!("grpc-status {class}"),
        }
    }
}
