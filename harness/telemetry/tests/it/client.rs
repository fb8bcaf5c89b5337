//! Bare clients over real sockets, so that tests send what no well-behaved exporter would.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use seaworthy_core::time::RunClock;
use seaworthy_telemetry::{Receiver, ReceiverLimits, Store, StoreLimits};
use tokio::net::TcpStream;

/// Nothing in these tests takes this long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// A receiver with its store.
pub(crate) struct Running {
    pub(crate) receiver: Receiver,
    pub(crate) store: Store,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(ReceiverLimits::default()).await
    }

    pub(crate) async fn with(limits: ReceiverLimits) -> Self {
        let store = Store::new(RunClock::start(), StoreLimits::default());
        let receiver = Receiver::start(store.clone(), limits).await.unwrap();
        Self { receiver, store }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.receiver.address()
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// `grpc-status`, wherever it stands.
    pub(crate) fn grpc_status(&self) -> &str {
        let value = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        value.map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A request over HTTP/1.1 on a connection of its own.
pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    let exchange = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let reply = read(reply).await;
        connection.abort();
        reply
    };
    tokio::time::timeout(DEADLINE, exchange).await.expect("the receiver answers")
}

/// A POST over HTTP/1.1.
pub(crate) async fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    send(address, Method::POST, path, headers, body).await
}

/// A gRPC call over HTTP/2 with prior knowledge; `body` is framed already.
pub(crate) async fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    let exchange = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{address}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let reply = read(reply).await;
        connection.abort();
        reply
    };
    tokio::time::timeout(DEADLINE, exchange).await.expect("the receiver answers")
}

async fn read(reply: http::Response<hyper::body::Incoming>) -> Reply {
    let (head, body) = reply.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Reply { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
}

/// A gRPC message with its prefix.
pub(crate) fn frame(compressed: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(compressed);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.extend_from_slice(message);
    framed.freeze()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gzip stream of this many MiB of zero bytes: one member, over and over.
pub(crate) fn gzip_bomb(mebibytes: usize) -> Vec<u8> {
    gzip(&vec![0; 1 << 20]).repeat(mebibytes)
}

/// `google.rpc.Status` as clients read it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}
