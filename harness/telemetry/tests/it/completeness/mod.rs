//! Causal completeness: each rule by example, and random traces against a generator that knows what they owe and
//! against a second, naive implementation.

mod made;
mod random;
mod rules;
mod waits;
