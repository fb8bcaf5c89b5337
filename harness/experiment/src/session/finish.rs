//! Ending a system in order, so that what is absent afterwards is absent for good; and gathering its evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures_util::future::join_all;
use seaworthy_core::evidence::{EvidenceSet, Finality, Loss};
use seaworthy_core::ids::{ServiceName, TraceId};
use seaworthy_core::system::System;
use seaworthy_telemetry::{Ledger, completeness};

use super::Session;
use super::attach::is_attached;

impl Session {
    /// Asks every instance to end and to flush, consumers before providers, and gathers the evidence, which is
    /// final then. The system does not run afterwards.
    ///
    /// Services that ran already are left running. They get the time that they may take to export, and the evidence is
    /// provisional.
    pub async fn finish(self) -> EvidenceSet {
        let evidence = if is_attached(self.system()) {
            self.settle().await;
            self.gather(Finality::Provisional)
        } else {
            self.shut_down().await;
            self.gather(Finality::Final)
        };
        self.clear_away().await;
        evidence
    }

    /// Ends the system in order, without looking at its evidence.
    pub async fn end(&self) {
        self.shut_down().await;
        self.clear_away().await;
    }

    async fn clear_away(&self) {
        self.wire().close().await;
        if let Err(error) = self.inner.runtime.close().await {
            tracing::warn!(%error, "something of the run is left behind");
        }
    }

    /// Ends every instance: those that others come `after` last.
    pub async fn shut_down(&self) {
        for level in shutdown_order(self.system()) {
            // A tap ends with its broker: publishers flush before, and what they flush is carried.
            if level.iter().any(|name| self.system().brokers.values().any(|broker| broker.service == *name)) {
                self.close_taps().await;
            }
            let stopping = level.iter().map(|service| async move {
                let instance = {
                    let mut instances = self.instances();
                    instances.running.get_mut(service).map(|running| {
                        running.end_expected = true;
                        running.instance.clone()
                    })
                };
                if let Some(instance) = instance
                    && let Err(error) = self.stop(&instance).await
                {
                    tracing::warn!(%instance, %error, "could not end it in order");
                }
            });
            join_all(stopping).await;
        }
    }

    /// All evidence so far.
    pub fn gather(&self, finality: Finality) -> EvidenceSet {
        let mut evidence = EvidenceSet::empty(self.attached_system());
        let telemetry = self.store().snapshot();
        let output = self.inner.runtime.output();
        evidence.exchanges = self.wire().log().snapshot();
        evidence.spans = telemetry.spans;
        evidence.logs = telemetry.logs;
        evidence.metrics = telemetry.metrics;
        evidence.secrets = telemetry.secrets;
        evidence.secrets.extend(output.secrets);
        evidence.losses = telemetry.losses;
        evidence.losses.extend(self.wire().log().losses());
        if output.dropped > 0 {
            evidence.losses.push(Loss {
                what: "output lines".to_owned(),
                why: "limit reached".to_owned(),
                count: output.dropped,
                service: None,
                harmful: false,
            });
        }
        evidence.output = output.lines;
        evidence.instances = self.instance_events();
        evidence.faults = self.wire().faults().records();
        evidence.steps = self.steps();
        evidence.finality = finality;
        evidence.void = self.inner.void.lock().unwrap_or_else(PoisonError::into_inner).clone();
        evidence.index();
        judge_completeness(&mut evidence, &self.wire().addresses());
        evidence
    }
}

/// Works out for each trace that a step started what is missing of it.
pub fn judge_completeness(
    evidence: &mut EvidenceSet,
    proxies: &BTreeMap<seaworthy_core::ids::EdgeId, std::net::SocketAddr>,
) {
    let traces: BTreeSet<TraceId> = evidence.steps.iter().map(|step| step.trace.trace_id).collect();
    let ledger = Ledger { system: &evidence.system, instances: &evidence.instances, proxies };
    evidence.completeness = traces
        .into_iter()
        .map(|trace| (trace, completeness(trace, &evidence.exchanges, &evidence.spans, &ledger)))
        .collect();
}

/// The services in the order in which they are ended: consumers before those they call, and each level after those that
/// come `after` its members.
fn shutdown_order(system: &System) -> Vec<Vec<ServiceName>> {
    let mut left: BTreeSet<&ServiceName> = system.services.keys().collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let unneeded = |with_calls: bool| -> Vec<ServiceName> {
            let services = left.iter().filter_map(|name| Some((*name, system.services.get(*name)?)));
            let needed: BTreeSet<&str> = services
                .flat_map(|(name, service)| {
                    let after = service.after.iter().map(ServiceName::as_str);
                    let called =
                        service.calls.keys().filter(|_| with_calls).map(|target| provider_of(target));
                    after.chain(called).filter(move |other| *other != name.as_str())
                })
                .collect();
            left.iter().filter(|name| !needed.contains(name.as_str())).map(|name| (*name).clone()).collect()
        };
        // Calls may go in circles; `after` may not in a system that was loaded, and one made by hand still ends.
        let mut level = unneeded(true);
        if level.is_empty() {
            level = unneeded(false);
        }
        if level.is_empty() {
            level = left.iter().map(|name| (*name).clone()).collect();
        }
        left.retain(|name| !level.contains(name));
        order.push(level);
    }
    order
}

/// The service that a call's target names.
fn provider_of(target: &str) -> &str {
    target.split_once('.').map_or(target, |(provider, _)| provider)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_core::system::Service;

    #[test]
    fn consumers_end_before_what_they_came_after() {
        let mut system = System {
            version: 1,
            name: "s".to_owned(),
            services: BTreeMap::new(),
            ingress: BTreeMap::new(),
            flows: Vec::new(),
            telemetry: Default::default(),
            facts: Default::default(),
            checks: Default::default(),
            folder: Default::default(),
            file: Default::default(),
            ..serde_json::from_value(serde_json::json!({"version": 1, "name": "s", "services": {}})).unwrap()
        };
        for (name, after) in
            [("db", vec![]), ("orders", vec!["db"]), ("gateway", vec!["orders"]), ("mail", vec![])]
        {
            let after = after.into_iter().map(ServiceName::from).collect();
            system.services.insert(name.into(), Service { after, ..Service::default() });
        }
        assert_eq!(shown(&system), [vec!["gateway", "mail"], vec!["orders"], vec!["db"]]);
        // Who is called ends after the caller; a circle is no reason to wait for ever.
        let call = |system: &mut System, consumer: &str, target: &str| {
            let calls = &mut system.services.get_mut(consumer).unwrap().calls;
            calls.insert(target.to_owned(), seaworthy_core::system::Call::None(()));
        };
        call(&mut system, "orders", "mail.http");
        assert_eq!(shown(&system), [vec!["gateway"], vec!["orders"], vec!["db", "mail"]]);
        call(&mut system, "mail", "orders");
        assert_eq!(shown(&system), [vec!["gateway"], vec!["mail", "orders"], vec!["db"]]);
    }

    fn shown(system: &System) -> Vec<Vec<String>> {
        let levels = shutdown_order(system).into_iter();
        levels.map(|level| level.iter().map(ToString::to_string).collect()).collect()
    }
}
