//! What passes, passes as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use seaworthy_core::exchange::{Outcome, Protocol};
use seaworthy_wire::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn a_request_and_its_answer_pass_in_every_protocol() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        let mut request = post("/payments?currency=EUR", "ten euros");
        request.headers_mut().append("x-list", "a".parse().unwrap());
        request.headers_mut().append("x-list", "b".parse().unwrap());
        let answer = within(ask(bench.proxy, speaks, request)).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ten euros"[..]), "{speaks:?}");
        assert_eq!(answer.header("got-uri"), "/payments?currency=EUR");
        let lists: Vec<_> = answer.headers.get_all("got-x-list").iter().collect();
        assert_eq!(lists, ["a", "b"]);
        let version = if speaks == Speaks::Http1 { "HTTP/1.1" } else { "HTTP/2.0" };
        assert_eq!(answer.header("got-version"), version, "the provider is spoken to as the consumer speaks");
    }
    let spoken: Vec<_> = bench.wire.log().snapshot().iter().map(|exchange| exchange.protocol).collect();
    assert_eq!(spoken, [Protocol::Http1, Protocol::Http2, Protocol::Grpc]);
}

#[tokio::test]
async fn host_and_authority_are_the_consumers() {
    let provider = Provider::start(|request| async move {
        let authority = request.uri().authority().map(ToString::to_string);
        let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        Ok(Response::new(full(authority.or(host).unwrap_or_default())))
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        let answer = within(ask(bench.proxy, speaks, get("/"))).await.unwrap();
        assert_eq!(answer.body, "payments.test", "{speaks:?}");
    }
}

#[tokio::test]
async fn no_header_is_added_on_the_way() {
    let bench_provider = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let bench = Bench::towards(bench_provider.local_addr().unwrap()).await;
    let mut consumer = TcpStream::connect(bench.proxy).await.unwrap();
    let sent = "GET /a?b=c HTTP/1.1\r\nHost: payments.test\r\nX-Mixed-Case: Yes\r\n\r\n";
    consumer.write_all(sent.as_bytes()).await.unwrap();
    let (mut stream, _) = bench_provider.accept().await.unwrap();
    assert_eq!(read_head(&mut stream).await, sent);
    let answer = "HTTP/1.1 299 Quite Fine\r\nX-Answer: Yes\r\nContent-Length: 2\r\n\r\n";
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.write_all(b"ok").await.unwrap();
    assert_eq!(read_head(&mut consumer).await, answer);
    let mut body = [0; 2];
    consumer.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"ok");
}

/// Reads up to the empty line, byte by byte.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn the_answer_to_head_keeps_its_length_and_has_no_body() {
    let provider = Provider::start(|_| async move {
        Ok(Response::builder().header("content-length", "12345").body(full("")).unwrap())
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let mut request = get("/big");
        *request.method_mut() = http::Method::HEAD;
        let answer = within(ask(bench.proxy, speaks, request)).await.unwrap();
        assert_eq!((answer.header("content-length"), answer.body.len()), ("12345", 0), "{speaks:?}");
    }
    let log = bench.wire.log().snapshot();
    assert!(log.iter().all(|exchange| exchange.outcome == Outcome::Answered), "{log:#?}");
}

#[tokio::test]
async fn trailers_pass_and_carry_the_grpc_status() {
    let provider = Provider::start(|_| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "5".parse().unwrap());
        trailers.insert("x-checksum", "abc".parse().unwrap());
        let frames = [Ok(Frame::data(Bytes::from("not found"))), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        Ok(Response::builder().header("trailer", "grpc-status, x-checksum").body(body).unwrap())
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        let mut request = get("/shop.Payments/Find");
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        let answer = within(ask(bench.proxy, speaks, request)).await.unwrap();
        assert_eq!(answer.body, "not found");
        assert_eq!(answer.trailers["x-checksum"], "abc", "{speaks:?}");
    }
    for exchange in bench.wire.log().snapshot() {
        let got = exchange.response.unwrap();
        assert_eq!((got.grpc_status, got.trailers.len()), (Some(5), 2));
        assert_eq!(exchange.provider.unwrap().response.unwrap().grpc_status, Some(5));
    }
}

