//! What services say of themselves: received, kept, and judged for completeness.
//!
//! | module | what it does |
//! |---|---|
//! | [`receiver`] | OTLP over gRPC and HTTP on one port of 127.0.0.1 |
//! | [`otlp`] | OTLP messages, protobuf and JSON, to the words of `seaworthy-core`; pure |
//! | [`store`] | spans, logs and metric points in memory, bounded, without secrets |
//! | [`completeness`](mod@completeness) | whether a trace is all there, and which hop lost what is not; pure |
//! | [`traceql`] | questions about spans; pure |
//!
//! A service exports to the [`Receiver`], which decodes what it gets and puts it into the [`Store`]. Whoever waits
//! for a trace subscribes to [`Store::changes`] and asks [`completeness()`] whenever something changed:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use seaworthy_core::ids::TraceId;
//! use seaworthy_core::system::System;
//! use seaworthy_core::time::RunClock;
//! use seaworthy_telemetry::{Ledger, Receiver, ReceiverLimits, Store, StoreLimits, completeness};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::new(RunClock::start(), StoreLimits::default());
//! let receiver = Receiver::start(store.clone(), ReceiverLimits::default()).await?;
//! let endpoint = format!("http://{}", receiver.address()); // OTEL_EXPORTER_OTLP_ENDPOINT
//!
//! // … services run, and the wire records `exchanges` …
//! # let system: System = serde_json::from_str(r#"{"version": 1, "name": "shop", "services": {"orders": {}}}"#)?;
//! # let exchanges = [];
//! # let _ = endpoint;
//! let trace = TraceId::random();
//! let ledger = Ledger { system: &system, instances: &[], proxies: &BTreeMap::new() };
//! let result = completeness(trace, &exchanges, &store.spans_near(trace), &ledger);
//! assert!(result.is_complete(), "{:?}", result.gaps);
//!
//! receiver.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Everything has a limit, and reaching one is recorded as a [`Loss`](seaworthy_core::evidence::Loss): see
//! [`ReceiverLimits`] and [`StoreLimits`].

pub mod completeness;
pub mod otlp;
pub mod receiver;
pub mod store;
pub mod traceql;

pub use completeness::{Ledger, completeness};
pub use receiver::{Receiver, ReceiverError, ReceiverLimits};
pub use store::{Counts, Refusal, Snapshot, Store, StoreLimits};
