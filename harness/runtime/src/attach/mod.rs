//! Services that run already: nothing is started, nothing is broken, nothing is ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::{InstanceEvent, InstanceFault};
use seaworthy_core::runtime::{BoxFuture, Exit, Launch, Output, Runtime, RuntimeError, Started};
use seaworthy_core::system::{Endpoint, System};
use tokio::time::timeout;

/// How long a host's name may take to be found.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Finds the services of a system where its file says that they are.
///
/// It sees requests and telemetry of them, and nothing else: what they print, when they were started, and whether they
/// end, is not its to know. So it tells of no events and no output, and an instance of it never ends.
#[derive(Debug)]
pub struct AttachRuntime {
    services: BTreeMap<ServiceName, BTreeMap<String, Endpoint>>,
    found: Mutex<BTreeMap<InstanceId, Found>>,
}

#[derive(Debug, Clone)]
struct Found {
    service: ServiceName,
    ports: BTreeMap<String, SocketAddr>,
}

impl AttachRuntime {
    /// For the services of this system, each with its `url`.
    pub fn new(system: &System) -> Self {
        let services =
            system.services.iter().map(|(name, service)| (name.clone(), service.endpoints())).collect();
        Self { services, found: Mutex::default() }
    }

    fn find(&self, instance: &InstanceId) -> Result<Found, RuntimeError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(instance).cloned().ok_or_else(|| RuntimeError::NoInstance(instance.clone()))
    }
}

/// The address of an endpoint; of several, IPv4 first, because that is where most listen.
async fn look_up(service: &ServiceName, endpoint: &Endpoint) -> Result<SocketAddr, RuntimeError> {
    let failed = |source| RuntimeError::Io {
        what: format!("find the host `{}` of `{service}` ({endpoint})", endpoint.host),
        source,
    };
    let looking = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port));
    let found = match timeout(LOOK_UP, looking).await {
        Ok(found) => found.map_err(failed)?,
        Err(_) => return Err(failed(std::io::ErrorKind::TimedOut.into())),
    };
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}

impl Runtime for AttachRuntime {
    fn start<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Started, RuntimeError>> {
        Box::pin(async move {
            let service = &launch.service;
            let mut ports = BTreeMap::new();
            for (port, endpoint) in self.services.get(service).into_iter().flatten() {
                ports.insert(port.clone(), look_up(service, endpoint).await?);
            }
            let found = Found { service: service.clone(), ports: ports.clone() };
            let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(launch.instance.clone(), found);
            Ok(Started { ports, pid: None })
        })
    }

    fn ports<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SocketAddr>, RuntimeError>> {
        Box::pin(async move { Ok(self.find(instance)?.ports) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async { Ok(()) })
    }

    fn inject<'a>(
        &'a self,
        instance: &'a InstanceId,
        fault: InstanceFault,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        Box::pin(async move {
            Err(RuntimeError::Unsupported {
                service: self.find(instance)?.service,
                fault: fault.as_str(),
                runtime: "attach",
                hint: "it cannot be done to a service that runs already; run the flow on `process` or `docker`",
            })
        })
    }

    fn ended<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move {
            self.find(instance)?;
            // It is not ours to see.
            std::future::pending().await
        })
    }

    fn stop<'a>(
        &'a self,
        instance: &'a InstanceId,
        _: Duration,
    ) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move {
            self.find(instance)?;
            Ok(Exit { code: None, signal: None })
        })
    }

    fn mark_ready(&self, _: &InstanceId) {}

    fn events(&self) -> Vec<InstanceEvent> {
        Vec::new()
    }

    fn output(&self) -> Output {
        Output::default()
    }

    /// It has no lines; for error messages it says where the service was looked for.
    fn last_lines(&self, instance: &InstanceId, _: usize) -> Vec<String> {
        let service = self.find(instance).map(|found| found.service);
        let endpoints = service.ok().and_then(|service| self.services.get(&service));
        let line = |(port, endpoint): (&String, &Endpoint)| {
            format!(
                "port `{port}` was looked for at {endpoint}, as `url` says; is the service running there?"
            )
        };
        endpoints.into_iter().flatten().map(line).collect()
    }
}
