//! The system file: what runs, who calls whom, what was declared about it, and how it is judged.

mod facts;
mod model;

pub use facts::{
    Breaker, CheckSettings, Correlation, CustomCheck, Events, Expect, Facts, Protected, Retries, Saga,
    SagaStep, Thresholds,
};
pub use model::{
    Call, Health, Ingress, LogFormat, PortProtocol, Process, RunKind, Service, System, Telemetry,
    TelemetryMode,
};
