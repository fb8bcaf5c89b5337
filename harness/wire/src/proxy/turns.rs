//! When a connection has had its turn.
//!
//! What a response's body gives to hyper is written by the task that drives the connection, and over HTTP/2 that is
//! another task than the response's. A response that is about to be broken off must know that what it gave before has
//! gone out, because a reset throws away what waits. Bytes that were given before a turn of the connection started
//! have been written when that turn ends, unless the socket took no more.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// Counts the turns of one connection.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    started: AtomicU64,
    ended: AtomicU64,
    driver: AtomicWaker,
    changed: Notify,
}

impl Turns {
    /// Drives the connection to its end, and counts.
    pub(crate) async fn drive<F: Future>(&self, mut connection: Pin<&mut F>) -> F::Output {
        std::future::poll_fn(|context| self.turn(context, connection.as_mut())).await
    }

    fn turn<F: Future>(&self, context: &mut Context<'_>, connection: Pin<&mut F>) -> Poll<F::Output> {
        self.driver.register(context.waker());
        let turn = self.started.fetch_add(1, Ordering::AcqRel) + 1;
        let polled = connection.poll(context);
        self.ended.store(turn, Ordering::Release);
        self.changed.notify_waiters();
        polled
    }

    /// Gives the connection a turn, and waits until one has ended that started after this call.
    pub(crate) async fn whole_turn(&self) {
        let wanted = self.started.load(Ordering::Acquire) + 1;
        self.driver.wake();
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.ended.load(Ordering::Acquire) >= wanted {
                return;
            }
            changed.await;
        }
    }
}
