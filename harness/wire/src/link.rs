//! A consumer's connection: the socket, shared between hyper, which reads and writes, and those who must be
//! able to break it.
//!
//! hyper owns what it reads from, and an HTTP/1 response can only be taken back by a reset of the connection.
//! So the socket is shared: hyper gets a [`Link`], the rest of the proxy a [`LinkHandle`] that does not keep it
//! open.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

struct Shared {
    stream: TcpStream,
    /// Whether the kernel took no more when it was last given bytes.
    blocked: AtomicBool,
    moved: Notify,
}

/// The half that hyper owns; the socket closes when it goes.
pub(crate) struct Link(Arc<Shared>);

/// The half that watches and breaks.
#[derive(Clone)]
pub(crate) struct LinkHandle(Weak<Shared>);

impl Link {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Shared { stream, blocked: AtomicBool::new(false), moved: Notify::new() }))
    }

    pub(crate) fn handle(&self) -> LinkHandle {
        LinkHandle(Arc::downgrade(&self.0))
    }
}

impl LinkHandle {
    /// Makes the close of the socket, whenever it comes, a reset: what is unsent is thrown away and the peer gets
    /// an RST.
    pub(crate) fn reset_on_close(&self) {
        if let Some(shared) = self.0.upgrade() {
            // It fails only on a socket that is gone already.
            let _ = shared.stream.set_zero_linger();
        }
    }

    /// Waits until the peer has closed its side, also while bytes of it lie unread, which hyper would not notice:
    /// it does not read on while nobody wants the request's body.
    pub(crate) async fn hung_up(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(shared) = self.0.upgrade() {
            // Interest in urgent data is satisfied by it or by the end of the peer's bytes, never by plain bytes.
            loop {
                match shared.stream.ready(Interest::PRIORITY | Interest::ERROR).await {
                    Ok(ready) if !ready.is_read_closed() && !ready.is_error() => {
                        // Urgent data: nobody sends it; swallow the event, or this would spin.
                        let _ = shared
                            .stream
                            .try_io(Interest::PRIORITY, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                    }
                    _ => return,
                }
            }
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        std::future::pending::<()>().await;
    }

    /// Waits until the kernel takes bytes again, if it did not.
    pub(crate) async fn unblocked(&self) {
        while let Some(shared) = self.0.upgrade() {
            let moved = shared.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if !shared.blocked.load(Ordering::Acquire) {
                return;
            }
            moved.await;
        }
    }

    /// Whether bytes wait for the kernel to take them.
    pub(crate) fn is_blocked(&self) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.blocked.load(Ordering::Acquire))
    }
}

impl Shared {
    fn set_blocked(&self, blocked: bool) {
        if self.blocked.load(Ordering::Relaxed) != blocked {
            self.blocked.store(blocked, Ordering::Release);
            self.moved.notify_waiters();
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.0.stream;
        loop {
            ready!(stream.poll_read_ready(context))?;
            let room = buffer.remaining();
            let mut read = 0;
            let outcome = stream.try_io(Interest::READABLE, || {
                read = stream.try_read_buf(buffer)?;
                // Less than there was room for: the socket is drained. To say so saves the system call that would
                // find it out, as tokio's own `poll_read` does.
                if read > 0 && read < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && read == 0 => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match socket2::SockRef::from(&self.0.stream).shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Link {
    fn poll_with(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.0.stream.poll_write_ready(context)? {
                Poll::Ready(()) => {}
                Poll::Pending => {
                    self.0.set_blocked(true);
                    return Poll::Pending;
                }
            }
            match write(&self.0.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(bytes) => {
                    self.0.set_blocked(false);
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
