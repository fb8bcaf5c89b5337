//! Tests of the whole: the library as a test's author uses it, the binary as a process, and the house's arrows.

mod arrows;
mod attached;
mod bad_input;
mod cli;
mod compose;
#[cfg(feature = "docker")]
mod containers;
mod dropped;
mod finished;
mod gate;
mod joined;
mod observed;
mod orders;
mod support;
mod verified;
