//! Edges to databases and brokers: bytes, and what edge-wide faults do to them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, FaultRuleError, When};
use seaworthy_core::ids::{EdgeId, TraceId};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::{HumanDuration, RunClock};
use seaworthy_wire::{FaultLease, Traffic, Upstream, Wire, WireConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::within;

/// Long enough that nobody in a test can wait for its end.
const FOREVER: HumanDuration = HumanDuration(Duration::from_secs(3600));

/// A wire with one edge, `orders -> orders-db`, and the database's end of it in the test's hands.
struct Line {
    wire: Wire,
    edge: EdgeId,
    proxy: SocketAddr,
    database: TcpListener,
}

impl Line {
    async fn open() -> Self {
        let database = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let wire = Wire::new(RunClock::start(), WireConfig::default());
        let edge = EdgeId::new("orders", "orders-db");
        let proxy = wire.open(edge.clone(), PortProtocol::Tcp).await.unwrap();
        let address = database.local_addr().unwrap();
        wire.set_upstream(&edge, Some(Upstream { address, instance: None }));
        Self { wire, edge, proxy, database }
    }

    /// Both ends of a connection through the proxy, over which a word has gone each way.
    async fn connection(&self) -> (TcpStream, TcpStream) {
        let mut consumer = TcpStream::connect(self.proxy).await.unwrap();
        let (mut provider, _) = within(self.database.accept()).await.unwrap();
        consumer.write_all(b"ping").await.unwrap();
        assert_eq!(read(&mut provider, 4).await, b"ping");
        provider.write_all(b"pong").await.unwrap();
        assert_eq!(read(&mut consumer, 4).await, b"pong");
        (consumer, provider)
    }

    fn rule(&self, action: FaultAction) -> FaultRule {
        let matcher = FaultMatcher { edge: Some(self.edge.clone()), ..FaultMatcher::default() };
        FaultRule::new(action.kind(), matcher, action)
    }

    fn install(&self, action: FaultAction) -> FaultLease {
        self.wire.install(self.rule(action)).unwrap()
    }

    fn traffic(&self) -> Traffic {
        self.wire.traffic(&self.edge).unwrap()
    }
}

async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    within(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

async fn assert_reset(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let error = within(stream.read_to_end(&mut rest)).await.unwrap_err();
    assert_eq!((error.kind(), rest), (ErrorKind::ConnectionReset, Vec::new()));
}

#[tokio::test]
async fn a_hold_stops_open_connections_both_ways_until_it_is_released() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    let (_idle, _its_provider) = line.connection().await;
    let before = line.traffic();
    assert_eq!((before.opened, before.bytes_to_provider, before.bytes_to_consumer), (2, 8, 8));
    let hold = line.install(FaultAction::Hold { when: When::Before });
    assert_eq!(hold.fired(), 0, "nothing was there to hold");
    consumer.write_all(b"question").await.unwrap();
    within(hold.first_fired()).await;
    provider.write_all(b"news").await.unwrap();
    consumer.shutdown().await.unwrap();
    assert_eq!(line.traffic(), before, "nothing moves");
    hold.release();
    let mut heard = Vec::new();
    within(provider.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"question");
    assert_eq!(read(&mut consumer, 4).await, b"news");
    assert_eq!(hold.fired(), 1, "one connection was held, whatever it had to say");
    assert_eq!(line.traffic(), Traffic { bytes_to_provider: 16, bytes_to_consumer: 12, ..before });
}

#[tokio::test]
async fn a_hold_after_the_work_keeps_the_answers_back_alone() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    let before = line.traffic();
    let hold = line.install(FaultAction::Hold { when: When::After });
    consumer.write_all(b"commit").await.unwrap();
    assert_eq!(read(&mut provider, 6).await, b"commit", "the work is done");
    provider.write_all(b"done").await.unwrap();
    within(hold.first_fired()).await;
    assert_eq!(line.traffic().bytes_to_consumer, before.bytes_to_consumer);
    hold.remove();
    assert_eq!(read(&mut consumer, 4).await, b"done");
}

#[tokio::test]
async fn a_stall_heals_by_itself_and_at_once_when_it_is_removed() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    for length in [HumanDuration::millis(20), FOREVER] {
        let stall = line.install(FaultAction::Stall { length, when: When::Before });
        consumer.write_all(b"question").await.unwrap();
        within(stall.first_fired()).await;
        if length == FOREVER {
            stall.remove();
        }
        assert_eq!(read(&mut provider, 8).await, b"question");
    }
}

