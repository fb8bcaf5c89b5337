//! What passed on an edge whose bytes are not understood.

use std::sync::atomic::{AtomicU64, Ordering};

/// What passed on an edge of protocol `tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Traffic {
    /// Connections that consumers opened, those that were refused left out.
    pub opened: u64,
    /// Connections that were open and that a fault cut.
    pub cut: u64,
    /// Connections that a fault refused, or that found no provider.
    pub refused: u64,
    /// Bytes that went out to the provider.
    pub bytes_to_provider: u64,
    /// Bytes that went out to the consumer.
    pub bytes_to_consumer: u64,
}

/// Counts it.
#[derive(Debug, Default)]
pub(crate) struct TrafficCounter {
    pub(crate) opened: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) to_provider: AtomicU64,
    pub(crate) to_consumer: AtomicU64,
}

impl TrafficCounter {
    pub(crate) fn read(&self) -> Traffic {
        let count = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Traffic {
            opened: count(&self.opened),
            cut: count(&self.cut),
            refused: count(&self.refused),
            bytes_to_provider: count(&self.to_provider),
            bytes_to_consumer: count(&self.to_consumer),
        }
    }
}

/// One more of this.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::AcqRel);
}
