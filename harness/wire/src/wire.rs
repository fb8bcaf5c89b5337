//! The wire as a whole: a proxy for each edge, one fault table and one log for all of them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use seaworthy_core::fault::{FaultRule, FaultRuleError};
use seaworthy_core::ids::{EdgeId, InstanceId};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::WireConfig;
use crate::error::WireError;
use crate::fault::{Carries, FaultLease, FaultTable};
use crate::listen::Listeners;
use crate::log::ExchangeLog;
use crate::proxy::Generation;
use crate::proxy::edge::Edge;
use crate::proxy::pool::Pool;
use crate::remote::{Plane, Steering};
use crate::traffic::{Traffic, TrafficCounter};

/// Where an edge leads.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Upstream {
    /// The provider's address.
    pub address: SocketAddr,
    /// Which instance listens there; `None` when the harness did not start it.
    pub instance: Option<InstanceId>,
}

/// The data plane of a run. Cloning gives another handle; when the last one goes, the proxies close.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

struct Inner {
    clock: RunClock,
    config: Arc<WireConfig>,
    log: ExchangeLog,
    faults: Arc<FaultTable>,
    edges: Mutex<BTreeMap<EdgeId, Open>>,
    tasks: TaskTracker,
    closed: CancellationToken,
    /// The runtime that the proxies live on; leases are renewed there, whichever thread asks for them.
    runtime: OnceLock<Handle>,
    /// The process that carries the proxies, where that is not this one.
    remote: Option<Arc<Steering>>,
}

struct Open {
    /// Where its proxy listens; `None` for one whose messages a tap carries.
    address: Option<SocketAddr>,
    pool: Arc<Pool>,
    traffic: Option<Arc<TrafficCounter>>,
    closed: CancellationToken,
    /// Ends when it listens no more.
    listening: Option<JoinHandle<()>>,
}

/// The parts of a wire that a tap uses. It does not keep the wire open.
#[cfg(feature = "amqp")]
#[derive(Clone)]
pub(crate) struct Carrying {
    pub(crate) clock: RunClock,
    pub(crate) config: Arc<WireConfig>,
    pub(crate) log: ExchangeLog,
    pub(crate) faults: Arc<FaultTable>,
    pub(crate) tasks: TaskTracker,
    /// Ends when the wire closes.
    pub(crate) closed: CancellationToken,
}

impl Wire {
    /// A wire without edges. To be called on the runtime that shall carry the proxies.
    pub fn new(clock: RunClock, config: WireConfig) -> Self {
        let (log, faults) = (ExchangeLog::new(&config), Arc::new(FaultTable::new(clock)));
        Self::made_of(clock, config, (log, faults), None)
    }

    /// A wire whose proxies are in another process.
    pub(crate) fn steered(
        clock: RunClock,
        config: WireConfig,
        mirrors: (ExchangeLog, Arc<FaultTable>),
        steering: Arc<Steering>,
    ) -> Self {
        Self::made_of(clock, config, mirrors, Some(steering))
    }

