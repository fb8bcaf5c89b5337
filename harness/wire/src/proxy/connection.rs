//! One consumer's connection, as its exchanges see it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use seaworthy_core::ids::FaultId;
use seaworthy_core::time::Nanos;
use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::link::LinkHandle;

/// How long a response that breaks off waits for what has passed before to be written.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// A connection and the group of connections that it can be cut together with.
pub(crate) struct Connection {
    pub(crate) link: LinkHandle,
    pub(crate) generation: Arc<Generation>,
    pub(crate) turns: Turns,
}

/// The connections that are open when an edge is cut go together; those that come later are another generation.
#[derive(Debug)]
pub(crate) struct Generation {
    token: CancellationToken,
    cut: OnceLock<Cut>,
    open: AtomicUsize,
}

/// When and by which rule connections were cut; by none when the wire closed.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) by: Option<FaultId>,
    pub(crate) at: Nanos,
}

impl Generation {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { token: CancellationToken::new(), cut: OnceLock::new(), open: AtomicUsize::new(0) })
    }

    /// Counts a connection as open while the result lives.
    pub(crate) fn enter(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::AcqRel);
        Open(Arc::clone(self))
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Ends every connection of this generation with a reset.
    pub(crate) fn cut(&self, cut: Cut) {
        let _ = self.cut.set(cut);
        self.token.cancel();
    }

    /// Waits until it is cut.
    pub(crate) async fn is_cut(&self) {
        self.token.cancelled().await;
    }
}

/// A connection that counts as open.
pub(crate) struct Open(Arc<Generation>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connection {
    /// Waits until what was given to hyper before has gone out to the consumer. One that reads nothing for
    /// [`FLUSH_TIME`] is not waited for any longer.
    pub(crate) async fn flushed(&self) {
        let flushed = async {
            self.turns.whole_turn().await;
            while self.link.is_blocked() {
                self.link.unblocked().await;
                self.turns.whole_turn().await;
            }
        };
        let _ = tokio::time::timeout(FLUSH_TIME, flushed).await;
    }

    /// Whether and by what it was cut.
    pub(crate) fn cut(&self) -> Option<Cut> {
        self.generation.cut.get().cloned()
    }
}
