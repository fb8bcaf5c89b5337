//! The tap: connects, declares, carries, and connects again until it is closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::Connection;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use seaworthy_core::ids::{EdgeId, ServiceName};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::carrier::{Carrier, End, Readiness, Route};
use super::connection::{self, Backoff};
use super::dead_letters;
use super::exchange_out;
use super::topology::{self, short};
use crate::error::WireError;
use crate::proxy::pool::Pool;
use crate::wire::{Carrying, Wire};

/// How long what is left with the broker may take to be carried when the tap closes.
const CLEARING: Duration = Duration::from_secs(2);
/// How long the broker may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a tap is to do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TapConfig {
    /// The broker's name in the system file.
    pub name: String,
    /// Where it is: `amqp://user:password@host:port/vhost`. Without TLS.
    pub url: String,
    /// Who publishes for whom, and the edge that stands for it.
    pub routes: Vec<(ServiceName, ServiceName, EdgeId)>,
    /// How many messages of one publisher may be on their way, held up by faults or waiting for a binding. Past it,
    /// further ones wait with the broker; if none of them moves, that is counted as a loss of evidence. 1 to 65535;
    /// default 2000.
    pub prefetch: u16,
    /// How long after its first message a subscriber may still make bindings before a message for which there is none
    /// counts as not meant for it. Default 2 s.
    pub binding_time: Duration,
    /// How long the first connection may take, attempts to a broker that is not there yet included. Default 10 s.
    pub connect_time: Duration,
}

impl TapConfig {
    /// A tap on this broker with default limits.
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        routes: Vec<(ServiceName, ServiceName, EdgeId)>,
    ) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            routes,
            prefetch: 2000,
            binding_time: Duration::from_secs(2),
            connect_time: Duration::from_secs(10),
        }
    }
}

/// Why a broker could not be tapped.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The URL is not one of a broker.
    #[error("the broker's URL is {0}, so its messages could not be carried")]
    Url(&'static str),
    /// A name is too long for AMQP, which allows 255 bytes.
    #[error("`{0}` is longer than 255 bytes, so it could not be declared at the broker")]
    Name(String),
    /// It did not answer.
    #[error("the broker does not answer, so its messages could not be carried")]
    Silent,
    /// It refused, or the connection broke.
    #[error("the broker could not be used: {0}")]
    Broker(lapin::Error),
    /// The wire would not have the edge.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The tap was closed.
    #[error("the tap is closed, so dead letters could not be watched")]
    Closed,
}

impl From<lapin::Error> for TapError {
    fn from(error: lapin::Error) -> Self {
        Self::Broker(error)
    }
}

/// Carries the messages of one broker until it is closed or dropped. What was not carried stays with the broker.
#[must_use = "messages are carried while the tap lives"]
pub struct Tap {
    shared: Arc<Shared>,
    carrying: Mutex<Option<JoinHandle<()>>>,
    /// Those who watch for dead letters.
    watching: Mutex<Vec<JoinHandle<()>>>,
}

pub(super) struct Shared {
    pub(super) wire: Arc<Carrying>,
    pub(super) config: TapConfig,
    uri: AMQPUri,
    /// Each route's end, in the order of the configuration.
    ends: Vec<Arc<Pool>>,
    ready: BTreeMap<ServiceName, Readiness>,
    /// The connection, while there is one.
    pub(super) connection: watch::Sender<Option<Arc<Connection>>>,
    /// How many dead letters of each service were seen.
    pub(super) dead: Mutex<BTreeMap<ServiceName, u64>>,
    pub(super) end: End,
}

