//! What can go wrong when an edge is opened.

use std::net::{IpAddr, SocketAddr};

use seaworthy_core::ids::EdgeId;

/// Why the data plane could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No port could be had for an edge's proxy on all the addresses that it is to listen on.
    #[error("a proxy for the edge `{edge}` could not be opened")]
    Listen {
        /// For which edge.
        edge: EdgeId,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The address that an edge's proxy is to listen on is in use.
    #[error(
        "{address} is in use by another process, so the proxy for the edge `{edge}` could not be opened there"
    )]
    Taken {
        /// For which edge.
        edge: EdgeId,
        /// Where.
        address: SocketAddr,
    },
    /// A proxy was to listen on all interfaces, or on none.
    #[error("a proxy may not listen on {}, so the one for the edge `{edge}` could not be opened; name addresses",
        .address.map_or("no address at all".to_owned(), |address| format!("all interfaces ({address})")))]
    Interfaces {
        /// For which edge.
        edge: EdgeId,
        /// The unspecified address; `None` when the list is empty.
        address: Option<IpAddr>,
    },
    /// The edge is open already.
    #[error("the edge `{0}` is open already, so it could not be opened a second time")]
    Open(EdgeId),
    /// The process that carries the proxies refused, or is gone.
    #[error("the proxy for the edge `{edge}` could not be opened in the data plane: {reason}")]
    Remote {
        /// For which edge.
        edge: EdgeId,
        /// What it said.
        reason: String,
    },
    /// The wire was closed.
    #[error("the wire is closed, so a proxy for the edge `{0}` could not be opened")]
    Closed(EdgeId),
}
