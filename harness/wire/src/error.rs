//! What can go wrong when an edge is opened.

use seaworthy_core::ids::EdgeId;

/// Why the data plane could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No port on 127.0.0.1 could be had for an edge's proxy.
    #[error("a proxy for the edge `{edge}` could not be opened")]
    Listen {
        /// For which edge.
        edge: EdgeId,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The edge has a proxy already.
    #[error("the edge `{0}` has a proxy already, so a second one could not be opened")]
    Open(EdgeId),
    /// The wire was closed.
    #[error("the wire is closed, so a proxy for the edge `{0}` could not be opened")]
    Closed(EdgeId),
}
