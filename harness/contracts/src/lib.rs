//! Consumer-driven contracts: what consumers rely on, written down by their tests, held against their providers.
//!
//! | module | what it does |
//! |---|---|
//! | [`consumer`] | a consumer's test declares what it relies on, plays it, and writes the contract |
//! | [`broker`] | a Pact Broker's HTTP API |
//! | [`casefile`] | case files of the Pact specification run |
//! | [`document`] | pact files of V1 to V4 read and written |
//! | [`gate`] | may these versions go to that environment, and in which order |
//! | [`generate`] | values that are made anew each time, put into requests, responses and messages |
//! | [`grpc`] | gRPC calls and protobuf messages, through the descriptors that a contract carries |
//! | [`ledger`] | who relies on which content, who keeps it, what is deployed where |
//! | [`matching`] | what came held against what was agreed |
//! | [`diff`] | two contracts compared |
//! | [`merge`] | several contracts between the same two become one |
//! | [`model`] | a [`model::Contract`] with its [`model::Interaction`]s, the same for Pact V1 to V4 |
//! | [`mismatch`] | where something differs from what was agreed |
//! | [`observe`] | contracts and the wire: record, drift, coverage, events, and what a contract pins |
//! | [`outcome`] | what came of verifying an interaction |
//! | [`verify`] | a running provider is held to its contracts |
//! | [`write`] | a folder of contracts that many tests write at once |

pub mod broker;
pub mod casefile;
pub mod consumer;
pub mod diff;
pub mod document;
pub mod gate;
pub mod generate;
pub mod grpc;
pub mod ledger;
pub mod matching;
pub mod merge;
pub mod mismatch;
pub mod model;
pub mod observe;
pub mod outcome;
pub mod pages;
pub mod verify;
pub mod write;

mod tls;
