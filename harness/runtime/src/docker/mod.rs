//! Instances as containers, on a network of the run's own.
//!
//! | part | what it does |
//! |---|---|
//! | [`DockerRuntime`] | the runtime: knows all instances and what became of them |
//! | [`image`] | finds, pulls or builds the images that services name |
//! | `engine` | the connection to the engine, by `testcontainers` and its bollard |
//! | `network` | the run's network, and the addresses on it |
//! | `create`, `instance`, `printed`, `faults`, `events` | one container: made, watched, read, hurt, told of |
//! | `labels`, `remove`, `reaper` | whose everything is, and how it goes: at the end, and when the owner is killed |
//!
//! The harness reaches a container by its address on the run's network, and nothing is published on ports of this
//! machine, so nothing listens beyond the run's own bridge. Containers reach the harness by the name
//! `host.docker.internal`, which is the network's gateway: proxies and the receiver listen there and on loopback
//! ([`Runtime::vantage`]). Services are given no names on the network by which to reach each other, as they are to
//! do so through proxies.

mod create;
mod engine;
mod events;
mod faults;
pub mod image;
mod instance;
mod labels;
mod network;
mod printed;
mod reaper;
mod remove;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use seaworthy_core::ids::InstanceId;
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::{
    BoxFuture, Exit, Launch, Output, Program, Runtime, RuntimeError, Started, Vantage,
};
use seaworthy_core::time::RunClock;
use testcontainers::bollard::models::VolumeCreateRequest;
use testcontainers::bollard::query_parameters::{
    CreateContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use testcontainers::bollard::{Docker, body_full};
use tokio::sync::RwLock;

use crate::filling;
use crate::record::{Record, io_error, locked};
use engine::{Room, failed, is_status};
use instance::Instance;
use labels::Owner;
pub use labels::{OWNER_PID, RUN};
use network::Network;
use reaper::Reaper;

/// How long all that belongs to a run may take to go.
const END: Duration = Duration::from_secs(20);
/// How long the end of the run waits for containers that are in the making.
const IN_THE_MAKING: Duration = Duration::from_secs(10);
/// How long it waits for instances that were killed to be gone, each with what it printed last.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Runs instances as containers. What it made goes with [`Runtime::close`], which waits for that; when it is dropped,
/// without anyone waiting; and when its process is killed, by a reaper that outlives it.
#[derive(Debug)]
pub struct DockerRuntime {
    inner: Arc<Inner>,
    /// Nothing once the runtime is dropped.
    room: Option<Room>,
    /// Nothing once all is removed.
    reaper: Mutex<Option<Reaper>>,
}

/// What the tasks of all instances share.
#[derive(Debug)]
struct Inner {
    docker: Docker,
    run: String,
    owner: Owner,
    network: Network,
    record: Record,
    instances: Mutex<BTreeMap<InstanceId, Slot>>,
    /// Whether the run has ended; read for as long as a container is in the making.
    ended: RwLock<bool>,
}

/// An instance's place, which is taken before there is a container.
#[derive(Debug)]
enum Slot {
    InTheMaking,
    There(Arc<Instance>),
}

impl DockerRuntime {
    /// A runtime with a network of its own. Removes what killed harnesses left on this engine first.
    ///
    /// # Errors
    /// There is no engine, or it refuses to make a network.
    pub async fn new(clock: RunClock) -> Result<Self, RuntimeError> {
        let room =
            Room::new().map_err(io_error("make threads that talk to the container engine".to_owned()))?;
        let run = uuid::Uuid::new_v4().simple().to_string().split_off(20);
        let (inner, reaper) = room.run(async move { Self::prepare(clock, run).await }).await?;
        Ok(Self { inner, room: Some(room), reaper: Mutex::new(Some(reaper)) })
    }

    async fn prepare(clock: RunClock, run: String) -> Result<(Arc<Inner>, Reaper), RuntimeError> {
        let docker = engine::connect().await?;
        let owner = Owner::this();
        remove::sweep(&docker, &owner).await;
        // It is on guard before there is anything to remove; if nothing can be made, it finds nothing.
        let reaper =
            Reaper::new(&run).map_err(io_error("start what removes containers at the end".to_owned()))?;
        let network = match Network::create(&docker, &run, &owner).await {
            Ok(network) if network.is_here() => network,
            Ok(_) => {
                return Err(RuntimeError::Engine {
                    what: "reach the network of the container engine".to_owned(),
                    reason: "its containers' addresses are not on this machine (Docker Desktop, an engine elsewhere, or \
                             this runs in a container itself); run it on a Linux machine beside its engine"
                        .to_owned(),
                });
            }
            Err(error) => {
                reaper.dismiss();
                return Err(error);
            }
        };
        let inner = Arc::new(Inner {
            docker,
            run,
            owner,
            network,
            record: Record::new(clock),
            instances: Mutex::default(),
            ended: RwLock::new(false),
        });
        tokio::spawn(events::listen(Arc::clone(&inner)));
        Ok((inner, reaper))
    }

    /// The run's id: all that belongs to it carries the label [`RUN`] with this value.
    pub fn run(&self) -> &str {
        &self.inner.run
    }

    /// Does this in the room, with what the instances share.
    async fn within<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, RuntimeError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RuntimeError>> + Send + 'static,
    {
        let Some(room) = &self.room else { return Err(self.inner.has_ended()) };
        room.run(work(Arc::clone(&self.inner))).await
    }
}

impl Inner {
    fn instance(&self, id: &InstanceId) -> Result<Arc<Instance>, RuntimeError> {
        match locked(&self.instances).get(id) {
            Some(Slot::There(instance)) => Ok(Arc::clone(instance)),
            _ => Err(RuntimeError::NoInstance(id.clone())),
        }
    }

    /// All instances there ever were.
    fn all(&self) -> Vec<Arc<Instance>> {
        let there = |slot: &Slot| match slot {
            Slot::There(instance) => Some(Arc::clone(instance)),
            Slot::InTheMaking => None,
        };
        locked(&self.instances).values().filter_map(there).collect()
    }

    /// The instance in a container.
    fn of_container(&self, container: &str) -> Option<Arc<Instance>> {
        self.all().into_iter().find(|instance| instance.container == container)
    }

    fn has_ended(&self) -> RuntimeError {
        RuntimeError::Engine { what: "go on".to_owned(), reason: format!("the run {} has ended", self.run) }
    }

    /// Makes and starts a container.
    async fn start(self: Arc<Self>, launch: Launch) -> Result<Started, RuntimeError> {
        let ended = self.ended.read().await;
        if *ended {
            return Err(self.has_ended());
        }
        let taken = {
            let mut instances = locked(&self.instances);
            let taken = instances.contains_key(&launch.instance);
            if !taken {
                instances.insert(launch.instance.clone(), Slot::InTheMaking);
            }
            taken
        };
        if taken {
            let source = io::Error::new(io::ErrorKind::AlreadyExists, "an instance of this id was started");
            return Err(RuntimeError::Io { what: format!("start `{}`", launch.instance), source });
        }
        match self.make(&launch).await {
            Ok(instance) => {
                let instance = Arc::new(instance);
                let started = Started { ports: instance.addresses(), pid: None };
                locked(&self.instances).insert(launch.instance, Slot::There(Arc::clone(&instance)));
                tokio::spawn(instance::attend(Arc::clone(&self), instance));
                Ok(started)
            }
            Err(error) => {
                locked(&self.instances).remove(&launch.instance);
                Err(error)
            }
        }
    }

    async fn make(&self, launch: &Launch) -> Result<Instance, RuntimeError> {
        let service = &launch.service;
        let image = match &launch.program {
            Program::Image { image, .. } => image,
            Program::Command(command) => {
                return Err(RuntimeError::Program {
                    service: service.clone(),
                    program: command.first().cloned().unwrap_or_default(),
                    reason:
                        "it is a program of this machine, and this runtime runs images; give the service an \
                             `image:` or a `build:`"
                            .to_owned(),
                });
            }
        };
        let about = match self.docker.inspect_image(image).await {
            Ok(about) => about.config.unwrap_or_default(),
            Err(error) if is_status(&error, 404) => {
                return Err(RuntimeError::Program {
                    service: service.clone(),
                    program: image.clone(),
                    reason: "the engine has no such image".to_owned(),
                });
            }
            Err(error) => return Err(failed(format!("look at the image `{image}` of `{service}`"))(error)),
        };
        let ports = create::ports(launch);
        let filled = filling::fill(launch, |name| ports.get(name).copied())?;
        let files = create::files(about.working_dir.as_deref().unwrap_or_default(), &filled.files)
            .map_err(io_error(format!("write the files of `{service}`")))?;
        for path in &launch.volumes {
            let mut labels = self.owner.labels(&self.run);
            labels.insert(labels::SERVICE.to_owned(), service.to_string());
            let request = VolumeCreateRequest {
                name: Some(create::volume_name(&self.run, service, path)),
                labels: Some(labels),
                ..VolumeCreateRequest::default()
            };
            let made = self.docker.create_volume(request).await;
            made.map_err(failed(format!("make the volume for `{path}` of `{service}`")))?;
        }
        let Some(address) = self.network.take() else {
            let reason = "the run's network has 253 addresses, and all are in use".to_owned();
            return Err(RuntimeError::Engine { what: format!("start `{}`", launch.instance), reason });
        };
        let labels = self.owner.labels(&self.run);
        let body = create::body(launch, image, &filled, &self.run, &self.network, address, labels);
        match self.run_container(launch, image, body, files).await {
            Ok(container) => {
                let stop_signal = about.stop_signal.filter(|signal| !signal.is_empty());
                let stop_signal = stop_signal.unwrap_or_else(|| "SIGTERM".to_owned());
                let id = (service.clone(), launch.instance.clone());
                Ok(Instance::new(id, container, address, ports, stop_signal))
            }
            Err(error) => {
                self.network.give_back(address);
                Err(error)
            }
        }
    }

    /// Makes the container, puts the files into it, starts it. What does not start is removed.
    async fn run_container(
        &self,
        launch: &Launch,
        image: &str,
        body: testcontainers::bollard::models::ContainerCreateBody,
        files: Option<Vec<u8>>,
    ) -> Result<String, RuntimeError> {
        let service = &launch.service;
        let name = create::container_name(&self.run, launch);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let made = self.docker.create_container(Some(options), body).await;
        let container = made.map_err(failed(format!("make a container of `{image}` for `{service}`")))?.id;
        let started = async {
            if let Some(files) = files {
                let options = UploadToContainerOptionsBuilder::new().path("/").build();
                let put = self.docker.upload_to_container(&container, Some(options), body_full(files.into()));
                put.await.map_err(failed(format!("write the files of `{service}`")))?;
            }
            self.docker.start_container(&container, None).await.map_err(|error| RuntimeError::Program {
                service: service.clone(),
                program: image.to_owned(),
                reason: engine::reason(error),
            })
        };
        match started.await {
            Ok(()) => {
                let kind = InstanceEventKind::Started { pid: None, container: Some(container.clone()) };
                self.record.add(service, &launch.instance, kind);
                Ok(container)
            }
            Err(error) => {
                // What cannot be removed now is removed with the run.
                let _ = remove::container(&self.docker, &container).await;
                Err(error)
            }
        }
    }

    /// Removes all that belongs to the run.
    async fn end(&self) -> Result<(), RuntimeError> {
        // A container in the making is made to the end, and then removed, or it would appear afterwards.
        let late = match tokio::time::timeout(IN_THE_MAKING, self.ended.write()).await {
            Ok(mut ended) => {
                *ended = true;
                false
            }
            Err(_) => true,
        };
        let instances = self.all();
        let ends = join_all(instances.iter().map(|instance| async {
            if instance.exit.borrow().is_none() {
                // It may have ended meanwhile; then it is on its way out.
                let _ = faults::signal(self, instance, &mut *instance.state.lock().await, "SIGKILL").await;
            }
            // Until what it printed last is in, and its container is gone.
            let _ = instance.removed.subscribe().wait_for(|removed| *removed).await;
        }));
        // What is still there after that is removed without more ado.
        let _ = tokio::time::timeout(LAST_WORDS, ends).await;
        let removed = remove::run(&self.docker, &self.run, END).await;
        removed.map_err(|reason| RuntimeError::Engine {
            what: format!("remove what belongs to the run {}", self.run),
            reason,
        })?;
        if late {
            // Said, so that the reaper stays: it removes what may still appear.
            return Err(RuntimeError::Engine {
                what: format!("end the run {}", self.run),
                reason: format!("a container has been in the making for more than {IN_THE_MAKING:?}"),
            });
        }
        Ok(())
    }
}

impl Runtime for DockerRuntime {
    fn vantage(&self) -> Vantage {
        self.inner.network.vantage()
    }

    fn start<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Started, RuntimeError>> {
        let launch = launch.clone();
        Box::pin(self.within(|inner| inner.start(launch)))
    }

    fn ports<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SocketAddr>, RuntimeError>> {
        // A container keeps its address for as long as it lives, on the network or off.
        Box::pin(async move { Ok(self.inner.instance(instance)?.addresses()) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async move {
            self.within(|inner| async move { inner.end().await }).await?;
            if let Some(reaper) = locked(&self.reaper).take() {
                reaper.dismiss();
            }
            Ok(())
        })
    }

    fn inject<'a>(
        &'a self,
        instance: &'a InstanceId,
        fault: InstanceFault,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        Box::pin(async move {
            let instance = self.inner.instance(instance)?;
            self.within(|inner| async move { faults::inject(&inner, &instance, fault).await }).await
        })
    }

    fn ended<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move { self.inner.instance(instance)?.ended().await })
    }

    fn stop<'a>(
        &'a self,
        instance: &'a InstanceId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move {
            let instance = self.inner.instance(instance)?;
            self.within(|inner| async move { faults::stop(&inner, &instance, grace).await }).await
        })
    }

    fn mark_ready(&self, instance: &InstanceId) {
        if let Ok(running) = self.inner.instance(instance) {
            running.record(&self.inner.record, InstanceEventKind::Ready);
        }
    }

    fn events(&self) -> Vec<InstanceEvent> {
        self.inner.record.events()
    }

    fn output(&self) -> Output {
        self.inner.record.capture.output()
    }

    fn last_lines(&self, instance: &InstanceId, lines: usize) -> Vec<String> {
        self.inner.record.capture.last(instance, lines)
    }
}

impl Drop for DockerRuntime {
    fn drop(&mut self) {
        let Some(reaper) = locked(&self.reaper).take() else { return };
        let Some(room) = self.room.take() else { return };
        let inner = Arc::clone(&self.inner);
        room.finish(async move {
            if inner.end().await.is_ok() {
                reaper.dismiss();
            }
            // Else it is dropped, and sets to work.
        });
    }
}
