//! The system file: what runs, who calls whom, what was declared about it, and how it is judged.

pub mod document;
mod error;
mod facts;
mod forms;
pub mod interpolate;
mod load;
mod locate;
mod model;
mod overlay;
mod schema;
pub mod suggest;
mod validate;

pub use error::{Mistake, SystemFileError};
pub use facts::{
    Breaker, CheckSettings, Correlation, CustomCheck, Events, Expect, Facts, Protected, Retries, Saga,
    SagaStep, Thresholds,
};
pub use load::{FILE_LIMIT, FILE_NAME, Overrides, VERSION};
pub use locate::Places;
pub use model::{
    Call, Health, Ingress, LogFormat, PortProtocol, Process, RunKind, Service, System, Telemetry,
    TelemetryMode,
};
pub use schema::json_schema;
