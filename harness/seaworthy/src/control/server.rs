//! The serving end of the control socket.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seaworthy_experiment::session::Session;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::{Ask, LONGEST_LINE, Reply, serve};

/// How long to wait before accepting again after an error.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// Serves a session until it is dropped; the socket goes with it.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Begins to serve `session` on a socket at `path`, which only the owner can open.
    ///
    /// # Errors
    /// The socket cannot be made there.
    pub fn start(session: Session, path: &Path) -> std::io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            // Left behind by a harness that was killed: nobody answers there.
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(path) => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(converse(session.clone(), stream))),
                    // Too many open files, say: it passes.
                    Err(_) => tokio::time::sleep(PAUSE_AFTER_ERROR).await,
                }
            }
        });
        Ok(Self { path: path.to_owned(), accepting })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        // The socket may be gone already, with the folder that it lay in.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a socket is there and nobody listens.
fn is_stale(path: &Path) -> bool {
    let asked = std::os::unix::net::UnixStream::connect(path);
    asked.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Answers line by line until the client hangs up.
async fn converse(session: Session, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = LONGEST_LINE as u64;
        match (&mut lines).take(limit).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let reply = match serde_json::from_slice::<Ask>(&line) {
            Ok(ask) => serve(&session, ask).await,
            Err(error) => Reply::Refused { reason: format!("this is no request of ours: {error}") },
        };
        let Ok(mut text) = serde_json::to_vec(&reply) else { return };
        text.push(b'\n');
        if write.write_all(&text).await.is_err() {
            return;
        }
    }
}
