//! The OTLP receiver: gRPC and HTTP on one port of this machine.
//!
//! | module | what it does |
//! |---|---|
//! | `mod` | listens, one task for each connection, ends in order |
//! | [`body`] | reads and inflates bodies, never more than the limits say |
//! | [`intake`] | from a whole body to the store, the same for gRPC and HTTP |
//! | [`http`](mod@http) | `/v1/traces`, `/v1/metrics`, `/v1/logs` |
//! | [`grpc`] | the three `Export` calls, framed by hand |
//! | [`rejection`] | each reason to refuse a request, with the answer that it gets |

mod body;
mod grpc;
mod http;
mod intake;
mod rejection;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::store::Store;

/// What the receiver accepts at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverLimits {
    /// Bytes of one request's body as sent.
    pub wire_bytes: usize,
    /// Bytes of one request's body after decompression.
    pub body_bytes: usize,
    /// Parts (spans, points, attributes, values, …) of one request: bounds what a small body may grow to.
    pub parts: usize,
    /// Connections at once; further ones wait.
    pub connections: usize,
    /// Requests whose body is read at once; further ones wait.
    pub requests: usize,
    /// How long a client may take to send a request's body.
    pub patience: Duration,
}

impl Default for ReceiverLimits {
    fn default() -> Self {
        Self {
            wire_bytes: 8 << 20,
            body_bytes: 16 << 20,
            parts: 300_000,
            connections: 1024,
            requests: 32,
            patience: Duration::from_secs(20),
        }
    }
}

/// Why there is no receiver.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The operating system gave no port.
    #[error("could not listen for telemetry on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// An OTLP receiver that runs until it is closed or dropped.
///
/// Everything it accepts goes to its [`Store`]; everything it refuses is noted there as a loss.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinSet<()>,
}

/// How often a port that is free on one address and taken on the next is given back for another.
const PORT_TRIES: usize = 16;

/// How long open requests may take to end once the receiver is closed.
const FAREWELL: Duration = Duration::from_secs(2);

impl Receiver {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When the operating system gives no port.
    pub async fn start(store: Store, limits: ReceiverLimits) -> Result<Receiver, ReceiverError> {
        Self::listen(store, limits, &[IpAddr::V4(Ipv4Addr::LOCALHOST)], None).await
    }

    /// Listens on the same port of each of `addresses`, the first of which [`Receiver::address`] tells; on a free one
    /// unless `port` says which.
    ///
    /// # Errors
    /// When one of them is not an address of this machine, or the port is taken there.
    pub async fn listen(
        store: Store,
        limits: ReceiverLimits,
        addresses: &[IpAddr],
        port: Option<u16>,
    ) -> Result<Receiver, ReceiverError> {
        let listeners = bind(addresses, port).await?;
        let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_default()));
        let first = listeners.first().map(TcpListener::local_addr);
        let none = || std::io::Error::other("there is no address to listen on");
        let address = first
            .unwrap_or_else(|| Err(none()))
            .map_err(|source| ReceiverError::Listen { address: unknown, source })?;
        let stop = watch::Sender::new(false);
        let desk = Desk { store, limits, requests: Arc::new(Semaphore::new(limits.requests)) };
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, desk.clone(), stop.subscribe()));
        }
        Ok(Receiver { address, stop, accepting })
    }

    /// Where it listens: the value for `OTEL_EXPORTER_OTLP_ENDPOINT`, after `http://`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, lets requests that are being read end (for two seconds at most), and returns when all
    /// connections are closed.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        while self.accepting.join_next().await.is_some() {}
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // The connections' tasks belong to the accepting one and end with it.
        self.accepting.abort_all();
    }
}

/// One listener for each address, all on one port.
async fn bind(addresses: &[IpAddr], port: Option<u16>) -> Result<Vec<TcpListener>, ReceiverError> {
    let mut tries = 0;
    'again: loop {
        tries += 1;
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut number = port.unwrap_or_default();
        for ip in addresses {
            let address = SocketAddr::from((*ip, number));
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    number = listener.local_addr().map_or(number, |address| address.port());
                    listeners.push(listener);
                }
                // Chosen on the first address, taken on this one.
                Err(error)
                    if error.kind() == std::io::ErrorKind::AddrInUse
                        && port.is_none()
                        && tries < PORT_TRIES =>
                {
                    continue 'again;
                }
                Err(source) => return Err(ReceiverError::Listen { address, source }),
            }
        }
        return Ok(listeners);
    }
}

/// What every request needs.
#[derive(Clone)]
struct Desk {
    store: Store,
    limits: ReceiverLimits,
    requests: Arc<Semaphore>,
}

/// The body of an answer.
type Answer = BoxBody<Bytes, Infallible>;

async fn accept(listener: TcpListener, desk: Desk, stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(desk.limits.connections));
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = serve(stream, desk.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Out of file descriptors, say: let others run and close something before the next attempt.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, desk: Desk, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A timeout on heads would also close idle connections, under the hands of an exporter that means to use one.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(64).max_header_list_size(16 << 10);
    let service = hyper::service::service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(answer(request, &desk).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a telemetry connection broke");
    }
}

async fn answer(request: Request<Incoming>, desk: &Desk) -> Response<Answer> {
    if grpc::is_grpc(&request) {
        grpc::answer(request, desk).await
    } else {
        http::answer(request, desk).await
    }
}

fn whole(bytes: impl Into<Bytes>) -> Answer {
    http_body_util::Full::new(bytes.into()).boxed()
}
