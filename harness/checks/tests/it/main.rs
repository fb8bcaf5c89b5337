//! Each rule on synthetic evidence: a case that breaks it, a healthy one, and one in which it cannot be told.

// The world below is made up by hand: what is not as it should be ends the test.
#![allow(clippy::unwrap_used)]

mod attached;
mod auth;
mod breaker;
mod brokers;
mod catalogue;
mod completeness;
mod correlation;
mod database;
mod events;
mod harness;
mod health;
mod healthy;
mod messages;
mod metrics;
mod oracle;
mod output;
mod retries;
mod saga;
mod shutdown;
mod timeouts;
mod trace_context;
mod verdict;
mod world;
