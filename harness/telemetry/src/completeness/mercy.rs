//! Who owes nothing, and why.

use std::time::Duration;

use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind};
use seaworthy_core::time::Nanos;

use super::Ledger;

/// The reasons for which debts were waived so far.
pub(super) struct Waivers<'a> {
    ledger: &'a Ledger<'a>,
    killed: Vec<Killed<'a>>,
    reasons: Vec<String>,
}

/// An instance that the harness killed.
struct Killed<'a> {
    service: &'a ServiceName,
    instance: &'a InstanceId,
    started: Nanos,
    /// When the signal was sent.
    died: Nanos,
    /// When the next instance of its service was started. What was sent before then can only be its: the signal is
    /// noted before it is sent, and what it had written is still read afterwards.
    replaced: Nanos,
}

impl<'a> Waivers<'a> {
    pub(super) fn new(ledger: &'a Ledger<'a>) -> Self {
        let started = |instance: &InstanceId| {
            let is_start = |kind: &InstanceEventKind| matches!(kind, InstanceEventKind::Started { .. });
            let mut events = ledger.instances.iter();
            events
                .find(|event| event.instance == *instance && is_start(&event.kind))
                .map_or(Nanos(0), |event| event.at)
        };
        let killed =
            ledger.instances.iter().filter(|event| event.kind == InstanceEventKind::Killed).map(|event| {
                let (service, instance) = (&event.service, &event.instance);
                let is_next = |next: &&InstanceEvent| {
                    next.service == *service
                        && next.at > event.at
                        && matches!(next.kind, InstanceEventKind::Started { .. })
                };
                let next = ledger.instances.iter().filter(is_next).map(|next| next.at).min();
                let replaced = next.unwrap_or(Nanos(u64::MAX));
                Killed { service, instance, started: started(instance), died: event.at, replaced }
            });
        Self { ledger, killed: killed.collect(), reasons: Vec::new() }
    }

    /// The reasons, each once, in the order in which they were needed.
    pub(super) fn reasons(self) -> Vec<String> {
        self.reasons
    }

    pub(super) fn waive(&mut self, reason: String) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Whether this is a service of the system that exports telemetry. What is no service of the system (the
    /// world, somebody else's provider) owes nothing and needs no waiver.
    pub(super) fn has_telemetry(&mut self, service: &ServiceName) -> bool {
        match self.ledger.system.services.get(service) {
            Some(service) if service.has_telemetry() => true,
            Some(_) => {
                self.waive(format!("{service} has telemetry: none"));
                false
            }
            None => false,
        }
    }

    /// The instance that served this exchange, if it was killed before it could flush what it owes for it.
    pub(super) fn killed_provider(&self, exchange: &Exchange) -> Option<&'a InstanceId> {
        let side = exchange.provider.as_ref()?;
        let dead = self.killed.iter().find(|dead| Some(dead.instance) == side.instance.as_ref())?;
        self.could_not_flush(dead, side.ended).then_some(dead.instance)
    }

    /// An instance of the consumer that may have sent this exchange and was killed before it could flush.
    ///
    /// The wire does not know which instance sent a request; any that lived then may have.
    pub(super) fn killed_consumer(&self, exchange: &Exchange) -> Option<&'a InstanceId> {
        let may_have_sent = |dead: &&Killed<'a>| {
            *dead.service == exchange.edge.consumer
                && dead.started <= exchange.started
                && exchange.started <= dead.replaced
                && self.could_not_flush(dead, exchange.ended)
        };
        self.killed.iter().find(may_have_sent).map(|dead| dead.instance)
    }

    /// Exports are batched: what ended shortly before the death went down with it.
    fn could_not_flush(&self, dead: &Killed<'_>, ended: Option<Nanos>) -> bool {
        let telemetry = &self.ledger.system.telemetry;
        let flushed: Duration = telemetry.export_delay.0.saturating_add(telemetry.patience.0);
        ended.is_none_or(|ended| dead.died <= ended.plus(flushed))
    }
}

/// What `waived` says of a killed instance.
pub(super) fn was_killed(instance: &InstanceId) -> String {
    format!("{instance} was killed")
}
