//! Flows and faults: drives a running system and gathers its evidence.
//!
//! [`session::Session`] brings a system up and knows what was seen of it; [`flow`] reads and runs flows;
//! [`plan`] decides what may run at once; [`probes`] asks what no flow asks; [`disk`] keeps evidence.

pub mod disk;
pub mod flow;
pub mod plan;
pub mod probes;
pub mod session;
