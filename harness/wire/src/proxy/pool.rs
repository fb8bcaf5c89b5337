//! Connections to one edge's provider.
//!
//! HTTP/1 connections are kept while idle and used one request at a time, the last used first. HTTP/2 connections are
//! shared by many requests. There are no retries: a request is handed to a connection once. The one case that looks
//! like a retry is none: a kept connection that the provider has closed meanwhile. It is asked whether it is open
//! before it is used, and if it closes between that and the first byte, hyper gives the request back *unsent*, so
//! that the provider cannot have seen any of it; only then does it go out on another connection. A request of which a
//! byte may have gone out is never sent again: its consumer gets the reset that the provider's close would have been.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use seaworthy_core::ids::InstanceId;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::body::{RequestBody, Upload};
use super::flight::Flight;
use crate::config::{MAX_HEAD_BYTES, MAX_IDLE, MAX_STREAMS};
use crate::wire::Upstream;

/// How much an HTTP/2 provider may send on one stream, and on one connection, before somebody reads it. This bounds
/// what the proxy holds for a consumer that is slow.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The connections to the provider of one edge.
pub(crate) struct Pool {
    state: Mutex<State>,
    /// Held while an HTTP/2 connection is made, so that a hundred first requests make one connection, not a hundred.
    dialing: tokio::sync::Mutex<()>,
    connect_timeout: Duration,
}

#[derive(Default)]
struct State {
    upstream: Option<Upstream>,
    /// Counts the changes of `upstream`: connections of an earlier one are not kept.
    generation: u64,
    idle: Vec<Http1>,
    shared: Vec<Http2>,
}

struct Http1 {
    sender: http1::SendRequest<RequestBody>,
    /// Ends the task that drives the connection, and so closes it.
    task: AbortHandle,
}

#[derive(Clone)]
struct Http2 {
    sender: http2::SendRequest<RequestBody>,
    /// Held by each request that is under way.
    users: Arc<()>,
    /// How many the provider lets be under way.
    room: Arc<AtomicUsize>,
    instance: Option<InstanceId>,
}

/// Why there is no response.
pub(crate) enum Failure {
    /// No connection could be made.
    Unreachable,
    /// The connection or stream broke.
    Broken(hyper::Error),
}

/// The connection that a response comes over, while it comes.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    generation: u64,
    connection: Option<Http1>,
    _shared: Option<Arc<()>>,
    upload: Arc<Upload>,
}

impl Lease {
    /// The response came whole: the connection can serve another request if this one's body is through as well.
    pub(crate) fn give_back(mut self) {
        if !self.upload.is_done() {
            return;
        }
        let mut state = self.pool.state();
        if state.generation == self.generation
            && state.idle.len() < MAX_IDLE
            && let Some(connection) = self.connection.take()
            && !connection.sender.is_closed()
        {
            state.idle.push(connection);
        }
    }

    /// Whether the consumer left in the middle of its request, so that whatever broke, broke by it.
    pub(crate) fn consumer_left(&self) -> bool {
        self.upload.is_broken()
    }

    /// The connection switches to another protocol and is no longer ours to close.
    pub(crate) fn let_be(mut self) {
        self.connection.take();
    }
}

/// Not given back: the exchange was broken off, and over HTTP/1 the provider can only learn that from the close of
/// its connection. (An HTTP/2 stream is reset with CANCEL by hyper when its body or future is dropped.)
impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.task.abort();
        }
    }
}

