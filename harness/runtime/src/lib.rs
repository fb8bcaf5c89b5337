//! Starts systems: as processes, as containers, or not at all where a system runs already.
//!
//! [`process::ProcessRuntime`] implements [`seaworthy_core::runtime::Runtime`] with processes of this machine, and
//! `docker::DockerRuntime` (feature `docker`) with containers. Both choose ports, write files, keep what instances
//! print, carry out faults, and see to it that nothing they started outlives them: not on drop, not after a panic, not
//! when the harness is killed with SIGKILL. [`cargo::build`] turns names of binaries into executables, `docker::image`
//! names of images into images, and [`readiness`] waits until an instance is ready, has ended, or has had its time.
//!
//! The README is part of the tests:
//!
#![doc = include_str!("../README.md")]

pub mod attach;
pub mod cargo;
#[cfg(feature = "docker")]
pub mod docker;
mod filling;
mod output;
pub mod process;
pub mod readiness;
mod record;

pub use attach::AttachRuntime;
#[cfg(feature = "docker")]
pub use docker::DockerRuntime;
pub use process::ProcessRuntime;
pub use readiness::address_in_use;
