//! A system that runs: its proxies, its receiver, its instances, and what was seen of it so far.

mod attach;
mod broker;
mod complete;
mod finish;
mod launch;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use seaworthy_core::evidence::{Loss, StepRecord};
use seaworthy_core::ids::{EdgeId, InstanceId, PROBE, ServiceName, TraceId};
use seaworthy_core::instance::{InstanceEvent, InstanceFault};
use seaworthy_core::runtime::{Exit, Runtime, RuntimeError};
use seaworthy_core::system::System;
use seaworthy_core::time::{HumanDuration, RunClock};
use seaworthy_telemetry::{Receiver, Store};
use seaworthy_wire::Wire;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use attach::wire_config;
use broker::Taps;
pub use finish::judge_completeness;
pub use launch::LaunchError;
pub(crate) use start::client_builder;
pub use start::http_client;

/// How many steps are kept of a session.
const MOST_STEPS: usize = 100_000;

/// Why a system did not start. Nothing was judged: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A proxy could not be opened.
    #[error("could not open a proxy: {0}")]
    Wire(#[from] seaworthy_wire::WireError),
    /// The OTLP receiver could not be opened.
    #[error("could not open the OTLP receiver: {0}")]
    Receiver(#[from] seaworthy_telemetry::ReceiverError),
    /// The environment, command or files of a service could not be made.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// An instance did not start or did not get ready.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The harness could not stand between a broker's publishers and subscribers.
    #[error("could not carry messages at the broker `{broker}`: {reason}")]
    Broker {
        /// Which.
        broker: String,
        /// Why.
        reason: String,
    },
}

/// What the services of a system run, made before they start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// Executables of `process: {cargo: …}` services, by binary name.
    pub executables: BTreeMap<String, PathBuf>,
    /// References of the services' images, for containers.
    pub images: BTreeMap<ServiceName, String>,
}

/// One running copy of a service.
#[derive(Debug, Clone)]
struct Running {
    instance: InstanceId,
    ports: BTreeMap<String, SocketAddr>,
    /// The harness sent it a signal; its end is no surprise.
    end_expected: bool,
}

/// Instances of all services.
#[derive(Debug, Default)]
struct Instances {
    running: BTreeMap<ServiceName, Running>,
    /// How many instances each service has had.
    count: BTreeMap<ServiceName, u32>,
}

/// A running system with everything that watches it. Cheap to clone; the last clone that goes ends the system.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    system: System,
    clock: RunClock,
    wire: Wire,
    store: Store,
    receiver: Receiver,
    runtime: Arc<dyn Runtime>,
    built: Built,
    /// What carries messages at each broker.
    #[cfg_attr(not(feature = "amqp"), expect(dead_code, reason = "this build knows no brokers"))]
    taps: Taps,
    client: reqwest::Client,
    instances: Mutex<Instances>,
    steps: Mutex<Vec<StepRecord>>,
    void: Mutex<BTreeSet<TraceId>>,
    seed: AtomicU64,
    /// Whether a plan drives the session: its evidence is judged when it is final.
    planned: AtomicBool,
    /// How many traces did not become complete in time.
    futile_waits: AtomicU32,
    /// Services of which an instance died without the harness's doing.
    deaths: watch::Sender<Vec<(ServiceName, String)>>,
    /// Tasks that wait for an instance's end. They hold the runtime, and instances end when the runtime goes, so
    /// these must go first: with the session.
    watchers: Mutex<JoinSet<()>>,
}

impl Session {
    /// What was declared.
    pub fn system(&self) -> &System {
        &self.inner.system
    }

    /// The run's clock.
    pub fn clock(&self) -> &RunClock {
        &self.inner.clock
    }

    /// The proxies.
    pub fn wire(&self) -> &Wire {
        &self.inner.wire
    }

    /// The harness's own HTTP client: no retries, no redirects, no proxies from the environment.
    pub fn client(&self) -> &reqwest::Client {
        &self.inner.client
    }

    /// The telemetry received so far.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Where services send their telemetry.
    pub fn receiver_address(&self) -> SocketAddr {
        self.inner.receiver.address()
    }

    /// Where the edge's proxy listens. Patterns without port find the edge too when only one fits.
    pub fn address(&self, edge: &EdgeId) -> Option<SocketAddr> {
        self.wire().address(edge).or_else(|| {
            let addresses = self.wire().addresses();
            let mut fitting = addresses.iter().filter(|(have, _)| have.is_covered_by(edge));
            let first = fitting.next().map(|(_, address)| *address);
            first.filter(|_| fitting.next().is_none())
        })
    }

    /// The edge on which the harness itself talks to a service: `probe -> orders`.
    pub fn probe_edge(&self, service: &ServiceName) -> Option<EdgeId> {
        let port = self.system().services.get(service)?.health_port()?;
        Some(self.system().edge(PROBE, service.as_str(), Some(port)))
    }

    /// Notes how a step went.
    pub fn record(&self, step: StepRecord) {
        let mut steps = self.inner.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < MOST_STEPS {
            steps.push(step);
            return;
        }
        drop(steps);
        self.store().add_loss(Loss {
            what: "steps".to_owned(),
            why: "limit reached".to_owned(),
            count: 1,
            service: None,
            harmful: true,
        });
    }

