//! A provider of the test shop, served by tonic: whatever a closure answers.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use http::HeaderMap;
use seaworthy_contracts::grpc::{Caller, Carried, Played};
use seaworthy_contracts::model::{Contract, Interaction};
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};

/// What a provider answers: a stream of messages, or an error.
pub(crate) type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Answer = dyn Fn(&HeaderMap, Bytes) -> Result<Response<Messages>, Status> + Send + Sync;

/// A provider that is there as long as this value.
pub(crate) struct Provider {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Provider {
    /// Serves every method of the shop with one closure.
    pub(crate) async fn answering(
        answer: impl Fn(&HeaderMap, Bytes) -> Result<Response<Messages>, Status> + Send + Sync + 'static,
    ) -> Provider {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let service = Shop(Arc::new(answer));
        let mut server = JoinSet::new();
        server.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Provider { address, _server: server }
    }

    /// Answers each call with these messages.
    pub(crate) async fn of_messages(messages: Vec<Vec<u8>>) -> Provider {
        Provider::answering(move |_, _| Ok(Response::new(stream_of(messages.clone())))).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

pub(crate) fn stream_of(messages: Vec<Vec<u8>>) -> Messages {
    Box::pin(tokio_stream::iter(messages.into_iter().map(|message| Ok(Bytes::from(message)))))
}

/// Plays one interaction of a contract.
pub(crate) async fn play(url: &str, contract: &Contract, interaction: &Interaction) -> Played {
    let caller = Caller::new(url, std::slice::from_ref(contract), None).unwrap();
    caller.play(interaction, carried(&Default::default(), &[])).await
}

pub(crate) fn carried<'a>(
    values: &'a seaworthy_contracts::generate::StateValues,
    headers: &'a [(String, String)],
) -> Carried<'a> {
    Carried { values, headers, timeout: std::time::Duration::from_secs(20), body_limit: 1024 * 1024 }
}

#[derive(Clone)]
struct Shop(Arc<Answer>);

impl NamedService for Shop {
    const NAME: &'static str = "test.shop.v1.Shop";
}

impl tower::Service<http::Request<tonic::body::Body>> for Shop {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = Method(Arc::clone(&self.0));
        Box::pin(async move { Ok(Grpc::new(Raw).server_streaming(method, request).await) })
    }
}

struct Method(Arc<Answer>);

impl ServerStreamingService<Bytes> for Method {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = std::future::Ready<Result<Response<Messages>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (metadata, _, message) = request.into_parts();
        std::future::ready((self.0)(&metadata.into_headers(), message))
    }
}

/// Messages as bytes, so that no code of theirs is needed.
#[derive(Clone, Copy)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
