//! What the proxy costs: the same requests straight to a provider and through an edge, side by side.
//!
//! ```text
//! cargo run --release -p seaworthy-wire --example overhead [-- REQUESTS CONNECTIONS]
//! ```
//!
//! All of it shares one machine and one process, so read the difference, not the numbers.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::ids::{EdgeId, TraceId};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use seaworthy_wire::{Upstream, Wire, WireConfig};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let requests: usize = arguments.next().unwrap_or(100_000);
    let connections: usize = arguments.next().unwrap_or(16).max(1);

    let provider = provider().await?;
    let config = WireConfig { max_exchanges: usize::MAX, ..WireConfig::default() };
    let wire = Wire::new(RunClock::start(), config);
    let edge = EdgeId::new("bench", "provider");
    let proxy = wire.open(edge.clone(), PortProtocol::Http).await?;
    wire.set_upstream(&edge, Some(Upstream { address: provider, instance: None }));

    for http2 in [false, true] {
        let name = if http2 { "HTTP/2" } else { "HTTP/1.1" };
        measure(&format!("{name} direct"), provider, http2, requests, connections).await?;
        measure(&format!("{name} proxied"), proxy, http2, requests, connections).await?;
        let mut leases = Vec::new();
        for number in 0..100 {
            let matcher = FaultMatcher { trace_id: Some(TraceId::random()), ..FaultMatcher::default() };
            let action = FaultAction::Reset { when: When::Before };
            leases.push(wire.install(FaultRule::new(format!("f{number}"), matcher, action))?);
        }
        measure(&format!("{name} proxied, 100 rules"), proxy, http2, requests, connections).await?;
    }
    Ok(())
}

/// A provider that answers every request with the same 100 bytes.
async fn provider() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(|request: Request<hyper::body::Incoming>| async {
                    request.into_body().collect().await?;
                    let body = Full::new(Bytes::from_static(&[b'x'; 100]));
                    Ok::<_, hyper::Error>(Response::new(body))
                });
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}

async fn measure(
    name: &str,
    to: SocketAddr,
    http2: bool,
    requests: usize,
    connections: usize,
) -> Result<(), Failure> {
    let (started, busy) = (Instant::now(), processor_time());
    let mut consumers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        consumers.spawn(consume(to, http2, requests / connections));
    }
    let mut times = Vec::with_capacity(requests);
    while let Some(ended) = consumers.join_next().await {
        times.extend(ended??);
    }
    let took = started.elapsed();
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    let rate = times.len() as f64 / took.as_secs_f64();
    let cost = match (busy, processor_time()) {
        (Some(before), Some(after)) => format!("{:.1?}", (after - before) / times.len().max(1) as u32),
        _ => "unknown".to_owned(),
    };
    #[expect(clippy::print_stdout, reason = "this is what the example is for")]
    {
        println!(
            "{name:28} {rate:9.0} requests/s   median {:>8.1?}   99 % {:>8.1?}   processor {cost} a request",
            at(0.5),
            at(0.99)
        );
    }
    Ok(())
}

/// The processor time that this process has used, where the system tells (Linux; in hundredths of a second).
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis((user + system) * 10))
}

/// Asks again and again over one connection, and times each answer.
async fn consume(to: SocketAddr, http2: bool, requests: usize) -> Result<Vec<Duration>, Failure> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let io = TokioIo::new(stream);
    let mut sender: Box<dyn Ask> = if http2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Box::new(sender)
    } else {
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Box::new(sender)
    };
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let request = Request::post("http://provider.test/payments")
            .header("host", "provider.test")
            .header("content-type", "application/json")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .version(if http2 { Version::HTTP_2 } else { Version::HTTP_11 })
            .body(Full::new(Bytes::from_static(b"{\"amount\":10}")))?;
        let started = Instant::now();
        sender.ask(request).await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

type Asked<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// Either version's sender.
trait Ask: Send {
    fn ask(&mut self, request: Request<Full<Bytes>>) -> Asked<'_>;
}

impl Ask for http1::SendRequest<Full<Bytes>> {
    fn ask(&mut self, request: Request<Full<Bytes>>) -> Asked<'_> {
        Box::pin(async move {
            self.ready().await?;
            drain(self.send_request(request).await?).await
        })
    }
}

impl Ask for http2::SendRequest<Full<Bytes>> {
    fn ask(&mut self, request: Request<Full<Bytes>>) -> Asked<'_> {
        Box::pin(async move { drain(self.send_request(request).await?).await })
    }
}

async fn drain(response: Response<hyper::body::Incoming>) -> Result<(), Failure> {
    response.into_body().collect().await?;
    Ok(())
}