#[tokio::test]
async fn both_directions_stream_at_once() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let (feed, body) = channel();
        let mut request = post("/chat", "");
        *request.body_mut() = body;
        feed.send(Ok(Frame::data(Bytes::from("one")))).await.unwrap();
        let mut answer = within(consumer.send(request)).await.unwrap().into_body();
        for word in ["one", "two", "three"] {
            if word != "one" {
                feed.send(Ok(Frame::data(Bytes::from(word)))).await.unwrap();
            }
            let frame = within(answer.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), word, "{speaks:?}: answered while the request goes on");
        }
        drop(feed);
        assert_eq!(within(answer.collect()).await.unwrap().to_bytes(), "");
    }
    for exchange in bench.wire.log().snapshot() {
        let exchange =
            within(bench.wire.log().wait_for(|other| other.id == exchange.id && other.is_over())).await;
        assert_eq!(exchange.request.body.bytes, 11);
        assert_eq!(exchange.response.unwrap().body.bytes, 11);
    }
}

#[tokio::test]
async fn a_kept_connection_serves_the_next_request() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    for turn in 0..20 {
        // A consumer of its own each time: reuse is between us and the provider.
        let answer = within(ask(bench.proxy, Speaks::Http1, post("/", format!("{turn}")))).await.unwrap();
        assert_eq!(answer.body, format!("{turn}"));
    }
    assert_eq!(provider.connections(), 1);
}

#[tokio::test]
async fn a_hundred_streams_share_one_connection_to_the_provider() {
    let (arrive, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let provider = Provider::start(move |_| {
        let (arrive, gate) = (arrive.clone(), Arc::clone(&gate));
        async move {
            arrive.send(()).unwrap();
            drop(gate.acquire().await);
            Ok(Response::new(full("ok")))
        }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    let shared = Consumer::connect(bench.proxy, Speaks::Grpc).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut consumer = shared.share();
        asking.spawn(async move { consumer.ask(get("/")).await.map(|answer| answer.status) });
    }
    for _ in 0..100 {
        within(arrived.recv()).await.unwrap();
    }
    opened.add_permits(100);
    while let Some(answer) = within(asking.join_next()).await {
        assert_eq!(answer.unwrap().unwrap(), 200);
    }
    assert_eq!(provider.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_provider_closed_while_idle_costs_no_request() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let bench = Bench::towards(listener.local_addr().unwrap()).await;
    // Each connection is good for one answer and then closed without notice.
    let provider = tokio::spawn(async move {
        let mut served = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            served += 1;
            if served == 200 {
                return served;
            }
        }
    });
    let mut consumer = Consumer::connect(bench.proxy, Speaks::Http1).await;
    for turn in 0..200 {
        let answer = within(consumer.ask(get("/"))).await;
        assert_eq!(answer.unwrap_or_else(|error| panic!("request {turn}: {error:?}")).body, "ok");
    }
    assert_eq!(within(provider).await.unwrap(), 200, "and none was sent twice");
}

#[tokio::test]
async fn a_provider_that_says_goaway_between_requests_costs_no_request() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let bench = Bench::towards(listener.local_addr().unwrap()).await;
    let served = Arc::new(AtomicU64::new(0));
    let serving = Arc::clone(&served);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let serving = Arc::clone(&serving);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    serving.fetch_add(1, Ordering::SeqCst);
                    respond.send_response(Response::new(()), true).unwrap();
                    connection.graceful_shutdown();
                }
            });
        }
    });
    let mut consumer = Consumer::connect(bench.proxy, Speaks::Http2).await;
    for turn in 0..50 {
        let answer = within(consumer.ask(get("/"))).await;
        assert_eq!(answer.unwrap_or_else(|error| panic!("request {turn}: {error:?}")).status, 200);
    }
    assert_eq!(served.load(Ordering::SeqCst), 50, "and none was sent twice");
}

