//! The asking end of the control socket.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{Ask, LONGEST_LINE, Reply};

/// Asks a running system. Each request is a connection of its own, so that it does not matter which runtime a
/// test runs on.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// Asks at this socket.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends a request and returns the reply.
    ///
    /// # Errors
    /// Nobody serves there, or what came back is no reply.
    pub async fn ask(&self, ask: &Ask) -> std::io::Result<Reply> {
        let stream = UnixStream::connect(&self.path).await?;
        let (read, mut write) = stream.into_split();
        let mut text = serde_json::to_vec(ask)?;
        text.push(b'\n');
        write.write_all(&text).await?;
        let mut line = Vec::new();
        BufReader::new(read).take(LONGEST_LINE as u64).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the system went away"));
        }
        Ok(serde_json::from_slice(&line)?)
    }
}
