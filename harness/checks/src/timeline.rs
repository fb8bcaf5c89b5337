//! What happened to a service's instances, asked about a span of time.

use std::time::Duration;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind};
use seaworthy_core::time::Nanos;

/// How long after an exchange broke off the harness may notice that its instance is gone.
const NOTICED: Duration = Duration::from_secs(1);

fn of<'e>(evidence: &'e dyn Evidence, service: &ServiceName) -> impl Iterator<Item = &'e InstanceEvent> {
    evidence.instances().iter().filter(move |event| event.service == *service)
}

/// When an instance of the service was killed, asked to end or died between these times, the first.
pub(crate) fn ended_between(
    evidence: &dyn Evidence,
    service: &ServiceName,
    from: Nanos,
    to: Nanos,
) -> Option<Nanos> {
    let in_time = |event: &&InstanceEvent| match event.kind {
        // What the harness does it writes down before it does it.
        InstanceEventKind::Killed | InstanceEventKind::AskedToEnd => event.at >= from && event.at <= to,
        InstanceEventKind::Exited { expected: false, .. } => event.at >= from && event.at <= to.plus(NOTICED),
        _ => false,
    };
    of(evidence, service).filter(in_time).map(|event| event.at).min()
}

/// Whether an instance of the service was started between these times.
pub(crate) fn started_between(
    evidence: &dyn Evidence,
    service: &ServiceName,
    from: Nanos,
    to: Nanos,
) -> bool {
    of(evidence, service).any(|event| {
        matches!(event.kind, InstanceEventKind::Started { .. }) && event.at >= from && event.at <= to
    })
}

/// When the service was put out of action for the rest of the run: its last instance was killed, died, or was ended
/// by a step, and none was started again. The end of the run itself does not count.
pub(crate) fn out_of_action(evidence: &dyn Evidence, service: &ServiceName) -> Option<Nanos> {
    let ends: Option<Vec<Nanos>> =
        instances(evidence, service).into_iter().map(|instance| put_out(evidence, instance)).collect();
    ends?.into_iter().max()
}

/// When an instance was killed or died without being asked to end before, or was ended by a step's instance fault.
fn put_out(evidence: &dyn Evidence, instance: &InstanceId) -> Option<Nanos> {
    let by_a_step = evidence
        .steps()
        .iter()
        .filter_map(|step| step.instance_fault.as_ref())
        .any(|(fault, faulted)| faulted == instance && fault.ends_it());
    let mut events = evidence.instances().iter().filter(|event| event.instance == *instance);
    let end = events.find(|event| {
        matches!(
            event.kind,
            InstanceEventKind::Killed | InstanceEventKind::AskedToEnd | InstanceEventKind::Exited { .. }
        )
    })?;
    let asked = end.kind == InstanceEventKind::AskedToEnd;
    (by_a_step || !asked).then_some(end.at)
}

/// The instances of a service in the order of their start.
pub(crate) fn instances<'e>(evidence: &'e dyn Evidence, service: &ServiceName) -> Vec<&'e InstanceId> {
    of(evidence, service)
        .filter(|event| matches!(event.kind, InstanceEventKind::Started { .. }))
        .map(|event| &event.instance)
        .collect()
}

/// The last moment of which there is evidence.
pub(crate) fn last_moment(evidence: &dyn Evidence) -> Nanos {
    let exchanges = evidence.exchanges().iter().map(|exchange| exchange.ended.unwrap_or(exchange.started));
    let steps = evidence.steps().iter().map(|step| step.ended);
    let instances = evidence.instances().iter().map(|event| event.at);
    exchanges.chain(steps).chain(instances).max().unwrap_or_default()
}
