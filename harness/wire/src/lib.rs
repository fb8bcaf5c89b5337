//! The data plane of seaworthy: one proxy per edge, fault rules, exchange log.

mod config;
mod error;
pub mod fault;
mod link;
mod log;
mod proxy;
mod wire;

pub use config::{
    MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_IDLE, MAX_RECORDED_HEADER_BYTES, MAX_RECORDED_HEADERS, MAX_RULES,
    MAX_STREAMS, WireConfig,
};
pub use error::WireError;
pub use fault::{FaultLease, FaultTable};
pub use log::ExchangeLog;
pub use wire::{Upstream, Wire};
