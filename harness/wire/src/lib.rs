//! The data plane of seaworthy: a proxy on every edge that sees, records and, when told to, breaks.
//!
//! A [`Wire`] opens one reverse proxy for each edge of a system. Consumers are given the proxies' addresses in place
//! of their providers', so every request between two services passes here and becomes an
//! [`Exchange`](seaworthy_core::exchange::Exchange), recorded on both sides: what the consumer sent and got, what the
//! provider got and answered. Unless a fault rule says otherwise, both sides must not be able to tell that there is a
//! proxy at all.
//!
//! ```no_run
//! use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
//! use seaworthy_core::ids::{EdgeId, TraceId};
//! use seaworthy_core::system::PortProtocol;
//! use seaworthy_core::time::RunClock;
//! use seaworthy_wire::{Upstream, Wire, WireConfig};
//!
//! # async fn example(payments: std::net::SocketAddr, mine: TraceId) -> Result<(), Box<dyn std::error::Error>> {
//! let wire = Wire::new(RunClock::start(), WireConfig::default());
//! let edge = EdgeId::new("orders", "payments");
//! let proxy = wire.open(edge.clone(), PortProtocol::Http).await?; // what `orders` is told to call
//! wire.set_upstream(&edge, Some(Upstream { address: payments, instance: Some("payments-1".into()) }));
//!
//! // The answer to this one trace is lost after the work is done; nobody else notices.
//! let matcher = FaultMatcher { edge: Some(edge), trace_id: Some(mine), ..FaultMatcher::default() };
//! let lost = wire.install(FaultRule::new("lost", matcher, FaultAction::Reset { when: When::After }))?;
//! lost.first_fired().await;
//! let exchange = wire.log().wait_for(|exchange| exchange.trace_id() == Some(mine) && exchange.is_over()).await;
//! assert!(exchange.done_by_provider() && !exchange.succeeded());
//! # Ok(()) }
//! ```
//!
//! # What passes, and how
//!
//! - HTTP/1.1 and HTTP/2 with prior knowledge on the same port; the provider is spoken to in the consumer's version.
//!   gRPC is HTTP/2. Bodies stream in both directions at once, with their trailers, and are never gathered: what is on
//!   its way is bounded by flow-control windows and socket buffers.
//! - Headers pass untouched but for those about one connection (RFC 9110 section 7.6.1). `Host` and `:authority` are
//!   the consumer's. `Upgrade: h2c` is taken out; any other upgrade, WebSocket for one, is tunnelled.
//! - Nothing is retried. The case that looks like it, a kept connection that turns out to be closed, is explained with
//!   the pool's code: only a request that was handed back unsent goes out on another connection.
//! - A consumer that leaves ends the provider's request, and a provider that breaks off breaks the consumer's response:
//!   RST_STREAM with the same code over HTTP/2, a reset of the connection over HTTP/1. An unreachable provider is a
//!   reset as well (HTTP/2: REFUSED_STREAM, which gRPC reads as UNAVAILABLE), never an answer that nobody gave.
//!
//! # Faults
//!
//! A [`FaultRule`](seaworthy_core::fault::FaultRule) says which exchanges it is for ([`fault::matching`]) and what is
//! done to them. Of all rules that match, first come the delays, then the stalls and holds of `when: before`, then the
//! abort or reset that was installed first. One of `when: after` lets the provider do its work: the answer is taken
//! from it, as far as [`WireConfig::withheld_bytes`] and [`WireConfig::withheld_time`] go, recorded as given, and then
//! withheld. What is left of the answer is truncated, corrupted or slowed.
//!
//! A rule is a lease: it lapses unless it is renewed, so that it cannot outlive whoever wanted it. [`FaultLease`] renews
//! itself while it lives. A rule that ends, by whatever way, lets go at once what it held up.
//!
//! Of databases and brokers nothing is known but bytes ([`PortProtocol::Tcp`](seaworthy_core::system::PortProtocol)):
//! rules for their edges are about connections, also those that are open already, and [`Wire::traffic`] tells what
//! passed. Messages between services are carried by a tap ([`broker`]) and have faults of their own.
//!
//! # The log
//!
//! [`ExchangeLog`] shows an exchange from its head on, while it is in flight: when it arrives, when a fault is applied,
//! when it goes out to the provider, when the response's head comes, and when each side ends. What is expensive
//! (digests, secrets) is done when somebody reads.

pub mod broker;
mod config;
mod error;
pub mod fault;
mod link;
mod listen;
mod log;
mod proxy;
pub mod remote;
mod traffic;
mod wire;

pub use config::{
    MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_IDLE, MAX_RECORDED_HEADER_BYTES, MAX_RECORDED_HEADERS, MAX_RULES,
    MAX_STREAMS, WireConfig,
};
pub use error::WireError;
pub use fault::{FaultLease, FaultTable};
pub use log::ExchangeLog;
pub use traffic::Traffic;
pub use wire::{Upstream, Wire};
