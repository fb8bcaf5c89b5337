//! The server that plays a gRPC provider: HTTP/2 without TLS on 127.0.0.1.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use seaworthy_core::secret;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::descriptors::descriptors;
use super::super::frame::{Frames, framed};
use super::super::grpcurl::{self, Target};
use super::super::status::encode_message;
use super::super::wire::metadata_of;
use crate::consumer::{ConsumerError, Nearest, Pact, Report, Unmatched, Unused};
use crate::generate::{GenerateContext, StateValues};
use crate::mismatch::{Mismatch, Part};
use crate::model::{Contract, Interaction};

/// The longest request that is read, in bytes.
const LIMIT: usize = 16 * 1024 * 1024;
/// So many calls that fit nothing are kept; the others are counted.
const KEPT: usize = 20;
/// How much of a `grpc-message` is sent: it stands in a header, and clients limit these.
const SAID: usize = 2_000;
/// gRPC's UNIMPLEMENTED and INTERNAL. The second is what a call gets that is not agreed: hardly any consumer relies on it.
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A server on 127.0.0.1 that answers gRPC calls as a pact declares.
///
/// End the test with [`MockGrpc::finish`]: it is what writes the contract. When it is dropped without, and something was
/// not used or not declared, the drop panics with what `finish` would have said, unless the test is panicking already.
#[derive(Debug)]
pub struct MockGrpc {
    address: SocketAddr,
    pact: Option<Pact>,
    played: Arc<Played>,
    /// Accepts and serves; ends when this is dropped.
    _server: JoinSet<()>,
}

impl MockGrpc {
    pub(super) async fn start(pact: Pact) -> Result<MockGrpc, ConsumerError> {
        let played = Arc::new(Played::new(pact.contract()?)?);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(ConsumerError::Server)?;
        let address = listener.local_addr().map_err(ConsumerError::Server)?;
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&played)));
        Ok(MockGrpc { address, pact: Some(pact), played, _server: server })
    }

    /// Where it listens: `http://127.0.0.1:49152`, HTTP/2 without TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What would keep the contract from being written if the test ended now.
    pub fn report(&self) -> Option<Report> {
        self.played.report()
    }

    /// Checks that all calls were used and nothing else was called, then writes the contract into `folder`, or compares
    /// it with the file there: see [`Mode`](crate::write::Mode). Returns the file.
    ///
    /// # Errors
    /// [`ConsumerError::Unfulfilled`] with each unused call and each that fitted none, beside the one nearest to it; what
    /// [`write::keep`](crate::write::keep) says.
    pub fn finish(mut self, folder: impl AsRef<Path>) -> Result<PathBuf, ConsumerError> {
        let report = self.report();
        let Some(mut pact) = self.pact.take() else {
            return Err(ConsumerError::Server(std::io::ErrorKind::NotConnected.into()));
        };
        if let Some(report) = report {
            return Err(ConsumerError::Unfulfilled { report: Box::new(report) });
        }
        for played in &self.played.calls {
            pact.exercised(played.name.clone());
        }
        pact.finish(folder)
    }
}

impl Drop for MockGrpc {
    fn drop(&mut self) {
        if self.pact.is_none() || std::thread::panicking() {
            return;
        }
        if let Some(report) = self.report() {
            #[allow(clippy::panic, reason = "a test that ends without `finish` has no other way to be told")]
            {
                panic!(
                    "the mock of {} was dropped without `finish`, and its contract with {} is not kept\n{report}",
                    report.provider, report.consumer
                );
            }
        }
    }
}

