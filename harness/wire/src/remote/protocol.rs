//! What a harness and the data plane say to each other: one JSON document a line.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use seaworthy_core::evidence::Loss;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::fault::FaultRule;
use seaworthy_core::ids::{EdgeId, FaultId};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::Nanos;
use serde::{Deserialize, Serialize};

use crate::config::WireConfig;
use crate::traffic::Traffic;
use crate::wire::Upstream;

/// The version of this protocol. Both ends must have the same.
pub(super) const VERSION: u32 = 1;
/// How long a line of a harness may be, in bytes: the largest is a fault rule.
pub(super) const LONGEST_ASKED: usize = 1 << 20;
/// How long a line of the data plane may be, in bytes: the largest is an exchange with its captured bodies.
pub(super) const LONGEST_SAID: usize = 64 << 20;

/// A line of the harness.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The reply names it.
    pub(super) number: u64,
    pub(super) ask: Ask,
}

/// What a harness wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Ask {
    /// The first line: who is there, and how exchanges are to be recorded.
    Hello { version: u32, config: Box<WireConfig> },
    /// What time it is over there.
    Now,
    /// Open a proxy, or go on with the one that is open.
    Open { edge: EdgeId, protocol: PortProtocol, address: Option<SocketAddr> },
    /// Say where an edge leads.
    Upstream { edge: EdgeId, upstream: Option<Upstream> },
    /// Put a fault rule in force.
    Install { rule: Box<FaultRule> },
    /// Start a rule's lease anew.
    Renew { id: FaultId },
    /// End a rule.
    End { id: FaultId },
    /// Tell all that was recorded until now, then reply.
    CatchUp,
}

/// A line of the data plane.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "kebab-case")]
pub(super) enum Said {
    /// To what was asked.
    Reply { to: u64, reply: Reply },
    /// An exchange came or changed.
    Exchange { exchange: Box<Exchange>, sealed: bool },
    /// A rule was applied, or lapsed.
    Fault { id: FaultId, fired: u64, lapsed: bool },
    /// What was not recorded, and what passed on edges of bytes.
    Totals { losses: Vec<Loss>, traffic: Vec<(EdgeId, Traffic)> },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Reply {
    /// To [`Ask::Hello`]: the data plane's process, and where its edges are.
    Welcome { pid: u32, edges: BTreeMap<EdgeId, SocketAddr> },
    /// To [`Ask::Hello`]: this process steers already.
    Busy { by: Option<u32> },
    /// To [`Ask::Now`].
    Now { now: Nanos },
    /// To [`Ask::Open`].
    Opened { address: SocketAddr },
    /// The edge's address is in use by another process.
    Taken,
    /// To [`Ask::End`]: how often the rule was applied in all.
    Ended { fired: u64 },
    /// It is done.
    Done,
    /// It cannot be done.
    Refused { reason: String },
}
