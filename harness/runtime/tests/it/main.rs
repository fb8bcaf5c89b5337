//! The runtime from outside: real processes, real signals.

mod process;
mod support;