#[tokio::test]
async fn a_consumer_of_http_1_0_is_served_and_its_provider_spoken_to_alike() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    for _ in 0..2 {
        let mut consumer = TcpStream::connect(bench.proxy).await.unwrap();
        consumer.write_all(b"POST /old HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
        let mut answer = String::new();
        within(consumer.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        assert!(answer.contains("got-version: HTTP/1.0\r\n") && answer.ends_with("\r\n\r\nhi"), "{answer}");
    }
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_not_passed_on() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    let mut request = get("/");
    for (name, value) in
        [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABk")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = within(ask(bench.proxy, Speaks::Http1, request)).await.unwrap();
    assert_eq!((answer.status, answer.header("got-version")), (200, "HTTP/1.1"));
    for name in ["got-upgrade", "got-http2-settings", "got-connection"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn a_consumer_that_waits_for_100_continue_gets_it() {
    let provider = Provider::start(|request| async move {
        Ok(Response::new(full(request.into_body().collect().await?.to_bytes())))
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    let mut consumer = TcpStream::connect(bench.proxy).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    consumer.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut consumer).await, "HTTP/1.1 100 Continue\r\n\r\n");
    consumer.write_all(b"hello").await.unwrap();
    assert!(read_head(&mut consumer).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_provider_that_answers_at_once_is_not_sent_what_the_consumer_holds_back() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let bench = Bench::towards(listener.local_addr().unwrap()).await;
    let mut consumer = TcpStream::connect(bench.proxy).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    consumer.write_all(head.as_bytes()).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(read_head(&mut stream).await.contains("expect: 100-continue\r\n"));
    stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert!(read_head(&mut consumer).await.starts_with("HTTP/1.1 413 "), "and no 100 before it");
}

#[tokio::test]
async fn another_upstream_takes_over_for_new_requests() {
    let (first, second) = (Provider::echo().await, Provider::echo().await);
    let bench = Bench::towards(first.address).await;
    for speaks in EVERY {
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let to = |address, instance: &str| Some(Upstream { address, instance: Some(instance.into()) });
        bench.wire.set_upstream(&bench.edge, to(first.address, "payments-1"));
        within(consumer.ask(get("/"))).await.unwrap();
        bench.wire.set_upstream(&bench.edge, to(second.address, "payments-2"));
        within(consumer.ask(get("/"))).await.unwrap();
        let log = bench.wire.log().snapshot();
        let served: Vec<_> = log[log.len() - 2..]
            .iter()
            .map(|exchange| exchange.provider.as_ref().unwrap().instance.clone().unwrap())
            .collect();
        assert_eq!(served, ["payments-1", "payments-2"]);
    }
}

const GIB: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_passes_and_is_never_gathered() {
    let generated = Arc::new(AtomicU64::new(0));
    let consumed = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let (made, eaten, peak) = (Arc::clone(&generated), Arc::clone(&consumed), Arc::clone(&most));
    let provider = Provider::start(move |_| {
        let (made, eaten, peak) = (Arc::clone(&made), Arc::clone(&eaten), Arc::clone(&peak));
        async move {
            let piece = Bytes::from(vec![7u8; 64 * 1024]);
            let start = made.load(Ordering::SeqCst);
            let frames = futures_util::stream::poll_fn(move |_| {
                let sent = made.load(Ordering::SeqCst);
                if sent - start == GIB {
                    return Poll::Ready(None);
                }
                peak.fetch_max(sent - eaten.load(Ordering::SeqCst), Ordering::SeqCst);
                made.fetch_add(piece.len() as u64, Ordering::SeqCst);
                Poll::Ready(Some(Ok(Frame::data(piece.clone()))))
            });
            Ok(Response::new(StreamBody::new(frames).boxed_unsync()))
        }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let mut body = within(consumer.send(get("/big"))).await.unwrap().into_body();
        let before = consumed.load(Ordering::SeqCst);
        while let Some(frame) = within(body.frame()).await {
            let data = frame.unwrap().into_data().unwrap();
            consumed.fetch_add(data.len() as u64, Ordering::SeqCst);
        }
        assert_eq!(consumed.load(Ordering::SeqCst) - before, GIB, "{speaks:?}");
        let exchange = bench.wire.log().snapshot().pop().unwrap();
        let body = exchange.response.unwrap().body;
        assert_eq!((body.bytes, body.truncated), (GIB, true));
        assert_eq!(body.text.unwrap().len(), 16 * 1024);
    }
    // On the way are at most the windows and socket buffers of two hops, not the body.
    assert!(most.load(Ordering::SeqCst) < 64 << 20, "{} bytes were on the way", most.load(Ordering::SeqCst));
}
