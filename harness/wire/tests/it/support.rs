//! A provider to answer, a consumer to ask, and a wire between them.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use seaworthy_core::context::TraceParent;
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule};
use seaworthy_core::ids::{EdgeId, TraceId};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use seaworthy_wire::{Upstream, Wire, WireConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// What handlers and bodies fail with.
pub(crate) type AnyError = Box<dyn Error + Send + Sync>;
/// A body of any kind.
pub(crate) type Body = UnsyncBoxBody<Bytes, AnyError>;

/// Waits, but not for ever: a test that hangs must fail.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

/// A body with this content.
pub(crate) fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body that is fed while it is sent; dropping the sender ends it, sending an error breaks it.
pub(crate) fn channel() -> (mpsc::Sender<Result<Frame<Bytes>, AnyError>>, Body) {
    let (feed, mut fed) = mpsc::channel(16);
    let frames = futures_util::stream::poll_fn(move |context| fed.poll_recv(context));
    (feed, StreamBody::new(frames).boxed_unsync())
}

/// A server with a handler of the test's.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    /// How many connections it has accepted.
    pub(crate) connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    pub(crate) async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, AnyError>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                let handler = handler.clone();
                open.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let service = service_fn(handler);
                    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, connections, task }
    }

    /// Answers each request with its own body, path, version and headers (prefixed `got-`).
    pub(crate) async fn echo() -> Self {
        Self::start(|request| async move {
            let (head, body) = request.into_parts();
            let mut response = Response::builder()
                .header("got-version", format!("{:?}", head.version))
                .header("got-uri", head.uri.path_and_query().map_or("", |path| path.as_str()));
            for (name, value) in &head.headers {
                response = response.header(format!("got-{name}"), value);
            }
            Ok(response.body(body.map_err(Into::into).boxed_unsync())?)
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A wire with one edge, `orders -> payments`.
pub(crate) struct Bench {
    pub(crate) wire: Wire,
    pub(crate) edge: EdgeId,
    pub(crate) proxy: SocketAddr,
}

impl Bench {
    pub(crate) async fn towards(provider: SocketAddr) -> Self {
        Self::configured(provider, WireConfig::default(), PortProtocol::Http).await
    }

    pub(crate) async fn configured(provider: SocketAddr, config: WireConfig, speaks: PortProtocol) -> Self {
        let wire = Wire::new(RunClock::start(), config);
        let edge = EdgeId::new("orders", "payments");
        let proxy = wire.open(edge.clone(), speaks).await.unwrap();
        wire.set_upstream(&edge, Some(Upstream { address: provider, instance: Some("payments-1".into()) }));
        Self { wire, edge, proxy }
    }
}

/// A rule for every exchange.
pub(crate) fn rule(action: FaultAction) -> FaultRule {
    FaultRule::new("f1", FaultMatcher::default(), action)
}

/// A rule for one trace.
pub(crate) fn rule_for(trace: TraceId, action: FaultAction) -> FaultRule {
    let matcher = FaultMatcher { trace_id: Some(trace), ..FaultMatcher::default() };
    FaultRule::new(format!("for-{trace}"), matcher, action)
}

/// What a consumer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
    Grpc,
}

pub(crate) const EVERY: [Speaks; 3] = [Speaks::Http1, Speaks::Http2, Speaks::Grpc];

/// A consumer's connection. It closes when the last one that shares it goes.
pub(crate) struct Consumer {
    sender: Sender,
    speaks: Speaks,
    driver: Arc<AbortOnDropHandle<()>>,
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Consumer {
    pub(crate) async fn connect(to: SocketAddr, speaks: Speaks) -> Self {
        Self::try_connect(to, speaks).await.unwrap()
    }

    pub(crate) async fn try_connect(to: SocketAddr, speaks: Speaks) -> Result<Self, AnyError> {
        let io = TokioIo::new(TcpStream::connect(to).await?);
        let (sender, driver) = match speaks {
            Speaks::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                (Sender::One(sender), tokio::spawn(connection.with_upgrades().map(drop)))
            }
            Speaks::Http2 | Speaks::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                (Sender::Two(sender), tokio::spawn(connection.map(drop)))
            }
        };
        Ok(Self { sender, speaks, driver: Arc::new(AbortOnDropHandle::new(driver)) })
    }

    /// Another user of the same HTTP/2 connection.
    pub(crate) fn share(&self) -> Self {
        let Sender::Two(sender) = &self.sender else { panic!("only HTTP/2 connections are shared") };
        Self { sender: Sender::Two(sender.clone()), speaks: self.speaks, driver: Arc::clone(&self.driver) }
    }

    /// Sends a request and gives its response's head and body.
    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                *request.version_mut() = Version::HTTP_2;
                let uri = format!("http://payments.test{}", request.uri());
                *request.uri_mut() = uri.parse().unwrap();
                request.headers_mut().remove("host");
                if self.speaks == Speaks::Grpc {
                    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
                    request.headers_mut().insert("te", "trailers".parse().unwrap());
                }
                sender.send_request(request).await
            }
        }
    }

    /// The same with the whole body read.
    pub(crate) async fn ask(&mut self, request: Request<Body>) -> hyper::Result<Whole> {
        let (head, body) = self.send(request).await?.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Whole {
            status: head.status.as_u16(),
            headers: head.headers,
            body: collected.to_bytes(),
            trailers,
        })
    }
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Whole {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One exchange over a connection of its own.
pub(crate) async fn ask(to: SocketAddr, speaks: Speaks, request: Request<Body>) -> Result<Whole, AnyError> {
    Ok(Consumer::try_connect(to, speaks).await?.ask(request).await?)
}

/// `POST path` with a body, `host: payments.test`.
pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Body> {
    Request::post(path).header("host", "payments.test").body(full(body)).unwrap()
}

/// `GET path`, `host: payments.test`.
pub(crate) fn get(path: &str) -> Request<Body> {
    let empty = http_body_util::Empty::new().map_err(|never: Infallible| match never {});
    Request::get(path).header("host", "payments.test").body(empty.boxed_unsync()).unwrap()
}

/// A request in a trace.
pub(crate) fn in_trace(trace: TraceParent, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("traceparent", trace.to_string().parse().unwrap());
    request
}

/// An error and its causes, outermost first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    let mut causes = vec![error];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

/// The HTTP/2 error code in an error's causes.
pub(crate) fn h2_reason(error: &(dyn Error + 'static)) -> Option<h2::Reason> {
    causes(error).into_iter().find_map(|error| error.downcast_ref::<h2::Error>()).and_then(h2::Error::reason)
}

/// Whether a connection reset is among an error's causes.
pub(crate) fn is_connection_reset(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .into_iter()
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

/// Asserts that a consumer saw what a broken connection or stream looks like in its protocol.
pub(crate) fn assert_reset(speaks: Speaks, error: &(dyn Error + 'static), reason: h2::Reason) {
    match speaks {
        Speaks::Http1 => assert!(is_connection_reset(error), "{error:?}"),
        _ => assert_eq!(h2_reason(error), Some(reason), "{error:?}"),
    }
}
