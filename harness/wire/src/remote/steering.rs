//! The steering end: a harness asks its data plane, and waits for each reply.
//!
//! Asking blocks for the moment that the data plane, on the same machine, takes to reply. So a rule that was installed
//! is in force when [`Wire::install`](crate::Wire::install) returns, which is not asynchronous; and it does not matter
//! on which runtime, or whether on one at all, it is called. What comes back is read by a thread of its own.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seaworthy_core::fault::FaultRuleError;
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::{Nanos, RunClock};

use super::inbox::{self, Inbox, Shift};
use super::protocol::{Ask, Asked, Reply, VERSION};
use super::{RemoteError, lines, place};
use crate::config::WireConfig;
use crate::error::WireError;
use crate::fault::{Executor, FaultTable, Rule};
use crate::log::ExchangeLog;
use crate::log::mirror::{Mirror, Original};
use crate::traffic::Traffic;
use crate::wire::{Upstream, Wire};

/// How long a reply may take. A data plane that takes longer counts as gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the clocks are compared; the quickest reply tells best.
const COMPARISONS: u32 = 8;

/// The process that carries a wire's proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Its process id.
    pub pid: u32,
    /// Where it listens for harnesses.
    pub socket: PathBuf,
}

/// Takes the wheel of the data plane at `socket`: the result opens edges there, breaks them, and shows what passes.
/// It is let go when the last handle on the wire goes, or by [`Wire::close`]; the proxies stay.
///
/// Blocks for some milliseconds.
///
/// # Errors
/// No data plane serves there, another harness steers it, or it speaks another version.
pub fn connect(socket: &Path, clock: RunClock, config: WireConfig) -> Result<Wire, RemoteError> {
    place::check_folder(socket)?;
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            RemoteError::Nobody { socket: socket.to_owned() }
        }
        _ => RemoteError::Place { what: "connect to", path: socket.to_owned(), source: error },
    })?;
    let broken =
        |error: std::io::Error| RemoteError::Broken { socket: socket.to_owned(), reason: error.to_string() };
    stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
    let read = stream.try_clone().map_err(broken)?;
    let inbox = Arc::new(Inbox::default());
    let mut steering = Steering {
        plane: Plane { pid: 0, socket: socket.to_owned() },
        stream: Mutex::new(stream),
        numbers: AtomicU64::new(1),
        inbox: Arc::clone(&inbox),
        known: BTreeMap::new(),
    };
    let log = ExchangeLog::new(&config);
    let faults = Arc::new(FaultTable::new(clock));
    inbox::open(read, &inbox, Mirror::into(log.clone())).map_err(broken)?;
    let hello = Ask::Hello { version: VERSION, config: Box::new(config.clone()) };
    match steering.ask(hello)? {
        Reply::Welcome { pid, edges } => {
            steering.plane.pid = pid;
            steering.known = edges;
        }
        Reply::Busy { by } => return Err(RemoteError::Busy { socket: socket.to_owned(), by }),
        other => return Err(steering.broken(unexpected(other))),
    }
    inbox.set_shift(steering.compare_clocks(&clock)?);
    let steering = Arc::new(steering);
    // What is asked while this value is still weak is asked of nobody; from here on it is the wire's.
    let weak = Arc::downgrade(&steering);
    log.mirrors(weak.clone());
    faults.is_carried_out_by(weak);
    Ok(Wire::steered(clock, config, (log, faults), steering))
}

/// A harness's end of the conversation. It ends when this is dropped.
pub(crate) struct Steering {
    plane: Plane,
    stream: Mutex<UnixStream>,
    numbers: AtomicU64,
    inbox: Arc<Inbox>,
    /// The edges that were open when the wheel was taken.
    known: BTreeMap<EdgeId, SocketAddr>,
}

impl Steering {
    pub(crate) fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Opens an edge over there.
    pub(crate) fn open(
        &self,
        edge: &EdgeId,
        protocol: PortProtocol,
        address: Option<SocketAddr>,
    ) -> Result<SocketAddr, WireError> {
        let fail = |reason: String| WireError::Remote { edge: edge.clone(), reason };
        let reply = self.ask(Ask::Open { edge: edge.clone(), protocol, address });
        match (reply.map_err(|error| fail(error.to_string()))?, address) {
            (Reply::Opened { address }, _) => Ok(address),
            (Reply::Taken, Some(address)) => Err(WireError::Taken { edge: edge.clone(), address }),
            (other, _) => Err(fail(unexpected(other))),
        }
    }

