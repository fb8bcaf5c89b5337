//! A data plane in a process of its own: steered, left, taken over. It runs on a thread of its own here, and what
//! passes between it and the harness is the same.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use seaworthy_core::context::TraceParent;
use seaworthy_core::exchange::Outcome;
use seaworthy_core::fault::{FaultAction, FaultRuleError, When};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::{HumanDuration, RunClock};
use seaworthy_wire::remote::{self, RemoteError};
use seaworthy_wire::{Upstream, Wire, WireConfig, WireError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::support::*;

/// A data plane on a thread with a runtime of its own.
struct PlaneThread {
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), RemoteError>>>,
    _folder: tempfile::TempDir,
}

impl PlaneThread {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("private/plane.sock");
        let (stop, stopped) = oneshot::channel::<()>();
        let (listening, listens) = std::sync::mpsc::channel();
        let served = socket.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(remote::serve(&served, async move {
                // Polled for the first time when it listens.
                listening.send(()).unwrap();
                let _ = stopped.await;
            }))
        });
        listens.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        Self { socket, stop: Some(stop), thread: Some(thread), _folder: folder }
    }

    fn connect(&self) -> Wire {
        self.try_connect(WireConfig::default()).unwrap()
    }

    fn try_connect(&self, config: WireConfig) -> Result<Wire, RemoteError> {
        remote::connect(&self.socket, RunClock::start(), config)
    }

    /// Ends it in order.
    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for PlaneThread {
    fn drop(&mut self) {
        self.end();
    }
}

fn edge() -> EdgeId {
    EdgeId::new("orders", "payments")
}

/// Opens the edge towards a provider that the harness did not start.
async fn open(wire: &Wire, provider: SocketAddr) -> SocketAddr {
    let proxy = wire.open(edge(), PortProtocol::Http).await.unwrap();
    wire.set_upstream(&edge(), Some(Upstream { address: provider, instance: None }));
    proxy
}

fn abort() -> FaultAction {
    FaultAction::Abort {
        status: Some(503),
        grpc_status: None,
        headers: Default::default(),
        when: When::Before,
    }
}

#[tokio::test]
async fn what_was_answered_a_moment_ago_is_in_the_log() {
    let (plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let wire = plane.connect();
    assert_eq!(wire.plane().unwrap().pid, std::process::id());
    let proxy = open(&wire, provider.address).await;
    let mut consumer = Consumer::connect(proxy, Speaks::Http1).await;
    for number in 0..100 {
        let trace = TraceParent::random();
        let asked = in_trace(trace, post(&format!("/{number}"), "a body"));
        let answer = within(consumer.ask(asked)).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"a body"[..]));
        // Nothing is waited for.
        let seen = wire.log().of_trace(trace.trace_id);
        assert_eq!(seen.len(), 1);
        assert_eq!(wire.log().len(), number + 1);
        let whole =
            within(wire.log().wait_for(|one| one.trace_id() == Some(trace.trace_id) && one.is_over()));
        let whole = whole.await;
        assert_eq!(whole.id.0, number as u64 + 1);
        assert_eq!(whole.outcome, Outcome::Answered);
        assert_eq!(whole.request.body.text.as_deref(), Some("a body"));
        let provider = whole.provider.as_ref().unwrap();
        assert_eq!((provider.response.as_ref(), provider.instance.as_ref()), (whole.response.as_ref(), None));
        assert_eq!(wire.log().get(whole.id), Some(whole));
    }
}

