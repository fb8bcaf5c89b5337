//! The core from outside.

mod interpolation;
mod overlays;
mod schema;
mod soundness;
mod suggestions;
mod support;
mod system_file;
