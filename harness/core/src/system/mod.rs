//! The system file: what runs, who calls whom, what was declared about it, and how it is judged.

mod error;
mod facts;
pub mod interpolate;
mod load;
mod model;
pub mod suggest;

pub use error::{Mistake, SystemFileError};
pub use facts::{
    Breaker, CheckSettings, Correlation, CustomCheck, Events, Expect, Facts, Protected, Retries, Saga,
    SagaStep, Thresholds,
};
pub use load::{FILE_LIMIT, Overrides};
pub use model::{
    Call, Health, Ingress, LogFormat, PortProtocol, Process, RunKind, Service, System, Telemetry,
    TelemetryMode,
};
