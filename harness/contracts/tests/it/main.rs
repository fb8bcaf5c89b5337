//! Contracts as consumers, providers and pipelines meet them: real sockets, real files, no sleeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails like a test"
)]

mod broker;
mod cases;
mod compatibility;
mod consumer;
mod documents;
mod gate;
mod generating;
mod grpc;
mod ledger;
mod matching;
mod merging;
mod observe;
mod verify;