    pub(crate) fn set_upstream(&self, edge: &EdgeId, upstream: Option<Upstream>) {
        // If the data plane is gone, the log says so.
        let _ = self.ask(Ask::Upstream { edge: edge.clone(), upstream });
    }

    /// What passed on an edge of bytes.
    pub(crate) fn traffic(&self, edge: &EdgeId) -> Traffic {
        Original::catch_up(self);
        self.inbox.traffic(edge)
    }

    /// Ends the conversation.
    pub(crate) fn leave(&self) {
        self.inbox.expect_the_end();
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn ask(&self, ask: Ask) -> Result<Reply, RemoteError> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (replied, reply) = mpsc::sync_channel(1);
        self.inbox.await_reply(number, replied).map_err(|reason| self.broken(reason))?;
        let sent = lines::line(&Asked { number, ask }).and_then(|line| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.write_all(&line)
        });
        if let Err(error) = sent {
            return Err(self.give_up(&error.to_string()));
        }
        match reply.recv_timeout(PATIENCE) {
            Ok(reply) => Ok(reply),
            Err(RecvTimeoutError::Disconnected) => Err(self.broken(self.inbox.why())),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.give_up(&format!("it did not reply within {PATIENCE:?}")))
            }
        }
    }

    /// What cannot be relied on any more is ended, so that the next one who asks need not wait.
    fn give_up(&self, reason: &str) -> RemoteError {
        self.inbox.is_over(reason);
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = stream.shutdown(Shutdown::Both);
        self.broken(reason.to_owned())
    }

    fn broken(&self, reason: String) -> RemoteError {
        RemoteError::Broken { socket: self.plane.socket.clone(), reason }
    }

    /// How far the data plane's clock is ahead of ours: half-way through the quickest reply, both show the same time.
    fn compare_clocks(&self, clock: &RunClock) -> Result<Shift, RemoteError> {
        let mut best: Option<(Nanos, Shift)> = None;
        for _ in 0..COMPARISONS {
            let before = clock.now();
            let now = match self.ask(Ask::Now)? {
                Reply::Now { now } => now,
                other => return Err(self.broken(unexpected(other))),
            };
            let took = Nanos(clock.now().0 - before.0);
            let here = Nanos(before.0 + took.0 / 2);
            if best.is_none_or(|(quickest, _)| took < quickest) {
                best = Some((took, Shift::between(now, here)));
            }
        }
        Ok(best.map(|(_, shift)| shift).unwrap_or_default())
    }
}

impl Original for Steering {
    fn catch_up(&self) {
        // If the data plane is gone, the log says so.
        let _ = self.ask(Ask::CatchUp);
    }
}

impl Executor for Steering {
    fn install(&self, rule: &Arc<Rule>) -> Result<(), FaultRuleError> {
        let id = &rule.rule.id;
        self.inbox.watch(rule);
        let refused = match self.ask(Ask::Install { rule: Box::new(rule.rule.clone()) }) {
            Ok(Reply::Done) => return Ok(()),
            Ok(other) => unexpected(other),
            Err(error) => error.to_string(),
        };
        self.inbox.forget(id);
        Err(FaultRuleError::NotTaken { id: id.clone(), reason: refused })
    }

    fn renew(&self, rule: &Rule) {
        let _ = self.ask(Ask::Renew { id: rule.rule.id.clone() });
    }

    fn end(&self, rule: &Rule) {
        let id = &rule.rule.id;
        self.inbox.forget(id);
        if let Ok(Reply::Ended { fired }) = self.ask(Ask::End { id: id.clone() }) {
            rule.has_fired(fired);
        }
    }

    fn catch_up(&self) {
        Original::catch_up(self);
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.leave();
    }
}

fn unexpected(reply: Reply) -> String {
    match reply {
        Reply::Refused { reason } => reason,
        other => format!("its reply makes no sense here: {other:?}"),
    }
}
