//! Bringing a system up: proxies first, then the receiver, then instances, each as soon as what it waits for is
//! ready.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::try_join_all;
use seaworthy_core::ids::{InstanceId, PROBE, ServiceName};
use seaworthy_core::instance::InstanceEventKind;
use seaworthy_core::runtime::{Runtime, RuntimeError};
use seaworthy_core::system::{PortProtocol, Service, System};
use seaworthy_core::time::RunClock;
use seaworthy_telemetry::{Store, StoreLimits};
use seaworthy_wire::{Upstream, Wire};
use tokio::sync::watch;
use tokio::time::timeout;

use super::attach;
use super::launch::Surroundings;
use super::{Built, Inner, Instances, Running, Session, StartError, Taps};

/// How long a service may take to get ready unless it declares a deadline.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// The same for one that runs already.
const FOUND_DEADLINE: Duration = Duration::from_secs(5);
/// How long one readiness probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a service is started with fresh ports when its port was taken meanwhile.
const PORT_TRIES: u32 = 5;

/// The address of one that listens on no port.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

impl Session {
    /// Opens a proxy on every edge and the receiver, starts every service, and returns when all are ready.
    /// `built` is what the services run: binaries or images.
    ///
    /// # Errors
    /// The first service that does not start or does not get ready; all others are ended.
    pub async fn start(
        system: System,
        clock: RunClock,
        runtime: Arc<dyn Runtime>,
        built: Built,
    ) -> Result<Session, StartError> {
        let wire = Wire::new(clock, attach::wire_config(&system, runtime.vantage().listen));
        Self::start_on(wire, system, clock, runtime, built).await
    }

