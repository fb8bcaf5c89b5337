//! What each rendering says of a run that passed, one that failed and one that could not be decided.

mod machine;
mod scene;
mod schema;
mod terminal;
