//! What is different where the services run already: they are found, not started; addresses were told beforehand; and
//! they go on when the run is over.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use seaworthy_core::ids::{EdgeId, InstanceId, ServiceName};
use seaworthy_core::runtime::{Launch, Program};
use seaworthy_core::system::{PortProtocol, RunKind, Service, System};
use seaworthy_telemetry::{Receiver, ReceiverError, ReceiverLimits, Store};
use seaworthy_wire::{Wire, WireConfig, WireError};
use tokio::time::{Instant, sleep};

use super::Session;

/// How the proxies of a system record what passes, when they listen on these addresses.
pub fn wire_config(system: &System, listen: Vec<IpAddr>) -> WireConfig {
    let correlation = system.facts.correlation.clone().unwrap_or_default();
    WireConfig { correlation_headers: correlation.headers, listen, ..WireConfig::default() }
}

/// Whether the services run already.
pub(super) fn is_attached(system: &System) -> bool {
    system.on == RunKind::Attach
}

/// Opens an edge: where the system file says that its consumer calls, or on a free port.
pub(super) async fn open_edge(
    wire: &Wire,
    system: &System,
    edge: EdgeId,
    protocol: PortProtocol,
) -> Result<SocketAddr, WireError> {
    match system.attach.edges.get(&edge).filter(|_| is_attached(system)) {
        Some(address) => wire.open_at(edge, protocol, *address).await,
        None => wire.open(edge, protocol).await,
    }
}

/// Opens the receiver: where the services were told to send their telemetry, or on a free port.
pub(super) async fn open_receiver(
    system: &System,
    store: Store,
    listen: &[IpAddr],
) -> Result<Receiver, ReceiverError> {
    let limits = ReceiverLimits::default();
    match system.attach.receiver.filter(|_| is_attached(system)) {
        Some(address) => Receiver::listen(store, limits, &[address.ip()], Some(address.port())).await,
        None => Receiver::listen(store, limits, listen, None).await,
    }
}

/// Nothing is run.
pub(super) fn launch(name: &ServiceName, service: &Service, instance: InstanceId) -> Launch {
    Launch {
        service: name.clone(),
        instance,
        program: Program::Command(Vec::new()),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        ports: service.ports.clone(),
        volumes: Vec::new(),
    }
}

impl Session {
    /// Waits as long as what the services still owe may take to come: until every trace is complete or has had its
    /// time, and then for one export delay more, because nothing tells that a service has nothing to say.
    pub(super) async fn settle(&self) {
        let telemetry = &self.system().telemetry;
        let deadline = Instant::now() + telemetry.patience.0;
        for step in self.steps() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.complete(step.trace.trace_id, left).await;
        }
        sleep(telemetry.export_delay.0).await;
    }

    /// The system with the addresses at which its proxies listened in fact, so that a hint can name them.
    pub(super) fn attached_system(&self) -> System {
        let mut system = self.system().clone();
        if is_attached(&system) {
            for (edge, address) in self.wire().addresses() {
                system.attach.edges.entry(edge).or_insert(address);
            }
        }
        system
    }
}
