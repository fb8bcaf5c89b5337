//! Instances as processes of this machine.
//!
//! | part | what it does |
//! |---|---|
//! | [`ProcessRuntime`] | the runtime: knows all instances and what became of them |
//! | `instance` | one process: spawned, waited for, signalled |
//! | `group` | its process group with the watchdog that ends it when the harness is gone |
//! | `ports` | free ports, each given out once |
//! | `workplace`, `folder`, `program` | where all work, where it works, what it runs |
//!
//! Nothing here needs a tokio runtime but the waiting in [`Runtime::ended`] and [`Runtime::stop`]: processes are
//! waited for and read by threads, so they are ended and collected also when a tokio runtime goes away first.

mod folder;
mod group;
mod instance;
mod ports;
mod program;
mod workplace;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::{BoxFuture, Exit, Launch, Output, Program, Runtime, RuntimeError, Started};
use seaworthy_core::system::Port;
use seaworthy_core::time::RunClock;

use instance::{Instance, Prepared};
use ports::Ports;
use workplace::Workplace;

use crate::filling;
pub use crate::output::{LAST_LINES, LINE_LIMIT, LINES_LIMIT, SECRETS_LIMIT, TEXT_LIMIT};
use crate::record::{Record, io_error, locked};

/// How long an instance that is restarted may take to end before it is killed.
const RESTART_GRACE: Duration = Duration::from_secs(10);

/// Runs instances as processes of this machine, each in a process group of its own.
#[derive(Debug)]
pub struct ProcessRuntime {
    record: Arc<Record>,
    ports: Mutex<Ports>,
    instances: Mutex<BTreeMap<InstanceId, Arc<Instance>>>,
    /// Removed last: when no instance works in it any more.
    workplace: Workplace,
}

impl ProcessRuntime {
    /// A runtime whose working folders lie among the system's temporary files.
    ///
    /// # Errors
    /// When no folder can be made there.
    pub fn new(clock: RunClock) -> Result<Self, RuntimeError> {
        Self::new_in(clock, &std::env::temp_dir())
    }

    /// A runtime whose working folders lie in a new folder below `parent` (which is made if it is not there).
    /// The new folder goes when the runtime is dropped; after a SIGKILL, when the next runtime is made there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new_in(clock: RunClock, parent: &Path) -> Result<Self, RuntimeError> {
        let what = format!("make a working folder in `{}`", parent.display());
        let workplace = Workplace::new_in(parent).map_err(io_error(what))?;
        let record = Arc::new(Record::new(clock));
        Ok(Self { record, ports: Mutex::default(), instances: Mutex::default(), workplace })
    }

    /// The folder in which instances of this service work. They share it: what an instance wrote, the next one
    /// finds.
    pub fn folder_of(&self, service: &ServiceName) -> PathBuf {
        self.workplace.path().join(service.as_str())
    }

    /// The numbers of all process groups that are alive.
    pub fn groups(&self) -> Vec<i32> {
        locked(&self.instances).values().filter_map(|instance| instance.group_id()).collect()
    }

    fn instance(&self, id: &InstanceId) -> Result<Arc<Instance>, RuntimeError> {
        let instances = locked(&self.instances);
        instances.get(id).cloned().ok_or_else(|| RuntimeError::NoInstance(id.clone()))
    }

    fn launch(&self, launch: &Launch) -> Result<Started, RuntimeError> {
        let prepared = self.prepare(launch)?;
        // Held while the process is made, so that an id is never used twice.
        let mut instances = locked(&self.instances);
        if instances.contains_key(&launch.instance) {
            let source = io::Error::new(io::ErrorKind::AlreadyExists, "an instance of this id was started");
            return Err(RuntimeError::Io { what: format!("start `{}`", launch.instance), source });
        }
        let ports = prepared.ports.clone();
        let (instance, pid) = Instance::start(prepared, &self.record)?;
        instances.insert(launch.instance.clone(), Arc::new(instance));
        Ok(Started { ports, pid: Some(pid) })
    }

    /// Ports of 127.0.0.1: free ones, and those whose numbers are fixed.
    fn choose_ports(&self, launch: &Launch) -> Result<BTreeMap<String, SocketAddr>, RuntimeError> {
        let chosen = launch.ports.values().filter(|port| port.number.is_none()).count();
        let mut free = locked(&self.ports)
            .free(chosen)
            .map_err(io_error(format!("find free ports for `{}`", launch.service)))?
            .into_iter();
        let address = |port: &Port| match port.number {
            Some(number) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, number))),
            None => free.next(),
        };
        let addresses: Vec<Option<SocketAddr>> = launch.ports.values().map(address).collect();
        Ok(launch.ports.keys().cloned().zip(addresses.into_iter().flatten()).collect())
    }

    /// Chooses ports, fills placeholders in, finds the program, writes the files.
    fn prepare(&self, launch: &Launch) -> Result<Prepared, RuntimeError> {
        let service = &launch.service;
        if let Program::Image { image, .. } = &launch.program {
            let reason =
                "it is an image, and this runtime runs programs of this machine; say --on docker".to_owned();
            return Err(program_error(service, image, reason));
        }
        let ports = self.choose_ports(launch)?;
        let filling::Filled { command, env, files } =
            filling::fill(launch, |name| ports.get(name).map(SocketAddr::port))?;
        let path = match env.get("PATH") {
            Some(path) => Some(OsString::from(path)),
            None => std::env::var_os("PATH"),
        };
        let name = command.first().map(String::as_str).unwrap_or_default();
        let program =
            program::find(name, path.as_deref()).map_err(|reason| program_error(service, name, reason))?;
        let folder = self.folder_of(service);
        folder::write(&folder, &files).map_err(io_error(format!("write the files of `{service}`")))?;
        Ok(Prepared {
            service: service.clone(),
            id: launch.instance.clone(),
            program,
            arguments: command.into_iter().skip(1).collect(),
            path,
            env,
            folder,
            ports,
        })
    }
}

