//! Contracts from what was seen on the edges between services.
//!
//! Exchanges are sorted by operation (method and path; ids in paths are taken out, by their look and by comparing many
//! paths), status, and the shape of the request. Each of these is one interaction:
//!
//! - **Requests** differ by the fields that they have: a field that is only sometimes sent makes two interactions,
//!   because a provider has to accept both.
//! - **Responses** and messages have the fields that all of them had: nobody can rely on one that was sometimes absent
//!   or null, so it is left out. A contract cannot say *perhaps*.
//! - Values are agreed by type. Ids, times and tokens are agreed by their look, and their examples are made up, so
//!   that what is recorded twice reads the same. Lists are agreed by one item, and hold at least one unless an empty
//!   one was seen. Fields that are named by ids are agreed by their values.
//! - Headers of the connection, of the trace and of one single request are left out, and so is what holds a secret. A
//!   provider that asks for credentials gets them when it is verified, not from the file.
//! - Bodies that are not JSON are agreed by their content type alone.
//!
//! The result depends on the set of exchanges, not on their order. Nothing that looks like a secret gets into it: an
//! interaction in which one is found after all this is left out, and counted.

mod body;
mod draft;
mod head;
mod http;
mod message;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::exchange::{Exchange, Response};
use seaworthy_core::ids::EdgeId;
use serde_json::Map;

use super::sighting::{self, Event, LeftOut, LeftOuts, Sighting};
use crate::model::{Contract, Specification};
use draft::Draft;

/// The check that a recording is reported as.
pub const CHECK: &str = "contract-record";
/// The rule of a contract that was written.
pub const RECORDED: &str = "contract.recorded";
/// The rule of a recording that came to nothing.
pub const NOTHING: &str = "contract.recorded.nothing";

/// What came of recording.
#[derive(Debug, Clone)]
pub struct Recording {
    /// One for each pair of consumer and provider, by their names. Version 4 of the specification.
    pub contracts: Vec<Contract>,
    /// How many exchanges they were made from.
    pub recorded: u64,
    /// How many were left out, by why.
    pub left_out: LeftOuts,
}

/// Records what was seen on these edges (without a port: on all ports); on all edges between services when none is
/// named.
pub fn record(exchanges: &[Exchange], edges: &[EdgeId]) -> Recording {
    let is_wanted = |edge: &EdgeId| {
        if edges.is_empty() {
            !edge.is_ingress()
        } else {
            edges.iter().any(|wanted| edge.is_covered_by(wanted))
        }
    };
    let (sightings, mut left_out) =
        sighting::sort(exchanges.iter().filter(|exchange| is_wanted(&exchange.edge)));
    let mut pairs: BTreeMap<(&str, &str), Pair<'_>> = BTreeMap::new();
    for sighting in &sightings {
        match sighting {
            Sighting::Http(_, response) if response.status >= 500 => {
                *left_out.entry(LeftOut::ServerError).or_default() += 1;
            }
            Sighting::Http(exchange, response) => {
                let key = (exchange.edge.consumer.as_str(), exchange.edge.provider.as_str());
                pairs.entry(key).or_default().http.push((exchange, response));
            }
            Sighting::Event(event) => {
                let pair =
                    pairs.entry((event.subscriber().as_str(), event.publisher().as_str())).or_default();
                // Several deliveries are one event.
                if pair.known.insert(event.identity()) {
                    pair.events.push(event);
                }
                pair.deliveries += 1;
            }
        }
    }
    let (mut contracts, mut recorded) = (Vec::new(), 0);
    for ((consumer, provider), pair) in pairs {
        let repeated = pair.deliveries - pair.events.len() as u64;
        let mut drafts = http::interactions(&pair.http);
        drafts.extend(message::interactions(&pair.events));
        let (safe, unsafe_ones): (Vec<Draft>, Vec<Draft>) =
            drafts.into_iter().partition(|draft| !draft.holds_secret());
        let lost: u64 = unsafe_ones.iter().map(|draft| draft.seen).sum();
        if lost > 0 {
            *left_out.entry(LeftOut::Secret).or_default() += lost;
        }
        recorded += safe.iter().map(|draft| draft.seen).sum::<u64>() + repeated;
        if safe.is_empty() {
            continue;
        }
        contracts.push(Contract {
            consumer: consumer.to_owned(),
            provider: provider.to_owned(),
            specification: Specification::V4,
            metadata: Map::new(),
            interactions: draft::interactions(safe),
            source: String::new(),
            consumer_version: None,
        });
    }
    Recording { contracts, recorded, left_out }
}

/// What passed between a consumer and a provider, in the words of contracts.
#[derive(Default)]
struct Pair<'x> {
    http: Vec<(&'x Exchange, &'x Response)>,
    events: Vec<&'x Event<'x>>,
    known: BTreeSet<(String, &'x str)>,
    deliveries: u64,
}
