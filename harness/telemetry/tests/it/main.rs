//! The receiver over real sockets, and the pure parts against oracles.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is tests, not only what bears #[test]"
)]

mod client;
mod completeness;
mod conformance;
mod grpc;
mod http;
mod sample;
mod store;
