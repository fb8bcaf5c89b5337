//! Consumer-driven contracts: what consumers rely on, written down by their tests, held against their providers.
//!
//! | module | what it does |
//! |---|---|
//! | [`consumer`] | a consumer's test declares what it relies on, plays it, and writes the contract |
//! | [`model`] | a [`model::Contract`] with its [`model::Interaction`]s, the same for Pact V1 to V4 |
//! | [`mismatch`] | where something differs from what was agreed |
//! | [`outcome`] | what came of verifying an interaction |
//! | [`write`] | a folder of contracts that many tests write at once |

pub mod consumer;
pub mod mismatch;
pub mod model;
pub mod outcome;
pub mod write;

mod tls;
