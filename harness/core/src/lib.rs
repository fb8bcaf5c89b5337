//! The vocabulary of seaworthy.
//!
//! Every other room of the harness speaks in these words and none of them is spoken here with a socket: a
//! [`system::System`] says what runs, an [`exchange::Exchange`] is what the wire saw, [`span::Span`],
//! [`log::LogRecord`] and [`metric::MetricPoint`] are what a service says of itself, a
//! [`fault::FaultRule`] is what the harness does to an edge, and a [`check::Check`] holds one against the
//! other and yields [`finding::Finding`]s.
//!
//! | module | what it names |
//! |---|---|
//! | [`ids`] | services, instances, edges, exchanges, traces |
//! | [`time`] | the run's clock, durations as people write them |
//! | [`context`] | W3C `traceparent` and `baggage` |
//! | [`route`] | path templates, routes, operations on an edge |
//! | [`system`] | the system file: model, loading, interpolation |
//! | [`exchange`], [`span`], [`log`], [`metric`], [`instance`], [`secret`] | evidence |
//! | [`tree`] | a trace as a tree that prints the same in every run |
//! | [`fault`] | fault rules: serialisable values, validated |
//! | [`evidence`] | the trait that checks read, and its in-memory form |
//! | [`check`], [`finding`], [`report`] | what is judged and what comes of it |
//! | [`usage`] | what consumers rely on, field by field |
//! | [`page`] | what there is to know about a rule |
//! | [`runtime`] | the trait that starts and stops instances |

pub mod check;
pub mod completeness;
pub mod context;
pub mod evidence;
pub mod exchange;
pub mod fault;
pub mod finding;
pub mod ids;
pub mod instance;
pub mod log;
pub mod metric;
pub mod page;
pub mod report;
pub mod route;
pub mod runtime;
pub mod secret;
pub mod span;
pub mod system;
pub mod time;
pub mod tree;
pub mod usage;
