//! Consumer-driven contracts: what consumers rely on, written down by their tests, held against their providers.
//!
//! | module | what it does |
//! |---|---|
//! | [`model`] | a [`model::Contract`] with its [`model::Interaction`]s, the same for Pact V1 to V4 |
//! | [`mismatch`] | where something differs from what was agreed |
//! | [`outcome`] | what came of verifying an interaction |

pub mod mismatch;
pub mod model;
pub mod outcome;

mod tls;
