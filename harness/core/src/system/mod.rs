//! The system file: what runs, who calls whom, what was declared about it, and how it is judged.
//!
//! [`System::load`] takes a file through five steps, each of which keeps the place of what it looks at, so that
//! every mistake comes with its line, what was meant and what to do ([`SystemFileError`]):
//!
//! | step | part |
//! |---|---|
//! | text → tree with places, strict YAML within limits | [`document`] |
//! | the overlays (`on:`) of the chosen runtime over their services | `overlay` |
//! | tree → types | `model`, `facts`, `contracts`, `forms` |
//! | names, edges, order, placeholders, ranges | `validate` |
//! | where each part stands, for checks that lack a fact | [`System::locate`] |
//!
//! ```
//! use std::path::Path;
//! use seaworthy_core::system::{Overrides, System};
//!
//! let text = r#"
//! version: 1
//! name: shop
//! services:
//!   orders:
//!     process: {cargo: orders}
//!     ports: {http: http}
//!     env: {PORT: "${port.http}"}
//!     calls: {paymants: PAYMENTS_URL}
//!   payments:
//!     process: {cargo: payments}
//!     ports: {http: http}
//!     env: {PORT: "${port.http}"}
//! "#;
//! let error = System::parse(text, Path::new("seaworthy.yaml"), &Overrides::default()).unwrap_err();
//! assert_eq!(error.to_string(), "could not use `seaworthy.yaml`: there is no service `paymants`");
//! assert_eq!(error.location().map(|location| location.line), Some(9));
//! ```

mod address;
mod contracts;
pub mod document;
mod error;
mod facts;
mod files;
mod forms;
mod image;
pub mod interpolate;
mod load;
mod locate;
mod model;
mod overlay;
mod port;
mod schema;
pub mod suggest;
mod validate;

pub use address::{Address, AddressError, Endpoint};
pub use contracts::Contracts;
pub use error::{Mistake, SystemFileError};
pub use facts::{
    Breaker, CheckSettings, Correlation, CustomCheck, Events, Expect, Facts, Protected, Retries, Saga,
    SagaStep, Thresholds,
};
pub use image::{Build, BuildDetails};
pub use load::{FILE_LIMIT, FILE_NAME, Overrides, VERSION};
pub use locate::Places;
pub use model::{
    Attach, Broker, Call, Health, Ingress, LogFormat, Process, RunKind, Service, System, Telemetry,
    TelemetryMode,
};
pub use port::{Port, PortError, PortProtocol};
pub use schema::json_schema;
