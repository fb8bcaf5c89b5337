//! Limits and settings of the data plane.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How many connections an edge serves at once; more wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 4096;
/// How many headers of a message are recorded.
pub const MAX_RECORDED_HEADERS: usize = 64;
/// How many bytes of headers (names and values) of a message are recorded.
pub const MAX_RECORDED_HEADER_BYTES: usize = 8 * 1024;
/// How large the head of a message may be, in bytes. A larger one is answered with 431, as a server would.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How many fault rules may stand at once.
pub const MAX_RULES: usize = 10_000;
/// How many idle HTTP/1 connections to a provider are kept for each edge.
pub const MAX_IDLE: usize = 64;
/// How many requests share one HTTP/2 connection to a provider before another is opened.
pub const MAX_STREAMS: usize = 100;

/// Settings of a [`crate::Wire`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WireConfig {
    /// The addresses that proxies listen on; an edge's proxy has the same port on each of them. To containers, for
    /// one, the harness is at their bridge's address. All interfaces (`0.0.0.0`, `::`) is refused: a proxy is a way
    /// into the system. Default: 127.0.0.1 alone.
    pub listen: Vec<IpAddr>,
    /// Headers (lower case) that carry a correlation id, the most trusted first.
    pub correlation_headers: Vec<String>,
    /// How much of a body is kept, in bytes; 0 keeps sizes alone. Default 16 KiB.
    pub capture_bytes: usize,
    /// How much of all bodies together is kept, in bytes. Past it, sizes alone are kept, and each such body is
    /// counted as lost. Default 512 MiB.
    pub captured_total_bytes: u64,
    /// How many exchanges are recorded; further ones pass unrecorded and are counted as lost. Default 200,000.
    pub max_exchanges: usize,
    /// How long a connection to a provider may take before the provider counts as unreachable. Default 3 s.
    pub connect_timeout: Duration,
    /// How much of an answer is taken from the provider while a fault of `when: after` withholds it, in bytes.
    /// Default 1 MiB.
    pub withheld_bytes: usize,
    /// How long such an answer may take to come whole before it counts as given. Default 2 s.
    pub withheld_time: Duration,
}

impl Default for WireConfig {
    fn default() -> Self {
        Self {
            listen: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            correlation_headers: vec!["x-correlation-id".to_owned()],
            capture_bytes: 16 * 1024,
            captured_total_bytes: 512 * 1024 * 1024,
            max_exchanges: 200_000,
            connect_timeout: Duration::from_secs(3),
            withheld_bytes: 1024 * 1024,
            withheld_time: Duration::from_secs(2),
        }
    }
}
