//! Fault rules: who is matched ([`matching`]), what stands ([`FaultTable`]), for how long ([`FaultLease`]).

mod lease;
pub mod matching;
mod rule;
mod table;

pub use lease::FaultLease;
pub(crate) use rule::Rule;
pub use table::FaultTable;
pub(crate) use table::{Match, Plan};
