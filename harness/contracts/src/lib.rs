//! Consumer-driven contracts: what consumers rely on, written down by their tests, held against their providers.
//!
//! | module | what it does |
//! |---|---|
//! | [`consumer`] | a consumer's test declares what it relies on, plays it, and writes the contract |
//! | [`casefile`] | case files of the Pact specification run |
//! | [`document`] | pact files of V1 to V4 read and written |
//! | [`generate`] | values that are made anew each time, put into requests, responses and messages |
//! | [`grpc`] | gRPC calls and protobuf messages, through the descriptors that a contract carries |
//! | [`matching`] | what came held against what was agreed |
//! | [`diff`] | two contracts compared |
//! | [`merge`] | several contracts between the same two become one |
//! | [`model`] | a [`model::Contract`] with its [`model::Interaction`]s, the same for Pact V1 to V4 |
//! | [`mismatch`] | where something differs from what was agreed |
//! | [`observe`] | contracts and the wire: record, drift, coverage, events, and what a contract pins |
//! | [`outcome`] | what came of verifying an interaction |
//! | [`write`] | a folder of contracts that many tests write at once |

pub mod casefile;
pub mod consumer;
pub mod diff;
pub mod document;
pub mod generate;
pub mod grpc;
pub mod matching;
pub mod merge;
pub mod mismatch;
pub mod model;
pub mod observe;
pub mod outcome;
pub mod pages;
pub mod write;

mod tls;
