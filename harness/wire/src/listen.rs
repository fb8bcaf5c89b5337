//! Listening on several addresses with one port.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};

/// How often another port is tried when the one that the first address gave is in use on another.
const ATTEMPTS: usize = 64;

/// One port on one or more addresses.
pub(crate) struct Listeners {
    listeners: Vec<TcpListener>,
    /// Which is asked first the next time, so that a busy one does not starve the others.
    first: usize,
}

impl Listeners {
    /// Listens on a free port that is the same on each address.
    pub(crate) async fn on_each(addresses: &[IpAddr]) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::InvalidInput);
        for _ in 0..ATTEMPTS {
            match Self::try_each(addresses).await {
                Ok(listeners) => return Ok(listeners),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn try_each(addresses: &[IpAddr]) -> io::Result<Self> {
        let mut listeners = Vec::with_capacity(addresses.len());
        let mut port = 0;
        for &address in addresses {
            let listener = TcpListener::bind((address, port)).await?;
            port = listener.local_addr()?.port();
            listeners.push(listener);
        }
        Ok(Self { listeners, first: 0 })
    }

    /// Listens on this address alone.
    pub(crate) async fn at(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listeners: vec![TcpListener::bind(address).await?], first: 0 })
    }

    /// Where it listens; the one that processes on this host are told is a loopback address if there is one.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        let addresses = self.listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let loopback = addresses.iter().find(|address| address.ip().is_loopback());
        loopback.or(addresses.first()).copied().ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// The next connection on any of them.
    pub(crate) async fn accept(&mut self) -> io::Result<TcpStream> {
        std::future::poll_fn(|context| {
            let count = self.listeners.len();
            for at in (0..count).map(|offset| (self.first + offset) % count) {
                if let Some(listener) = self.listeners.get(at)
                    && let Poll::Ready(accepted) = listener.poll_accept(context)
                {
                    self.first = at + 1;
                    return Poll::Ready(accepted.map(|(stream, _)| stream));
                }
            }
            Poll::Pending
        })
        .await
    }
}
