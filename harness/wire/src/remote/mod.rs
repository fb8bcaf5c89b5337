//! A data plane in a process of its own, and how a harness steers it.
//!
//! A system that runs already is told its proxies' addresses once, so the proxies must stay when a run ends. They live
//! in a process of their own then. [`serve`] is that process: it hosts a [`Wire`](crate::Wire), listens on a Unix
//! socket that its user alone can open, and lets one harness at a time steer. When that one leaves, or dies, every
//! fault rule goes at once, what was recorded is forgotten, and traffic passes on.
//!
//! [`connect`] gives the harness a [`Wire`](crate::Wire) like any other: it opens edges, installs rules and has an
//! exchange log. Three things are different, and nobody needs to care: an edge that is open already is gone on with as
//! it is, a call that changes something returns when it is changed over there, and the log is a mirror. Reading the
//! mirror asks the data plane first whether it is up to date, so an exchange that was answered a moment ago is never
//! missing, and one that is shown as ended carries everything.
//!
//! | module | what it does |
//! |---|---|
//! | `place` | the socket's path, its folder, the claim that only one data plane serves there |
//! | `protocol`, `lines` | what is said, and how it is written |
//! | `plane`, `seat` | the data plane: who may steer; what it does for who steers |
//! | `steering`, `inbox` | the harness: asks, and takes what it is told |
//! | `start` | starts a data plane that outlives its harness |

mod inbox;
mod lines;
mod place;
mod plane;
mod protocol;
mod seat;
mod start;
mod steering;

use std::io;
use std::path::PathBuf;

pub use place::{find, socket_for};
pub use plane::serve;
pub use start::{Started, detach, start};
pub(crate) use steering::Steering;
pub use steering::{Plane, connect};

/// Why a data plane could not be served, started or steered.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A file or folder beside the socket could not be used.
    #[error("could not {what} {}: {source}", path.display())]
    Place {
        /// What was to be done to it.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others can enter the socket's folder, or it is not the user's.
    #[error("could not use {}: it must be a folder of yours that nobody else can enter (mode 0700)", folder.display())]
    NotPrivate {
        /// Which.
        folder: PathBuf,
    },
    /// A data plane serves at this socket already.
    #[error("could not serve at {}: a data plane{} serves there already", socket.display(), of(*pid))]
    Running {
        /// Where.
        socket: PathBuf,
        /// Its process, where known.
        pid: Option<u32>,
    },
    /// No data plane serves at this socket.
    #[error("could not find a data plane at {}", socket.display())]
    Nobody {
        /// Where.
        socket: PathBuf,
    },
    /// Another harness steers the data plane.
    #[error(
        "could not steer the data plane at {}: another harness{} steers it; wait for it to end, or end it",
        socket.display(), of(*by)
    )]
    Busy {
        /// Where.
        socket: PathBuf,
        /// The other harness's process, where known.
        by: Option<u32>,
    },
    /// The conversation with the data plane ended, or makes no sense.
    #[error("could not speak with the data plane at {}: {reason}", socket.display())]
    Broken {
        /// Where.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
    /// The data plane's process could not be started, or ended at once.
    #[error("could not start the data plane `{program}`: {reason}")]
    Start {
        /// What was run.
        program: String,
        /// What the operating system or its log said.
        reason: String,
    },
}

fn of(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
