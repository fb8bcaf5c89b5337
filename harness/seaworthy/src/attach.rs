//! The proxies of a system that runs already: in a process of their own, which is started when there is none yet and
//! stays when the run is over.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use seaworthy_core::runtime::Runtime;
use seaworthy_core::system::System;
use seaworthy_core::time::RunClock;
use seaworthy_experiment::session::wire_config;
use seaworthy_wire::Wire;
use seaworthy_wire::remote::{self, RemoteError};

/// The variable that names the `seaworthy` program.
pub const PROGRAM_VARIABLE: &str = "SEAWORTHY_BIN";
const PROGRAM: &str = "seaworthy";

static CHOSEN: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Why there are no proxies.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AttachError {
    /// There is no program to run them in.
    #[error(
        "could not find the program `{PROGRAM}`, in a process of which the proxies of an attached system live"
    )]
    #[diagnostic(help(
        "put it on PATH (`cargo install seaworthy`), or name it: `{PROGRAM_VARIABLE}=/path/to/seaworthy`"
    ))]
    NoProgram,
    /// The process could not be started or steered.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Work in the background broke off.
    #[error("could not reach the data plane: {0}")]
    Broken(String),
}

/// Says which `seaworthy` program is to carry the proxies. Without it, `SEAWORTHY_BIN` names it, else it is looked for
/// on PATH.
pub fn use_program(path: impl Into<PathBuf>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.into());
}

fn program() -> Result<PathBuf, AttachError> {
    let chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let named = || std::env::var_os(PROGRAM_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|program| program.is_file())
    };
    chosen.or_else(named).or_else(on_path).ok_or(AttachError::NoProgram)
}

/// Takes the wheel of the system's data plane; starts it when there is none.
pub(crate) async fn wire(
    system: &System,
    clock: RunClock,
    runtime: &dyn Runtime,
) -> Result<Wire, AttachError> {
    let (file, config) = (system.file.clone(), wire_config(system, runtime.vantage().listen));
    let connecting = tokio::task::spawn_blocking(move || {
        let socket = remote::socket_for(&file)?;
        match remote::connect(&socket, clock, config.clone()) {
            Err(RemoteError::Nobody { .. }) => {
                let arguments = ["proxy".into(), "--steered".into(), socket.clone().into_os_string()];
                remote::start(&program()?, &arguments, &socket)?;
                Ok(remote::connect(&socket, clock, config)?)
            }
            other => Ok(other?),
        }
    });
    connecting.await.map_err(|error| AttachError::Broken(error.to_string()))?
}
