//! The proxies as a consumer and a provider see them: real sockets, real HTTP, no sleeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails like a test"
)]

mod breaking;
#[cfg(feature = "amqp")]
mod broker;
mod bytes;
mod crosstalk;
mod faults;
mod forwarding;
mod leases;
mod limits;
mod listening;
mod matching;
mod recording;
mod remote;
mod shaping;
mod support;
mod tunnels;