impl Pool {
    pub(crate) fn new(connect_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), dialing: tokio::sync::Mutex::default(), connect_timeout })
    }

    /// Sends from now on to another address, or to none. What is under way goes on where it is.
    pub(crate) fn set_upstream(&self, upstream: Option<Upstream>) {
        let mut state = self.state();
        state.upstream = upstream;
        state.generation += 1;
        state.shared.clear();
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    pub(crate) fn upstream(&self) -> Option<Upstream> {
        self.state().upstream.clone()
    }

    /// Opens a connection to where this edge leads now.
    pub(crate) async fn dial(&self) -> Result<TcpStream, Failure> {
        self.connect(&self.upstream().ok_or(Failure::Unreachable)?).await
    }

    async fn connect(&self, upstream: &Upstream) -> Result<TcpStream, Failure> {
        let connect = TcpStream::connect(upstream.address);
        match tokio::time::timeout(self.connect_timeout, connect).await {
            Ok(Ok(stream)) => {
                // Without it small writes wait for acknowledgements of earlier ones. It fails only on a dead socket.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(_)) | Err(_) => Err(Failure::Unreachable),
        }
    }

    /// Sends a request in its own version of HTTP.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<RequestBody>,
        flight: &Flight,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        if request.version() == Version::HTTP_2 {
            self.send_shared(request, flight).await
        } else {
            self.send_alone(request, flight).await
        }
    }

    async fn send_alone(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
        flight: &Flight,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let upload = request.body().upload();
        loop {
            let (generation, upstream, kept) = {
                let mut state = self.state();
                let upstream = state.upstream.clone().ok_or(Failure::Unreachable)?;
                (state.generation, upstream, state.idle.pop())
            };
            let is_fresh = kept.is_none();
            let connection = match kept {
                Some(mut kept) => {
                    // Resolves at once: the connection is waiting for a request, or it is closed.
                    if kept.sender.ready().await.is_err() {
                        continue;
                    }
                    kept
                }
                None => self.dial_http1(&upstream).await?,
            };
            let mut lease = Lease {
                pool: Arc::clone(self),
                generation,
                connection: Some(connection),
                _shared: None,
                upload: Arc::clone(&upload),
            };
            let Some(connection) = &mut lease.connection else { return Err(Failure::Unreachable) };
            flight.reach(upstream.instance);
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, lease)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_fresh => {
                        flight.unreach();
                        request = unsent;
                    }
                    _ => return Err(Failure::Broken(error.into_error())),
                },
            }
        }
    }

    async fn dial_http1(&self, upstream: &Upstream) -> Result<Http1, Failure> {
        let stream = self.connect(upstream).await?;
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Broken)?;
        let task = tokio::spawn(async move {
            // What went wrong is told to the request that it went wrong for.
            let _ = connection.with_upgrades().await;
        });
        Ok(Http1 { sender, task: task.abort_handle() })
    }

    async fn send_shared(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
        flight: &Flight,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let upload = request.body().upload();
        loop {
            let (mut connection, generation, is_fresh) = self.shared_connection().await?;
            flight.reach(connection.instance.clone());
            match connection.sender.try_send_request(request).await {
                Ok(response) => {
                    let lease = Lease {
                        pool: Arc::clone(self),
                        generation,
                        connection: None,
                        _shared: Some(connection.users),
                        upload,
                    };
                    return Ok((response, lease));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_fresh => {
                        flight.unreach();
                        request = unsent;
                    }
                    _ => return Err(Failure::Broken(error.into_error())),
                },
            }
        }
    }

    /// A connection with room for one more stream, and whether it is new.
    async fn shared_connection(&self) -> Result<(Http2, u64, bool), Failure> {
        if let Some((connection, generation)) = self.open_shared()? {
            return Ok((connection, generation, false));
        }
        let _dialing = self.dialing.lock().await;
        if let Some((connection, generation)) = self.open_shared()? {
            return Ok((connection, generation, false));
        }
        let (generation, upstream) = {
            let state = self.state();
            (state.generation, state.upstream.clone().ok_or(Failure::Unreachable)?)
        };
        let stream = self.connect(&upstream).await?;
        let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Broken)?;
        let room = Arc::new(AtomicUsize::new(MAX_STREAMS));
        let allowed = Arc::clone(&room);
        tokio::spawn(std::future::poll_fn(move |context| {
            let polled = Pin::new(&mut connection).poll(context).map(drop);
            // The provider says in its settings how many streams it takes, and may say so again.
            allowed.store(connection.current_max_send_streams(), Ordering::Relaxed);
            polled
        }));
        let connection = Http2 { sender, users: Arc::default(), room, instance: upstream.instance };
        let mut state = self.state();
        if state.generation == generation {
            state.shared.push(connection.clone());
        }
        Ok((connection, generation, true))
    }

    fn open_shared(&self) -> Result<Option<(Http2, u64)>, Failure> {
        let mut state = self.state();
        if state.upstream.is_none() {
            return Err(Failure::Unreachable);
        }
        state.shared.retain(|connection| !connection.sender.is_closed());
        let has_room = |connection: &&Http2| {
            let room = connection.room.load(Ordering::Relaxed).clamp(1, MAX_STREAMS);
            // One is held by the pool itself.
            Arc::strong_count(&connection.users) <= room
        };
        Ok(state.shared.iter().find(has_room).map(|connection| (connection.clone(), state.generation)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