/// The calls of a pact with what has been used of them.
#[derive(Debug)]
struct Played {
    consumer: String,
    provider: String,
    calls: Vec<Declared>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Declared {
    name: String,
    call: Call,
}

#[derive(Debug)]
struct State {
    uses: Vec<u64>,
    unmatched: Vec<Unmatched>,
    unmatched_count: usize,
}

impl Played {
    fn new(contract: Contract) -> Result<Played, ConsumerError> {
        let failed = |interaction: &Interaction, message: String| ConsumerError::Declaration {
            name: interaction.name(),
            location: interaction.location.clone(),
            message,
        };
        let mut calls = Vec::new();
        let pools = descriptors(&contract).map_err(|error| ConsumerError::Declaration {
            name: contract.provider.clone(),
            location: error.location().clone(),
            message: error.to_string(),
        })?;
        for interaction in &contract.interactions {
            let Some(call) =
                pools.call(interaction).map_err(|error| failed(interaction, error.to_string()))?
            else {
                continue;
            };
            check_example(&call).map_err(|message| failed(interaction, message))?;
            calls.push(Declared { name: interaction.name(), call });
        }
        let uses = vec![0; calls.len()];
        let state = Mutex::new(State { uses, unmatched: Vec::new(), unmatched_count: 0 });
        Ok(Played { consumer: contract.consumer, provider: contract.provider, calls, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done by a panic: counters and a list.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call that answers what came, which is noted as used; or what to say because there is none.
    fn choose(&self, path: &str, messages: &[Bytes], metadata: &[(String, String)]) -> Result<&Call, String> {
        let mut nearest: Option<Nearest> = None;
        let mut fitting = Vec::new();
        for (index, Declared { name, call }) in self.calls.iter().enumerate() {
            let mismatches = if call.path() == path {
                against(call, messages, metadata)
            } else {
                vec![elsewhere(call, path)]
            };
            if mismatches.is_empty() {
                fitting.push(index);
            } else if nearest
                .as_ref()
                .is_none_or(|nearest| distance(&mismatches) < distance(&nearest.mismatches))
            {
                nearest = Some(Nearest { name: name.clone(), location: call.location().clone(), mismatches });
            }
        }
        let mut state = self.state();
        let unused = fitting.iter().copied().find(|index| state.uses.get(*index) == Some(&0));
        if let Some(index) = unused.or_else(|| fitting.last().copied())
            && let (Some(uses), Some(declared)) = (state.uses.get_mut(index), self.calls.get(index))
        {
            *uses += 1;
            return Ok(&declared.call);
        }
        let unmatched = Unmatched { request: self.in_words(path, messages, metadata), nearest };
        let said = unmatched.to_string();
        state.unmatched_count += 1;
        if state.unmatched.len() < KEPT {
            state.unmatched.push(unmatched);
        }
        Err(said)
    }

    /// What came, as a line for the shell, secrets redacted.
    fn in_words(&self, path: &str, messages: &[Bytes], metadata: &[(String, String)]) -> String {
        let declared = self.calls.iter().find(|declared| declared.call.path() == path);
        let message = match (declared, messages.first()) {
            (Some(declared), Some(message)) => declared.call.request_text(message),
            (_, message) => format!("{} bytes", message.map_or(0, Bytes::len)),
        };
        grpcurl::line(&Target::any(), path, &message, metadata)
    }

    fn report(&self) -> Option<Report> {
        let state = self.state();
        let unused: Vec<Unused> = self
            .calls
            .iter()
            .zip(&state.uses)
            .filter(|(_, uses)| **uses == 0)
            .map(|(declared, _)| Unused {
                name: declared.name.clone(),
                location: declared.call.location().clone(),
                waits_for: format!("a call of {}", declared.call.path().trim_start_matches('/')),
            })
            .collect();
        (!unused.is_empty() || state.unmatched_count > 0).then(|| Report {
            consumer: self.consumer.clone(),
            provider: self.provider.clone(),
            unused,
            unmatched: state.unmatched.clone(),
            unmatched_count: state.unmatched_count,
        })
    }
}

/// An example that does not keep its own rules would be served although no provider may answer so.
fn check_example(call: &Call) -> Result<(), String> {
    let outgoing = call.request(&StateValues::new()).map_err(|error| error.to_string())?;
    let answer = call.response(&GenerateContext::default()).map_err(|error| error.to_string())?;
    let mut wrong = call.compare_request(&outgoing.message, &outgoing.metadata);
    wrong.extend(call.compare(&answer));
    match wrong.first() {
        Some(mismatch) => Err(format!("its example does not keep its own rules: {mismatch}")),
        None => Ok(()),
    }
}

/// How far a call is from another: another method is another thing, whatever else is equal.
fn distance(mismatches: &[Mismatch]) -> (bool, usize) {
    (mismatches.iter().any(|mismatch| mismatch.part == Part::Path), mismatches.len())
}

fn elsewhere(call: &Call, path: &str) -> Mismatch {
    Mismatch {
        part: Part::Path,
        path: String::new(),
        expected: Some(call.path()),
        actual: Some(path.to_owned()),
        message: format!("{path} was called, and {} is agreed", call.path()),
        rule: None,
    }
}

fn against(call: &Call, messages: &[Bytes], metadata: &[(String, String)]) -> Vec<Mismatch> {
    match messages {
        [message] => call.compare_request(message, metadata),
        several => vec![Mismatch {
            part: Part::Body,
            path: String::new(),
            expected: Some("1 message".to_owned()),
            actual: Some(format!("{} messages", several.len())),
            message: format!("{} messages came, and one is agreed", several.len()),
            rule: None,
        }],
    }
}

async fn serve(listener: TcpListener, played: Arc<Played>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                // An answer is a few small writes.
                let _ = stream.set_nodelay(true);
                let played = Arc::clone(&played);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let played = Arc::clone(&played);
                        async move { Ok::<_, Infallible>(answer(&played, request).await) }
                    });
                    // How a consumer leaves is its own affair.
                    let _ = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            // Those that ended are let go.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(played: &Played, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return ended(INTERNAL, &format!("could not read the request: {error}"), &[]),
    };
    let mut frames = Frames::new(LIMIT);
    frames.push(&body);
    let mut messages = Vec::new();
    loop {
        match frames.next() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) if frames.is_whole() => break,
            Ok(None) => {
                return ended(
                    INTERNAL,
                    "could not read the request: it ends in the middle of a message",
                    &[],
                );
            }
            Err(why) => return ended(UNIMPLEMENTED, &format!("could not read the request: {why}"), &[]),
        }
    }
    let call = match played.choose(head.uri.path(), &messages, &metadata_of(&head.headers)) {
        Ok(call) => call,
        Err(said) => return ended(INTERNAL, &said, &[]),
    };
    match call.response(&GenerateContext::default()) {
        Ok(answer) => played_back(answer),
        Err(error) => ended(INTERNAL, &format!("could not generate the answer: {error}"), &[]),
    }
}

