//! Fault rules: who is matched ([`matching`]), what stands ([`FaultTable`]), for how long ([`FaultLease`]).

mod lease;
pub mod matching;
mod pace;
mod rule;
mod table;

pub use lease::FaultLease;
pub(crate) use rule::{Executor, Rule};
pub use table::FaultTable;
pub(crate) use table::{Carries, Match, Plan};