#[tokio::test]
async fn a_stall_is_over_for_the_whole_edge_when_its_time_is() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    let stall = line.install(FaultAction::Stall { length: HumanDuration::millis(20), when: When::Before });
    consumer.write_all(b"question").await.unwrap();
    assert_eq!(read(&mut provider, 8).await, b"question");
    assert_eq!(stall.fired(), 1);
    let (_consumer, _provider) = line.connection().await;
    assert_eq!(stall.fired(), 1, "a connection after it is not stalled anew");
}

#[tokio::test]
async fn a_delay_keeps_the_order_and_ends_with_its_rule() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    let jitter = HumanDuration::millis(10);
    let delay = line.install(FaultAction::Delay { by: HumanDuration::millis(5), jitter });
    let sent: Vec<u8> = (0..200).collect();
    for byte in &sent {
        // Each a piece of its own, as far as the kernel lets them be.
        consumer.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&mut provider, 200).await, sent);
    assert_eq!(delay.fired(), 1);
    delay.remove();

    let before = line.traffic();
    let delay = line.install(FaultAction::Delay { by: FOREVER, jitter });
    provider.write_all(b"news").await.unwrap();
    provider.shutdown().await.unwrap();
    within(delay.first_fired()).await;
    assert_eq!(line.traffic(), before);
    delay.remove();
    let mut heard = Vec::new();
    within(consumer.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(
        heard, b"news",
        "what was delayed comes when nothing delays it any more, and the end after it"
    );
}

#[tokio::test]
async fn a_throttle_trickles_and_ends_with_its_rule() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    let (sent, before) = (vec![7; 64 * 1024], line.traffic());
    // At this rate all of it takes 18 hours.
    let throttle = line.install(FaultAction::Throttle { bytes_per_second: 1 });
    consumer.write_all(&sent).await.unwrap();
    provider.write_all(&sent).await.unwrap();
    assert_eq!((read(&mut provider, 1).await, read(&mut consumer, 1).await), (vec![7], vec![7]));
    assert_eq!(throttle.fired(), 1);
    let now = line.traffic();
    assert!(now.bytes_to_provider - before.bytes_to_provider < 60, "{now:?}");
    assert!(now.bytes_to_consumer - before.bytes_to_consumer < 60, "{now:?}");
    throttle.release();
    assert_eq!((read(&mut provider, 65535).await, read(&mut consumer, 65535).await).0, &sent[1..]);
}

#[tokio::test]
async fn a_throttled_stream_comes_whole() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    let _throttle = line.install(FaultAction::Throttle { bytes_per_second: 1_000_000 });
    let sent: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
    let (written, heard) = tokio::join!(consumer.write_all(&sent), read(&mut provider, sent.len()));
    written.unwrap();
    assert_eq!(heard, sent);
}

#[tokio::test]
async fn a_reset_strikes_before_or_after_the_work() {
    for (when, done) in [(When::Before, 0), (When::After, 6)] {
        let line = Line::open().await;
        let (mut consumer, mut provider) = line.connection().await;
        let (mut idle, mut its_provider) = line.connection().await;
        let before = line.traffic();
        let reset = line.install(FaultAction::Reset { when });
        consumer.write_all(b"commit").await.unwrap();
        if when == When::After {
            assert_eq!(read(&mut provider, 6).await, b"commit");
            provider.write_all(b"done").await.unwrap();
        }
        assert_reset(&mut consumer).await;
        assert_reset(&mut provider).await;
        let now = line.traffic();
        assert_eq!((reset.fired(), now.cut), (1, 1));
        assert_eq!(now.bytes_to_provider - before.bytes_to_provider, done, "{when:?}");
        assert_eq!(now.bytes_to_consumer, before.bytes_to_consumer);
        reset.remove();
        idle.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut its_provider, 5).await, b"hello", "whoever had nothing to say is not struck");
    }
}

#[tokio::test]
async fn a_refused_edge_is_cut_and_open_again_when_the_rule_ends() {
    let line = Line::open().await;
    let (mut consumer, mut provider) = line.connection().await;
    let refuse = line.install(FaultAction::Refuse);
    assert_reset(&mut consumer).await;
    assert_reset(&mut provider).await;
    let mut another = TcpStream::connect(line.proxy).await.unwrap();
    assert_reset(&mut another).await;
    assert_eq!(refuse.fired(), 2);
    let traffic = line.traffic();
    assert_eq!((traffic.opened, traffic.cut, traffic.refused), (1, 1, 1));
    refuse.remove();
    let (_consumer, _provider) = line.connection().await;
    assert_eq!(line.traffic().opened, 2);
}

