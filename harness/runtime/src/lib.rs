//! Starts systems: processes now, containers and attached systems behind the same trait.
//!
//! [`process::ProcessRuntime`] implements [`seaworthy_core::runtime::Runtime`] with processes of this machine.
//! It chooses free ports, writes files, keeps what instances print, carries out faults, and sees to it that
//! nothing it started outlives it: not on drop, not after a panic, not when the harness is killed with SIGKILL.
//! [`cargo::build`] turns names of binaries into executables, and [`readiness`] waits until an instance is
//! ready, has ended, or has had its time.
//!
//! Other runtimes come as modules beside [`process`], behind the same trait. The README is part of the tests:
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
