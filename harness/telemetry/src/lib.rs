//! OTLP receiver, telemetry store, causal completeness and TraceQL.

pub mod completeness;
pub mod otlp;
pub mod receiver;
pub mod store;
pub mod traceql;

pub use completeness::{Ledger, completeness};
pub use receiver::{Receiver, ReceiverError, ReceiverLimits};
pub use store::{Counts, Refusal, Snapshot, Store, StoreLimits};
