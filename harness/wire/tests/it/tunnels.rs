//! Protocols that are switched to, and ports of which only bytes are known.

use http::header::{CONNECTION, UPGRADE};
use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use seaworthy_core::exchange::{Outcome, Protocol};
use seaworthy_core::fault::{FaultAction, When};
use seaworthy_core::system::PortProtocol;
use seaworthy_wire::WireConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

/// A provider that switches to a protocol in which it says everything again in capitals, and goodbye when the
/// consumer has ended its half.
async fn shouting() -> Provider {
    Provider::start(|request| async move {
        let switched = hyper::upgrade::on(request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(switched.await.unwrap());
            let mut piece = [0; 64];
            loop {
                match io.read(&mut piece).await {
                    Ok(0) => break,
                    Ok(count) => io.write_all(&piece[..count].to_ascii_uppercase()).await.unwrap(),
                    Err(_) => return,
                }
            }
            io.write_all(b"goodbye").await.unwrap();
            io.shutdown().await.unwrap();
        });
        Ok(Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .body(full(""))?)
    })
    .await
}

#[tokio::test]
async fn a_switched_protocol_is_tunnelled_and_each_half_closes_by_itself() {
    let provider = shouting().await;
    let bench = Bench::towards(provider.address).await;
    let mut consumer = Consumer::connect(bench.proxy, Speaks::Http1).await;
    let mut request = get("/socket");
    request.headers_mut().insert(CONNECTION, "Upgrade".parse().unwrap());
    request.headers_mut().insert(UPGRADE, "websocket".parse().unwrap());
    let response = within(consumer.send(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()[UPGRADE], "websocket");
    let mut io = TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap());
    for word in ["ahoy", "mate"] {
        io.write_all(word.as_bytes()).await.unwrap();
        let mut heard = [0; 4];
        within(io.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, word.to_ascii_uppercase().as_bytes());
    }
    let log = bench.wire.log();
    assert_eq!(log.snapshot()[0].outcome, Outcome::InFlight, "it is seen while it lasts");
    io.shutdown().await.unwrap();
    let mut rest = String::new();
    within(io.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "goodbye");
    let exchange = within(log.wait_for(seaworthy_core::exchange::Exchange::is_over)).await;
    assert_eq!((exchange.protocol, exchange.outcome), (Protocol::Upgraded, Outcome::Answered));
    assert_eq!(exchange.request.body.text.as_deref(), Some("ahoymate"));
    assert_eq!(exchange.response.unwrap().body.text.as_deref(), Some("AHOYMATEgoodbye"));
}

#[tokio::test]
async fn closing_the_wire_ends_a_tunnel() {
    let provider = shouting().await;
    let bench = Bench::towards(provider.address).await;
    let mut consumer = Consumer::connect(bench.proxy, Speaks::Http1).await;
    let mut request = get("/socket");
    request.headers_mut().insert(CONNECTION, "Upgrade".parse().unwrap());
    request.headers_mut().insert(UPGRADE, "websocket".parse().unwrap());
    let response = within(consumer.send(request)).await.unwrap();
    let mut io = TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap());
    within(bench.wire.close()).await;
    let ended = within(io.read_u8()).await;
    assert!(ended.is_err(), "{ended:?}");
    assert!(bench.wire.log().snapshot()[0].is_over());
}

#[tokio::test]
async fn a_fault_can_take_a_switch_of_protocol_back() {
    let provider = shouting().await;
    let bench = Bench::towards(provider.address).await;
    let reset = FaultAction::Reset { when: When::After };
    let lease = bench.wire.install(rule(reset)).unwrap();
    let mut request = get("/socket");
    request.headers_mut().insert(CONNECTION, "Upgrade".parse().unwrap());
    request.headers_mut().insert(UPGRADE, "websocket".parse().unwrap());
    let error = within(ask(bench.proxy, Speaks::Http1, request)).await.unwrap_err();
    assert!(is_connection_reset(&*error), "{error:?}");
    assert_eq!(lease.fired(), 1);
    assert!(bench.wire.log().snapshot()[0].is_over());
}

#[tokio::test]
async fn a_port_of_bytes_is_piped() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let config = WireConfig::default();
    let bench = Bench::configured(listener.local_addr().unwrap(), config, PortProtocol::Tcp).await;
    let mut consumer = TcpStream::connect(bench.proxy).await.unwrap();
    consumer.write_all(b"\x00\xffbytes").await.unwrap();
    consumer.shutdown().await.unwrap();
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    let mut got = Vec::new();
    within(stream.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, b"\x00\xffbytes");
    stream.write_all(b"back").await.unwrap();
    drop(stream);
    let mut back = Vec::new();
    within(consumer.read_to_end(&mut back)).await.unwrap();
    assert_eq!(back, b"back");
}
