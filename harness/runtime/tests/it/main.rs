//! The runtime from outside: real processes, real signals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

mod attached;
mod building;
#[cfg(feature = "docker")]
mod docker;
mod ending;
mod process;
mod readying;
mod stand_in;
mod support;
