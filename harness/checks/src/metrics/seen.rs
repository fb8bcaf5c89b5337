//! What the wire saw on the provider's side of every edge to a service, probes included.

use std::collections::BTreeMap;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::{Exchange, Outcome, Protocol, ProviderSide};
use seaworthy_core::ids::{InstanceId, ServiceName};

use super::Family;

/// The exchanges of one instance.
#[derive(Default)]
pub(super) struct Seen {
    /// Whole answers by class of status.
    pub(super) by_class: BTreeMap<u16, u64>,
    /// Exchanges that broke off, were given up, or whose status is not known: counted or not, as anything.
    pub(super) open: u64,
    /// Whole answers, whose durations are known.
    pub(super) timed: u64,
    seconds: f64,
}

impl Seen {
    /// Counts the exchanges of the family that reached the instance (the service, when no instance is given).
    pub(super) fn of(
        evidence: &dyn Evidence,
        service: &ServiceName,
        instance: Option<&InstanceId>,
        family: Family,
    ) -> Self {
        let mut seen = Self::default();
        for exchange in evidence.exchanges().iter().filter(|one| one.edge.provider == *service) {
            let Some(provider) = &exchange.provider else { continue };
            let here = instance.is_none() || provider.instance.as_ref() == instance;
            if here && is_of(family, exchange) && provider.outcome != Outcome::Unreachable {
                seen.add(exchange, provider, family);
            }
        }
        seen
    }

    fn add(&mut self, exchange: &Exchange, provider: &ProviderSide, family: Family) {
        let class = provider.response.as_ref().filter(|_| provider.outcome == Outcome::Answered).and_then(
            |response| match family {
                Family::Http => {
                    Some(response.status / 100).filter(|_| exchange.protocol != Protocol::Upgraded)
                }
                Family::Rpc => response.grpc_status,
            },
        );
        match class {
            Some(class) => *self.by_class.entry(class).or_default() += 1,
            None => self.open += 1,
        }
        if let (Some(_), Some(ended)) = (class, provider.ended) {
            self.timed += 1;
            self.seconds += ended.since(provider.started).as_secs_f64();
        }
    }

    /// The mean in seconds.
    pub(super) fn mean_seconds(&self) -> Option<f64> {
        (self.timed > 0).then(|| self.seconds / self.timed as f64)
    }
}

fn is_of(family: Family, exchange: &Exchange) -> bool {
    // Nobody counts a message among the requests that it serves.
    exchange.protocol != Protocol::Message && (exchange.protocol == Protocol::Grpc) == (family == Family::Rpc)
}
