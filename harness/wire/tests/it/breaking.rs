//! What breaks, breaks on both sides, and as what it is.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt;
use seaworthy_core::exchange::{Exchange, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::support::*;

/// Tells when it is dropped, which is how a server's handler learns that its consumer has left.
struct Tell(Option<oneshot::Sender<()>>);

impl Drop for Tell {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            let _ = tell.send(());
        }
    }
}

#[tokio::test]
async fn a_consumer_that_leaves_before_the_answer_is_noticed_by_the_provider() {
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let provider = Provider::start(move |_| {
        let arrive = arrive.clone();
        async move {
            let (tell, told) = oneshot::channel();
            let _tell = Tell(Some(tell));
            arrive.send(told).unwrap();
            std::future::pending::<()>().await;
            Ok(Response::new(full("never")))
        }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let asking = tokio::spawn(async move { consumer.ask(post("/slow", "body")).await.map(drop) });
        let left = within(arrived.recv()).await.unwrap();
        asking.abort();
        within(left).await.unwrap();
        let exchange = within(
            bench
                .wire
                .log()
                .wait_for(|exchange| exchange.is_over() && exchange.outcome == Outcome::Cancelled),
        )
        .await;
        assert_eq!(exchange.provider.unwrap().outcome, Outcome::Cancelled, "{speaks:?}");
    }
    let log = bench.wire.log().snapshot();
    assert_eq!(log.iter().filter(|exchange| exchange.outcome == Outcome::Cancelled).count(), 3);
}

#[tokio::test]
async fn a_consumer_that_leaves_in_the_middle_of_an_answer_is_noticed_by_the_provider() {
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let provider = Provider::start(move |_| {
        let arrive = arrive.clone();
        async move {
            let (feed, body) = channel();
            feed.send(Ok(Frame::data(Bytes::from("half")))).await?;
            arrive.send(feed).unwrap();
            Ok(Response::new(body))
        }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let mut body = within(consumer.send(get("/slow"))).await.unwrap().into_body();
        assert_eq!(within(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "half");
        drop((body, consumer));
        let feed = within(arrived.recv()).await.unwrap();
        within(feed.closed()).await;
        let exchange = within(
            bench
                .wire
                .log()
                .wait_for(|exchange| exchange.is_over() && exchange.protocol == speaks_protocol(speaks)),
        )
        .await;
        assert_eq!(exchange.outcome, Outcome::Cancelled, "{speaks:?}");
        let provider = exchange.provider.unwrap();
        assert_eq!(provider.outcome, Outcome::Cancelled);
        let response = provider.response.unwrap();
        assert_eq!((response.body.bytes, response.last_byte), (4, None));
    }
}

fn speaks_protocol(speaks: Speaks) -> seaworthy_core::exchange::Protocol {
    use seaworthy_core::exchange::Protocol;
    match speaks {
        Speaks::Http1 => Protocol::Http1,
        Speaks::Http2 => Protocol::Http2,
        Speaks::Grpc => Protocol::Grpc,
    }
}

#[tokio::test]
async fn a_provider_that_breaks_off_before_its_answer_is_a_reset_for_the_consumer() {
    let provider = Provider::start(|_| async move { Err("no".into()) }).await;
    let bench = Bench::towards(provider.address).await;
    for speaks in EVERY {
        let error = within(ask(bench.proxy, speaks, post("/", "body"))).await.unwrap_err();
        assert_reset(speaks, &*error, h2::Reason::INTERNAL_ERROR);
    }
    for exchange in bench.wire.log().snapshot() {
        assert_eq!((exchange.outcome, exchange.provider.unwrap().outcome), (Outcome::Reset, Outcome::Reset));
    }
}

#[tokio::test]
async fn a_provider_that_breaks_off_in_the_middle_of_its_answer_is_a_reset_for_the_consumer() {
    let provider = Provider::start(|request| async move {
        let (feed, body) = channel();
        feed.send(Ok(Frame::data(Bytes::from("half")))).await?;
        tokio::spawn(async move {
            // Once the first half is on its way, as the empty queue shows.
            while feed.capacity() < feed.max_capacity() {
                tokio::task::yield_now().await;
            }
            let _ = feed.send(Err("no".into())).await;
        });
        let response = Response::builder();
        let response = match request.uri().path() {
            "/sized" => response.header("content-length", "8"),
            _ => response,
        };
        Ok(response.body(body)?)
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    for (speaks, path) in EVERY.into_iter().flat_map(|speaks| [(speaks, "/chunked"), (speaks, "/sized")]) {
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let mut body = within(consumer.send(get(path))).await.unwrap().into_body();
        assert_eq!(within(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "half");
        let error = within(body.frame()).await.unwrap().unwrap_err();
        assert_reset(speaks, &error, h2::Reason::INTERNAL_ERROR);
    }
    for exchange in bench.wire.log().snapshot() {
        assert_eq!(exchange.outcome, Outcome::Reset);
        let got = exchange.response.unwrap();
        assert_eq!((got.status, got.body.bytes, got.last_byte), (200, 4, None));
    }
}

#[tokio::test]
async fn a_streams_error_code_passes_through() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let bench = Bench::towards(listener.local_addr().unwrap()).await;
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::ENHANCE_YOUR_CALM);
        }
    });
    let error = within(ask(bench.proxy, Speaks::Grpc, get("/"))).await.unwrap_err();
    assert_eq!(h2_reason(&*error), Some(h2::Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn an_unreachable_provider_is_a_reset_and_no_answer() {
    // A port that nobody listens on: it was ours and is closed again.
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let bench = Bench::towards(closed).await;
    for nowhere in [false, true] {
        if nowhere {
            bench.wire.set_upstream(&bench.edge, None);
        }
        for speaks in EVERY {
            let error = within(ask(bench.proxy, speaks, post("/", "body"))).await.unwrap_err();
            assert_reset(speaks, &*error, h2::Reason::REFUSED_STREAM);
        }
    }
    let log = bench.wire.log().snapshot();
    assert_eq!(log.len(), 6);
    for exchange in log {
        assert_eq!((exchange.outcome, exchange.reached_provider()), (Outcome::Unreachable, false));
        assert_eq!(exchange.response, None);
    }
}

#[tokio::test]
async fn a_consumer_that_leaves_in_the_middle_of_its_request_breaks_the_providers_request() {
    for speaks in EVERY {
        let (arrive, mut arrived) = mpsc::unbounded_channel();
        let provider = Provider::start(move |request| {
            let arrive = arrive.clone();
            async move {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    let frame = frame.inspect_err(|_| drop(arrive.send(None)))?;
                    arrive.send(frame.into_data().ok())?;
                }
                arrive.send(Some(Bytes::from("whole")))?;
                Ok(Response::new(full("never")))
            }
        })
        .await;
        let bench = Bench::towards(provider.address).await;
        let (feed, body) = channel();
        let mut request = post("/upload", "");
        *request.body_mut() = body;
        let mut consumer = Consumer::connect(bench.proxy, speaks).await;
        let asking = tokio::spawn(async move { consumer.ask(request).await.map(drop) });
        feed.send(Ok(Frame::data(Bytes::from("half")))).await.unwrap();
        assert_eq!(within(arrived.recv()).await.unwrap().unwrap(), "half");
        asking.abort();
        let exchange = within(bench.wire.log().wait_for(Exchange::is_over)).await;
        assert_eq!(exchange.outcome, Outcome::Cancelled, "{speaks:?}");
        // The body breaks, or the handler is dropped with its stream; it must not see a whole body.
        drop(bench);
        let rest = within(arrived.recv()).await;
        assert!(matches!(rest, Some(None) | None), "{speaks:?}: {rest:?}");
    }
}

#[tokio::test]
async fn garbage_at_the_proxys_port_is_answered_or_dropped_and_hurts_nobody() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut broken_frame = preface.to_vec();
    broken_frame.extend_from_slice(&[0xff; 64]);
    let cases: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET\r\n\r\n",
        b"NOT HTTP AT ALL\r\n\r\n",
        &[0; 1024],
        &preface[..10],
        &broken_frame,
    ];
    for case in cases {
        let mut consumer = TcpStream::connect(bench.proxy).await.unwrap();
        consumer.write_all(case).await.unwrap();
        consumer.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = within(consumer.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{case:?}");
    }
    assert_eq!(bench.wire.log().len(), 0);
    assert!(bench.wire.log().losses().iter().all(|loss| !loss.harmful && loss.what == "requests"));
    let answer = within(ask(bench.proxy, Speaks::Http1, post("/", "still here"))).await.unwrap();
    assert_eq!(answer.body, "still here");
}

#[tokio::test]
async fn closing_the_wire_resets_what_is_in_flight_and_frees_the_port() {
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let provider = Provider::start(move |_| {
        arrive.send(()).unwrap();
        async { std::future::pending().await }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    let mut asking = tokio::task::JoinSet::new();
    for speaks in EVERY {
        asking.spawn(ask(bench.proxy, speaks, get("/")));
        within(arrived.recv()).await.unwrap();
    }
    within(bench.wire.close()).await;
    while let Some(answer) = within(asking.join_next()).await {
        assert!(answer.unwrap().is_err());
    }
    for exchange in bench.wire.log().snapshot() {
        assert!(exchange.is_over() && exchange.outcome == Outcome::Reset, "{exchange:#?}");
    }
    assert!(TcpStream::connect(bench.proxy).await.is_err());
    assert!(bench.wire.open(bench.edge.clone(), seaworthy_core::system::PortProtocol::Http).await.is_err());
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_its_neighbours_alone() {
    let gates: Arc<Mutex<Vec<oneshot::Sender<()>>>> = Arc::default();
    let kept = Arc::clone(&gates);
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let provider = Provider::start(move |request| {
        let (kept, arrive) = (Arc::clone(&kept), arrive.clone());
        async move {
            if request.uri().path() == "/break" {
                return Err("no".into());
            }
            let (open, opened) = oneshot::channel();
            kept.lock().unwrap().push(open);
            arrive.send(()).unwrap();
            opened.await?;
            Ok(Response::new(full("ok")))
        }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    let mut breaking = Consumer::connect(bench.proxy, Speaks::Http2).await;
    let mut neighbour = breaking.share();
    let waiting = tokio::spawn(async move { neighbour.ask(get("/wait")).await });
    within(arrived.recv()).await.unwrap();
    within(breaking.ask(get("/break"))).await.unwrap_err();
    for open in gates.lock().unwrap().drain(..) {
        open.send(()).unwrap();
    }
    assert_eq!(within(waiting).await.unwrap().unwrap().body, "ok");
}