#[tokio::test]
async fn times_are_those_of_the_run_that_steers() {
    let (plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let clock = RunClock::start();
    let wire = remote::connect(&plane.socket, clock, WireConfig::default()).unwrap();
    let proxy = open(&wire, provider.address).await;
    let before = clock.now();
    within(ask(proxy, Speaks::Http1, get("/"))).await.unwrap();
    let exchange = within(wire.log().wait_for(seaworthy_core::exchange::Exchange::is_over)).await;
    let after = clock.now();
    // The clocks are compared as well as a reply takes to come.
    let slack = 100_000_000;
    let provider = exchange.provider.unwrap();
    for time in [exchange.started, provider.started, provider.ended.unwrap(), exchange.ended.unwrap()] {
        assert!(before.0 <= time.0 + slack && time.0 <= after.0 + slack, "{before:?} {time:?} {after:?}");
    }
}

#[tokio::test]
async fn a_rule_stands_when_install_returns_and_is_gone_when_it_is_removed() {
    let (plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let wire = plane.connect();
    let proxy = open(&wire, provider.address).await;
    for round in 0..20 {
        let lease = wire.install(rule(abort())).unwrap();
        assert_eq!(wire.install(rule(abort())).unwrap_err(), FaultRuleError::Taken("f1".into()));
        assert_eq!(within(ask(proxy, Speaks::Http1, get("/"))).await.unwrap().status, 503);
        assert_eq!(lease.fired(), 1, "round {round}");
        within(lease.first_fired()).await;
        lease.remove();
        assert_eq!(within(ask(proxy, Speaks::Http1, get("/"))).await.unwrap().status, 200);
    }
    let records = wire.faults().records();
    assert_eq!(records.len(), 20);
    assert!(records.iter().all(|record| record.fired == 1 && record.removed.is_some() && !record.lapsed));
    let broken = wire.log().snapshot().into_iter().filter(|one| !one.faults.is_empty()).count();
    assert_eq!(broken, 20);
}

#[tokio::test]
async fn a_rule_that_nobody_renews_lapses_there_and_here() {
    let (plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let wire = plane.connect();
    let proxy = open(&wire, provider.address).await;
    let mut hold = rule(FaultAction::Hold { when: When::Before });
    hold.lease = HumanDuration::millis(2200);
    wire.faults().install(hold).unwrap();
    let mut renewed = rule_for(seaworthy_core::ids::TraceId::random(), abort());
    renewed.lease = HumanDuration::millis(2000);
    let lease = wire.install(renewed).unwrap();
    assert_eq!(within(ask(proxy, Speaks::Http1, get("/"))).await.unwrap().status, 200);
    let records = wire.faults().records();
    assert_eq!((records[0].lapsed, records[0].fired), (true, 1));
    assert_eq!(records[1].removed, None, "this one is renewed over there");
    drop(lease);
}

#[tokio::test]
async fn whoever_comes_second_is_told_who_steers() {
    let plane = PlaneThread::start();
    let wire = plane.connect();
    let error = plane.try_connect(WireConfig::default()).err().unwrap();
    let text = error.to_string();
    assert!(text.contains(&format!("another harness (pid {})", std::process::id())), "{text}");
    drop(wire);
    plane.connect();
}

#[tokio::test]
async fn faults_go_with_the_harness_and_edges_stay_for_the_next() {
    let (plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let wire = plane.connect();
    let proxy = open(&wire, provider.address).await;
    wire.faults().install(rule(abort())).unwrap();
    assert_eq!(within(ask(proxy, Speaks::Http1, get("/"))).await.unwrap().status, 503);
    // A connection of a consumer's stays open throughout.
    let mut consumer = Consumer::connect(proxy, Speaks::Http1).await;
    assert_eq!(within(consumer.ask(get("/"))).await.unwrap().status, 503);
    drop(wire);
    // It says nothing on its way out, like one that is killed; the next that steers comes when it has been noticed.
    let next = plane.connect();
    assert_eq!(within(consumer.ask(get("/unseen"))).await.unwrap().status, 200);
    assert_eq!(
        next.log().snapshot(),
        [],
        "what passes on an edge that it has not opened is not its business"
    );
    assert_eq!(next.open(edge(), PortProtocol::Http).await.unwrap(), proxy);
    let sent = TraceParent::random();
    assert_eq!(within(consumer.ask(in_trace(sent, get("/seen")))).await.unwrap().status, 200);
    let seen = within(next.log().wait_for(|one| one.trace_id() == Some(sent.trace_id))).await;
    assert_eq!(seen.path, "/seen");
    assert!(seen.faults.is_empty());
    next.close().await;
    assert!(next.log().of_trace(sent.trace_id).len() == 1, "the log stays readable");
    assert_eq!(within(consumer.ask(get("/"))).await.unwrap().status, 200);
}

#[tokio::test]
async fn another_configuration_or_address_opens_edges_anew() {
    let (plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let wire = plane.connect();
    let proxy = open(&wire, provider.address).await;
    drop(wire);
    let config = WireConfig { correlation_headers: vec!["x-request-id".to_owned()], ..WireConfig::default() };
    let wire = plane.try_connect(config).unwrap();
    assert_eq!(wire.open(edge(), PortProtocol::Http).await.unwrap(), proxy);
    let mut asked = get("/");
    asked.headers_mut().insert("x-request-id", "mine".parse().unwrap());
    assert_eq!(within(ask(proxy, Speaks::Http1, asked)).await.unwrap().status, 200, "it leads where it led");
    assert_eq!(wire.log().snapshot()[0].correlation_id.as_deref(), Some("mine"));
    let error = wire.open(edge(), PortProtocol::Http).await.unwrap_err();
    assert!(matches!(error, WireError::Open(_)), "{error}");
    drop(wire);
    // It moves where it is told; where it was, nobody listens any more.
    let wire = plane.connect();
    let free = free_address().await;
    assert_eq!(wire.open_at(edge(), PortProtocol::Http, free).await.unwrap(), free);
    assert!(TcpStream::connect(proxy).await.is_err());
    wire.set_upstream(&edge(), Some(Upstream { address: provider.address, instance: None }));
    assert_eq!(within(ask(free, Speaks::Http1, get("/"))).await.unwrap().status, 200);
}

async fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_address_that_is_in_use_is_named() {
    let plane = PlaneThread::start();
    let wire = plane.connect();
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = wire.open_at(edge(), PortProtocol::Http, address).await.unwrap_err();
    assert!(matches!(&error, WireError::Taken { address: at, .. } if *at == address), "{error}");
}

#[tokio::test]
async fn an_edge_of_an_earlier_harness_makes_room_for_one_that_has_its_address_now() {
    let (plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let wire = plane.connect();
    let address = free_address().await;
    let before = EdgeId::new("orders", "billing");
    assert_eq!(wire.open_at(before, PortProtocol::Http, address).await.unwrap(), address);
    drop(wire);
    // The service was renamed in the system file.
    let wire = plane.connect();
    assert_eq!(wire.open_at(edge(), PortProtocol::Http, address).await.unwrap(), address);
    wire.set_upstream(&edge(), Some(Upstream { address: provider.address, instance: None }));
    assert_eq!(within(ask(address, Speaks::Http1, get("/"))).await.unwrap().status, 200);
    let other = EdgeId::new("orders", "stock");
    let error = wire.open_at(other, PortProtocol::Http, address).await.unwrap_err();
    assert!(matches!(error, WireError::Taken { .. }), "one in use stays: {error}");
    assert_eq!(within(ask(address, Speaks::Http1, get("/"))).await.unwrap().status, 200);
}

#[tokio::test]
async fn bytes_are_counted() {
    let plane = PlaneThread::start();
    let wire = plane.connect();
    let database = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let edge = EdgeId::new("orders", "db");
    let proxy = wire.open(edge.clone(), PortProtocol::Tcp).await.unwrap();
    let upstream = Upstream { address: database.local_addr().unwrap(), instance: None };
    wire.set_upstream(&edge, Some(upstream));
    let mut consumer = TcpStream::connect(proxy).await.unwrap();
    consumer.write_all(b"select").await.unwrap();
    let (mut provider, _) = within(database.accept()).await.unwrap();
    let mut got = [0; 6];
    within(provider.read_exact(&mut got)).await.unwrap();
    let traffic = wire.traffic(&edge).unwrap();
    assert_eq!((traffic.opened, traffic.bytes_to_provider), (1, 6));
    assert_eq!(wire.traffic(&EdgeId::new("a", "b")), None);
}

#[tokio::test]
async fn a_data_plane_that_ends_leaves_a_loss_and_hangs_nobody() {
    let (mut plane, provider) = (PlaneThread::start(), Provider::echo().await);
    let wire = plane.connect();
    let proxy = open(&wire, provider.address).await;
    let lease = wire.install(rule(abort())).unwrap();
    within(ask(proxy, Speaks::Http1, get("/"))).await.unwrap();
    assert_eq!(wire.log().len(), 1);
    let mut changes = wire.log().changes();
    changes.mark_unchanged();
    plane.end();
    assert!(!plane.socket.exists());
    within(changes.changed()).await.unwrap();
    let losses = wire.log().losses();
    assert!(
        losses.iter().any(|loss| loss.harmful && loss.why.contains("the data plane ended")),
        "{losses:?}"
    );
    assert_eq!(wire.log().len(), 1, "what is known stays known");
    let error = wire.install(rule_for(seaworthy_core::ids::TraceId::random(), abort())).unwrap_err();
    assert!(matches!(error, FaultRuleError::NotTaken { .. }), "{error}");
    drop(lease);
    let error = plane.try_connect(WireConfig::default()).err().unwrap();
    assert!(matches!(error, RemoteError::Nobody { .. }), "{error}");
}

#[tokio::test]
async fn one_data_plane_serves_at_a_socket_and_takes_over_what_a_dead_one_left() {
    let plane = PlaneThread::start();
    let error = remote::serve(&plane.socket, async {}).await.unwrap_err();
    let mine = format!("(pid {})", std::process::id());
    assert!(error.to_string().contains(&mine), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("private");
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&private).unwrap();
    let socket = private.join("left.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    remote::serve(&socket, async {}).await.unwrap();
    assert!(!socket.exists());
}

/// Says these bytes to the data plane, and returns the last line that it says before it hangs up.
fn last_word(plane: &PlaneThread, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(&plane.socket).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    // It may hang up before all of it is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    BufReader::new(stream).lines().map_while(Result::ok).last().unwrap_or_default()
}

fn hello() -> Vec<u8> {
    let config = serde_json::to_value(WireConfig::default()).unwrap();
    let ask = serde_json::json!({"kind": "hello", "version": 1, "config": config});
    format!("{}\n", serde_json::json!({"number": 1, "ask": ask})).into_bytes()
}

#[test]
fn what_makes_no_sense_ends_the_conversation_with_the_reason() {
    let plane = PlaneThread::start();
    assert!(last_word(&plane, &hello()).contains("welcome"));
    for (bytes, reason) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "a line makes no sense"),
        (b"{\"number\":1,\"ask\":{\"kind\":\"now\"}}\n".to_vec(), "the first line is to say who is there"),
        (
            [hello(), b"{\"number\":2,\"ask\":{\"kind\":\"dance\"}}\n".to_vec()].concat(),
            "unknown variant `dance`",
        ),
        ([hello(), vec![b' '; (1 << 20) + 1]].concat(), "longer than"),
        (
            String::from_utf8(hello()).unwrap().replace("\"version\":1", "\"version\":7").into_bytes(),
            "version 1",
        ),
    ] {
        let said = last_word(&plane, &bytes);
        assert!(said.contains(reason), "{said}");
    }
    // It goes on serving.
    plane.connect();
}
