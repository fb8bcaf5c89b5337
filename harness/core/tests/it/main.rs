//! The core from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod attached;
mod interpolation;
mod overlays;
mod runtimes;
mod schema;
mod soundness;
mod suggestions;
mod support;
mod system_file;
