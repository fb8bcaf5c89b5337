//! One edge's proxy: accepts its consumers' connections and serves them.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use seaworthy_core::fault::FaultAction;
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Cut, Generation};
use super::forward;
use super::pipe;
use super::pool::Pool;
use super::turns::Turns;
use crate::config::{MAX_CONNECTIONS, MAX_HEAD_BYTES, WireConfig};
use crate::fault::{FaultTable, Rule};
use crate::link::Link;
use crate::listen::Listeners;
use crate::log::ExchangeLog;
use crate::traffic::{TrafficCounter, count};

/// How much an HTTP/2 consumer may send on one stream, and on one connection, before the provider reads it.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// How many requests an HTTP/2 consumer may have in flight on one connection.
const MAX_CONSUMER_STREAMS: u32 = 1024;

/// An edge with all that its connections share.
pub(crate) struct Edge {
    pub(crate) id: EdgeId,
    pub(crate) protocol: PortProtocol,
    pub(crate) clock: RunClock,
    pub(crate) config: Arc<WireConfig>,
    pub(crate) log: ExchangeLog,
    pub(crate) faults: Arc<FaultTable>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) traffic: Arc<TrafficCounter>,
    /// Connections and tunnels under way.
    pub(crate) tasks: TaskTracker,
    /// Ends the proxy.
    pub(crate) closed: CancellationToken,
    pub(crate) generation: Mutex<Arc<Generation>>,
}

impl Edge {
    /// Accepts connections until the proxy closes.
    pub(crate) async fn listen(self: Arc<Self>, mut listeners: Listeners) {
        let server = Arc::new(server(Tracked(self.tasks.clone())));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connection_rules = self.faults.connection_rules();
        connection_rules.mark_changed();
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((place, listeners.accept().await))
            };
            tokio::select! {
                () = self.closed.cancelled() => break,
                Ok(()) = connection_rules.changed() => self.cut_if_refused(),
                accepted = accepted => match accepted {
                    Some((place, Ok(stream))) => self.admit(stream, place, &server),
                    // Out of file descriptors, say. Some will come free; not to spin meanwhile is all we can do.
                    _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                },
            }
        }
        self.cut(None);
    }

    /// Cuts what is open, when a rule refuses this edge.
    fn cut_if_refused(&self) {
        if let Some(rule) = self.faults.refusing(&self.id) {
            self.cut(Some(&rule));
        }
    }

    fn cut(&self, rule: Option<&Arc<Rule>>) {
        let mut generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *generation, Generation::new());
        drop(generation);
        for _ in 0..old.open() {
            if let Some(rule) = rule {
                rule.fire();
                count(&self.traffic.cut);
            }
        }
        old.cut(Cut { by: rule.map(|rule| rule.rule.id.clone()), at: self.clock.now() });
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, place: OwnedSemaphorePermit, server: &Arc<Server>) {
        if let Some(rule) = self.faults.refusing(&self.id) {
            rule.fire();
            count(&self.traffic.refused);
            let _ = stream.set_zero_linger();
            return;
        }
        let _ = stream.set_nodelay(true);
        let generation = Arc::clone(&self.generation.lock().unwrap_or_else(PoisonError::into_inner));
        let edge = Arc::clone(self);
        let server = Arc::clone(server);
        self.tasks.spawn(async move {
            let _place = place;
            let _open = generation.enter();
            let link = Link::new(stream);
            let handle = link.handle();
            let connection = Arc::new(Connection {
                link: handle.clone(),
                generation: Arc::clone(&generation),
                turns: Turns::default(),
            });
            let work = async {
                edge.delay_connection().await;
                match edge.protocol {
                    PortProtocol::Tcp => pipe::join(&edge, link).await,
                    PortProtocol::Http | PortProtocol::Grpc => edge.serve(link, connection, &server).await,
                }
            };
            let mut work = std::pin::pin!(work);
            tokio::select! {
                () = &mut work => {}
                () = generation.is_cut() => handle.reset_on_close(),
            }
        });
    }

    /// Waits as long as the edge's connect delays say.
    async fn delay_connection(&self) {
        for rule in self.faults.edge_wide(&self.id) {
            if let FaultAction::ConnectDelay { by } = rule.rule.action {
                rule.fire();
                tokio::select! {
                    () = tokio::time::sleep(by.0) => {}
                    () = rule.ended() => {}
                }
            }
        }
    }

    /// Serves the requests of one connection.
    async fn serve(self: &Arc<Self>, link: Link, connection: Arc<Connection>, server: &Server) {
        let service =
            service_fn(|request| forward::serve(Arc::clone(self), Arc::clone(&connection), request));
        let serving = server.serve_connection_with_upgrades(TokioIo::new(link), service);
        let served = connection.turns.drive(std::pin::pin!(serving)).await;
        if let Err(error) = served
            && let Some(hyper) = error.downcast_ref::<hyper::Error>()
            && hyper.is_parse()
        {
            // No head could be read, so there is no exchange; hyper has answered with 400 or 431, as a server would.
            match hyper.is_parse_too_large() {
                true => self.log.lost("requests", "head too large", true),
                false => self.log.lost("requests", "not valid HTTP", false),
            }
        }
    }
}

type Server = auto::Builder<Tracked>;

/// Runs HTTP/2 streams as tasks that closing the wire waits for, so that its log is complete when it has closed.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// The settings of the consumers' side.
fn server(tasks: Tracked) -> Server {
    let mut server = auto::Builder::new(tasks);
    server.http1().auto_date_header(false).preserve_header_case(true).max_buf_size(MAX_HEAD_BYTES);
    server
        .http2()
        .auto_date_header(false)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_concurrent_streams(MAX_CONSUMER_STREAMS)
        // A consumer that cancels a burst of requests is no attacker here.
        .max_pending_accept_reset_streams(MAX_CONSUMER_STREAMS as usize)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    server
}
