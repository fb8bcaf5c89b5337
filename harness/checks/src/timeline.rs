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

/// When an instance of the service was killed, asked to end or ended between these times, the first.
pub(crate) fn ended_between(
    evidence: &dyn Evidence,
    service: &ServiceName,
    from: Nanos,
    to: Nanos,
) -> Option<Nanos> {
    of(evidence, service)
        .filter(|event| event.at >= from && event.at <= to.plus(NOTICED))
        .filter(|event| {
            matches!(
                event.kind,
                InstanceEventKind::Killed | InstanceEventKind::AskedToEnd | InstanceEventKind::Exited { .. }
            )
        })
        .map(|event| event.at)
        .min()
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

/// Whether the service goes on after one of its instances ended at this time: another was running or was started
/// later. A service of which nothing is known is taken to go on.
pub(crate) fn goes_on_after(evidence: &dyn Evidence, service: &ServiceName, at: Nanos) -> bool {
    let mut started = of(evidence, service)
        .filter(|event| matches!(event.kind, InstanceEventKind::Started { .. }))
        .peekable();
    started.peek().is_none()
        || started.any(|start| end_of(evidence, &start.instance).is_none_or(|end| end > at))
}

/// When the instance was killed, asked to end or ended, whichever came first.
fn end_of(evidence: &dyn Evidence, instance: &InstanceId) -> Option<Nanos> {
    let ends = |event: &&InstanceEvent| {
        event.instance == *instance
            && !matches!(event.kind, InstanceEventKind::Started { .. } | InstanceEventKind::Ready)
    };
    evidence.instances().iter().filter(ends).map(|event| event.at).min()
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
