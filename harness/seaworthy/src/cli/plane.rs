//! `seaworthy proxy --steered SOCKET`: the process that carries the proxies of a system that runs already. A harness
//! starts it; people need not know how.

use std::cell::Cell;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use seaworthy_core::system::{RunKind, System};
use seaworthy_wire::remote;

use super::args::ProxyArgs;
use super::failure::Failure;
use super::up::stopped;
use crate::launch::LaunchError;

/// Serves until SIGTERM.
pub(super) async fn plane(args: &ProxyArgs) -> Result<ExitCode, Failure> {
    remote::detach();
    remote::serve(&args.steered, stopped()).await.map_err(|error| Failure::plain(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// Says at the end of a run that the proxies of an attached system stay, and how to end them.
pub(super) struct Standing(Cell<Option<PathBuf>>);

impl Standing {
    pub(super) fn told_at_the_end(system: &System) -> Self {
        let attached = system.on == RunKind::Attach;
        Self(Cell::new(attached.then(|| remote::socket_for(&system.file).ok()).flatten()))
    }

    /// Says nothing where the proxies could not even be steered: whoever steers them knows what they do.
    pub(super) fn heed(&self, error: &LaunchError) {
        if matches!(error, LaunchError::Attach(_)) {
            self.0.take();
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some(plane) = self.0.take().as_deref().and_then(remote::find) {
            let _ = writeln!(
                std::io::stderr(),
                "the proxies go on forwarding, without faults, in process {pid}, because the services are configured \
                 to call them; `kill {pid}` ends them",
                pid = plane.pid
            );
        }
    }
}