impl Wire {
    /// Taps a broker: declares the exchanges of its publishers and subscribers and carries messages from the ones to the
    /// others. Returns when it does. Its edges are open from then on: [`Wire::set_upstream`] says which instance is at
    /// their end, and [`Wire::install`] takes rules for them.
    ///
    /// # Errors
    /// When the broker cannot be reached in time or refuses, or the wire is closed.
    pub async fn tap(&self, config: TapConfig) -> Result<Tap, TapError> {
        let uri = connection::read(&config.url)?;
        let ends = config.routes.iter().map(|(_, _, edge)| self.enter_messages(edge));
        let ends = ends.collect::<Result<_, _>>()?;
        let ready = config.routes.iter().map(|(_, to, _)| (to.clone(), Readiness::default())).collect();
        let wire = Arc::new(self.carrying());
        let end = End { ending: wire.closed.child_token(), stop: wire.closed.child_token() };
        let connection = watch::Sender::new(None);
        let shared =
            Arc::new(Shared { wire, config, uri, ends, ready, connection, dead: Mutex::default(), end });
        let first = shared.first_session().await?;
        let carrying = shared.wire.tasks.spawn(Arc::clone(&shared).keep(first));
        Ok(Tap { shared, carrying: Mutex::new(Some(carrying)), watching: Mutex::default() })
    }
}