#[tokio::test]
async fn what_breaks_on_one_side_breaks_on_the_other() {
    let line = Line::open().await;
    let (consumer, mut provider) = line.connection().await;
    consumer.set_zero_linger().unwrap();
    drop(consumer);
    assert_reset(&mut provider).await;
    let (mut consumer, provider) = line.connection().await;
    provider.set_zero_linger().unwrap();
    drop(provider);
    assert_reset(&mut consumer).await;
    line.wire.set_upstream(&line.edge, None);
    let mut nowhere = TcpStream::connect(line.proxy).await.unwrap();
    assert_reset(&mut nowhere).await;
    let traffic = line.traffic();
    assert_eq!((traffic.opened, traffic.cut, traffic.refused), (2, 0, 1));
}

#[tokio::test]
async fn what_is_held_is_not_gathered() {
    let line = Line::open().await;
    let (consumer, mut provider) = line.connection().await;
    let hold = line.install(FaultAction::Hold { when: When::Before });
    let (mut from_proxy, mut to_proxy) = consumer.into_split();
    let much = 64 * 1024 * 1024;
    let writing = tokio::spawn(async move {
        to_proxy.write_all(&vec![1; much]).await.unwrap();
        to_proxy
    });
    within(hold.first_fired()).await;
    // Another edge moves as much meanwhile.
    let other = Line::open().await;
    let (mut its_consumer, mut its_provider) = other.connection().await;
    let moving =
        tokio::spawn(async move { its_consumer.write_all(&vec![2; much]).await.map(|()| its_consumer) });
    read(&mut its_provider, much).await;
    moving.await.unwrap().unwrap();
    assert!(!writing.is_finished(), "the consumer feels the hold");
    hold.release();
    assert_eq!(read(&mut provider, much).await.len(), much);
    drop((writing.await.unwrap(), provider));
    assert_eq!(within(from_proxy.read(&mut [0])).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn a_rule_that_an_edge_cannot_suffer_is_refused() {
    let line = Line::open().await;
    let web = EdgeId::new("orders", "payments");
    line.wire.open(web.clone(), PortProtocol::Http).await.unwrap();
    let hold = FaultAction::Hold { when: When::Before };
    let mut by_trace = line.rule(hold.clone());
    by_trace.matcher.trace_id = Some(TraceId::random());
    let error = line.wire.install(by_trace.clone()).unwrap_err();
    assert_eq!(error, FaultRuleError::NoRequests(line.edge.clone()));
    assert_eq!(
        error.to_string(),
        "`orders -> orders-db` carries bytes, of which no requests are known, so a rule for it can name the edge \
         and nothing of a request"
    );
    let abort = FaultAction::Abort {
        status: Some(503),
        grpc_status: None,
        headers: BTreeMap::new(),
        when: When::Before,
    };
    for (edge, action, message) in [
        (
            &line.edge,
            abort,
            "`abort` cannot be done to bytes, and these are what `orders -> orders-db` carries",
        ),
        (
            &line.edge,
            FaultAction::Drop,
            "`drop` cannot be done to bytes, and these are what `orders -> orders-db` carries",
        ),
        (
            &web,
            FaultAction::Drop,
            "`drop` cannot be done to requests, and these are what `orders -> payments` carries",
        ),
        (
            &web,
            FaultAction::Throttle { bytes_per_second: 1 },
            "`throttle` cannot be done to requests, and these are what `orders -> payments` carries",
        ),
    ] {
        let matcher = FaultMatcher { edge: Some(edge.clone()), ..FaultMatcher::default() };
        let error = line.wire.install(FaultRule::new("f1", matcher, action)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    // One for any edge is for requests; a database's bytes are not held by it.
    by_trace.matcher.edge = None;
    let _lease = line.wire.install(by_trace).unwrap();
    let _any = line.wire.install(FaultRule::new("any", FaultMatcher::default(), hold)).unwrap();
    let (_consumer, _provider) = line.connection().await;
    assert!(line.wire.traffic(&web).is_none());
}
