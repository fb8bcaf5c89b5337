//! Contracts and the wire: what was really said, held against what was agreed, and written down where nothing was.
//!
//! | module | what it does |
//! |---|---|
//! | [`sighting`] | which exchanges can speak for or against a contract, and as what |
//! | [`record`] | writes contracts from what was seen |
//! | [`drift`] | what was seen outside every contract |
//! | [`coverage`] | which interactions were exercised |
//! | [`events`] | a provider's messages, verified from what it really published |
//! | [`usages`] | what a contract pins, field by field |
//!
//! All of it are functions over values: exchanges and contracts in, contracts and findings out.

pub mod coverage;
pub mod drift;
pub mod events;
pub mod record;
pub mod sighting;
pub mod usages;

mod actual;
mod against;
mod form;
mod kind;
mod route;

pub use coverage::coverage;
pub use drift::drift;
pub use record::record;
pub use usages::usages;