    /// The steps so far.
    pub fn steps(&self) -> Vec<StepRecord> {
        self.inner.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Governs what is chosen at random (jitter, corruption); 0 unless set. Ids are random whatever it is.
    pub fn seed(&self) -> u64 {
        self.inner.seed.load(Ordering::Relaxed)
    }

    /// Sets the seed of faults that are installed from now on.
    pub fn set_seed(&self, seed: u64) {
        self.inner.seed.store(seed, Ordering::Relaxed);
    }

    /// Says that a plan drives the session now, so that its evidence is judged when it is final.
    pub(crate) fn plan_begins(&self) {
        self.inner.planned.store(true, Ordering::Relaxed);
    }

    /// Notes that flows were given up after `limit`. What they had begun is void, for it was left half done; that
    /// they were given up is recorded as a loss, so that the run is inconclusive whoever judges it.
    pub fn cut_short(&self, limit: std::time::Duration) {
        let recorded: BTreeSet<TraceId> = self.steps().iter().map(|step| step.trace.trace_id).collect();
        let traces = self.wire().log().snapshot().into_iter().filter_map(|exchange| exchange.trace_id());
        let begun: Vec<TraceId> = traces.filter(|trace| !recorded.contains(trace)).collect();
        self.inner.void.lock().unwrap_or_else(PoisonError::into_inner).extend(begun);
        self.store().add_loss(Loss {
            what: "flows".to_owned(),
            why: format!("not done within {}, given up", HumanDuration(limit)),
            count: 1,
            service: None,
            harmful: true,
        });
    }

    /// Declares all steps from the one numbered `from` void: a control among them was disturbed. Returns how many.
    pub fn void_steps(&self, from: usize) -> usize {
        let steps = self.steps();
        let gone = steps.get(from..).unwrap_or_default();
        let mut void = self.inner.void.lock().unwrap_or_else(PoisonError::into_inner);
        void.extend(gone.iter().map(|step| step.trace.trace_id));
        gone.len()
    }

    /// What happened to instances so far.
    pub fn instance_events(&self) -> Vec<InstanceEvent> {
        self.inner.runtime.events()
    }

    /// The instance of a service that runs now.
    pub fn instance(&self, service: &ServiceName) -> Option<InstanceId> {
        self.instances().running.get(service).map(|running| running.instance.clone())
    }

    /// The ports of a service's running instance.
    pub fn ports(&self, service: &ServiceName) -> BTreeMap<String, SocketAddr> {
        self.instances().running.get(service).map(|running| running.ports.clone()).unwrap_or_default()
    }

    /// Services that died by themselves, with how; the channel tells when one more does.
    pub fn deaths(&self) -> watch::Receiver<Vec<(ServiceName, String)>> {
        self.inner.deaths.subscribe()
    }

    /// Carries out a fault on the running instance of a service and says on which. `kill` and `term` return
    /// when the signal is sent; `stop` when it has ended; `restart` when the new instance is ready (its id is
    /// returned); the others when they are done.
    ///
    /// # Errors
    /// No instance runs, or it could not be done to it, or the new instance does not get ready.
    pub async fn inject(
        &self,
        service: &ServiceName,
        fault: InstanceFault,
    ) -> Result<InstanceId, RuntimeError> {
        let instance = {
            let mut instances = self.instances();
            let running = instances.running.get_mut(service);
            let running = running.ok_or_else(|| RuntimeError::NoInstance(service.as_str().into()))?;
            running.end_expected |= fault.ends_it();
            running.instance.clone()
        };
        let runtime = &self.inner.runtime;
        match fault {
            InstanceFault::Restart => {
                runtime.stop(&instance, self.shutdown_grace()).await?;
                return self.start_again(service).await;
            }
            InstanceFault::Stop => {
                runtime.stop(&instance, self.shutdown_grace()).await?;
            }
            InstanceFault::Reconnect => {
                runtime.inject(&instance, fault).await?;
                let ports = runtime.ports(&instance).await?;
                if let Some(running) = self.instances().running.get_mut(service) {
                    running.ports.clone_from(&ports);
                }
                self.point_at(service, &instance, &ports);
            }
            _ => runtime.inject(&instance, fault).await?,
        }
        Ok(instance)
    }

    /// Returns when the instance has ended.
    ///
    /// # Errors
    /// There never was such an instance.
    pub async fn ended(&self, instance: &InstanceId) -> Result<Exit, RuntimeError> {
        self.inner.runtime.ended(instance).await
    }

    /// Ends an instance that should have ended: asks, waits, then kills.
    ///
    /// # Errors
    /// There never was such an instance.
    pub async fn stop(&self, instance: &InstanceId) -> Result<Exit, RuntimeError> {
        self.inner.runtime.stop(instance, self.shutdown_grace()).await
    }

    /// Whether the service answers its readiness probe now.
    pub async fn probe_ready(&self, service: &ServiceName) -> bool {
        self.probe(service).await.is_ok()
    }

    fn shutdown_grace(&self) -> std::time::Duration {
        let declared = self.system().facts.shutdown.map(|shutdown| shutdown.0);
        declared.unwrap_or(std::time::Duration::from_secs(10))
    }

    fn instances(&self) -> std::sync::MutexGuard<'_, Instances> {
        self.inner.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