impl Tap {
    /// Sees dead letters of a service: a queue of our own is bound to the exchange that they go to, as soon as the
    /// service has declared it; the service's own queue keeps its letters. Each becomes an exchange of the edge
    /// `SERVICE -> dead-letters`. A `direct` exchange is not understood: its letters have keys that we cannot know.
    ///
    /// Returns when the queue is bound, or when it is clear that the exchange or the broker is not there at the moment;
    /// then it is bound soon after that has come: within 25 ms at first, within half a second when it has been waited for
    /// for several seconds. Letters from before are not seen. An exchange that never comes is a loss of evidence, which
    /// the log has when the tap is closed.
    ///
    /// # Errors
    /// When a name is too long or the tap is closed.
    pub async fn watch_dead_letters(&self, service: &ServiceName, exchange: &str) -> Result<(), TapError> {
        let queue = topology::dead_queue_of(&self.shared.config.name, service);
        short(&queue)?;
        short(exchange)?;
        let (looked, mut has_looked) = watch::channel(false);
        let watching =
            dead_letters::watch(Arc::clone(&self.shared), service.clone(), exchange.to_owned(), looked);
        lock(&self.watching).push(self.shared.wire.tasks.spawn(watching));
        let looked = has_looked.wait_for(|looked| *looked);
        match tokio::time::timeout(self.shared.config.connect_time, looked).await {
            Ok(Err(_)) => Err(TapError::Closed),
            // A broker that is away is looked at when it is back.
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    /// A subscriber is ready to work, so that it has made its bindings or makes them within
    /// [`TapConfig::binding_time`]: what finds none after that is not for it. Without this word, messages for a subscriber
    /// that takes none at all are kept until the tap closes. A service that subscribes to nothing here is left alone.
    pub fn subscriber_is_ready(&self, service: &ServiceName) {
        if let Some(ready) = self.shared.ready.get(service) {
            let _ = ready.set(Instant::now());
        }
    }

    /// How many dead letters of each service that is watched were seen.
    pub fn dead(&self) -> BTreeMap<ServiceName, u64> {
        self.shared.dead().clone()
    }

    /// Carries what is still there, for 2 s at most, and gives the rest back to the broker: what a fault holds up, or what
    /// its subscriber has made no binding for. Returns when that is done.
    pub async fn close(&self) {
        self.shared.end.ending.cancel();
        let carrying = lock(&self.carrying).take();
        if let Some(mut carrying) = carrying
            && tokio::time::timeout(CLEARING, &mut carrying).await.is_err()
        {
            self.shared.end.stop.cancel();
            let _ = carrying.await;
        }
        self.shared.end.stop.cancel();
        let watching = std::mem::take(&mut *lock(&self.watching));
        for watching in watching {
            let _ = watching.await;
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.end.ending.cancel();
        self.shared.end.stop.cancel();
    }
}

/// One connection with what it carries.
struct Session {
    connection: Arc<Connection>,
    carriers: JoinSet<lapin::Result<()>>,
}

impl Shared {
    pub(super) fn dead(&self) -> MutexGuard<'_, BTreeMap<ServiceName, u64>> {
        lock(&self.dead)
    }

    /// Connects for the first time. A broker that refuses is not asked again.
    async fn first_session(&self) -> Result<Session, TapError> {
        let until = Instant::now() + self.config.connect_time;
        let mut backoff = Backoff::new();
        loop {
            let error = match tokio::time::timeout_at(until, self.session()).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => error,
                Err(_) => return Err(TapError::Silent),
            };
            let may_come = match &error {
                TapError::Broker(error) => error.is_io_error(),
                // It takes connections before it can serve them.
                TapError::Silent => true,
                _ => false,
            };
            let pause = backoff.next();
            if !may_come || Instant::now() + pause > until {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn session(&self) -> Result<Session, TapError> {
        let connection = Arc::new(connection::connect(&self.uri, &self.config.name).await?);
        let mut session = Session { connection, carriers: JoinSet::new() };
        let channel = session.connection.create_channel().await?;
        topology::declare(&channel, &self.config).await?;
        let mut publishers: BTreeMap<&ServiceName, Vec<Route>> = BTreeMap::new();
        for ((publisher, subscriber, edge), end) in self.config.routes.iter().zip(&self.ends) {
            let exchange = short(&exchange_out(&self.config.name, subscriber))?;
            let ready = self.ready.get(subscriber).cloned().unwrap_or_default();
            let route = Route::new(edge.clone(), exchange, Arc::clone(end), ready, self.config.binding_time);
            publishers.entry(publisher).or_default().push(route);
        }
        for (publisher, routes) in publishers {
            let channel = session.connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let prefetch = self.config.prefetch.max(1);
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let queue = short(&topology::queue_of(&self.config.name, publisher))?;
            let consumer = channel
                .basic_consume(
                    queue.clone(),
                    "".into(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                )
                .await?;
            let user = self.uri.authority.userinfo.username.clone();
            let carrier = Carrier::new(Arc::clone(&self.wire), (channel, queue), user, prefetch, routes);
            session.carriers.spawn(carrier.run(consumer, self.end.clone()));
        }
        self.connection.send_replace(Some(Arc::clone(&session.connection)));
        Ok(session)
    }

    /// Carries until it is to end; a connection that is lost is made again.
    async fn keep(self: Arc<Self>, mut session: Session) {
        loop {
            self.carry(session).await;
            let mut backoff = Backoff::new();
            session = loop {
                let pause = backoff.next();
                tokio::select! {
                    () = self.end.ending.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                tokio::select! {
                    () = self.end.ending.cancelled() => return,
                    session = self.session() => match session {
                        Ok(session) => break session,
                        Err(error) => tracing::debug!(broker = self.config.name, %error, "the broker is not there yet"),
                    },
                }
            };
        }
    }

    /// Waits for the end of a session: of all carriers when it is to end, of the first when the connection is lost.
    async fn carry(&self, mut session: Session) {
        while let Some(ended) = session.carriers.join_next().await {
            if !self.end.ending.is_cancelled() {
                let why = ended.ok().and_then(Result::err).map(|error| error.to_string()).unwrap_or_default();
                tracing::debug!(broker = self.config.name, why, "the connection to the broker is lost");
                break;
            }
        }
        if session.carriers.is_empty() && !self.end.ending.is_cancelled() {
            // Nobody publishes: only dead letters may be watched.
            lost(&session.connection, &self.end.ending).await;
        }
        session.carriers.shutdown().await;
        self.connection.send_replace(None);
        let goodbye = session.connection.close(200, "the tap is closed".into());
        let _ = tokio::time::timeout(FAREWELL, goodbye).await;
    }
}

/// Waits until a connection is lost, or the tap is to end.
async fn lost(connection: &Connection, ending: &CancellationToken) {
    use futures_util::StreamExt;
    let mut events = std::pin::pin!(connection.events_listener());
    let ended = async { while connection.status().connected() && events.next().await.is_some() {} };
    tokio::select! {
        () = ended => {}
        () = ending.cancelled() => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
