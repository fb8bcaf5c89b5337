//! Placeholder for the suite below.
fn main() {}