    /// The same with a wire that was made before, [`wire_config`](super::wire_config) says how: one whose proxies are
    /// in another process, say.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub async fn start_on(
        wire: Wire,
        system: System,
        clock: RunClock,
        runtime: Arc<dyn Runtime>,
        built: Built,
    ) -> Result<Session, StartError> {
        let vantage = runtime.vantage();
        let store = Store::new(clock, StoreLimits::default());
        let receiver = attach::open_receiver(&system, store.clone(), &vantage.listen).await?;
        let messages = system.message_edges();
        // Messages have no address: the taps of their brokers carry them.
        for edge in system.edges().into_iter().filter(|edge| !messages.contains_key(edge)) {
            let protocol = system.protocol(&edge).unwrap_or(PortProtocol::Http);
            attach::open_edge(&wire, &system, edge, protocol).await?;
        }
        for (name, service) in &system.services {
            // The harness itself asks how a service is, and on ports of gRPC whether it keeps its contracts.
            for (port, declared) in &service.ports {
                if declared.protocol == PortProtocol::Grpc || service.health_port() == Some(port) {
                    let edge = system.edge(PROBE, name.as_str(), Some(port));
                    attach::open_edge(&wire, &system, edge, declared.protocol).await?;
                }
            }
        }
        let client = http_client().map_err(|error| RuntimeError::Io {
            what: "make an HTTP client".to_owned(),
            source: std::io::Error::other(error),
        })?;
        let names: Vec<ServiceName> = system.services.keys().cloned().collect();
        drop(messages);
        let session = Session {
            inner: Arc::new(Inner {
                system,
                clock,
                wire,
                store,
                receiver,
                runtime,
                built,
                taps: Taps::default(),
                client,
                instances: Mutex::new(Instances::default()),
                steps: Mutex::new(Vec::new()),
                void: Mutex::default(),
                seed: Default::default(),
                planned: Default::default(),
                futile_waits: Default::default(),
                deaths: watch::Sender::new(Vec::new()),
                watchers: Mutex::default(),
            }),
        };
        if let Err(error) = session.start_all(&names).await {
            session.end().await;
            return Err(error);
        }
        Ok(session)
    }

    /// Starts each service when those that it comes `after` are ready; independent ones at once.
    async fn start_all(&self, names: &[ServiceName]) -> Result<(), StartError> {
        let ready: BTreeMap<&ServiceName, watch::Sender<bool>> =
            names.iter().map(|name| (name, watch::Sender::new(false))).collect();
        let ready = &ready;
        try_join_all(names.iter().map(|name| async move {
            let after =
                self.system().services.get(name).map(|service| service.after.as_slice()).unwrap_or_default();
            for other in after {
                if let Some(other) = ready.get(other) {
                    // An error means that the sender is gone, and senders outlive this.
                    let _ = other.subscribe().wait_for(|ready| *ready).await;
                }
            }
            self.start_service(name).await?;
            // Before anyone who waits for the broker declares a queue there. Where services run already their messages
            // are left alone: a tap would end with the harness, and they would not pass any more.
            if !attach::is_attached(self.system()) {
                self.open_taps(name).await?;
            }
            if let Some(sender) = ready.get(name) {
                sender.send_replace(true);
            }
            Ok::<_, StartError>(())
        }))
        .await?;
        Ok(())
    }

    /// Starts a new instance of a service, points its edges at it, and returns when it is ready.
    ///
    /// # Errors
    /// It does not start or does not get ready.
    pub async fn start_again(&self, service: &ServiceName) -> Result<InstanceId, RuntimeError> {
        let started = async {
            let instance = self.start_service(service).await?;
            if !attach::is_attached(self.system()) {
                self.open_taps(service).await?;
            }
            Ok(instance)
        };
        started.await.map_err(|error| match error {
            StartError::Runtime(error) => error,
            other => RuntimeError::Io {
                what: format!("start `{service}` again"),
                source: std::io::Error::other(other),
            },
        })
    }

    async fn start_service(&self, name: &ServiceName) -> Result<InstanceId, StartError> {
        let Some(service) = self.system().services.get(name) else {
            return Err(RuntimeError::NoInstance(name.as_str().into()).into());
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.start_instance(name, service).await {
                Err(StartError::Runtime(RuntimeError::EndedEarly { output, .. }))
                    if tries < PORT_TRIES
                        && seaworthy_runtime::address_in_use(std::slice::from_ref(&output)) =>
                {
                    tracing::info!(service = %name, "its port was taken meanwhile; starting again with fresh ports");
                }
                other => return other,
            }
        }
    }

    async fn start_instance(&self, name: &ServiceName, service: &Service) -> Result<InstanceId, StartError> {
        let instance: InstanceId = {
            let mut instances = self.instances();
            let count = instances.count.entry(name.clone()).or_default();
            *count += 1;
            format!("{name}-{count}").into()
        };
        let addresses = self.wire().addresses();
        let vantage = self.inner.runtime.vantage();
        let surroundings = Surroundings {
            system: self.system(),
            addresses: &addresses,
            host: &vantage.host,
            receiver: self.receiver_address(),
            built: &self.inner.built,
        };
        let is_attached = attach::is_attached(self.system());
        let launch = match is_attached {
            true => attach::launch(name, service, instance.clone()),
            false => surroundings.launch(name, service, instance.clone())?,
        };
        let started = self.inner.runtime.start(&launch).await?;
        self.instances().running.insert(
            name.clone(),
            Running { instance: instance.clone(), ports: started.ports.clone(), end_expected: false },
        );
        self.point_at(name, &instance, &started.ports);
        let usual = if is_attached { FOUND_DEADLINE } else { READY_DEADLINE };
        let within = service.health.deadline.map_or(usual, |deadline| deadline.0);
        let runtime = &*self.inner.runtime;
        seaworthy_runtime::readiness::until_ready(runtime, &launch, within, || self.probe(name)).await?;
        self.tell_taps(name);
        self.watch_for_death(name.clone(), instance.clone());
        Ok(instance)
    }

    /// Points the edges to a service at an instance's ports.
    pub(super) fn point_at(
        &self,
        name: &ServiceName,
        instance: &InstanceId,
        ports: &BTreeMap<String, SocketAddr>,
    ) {
        let Some(service) = self.system().services.get(name) else { return };
        let messages = self.system().message_edges();
        let edges = self.wire().addresses().into_keys().chain(messages.keys().cloned());
        for edge in edges.filter(|edge| edge.provider == *name) {
            let port = edge.port.as_deref().or_else(|| service.only_port());
            let address = port.and_then(|port| ports.get(port)).copied();
            // Messages go over the broker: a subscriber that listens nowhere is an instance all the same.
            let address = address.or_else(|| messages.contains_key(&edge).then_some(NOWHERE));
            // Of services that run already nobody knows which instance answers.
            let instance = Some(instance).filter(|_| !attach::is_attached(self.system())).cloned();
            let upstream = address.map(|address| Upstream { address, instance });
            self.wire().set_upstream(&edge, upstream);
        }
    }

    /// Asks once whether the service is ready, over its probe edge; the error says what was seen instead.
    pub(super) async fn probe(&self, name: &ServiceName) -> Result<(), String> {
        let Some(service) = self.system().services.get(name) else {
            return Err("there is no such service".to_owned());
        };
        let (Some(path), Some(edge)) = (&service.health.ready, self.probe_edge(name)) else {
            return self.probe_connection(name).await;
        };
        let Some(proxy) = self.wire().address(&edge) else {
            return Err(format!("there is no proxy on {edge}"));
        };
        let url = format!("http://{proxy}{path}");
        let sent = self.inner.client.get(url).timeout(PROBE_TIMEOUT).send();
        match sent.await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("GET {path} answered {}", answer.status())),
            Err(error) if error.is_timeout() => {
                Err(format!("GET {path} did not answer within {PROBE_TIMEOUT:?}"))
            }
            Err(_) => Err(format!("GET {path} got no answer: connection refused or reset")),
        }
    }

    /// Without a health path, an accepted connection on each port is enough.
    async fn probe_connection(&self, name: &ServiceName) -> Result<(), String> {
        for (port, address) in self.ports(name) {
            match timeout(PROBE_TIMEOUT, tokio::net::TcpStream::connect(address)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("could not connect to port `{port}`: {error}")),
                Err(_) => return Err(format!("could not connect to port `{port}` within {PROBE_TIMEOUT:?}")),
            }
        }
        Ok(())
    }

    /// Notes when an instance ends that nobody asked to.
    fn watch_for_death(&self, name: ServiceName, instance: InstanceId) {
        let runtime = self.inner.runtime.clone();
        let session = Arc::downgrade(&self.inner);
        let watching = async move {
            let Ok(exit) = runtime.ended(&instance).await else { return };
            let Some(inner) = session.upgrade() else { return };
            let session = Session { inner };
            let expected = {
                let instances = session.instances();
                let running = instances.running.get(&name).filter(|running| running.instance == instance);
                running.is_none_or(|running| running.end_expected)
            } || session.instance_events().iter().any(|event| {
                event.instance == instance
                    && matches!(event.kind, InstanceEventKind::Killed | InstanceEventKind::AskedToEnd)
            });
            if !expected {
                let how = match (exit.code, exit.signal) {
                    (Some(code), _) => format!("`{instance}` ended by itself with exit code {code}"),
                    (None, Some(signal)) => format!("`{instance}` was ended by signal {signal}"),
                    (None, None) => format!("`{instance}` ended by itself"),
                };
                session.inner.deaths.send_modify(|deaths| deaths.push((name, how)));
            }
        };
        let mut watchers = self.inner.watchers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Those whose instance has ended are done.
        while watchers.try_join_next().is_some() {}
        watchers.spawn(watching);
    }
}

/// A client that does what it is told and nothing else: HTTP/1.1, no retries, no redirects, no proxy from the
/// environment, no TLS.
///
/// # Errors
/// The client of `reqwest` cannot be made; no cause for that is known.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    client_builder().build()
}

/// What [`http_client`] builds, to be told more.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // Without a provider `reqwest` panics, as it is built here. Another one that was installed before will do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        // It talks plain HTTP: no certificate is trusted, so none has to be found on this machine.
        .tls_certs_only([])
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}
