//! Is this set of services fit to ship? One verdict with evidence.
//!
//! This crate is the door to the harness: the `seaworthy` binary, and a library for tests. A test starts a system
//! from its `seaworthy.yaml` (or shares a running one), sends a request with a fault for that request alone, and
//! asserts on the trace:
//!
//! ```no_run
//! use seaworthy::{System, abort};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), seaworthy::Error> {
//! let shop = System::shared("fixtures/shop").await?;
//! let answer = shop
//!     .post("/api/v1/orders")
//!     .bearer("…")
//!     .json(&serde_json::json!({"reference": "r1"}))
//!     .fault("orders -> payments POST /payments", abort(503).first(1))
//!     .send()
//!     .await?;
//! assert_eq!(answer.status(), 201);
//! let trace = answer.trace().await?; // waits for evidence; an error names the span that never came
//! trace.assert_some(r#"{ resource.service.name = "payments" && kind = server }"#);
//! # Ok(()) }
//! ```
//!
//! The rooms behind it are crates of their own; what they share is in [`core`].

#[cfg(feature = "process")]
pub mod attach;
pub mod check;
#[cfg(feature = "contracts")]
pub mod contracts;
pub mod control;
pub mod custom;
#[cfg(feature = "docker")]
mod images;
pub mod judge;
#[cfg(feature = "process")]
pub mod launch;
mod request;
mod system;
mod trace;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod compose;

pub use request::{
    Answer, Fault, Request, abort, delay, duplicate, grpc_abort, lose, poison, reorder, reset, stall,
};
pub use seaworthy_checks as checks;
pub use seaworthy_core as core;
pub use seaworthy_experiment as experiment;
pub use seaworthy_report as report;
pub use seaworthy_telemetry as telemetry;
pub use seaworthy_wire as wire;
pub use system::{Error, System};
pub use trace::Trace;
