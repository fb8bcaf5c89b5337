//! What each rendering says of a run that passed, one that failed and one that could not be decided.

// What a test is made of may panic like the test itself: that is how it fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod machine;
mod scene;
mod schema;
mod terminal;
