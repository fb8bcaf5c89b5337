//! The data plane's process: who may steer it, and what stays when nobody does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::place::{Claim, make_folder};
use super::protocol::{Ask, Asked, LONGEST_ASKED, Reply, Said, VERSION};
use super::seat::Seat;
use super::{RemoteError, lines};
use crate::config::WireConfig;
use crate::error::WireError;
use crate::wire::{Upstream, Wire};

/// How long whoever connects may take to say who it is.
const HELLO: Duration = Duration::from_secs(5);
/// How long a newcomer waits for one that is just leaving before it is told that somebody steers.
const HANDOVER: Duration = Duration::from_millis(500);
/// How long a line may take to be written. Whoever does not read for so long is gone.
const WRITING: Duration = Duration::from_secs(10);
/// How many connections there may be at once; one of them steers.
const MOST_CONVERSATIONS: usize = 16;
/// How long to wait before accepting again after an error.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// Serves a data plane at `socket` until `until` is over, then ends in order: proxies close, the socket goes.
///
/// # Errors
/// The socket's folder is open to others, a data plane serves there already, or the socket cannot be made.
pub async fn serve(socket: &Path, until: impl Future<Output = ()>) -> Result<(), RemoteError> {
    make_folder(socket)?;
    let _claim = Claim::of(socket)?;
    let fail = |what, source| RemoteError::Place { what, path: socket.to_owned(), source };
    // Whoever made one that is there does not run any more: the claim is ours.
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(fail("remove", error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(|error| fail("listen at", error))?;
    let _gone_at_end = Removed(socket.to_owned());
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(socket, private).map_err(|error| fail("protect", error))?;
    let host = Arc::new(Host::default());
    let mut conversations = JoinSet::new();
    let mut until = std::pin::pin!(until);
    tracing::info!(socket = %socket.display(), "serving");
    loop {
        tokio::select! {
            () = &mut until => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if conversations.len() < MOST_CONVERSATIONS => {
                    conversations.spawn(converse(Arc::clone(&host), stream));
                }
                Ok(_) => {}
                // Out of file descriptors, say: it passes.
                Err(_) => tokio::time::sleep(PAUSE_AFTER_ERROR).await,
            },
            Some(_) = conversations.join_next() => {}
        }
    }
    conversations.shutdown().await;
    host.deck.lock().await.close().await;
    tracing::info!("ended");
    Ok(())
}

/// Removes the socket.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What all conversations share.
#[derive(Default)]
struct Host {
    /// Whoever holds it steers.
    deck: tokio::sync::Mutex<Deck>,
    /// The process that does.
    by: Mutex<Option<u32>>,
}

async fn converse(host: Arc<Host>, stream: UnixStream) {
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok());
    let (read, write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut voice = Voice(write);
    let hello = match timeout(HELLO, lines::read::<Asked>(&mut read, LONGEST_ASKED)).await {
        Ok(Ok(Some(hello))) => hello,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => return voice.refuse(0, error.to_string()).await,
    };
    let config = match hello.ask {
        Ask::Hello { version: VERSION, config } => *config,
        Ask::Hello { version, .. } => {
            let reason = format!(
                "it speaks version {VERSION} of the protocol and not {version}; end it (`kill {}`) and run again",
                std::process::id()
            );
            return voice.refuse(hello.number, reason).await;
        }
        _ => return voice.refuse(hello.number, "the first line is to say who is there".to_owned()).await,
    };
    let Ok(mut deck) = timeout(HANDOVER, host.deck.lock()).await else {
        let by = *host.by.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = voice.say(&Said::Reply { to: hello.number, reply: Reply::Busy { by } }).await;
        return;
    };
    *host.by.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    tracing::info!(pid, "a harness steers");
    let wire = deck.wire(config).await;
    let seat = Seat::take(&mut deck, wire, voice);
    match seat.serve(hello.number, read).await {
        Ok(()) => tracing::info!(pid, "the harness left"),
        Err(error) => tracing::warn!(pid, %error, "the harness is gone"),
    }
}

/// Says things to a harness.
pub(super) struct Voice(OwnedWriteHalf);

impl Voice {
    pub(super) async fn say(&mut self, said: &Said) -> std::io::Result<()> {
        let line = lines::line(said)?;
        match timeout(WRITING, self.0.write_all(&line)).await {
            Ok(written) => written,
            Err(_) => Err(std::io::Error::new(ErrorKind::TimedOut, "it does not read")),
        }
    }

    async fn refuse(&mut self, to: u64, reason: String) {
        let _ = self.say(&Said::Reply { to, reply: Reply::Refused { reason } }).await;
    }
}

/// The proxies, which stay from one harness to the next.
#[derive(Default)]
pub(super) struct Deck {
    wire: Option<(WireConfig, Wire)>,
    edges: BTreeMap<EdgeId, Kept>,
}

struct Kept {
    protocol: PortProtocol,
    address: SocketAddr,
    upstream: Option<Upstream>,
}

impl Deck {
    /// The wire with this configuration. If it had another, its edges are opened anew where they were.
    async fn wire(&mut self, config: WireConfig) -> Wire {
        if let Some((have, wire)) = &self.wire
            && *have == config
        {
            return wire.clone();
        }
        if let Some((_, old)) = self.wire.take() {
            old.close().await;
        }
        let wire = Wire::new(RunClock::start(), config.clone());
        let mut lost = Vec::new();
        for (edge, kept) in &self.edges {
            match wire.open_at(edge.clone(), kept.protocol, kept.address).await {
                Ok(_) => wire.set_upstream(edge, kept.upstream.clone()),
                Err(error) => {
                    tracing::warn!(%error, "an edge is closed");
                    lost.push(edge.clone());
                }
            }
        }
        self.edges.retain(|edge, _| !lost.contains(edge));
        self.wire = Some((config, wire.clone()));
        wire
    }

    /// Where the edges are.
    pub(super) fn addresses(&self) -> BTreeMap<EdgeId, SocketAddr> {
        self.edges.iter().map(|(edge, kept)| (edge.clone(), kept.address)).collect()
    }

    /// Opens an edge, or goes on with the one that is open, unless it is to be elsewhere. If another one that is not
    /// among those `in_use` is in its way, left over from an earlier harness, it is closed.
    pub(super) async fn open(
        &mut self,
        wire: &Wire,
        in_use: &BTreeSet<EdgeId>,
        edge: &EdgeId,
        protocol: PortProtocol,
        address: Option<SocketAddr>,
    ) -> Result<SocketAddr, WireError> {
        let fixed = address.filter(|address| address.port() != 0);
        if let Some(kept) = self.edges.get(edge) {
            if kept.protocol == protocol && fixed.is_none_or(|address| address == kept.address) {
                return Ok(kept.address);
            }
            wire.close_edge(edge).await;
            self.edges.remove(edge);
        }
        let address = match address {
            Some(address) => match wire.open_at(edge.clone(), protocol, address).await {
                Err(WireError::Taken { .. }) if self.make_room(wire, in_use, address).await => {
                    wire.open_at(edge.clone(), protocol, address).await?
                }
                opened => opened?,
            },
            None => wire.open(edge.clone(), protocol).await?,
        };
        self.edges.insert(edge.clone(), Kept { protocol, address, upstream: None });
        Ok(address)
    }

    /// Closes the edges at this port that are not in use, on whichever addresses they listen. Whether there are any.
    async fn make_room(&mut self, wire: &Wire, in_use: &BTreeSet<EdgeId>, address: SocketAddr) -> bool {
        let is_in_the_way =
            |edge: &EdgeId, kept: &mut Kept| kept.address.port() == address.port() && !in_use.contains(edge);
        let in_the_way: Vec<_> = self.edges.extract_if(.., is_in_the_way).map(|(edge, _)| edge).collect();
        for edge in &in_the_way {
            tracing::info!(%edge, %address, "an edge that nobody asked for makes room");
            wire.close_edge(edge).await;
        }
        !in_the_way.is_empty()
    }

    /// Says where an edge leads.
    pub(super) fn set_upstream(&mut self, wire: &Wire, edge: &EdgeId, upstream: Option<Upstream>) {
        if let Some(kept) = self.edges.get_mut(edge) {
            wire.set_upstream(edge, upstream.clone());
            kept.upstream = upstream;
        }
    }

    async fn close(&mut self) {
        if let Some((_, wire)) = self.wire.take() {
            wire.close().await;
        }
    }
}