fn played_back(answer: Answer) -> Response<Body> {
    let (code, message) = answer.status.map_or((0, String::new()), |status| (status.code, status.message));
    if answer.messages.is_empty() {
        return ended(code, &message, &answer.metadata);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    if !message.is_empty() {
        insert(&mut trailers, "grpc-message", &encode_message(&message));
    }
    let frames: Vec<Result<Frame<Bytes>, Infallible>> = answer
        .messages
        .iter()
        .filter_map(framed)
        .map(Frame::data)
        .chain([Frame::trailers(trailers)])
        .map(Ok)
        .collect();
    response(&answer.metadata, BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames))))
}

/// An answer that has nothing but its end.
fn ended(code: u32, message: &str, metadata: &[(String, String)]) -> Response<Body> {
    let message: String = secret::redact(message).0.chars().take(SAID).collect();
    let mut response = response(metadata, Empty::new().boxed_unsync());
    response.headers_mut().insert("grpc-status", HeaderValue::from(code));
    if !message.is_empty() {
        insert(response.headers_mut(), "grpc-message", &encode_message(&message));
    }
    response
}

fn response(metadata: &[(String, String)], body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    for (name, value) in metadata {
        insert(response.headers_mut(), name, value);
    }
    response
}

/// Declarations are checked, so what cannot be sent never gets here.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}
