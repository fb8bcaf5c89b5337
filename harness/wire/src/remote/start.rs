//! Starting a data plane that outlives whoever started it.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::RemoteError;
use super::place::{log_beside, make_folder};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it does. There is nothing to wait for: nothing of ours is held by the new process.
const PAUSE: Duration = Duration::from_millis(5);
/// How much of its log is shown when it does not start.
const LAST_BYTES: usize = 2000;

/// Leaves the session and the terminal of whoever started this process, so that what ends those does not end it.
pub fn detach() {
    // It fails only for the leader of a process group, which is nobody's background already.
    let _ = rustix::process::setsid();
}

/// A data plane that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its process id.
    pub pid: u32,
}

/// Runs `program` with `arguments`, which is to [`serve`](super::serve) at `socket`, and returns when it listens there.
/// It gets no terminal and no pipe of ours; it writes to a log beside the socket. It is to call [`detach`] first.
///
/// Blocks until then.
///
/// # Errors
/// It cannot be run, ends at once, or does not listen within 10 s.
pub fn start(program: &Path, arguments: &[OsString], socket: &Path) -> Result<Started, RemoteError> {
    make_folder(socket)?;
    let log = log_beside(socket);
    let fail = |what, source| RemoteError::Place { what, path: log.clone(), source };
    let mut options = OpenOptions::new();
    let written = options.write(true).create(true).truncate(true).mode(0o600).open(&log);
    let written = written.map_err(|error| fail("write", error))?;
    let errors = written.try_clone().map_err(|error| fail("write", error))?;
    let refused = |reason: String| RemoteError::Start { program: program.display().to_string(), reason };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(written)
        .stderr(errors)
        .spawn()
        .map_err(|error| refused(error.to_string()))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if std::os::unix::net::UnixStream::connect(socket).is_ok() {
            return Ok(Started { pid: child.id() });
        }
        let last_words = || {
            let text = std::fs::read(&log).unwrap_or_default();
            let from = text.len().saturating_sub(LAST_BYTES);
            String::from_utf8_lossy(text.get(from..).unwrap_or_default()).trim().to_owned()
        };
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(refused(format!("it did not listen within {PATIENCE:?}: {}", last_words())));
            }
            Ok(Some(status)) => return Err(refused(format!("it ended with {status}: {}", last_words()))),
            Err(error) => return Err(refused(error.to_string())),
        }
    }
}