    fn made_of(
        clock: RunClock,
        config: WireConfig,
        (log, faults): (ExchangeLog, Arc<FaultTable>),
        remote: Option<Arc<Steering>>,
    ) -> Self {
        let wire = Self(Arc::new(Inner {
            clock,
            log,
            config: Arc::new(config),
            faults,
            edges: Mutex::default(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
            runtime: OnceLock::new(),
            remote,
        }));
        wire.note_runtime();
        wire
    }

    /// Opens the proxy of an edge on a free port of the addresses that [`WireConfig::listen`] names. Until
    /// [`Wire::set_upstream`] says where it leads, its provider is unreachable: requests are reset.
    ///
    /// # Errors
    /// When the edge is open, the wire is closed or no port can be had.
    pub async fn open(&self, edge: EdgeId, protocol: PortProtocol) -> Result<SocketAddr, WireError> {
        let addresses = &self.0.config.listen;
        self.may_listen(&edge, addresses)?;
        if let Some(remote) = &self.0.remote {
            return self.open_remotely(remote, edge, protocol, None);
        }
        match Listeners::on_each(addresses).await {
            Ok(listeners) => self.serve(edge, protocol, listeners),
            Err(source) => Err(WireError::Listen { edge, source }),
        }
    }

    /// Opens the proxy of an edge at this address and no other, for consumers that were configured beforehand. Port 0
    /// takes a free one.
    ///
    /// # Errors
    /// When the address is in use or unspecified (`0.0.0.0`), the edge is open, the wire is closed, or the operating
    /// system says no.
    pub async fn open_at(
        &self,
        edge: EdgeId,
        protocol: PortProtocol,
        address: SocketAddr,
    ) -> Result<SocketAddr, WireError> {
        self.may_listen(&edge, &[address.ip()])?;
        if let Some(remote) = &self.0.remote {
            return self.open_remotely(remote, edge, protocol, Some(address));
        }
        match Listeners::at(address).await {
            Ok(listeners) => self.serve(edge, protocol, listeners),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Err(WireError::Taken { edge, address }),
            Err(source) => Err(WireError::Listen { edge, source }),
        }
    }

    /// Opens an edge in the data plane's process, and takes note of it here.
    fn open_remotely(
        &self,
        remote: &Steering,
        edge: EdgeId,
        protocol: PortProtocol,
        address: Option<SocketAddr>,
    ) -> Result<SocketAddr, WireError> {
        if self.edges().contains_key(&edge) {
            return Err(WireError::Open(edge));
        }
        let address = remote.open(&edge, protocol, address)?;
        let traffic = (protocol == PortProtocol::Tcp).then(Arc::default);
        self.enter(&edge, protocol.into(), Some(address), traffic)?;
        Ok(address)
    }

    fn may_listen(&self, edge: &EdgeId, addresses: &[IpAddr]) -> Result<(), WireError> {
        // `::ffff:0.0.0.0` is `0.0.0.0` to the operating system.
        let unspecified = addresses.iter().copied().find(|address| address.to_canonical().is_unspecified());
        if addresses.is_empty() || unspecified.is_some() {
            return Err(WireError::Interfaces { edge: edge.clone(), address: unspecified });
        }
        Ok(())
    }

    fn serve(
        &self,
        edge: EdgeId,
        protocol: PortProtocol,
        listeners: Listeners,
    ) -> Result<SocketAddr, WireError> {
        let address = match listeners.address() {
            Ok(address) => address,
            Err(source) => return Err(WireError::Listen { edge, source }),
        };
        let traffic = Arc::<TrafficCounter>::default();
        let shown = (protocol == PortProtocol::Tcp).then(|| Arc::clone(&traffic));
        let (pool, closed) = self.enter(&edge, protocol.into(), Some(address), shown)?;
        let id = edge.clone();
        let edge = Arc::new(Edge {
            id: edge,
            protocol,
            clock: self.0.clock,
            config: Arc::clone(&self.0.config),
            log: self.0.log.clone(),
            faults: Arc::clone(&self.0.faults),
            pool,
            traffic,
            tasks: self.0.tasks.clone(),
            closed,
            generation: Mutex::new(Generation::new()),
        });
        let listening = self.0.tasks.spawn(edge.listen(listeners));
        if let Some(open) = self.edges().get_mut(&id) {
            open.listening = Some(listening);
        }
        Ok(address)
    }

    /// Writes down that an edge is open, and what passes on it.
    fn enter(
        &self,
        edge: &EdgeId,
        carries: Carries,
        address: Option<SocketAddr>,
        traffic: Option<Arc<TrafficCounter>>,
    ) -> Result<(Arc<Pool>, CancellationToken), WireError> {
        self.note_runtime();
        if self.0.closed.is_cancelled() {
            return Err(WireError::Closed(edge.clone()));
        }
        let pool = Pool::new(self.0.config.connect_timeout);
        let mut edges = self.edges();
        if edges.contains_key(edge) {
            return Err(WireError::Open(edge.clone()));
        }
        let closed = self.0.closed.child_token();
        let open =
            Open { address, pool: Arc::clone(&pool), traffic, closed: closed.clone(), listening: None };
        edges.insert(edge.clone(), open);
        drop(edges);
        self.0.faults.note_edge(edge, carries);
        Ok((pool, closed))
    }

    /// Takes note of an edge whose messages a tap carries; the result knows which instance is at its end. A tap that
    /// follows another on the same edge carries on with what is known of it.
    #[cfg(feature = "amqp")]
    pub(crate) fn enter_messages(&self, edge: &EdgeId) -> Result<Arc<Pool>, WireError> {
        if let Some(open) = self.edges().get(edge)
            && open.address.is_none()
            && !self.0.closed.is_cancelled()
        {
            return Ok(Arc::clone(&open.pool));
        }
        Ok(self.enter(edge, Carries::Messages, None, None)?.0)
    }

    /// What carries messages: where they are recorded, what is done to them, and when it ends.
    #[cfg(feature = "amqp")]
    pub(crate) fn carrying(&self) -> Carrying {
        Carrying {
            clock: self.0.clock,
            config: Arc::clone(&self.0.config),
            log: self.0.log.clone(),
            faults: Arc::clone(&self.0.faults),
            tasks: self.0.tasks.clone(),
            closed: self.0.closed.child_token(),
        }
    }

    /// Says where an edge leads from now on; `None`: nowhere, requests are reset. Exchanges in flight go on where
    /// they are. An edge without a proxy is left alone.
    pub fn set_upstream(&self, edge: &EdgeId, upstream: Option<Upstream>) {
        let open = self.edges().get(edge).map(|open| (Arc::clone(&open.pool), open.address.is_some()));
        match (&self.0.remote, open) {
            // Taps are always here.
            (Some(remote), Some((_, true)) | None) => remote.set_upstream(edge, upstream),
            (_, Some((pool, _))) => pool.set_upstream(upstream),
            (None, None) => {}
        }
    }

    /// Where the edge's proxy listens.
    pub fn address(&self, edge: &EdgeId) -> Option<SocketAddr> {
        self.edges().get(edge)?.address
    }

    /// Where each edge's proxy listens: a loopback address, if it listens on one. It has the same port on all others
    /// of [`WireConfig::listen`].
    pub fn addresses(&self) -> BTreeMap<EdgeId, SocketAddr> {
        self.edges().iter().filter_map(|(edge, open)| Some((edge.clone(), open.address?))).collect()
    }

    /// What passed so far on an edge of protocol `tcp`, of which there are no exchanges; `None` for any other.
    pub fn traffic(&self, edge: &EdgeId) -> Option<Traffic> {
        let counter = self.edges().get(edge)?.traffic.clone()?;
        Some(self.0.remote.as_ref().map_or_else(|| counter.read(), |remote| remote.traffic(edge)))
    }

    /// Puts a fault rule in force for as long as the result lives. May be called on any thread.
    ///
    /// # Errors
    /// When the rule cannot work, or its id stands already.
    pub fn install(&self, rule: FaultRule) -> Result<FaultLease, FaultRuleError> {
        let rule = self.0.faults.add(rule)?;
        Ok(FaultLease::new(rule, Arc::clone(&self.0.faults), self.0.runtime.get()))
    }

    /// The fault table, for those who renew leases themselves.
    pub fn faults(&self) -> &FaultTable {
        &self.0.faults
    }

    /// The exchanges.
    pub fn log(&self) -> &ExchangeLog {
        &self.0.log
    }

    /// The process that carries the proxies and goes on forwarding without this one; `None` when that is this one.
    pub fn plane(&self) -> Option<&Plane> {
        self.0.remote.as_deref().map(Steering::plane)
    }

    pub(crate) fn clock(&self) -> &RunClock {
        &self.0.clock
    }

    /// Closes one edge, and returns when its address is free.
    pub(crate) async fn close_edge(&self, edge: &EdgeId) {
        let Some(open) = self.edges().remove(edge) else { return };
        self.0.faults.forget_edge(edge);
        open.closed.cancel();
        if let Some(listening) = open.listening {
            let _ = listening.await;
        }
    }

    /// Stops listening, resets every connection and waits until all of it is over. The log stays readable. Proxies in
    /// another process stay as they are, without faults.
    pub async fn close(&self) {
        if let Some(remote) = &self.0.remote {
            self.0.log.settle();
            remote.leave();
        }
        self.0.closed.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.edges().clear();
    }

    fn note_runtime(&self) {
        if let Ok(runtime) = Handle::try_current() {
            let _ = self.0.runtime.set(runtime);
        }
    }

    fn edges(&self) -> MutexGuard<'_, BTreeMap<EdgeId, Open>> {
        self.0.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}