fn program_error(service: &ServiceName, program: &str, reason: String) -> RuntimeError {
    RuntimeError::Program { service: service.clone(), program: program.to_owned(), reason }
}

impl Runtime for ProcessRuntime {
    fn start<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Started, RuntimeError>> {
        Box::pin(async move { self.launch(launch) })
    }

    fn inject<'a>(
        &'a self,
        instance: &'a InstanceId,
        fault: InstanceFault,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        Box::pin(async move {
            match fault {
                InstanceFault::Kill => self.instance(instance)?.send(Signal::KILL),
                InstanceFault::Term => self.instance(instance)?.send(Signal::TERM),
                InstanceFault::Pause => self.instance(instance)?.pause(true),
                InstanceFault::Unpause => self.instance(instance)?.pause(false),
                // Of a restart the caller starts the new instance: it knows what it is to be like.
                InstanceFault::Stop | InstanceFault::Restart => {
                    self.stop(instance, RESTART_GRACE).await.map(|_| ())
                }
                InstanceFault::Limit { .. }
                | InstanceFault::Unlimit
                | InstanceFault::Disconnect
                | InstanceFault::Reconnect => Err(RuntimeError::Unsupported {
                    service: self.instance(instance)?.service().clone(),
                    fault: fault.as_str(),
                    runtime: "process",
                    hint: "say --on docker; a process of this machine is neither limited nor taken off the network",
                }),
            }
        })
    }

    fn ended<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move { self.instance(instance)?.ended().await })
    }

    fn stop<'a>(
        &'a self,
        instance: &'a InstanceId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move {
            let running = self.instance(instance)?;
            if let Some(exit) = running.exit() {
                return Ok(exit);
            }
            // It may end between the look and the signal; then it has ended, which is what was asked for.
            let _ = running.send(Signal::TERM);
            let _ = running.pause(false);
            if let Ok(exit) = tokio::time::timeout(grace, running.ended()).await {
                return exit;
            }
            let _ = running.send(Signal::KILL);
            running.ended().await
        })
    }

    fn ports<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SocketAddr>, RuntimeError>> {
        Box::pin(async move { Ok(self.instance(instance)?.ports().clone()) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async move {
            let instances: Vec<_> = locked(&self.instances).values().cloned().collect();
            for instance in &instances {
                let _ = instance.send(Signal::KILL);
            }
            for instance in &instances {
                instance.ended().await?;
            }
            Ok(())
        })
    }

    fn mark_ready(&self, instance: &InstanceId) {
        if let Ok(running) = self.instance(instance) {
            self.record.add(running.service(), instance, InstanceEventKind::Ready);
        }
    }

    fn events(&self) -> Vec<InstanceEvent> {
        self.record.events()
    }

    fn output(&self) -> Output {
        self.record.capture.output()
    }

    fn last_lines(&self, instance: &InstanceId, lines: usize) -> Vec<String> {
        self.record.capture.last(instance, lines)
    }
}

impl Drop for ProcessRuntime {
    fn drop(&mut self) {
        let instances = std::mem::take(&mut *locked(&self.instances));
        for instance in instances.values() {
            let _ = instance.send(Signal::KILL);
        }
        for instance in instances.values() {
            instance.join();
        }
    }
}
