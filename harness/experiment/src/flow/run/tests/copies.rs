//! A runtime whose instances live in this process: each on a tokio runtime of its own, so that killing one takes
//! its tasks and sockets away at once, as SIGKILL would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use seaworthy_core::ids::InstanceId;
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::{BoxFuture, Exit, Launch, Output, Runtime, RuntimeError, Started};
use seaworthy_core::time::RunClock;
use tokio::sync::watch;

/// One running copy, as its handlers see it.
#[derive(Clone)]
pub(super) struct Copy {
    pub(super) launch: Launch,
    term: Arc<watch::Sender<bool>>,
    ended: Arc<watch::Sender<Option<Exit>>>,
    runtime: Arc<Mutex<Option<tokio::runtime::Runtime>>>,
}

impl Copy {
    /// Whether it was asked to end.
    pub(super) fn is_ending(&self) -> bool {
        *self.term.borrow()
    }

    /// It dies here and now, with this exit code or by this signal.
    pub(super) fn die(&self, code: Option<i32>, signal: Option<i32>) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
            self.ended.send_replace(Some(Exit { code, signal }));
        }
    }
}

type Build = dyn Fn(Copy) -> Router + Send + Sync;

pub(super) struct Copies {
    clock: RunClock,
    build: Box<Build>,
    copies: Mutex<BTreeMap<InstanceId, Copy>>,
    events: Mutex<Vec<InstanceEvent>>,
}

impl Copies {
    pub(super) fn new(clock: RunClock, build: impl Fn(Copy) -> Router + Send + Sync + 'static) -> Self {
        Self { clock, build: Box::new(build), copies: Mutex::default(), events: Mutex::default() }
    }

    fn copy(&self, instance: &InstanceId) -> Result<Copy, RuntimeError> {
        let copies = self.copies.lock().unwrap();
        copies.get(instance).cloned().ok_or_else(|| RuntimeError::NoInstance(instance.clone()))
    }

    fn note(&self, copy: &Copy, kind: InstanceEventKind) {
        let Launch { service, instance, .. } = copy.launch.clone();
        self.events.lock().unwrap().push(InstanceEvent { at: self.clock.now(), service, instance, kind });
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for copy in self.copies.lock().unwrap().values() {
            copy.die(None, Some(9));
        }
    }
}

impl Runtime for Copies {
    fn start<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Started, RuntimeError>> {
        Box::pin(async move {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let address: SocketAddr = listener.local_addr().unwrap();
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let copy = Copy {
                launch: launch.clone(),
                term: Arc::new(watch::Sender::new(false)),
                ended: Arc::new(watch::Sender::new(None)),
                runtime: Arc::default(),
            };
            let router = (self.build)(copy.clone());
            let (serving, mut term) = (copy.clone(), copy.term.subscribe());
            runtime.spawn(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let asked = async move {
                    let _ = term.wait_for(|asked| *asked).await;
                };
                axum::serve(listener, router).with_graceful_shutdown(asked).await.unwrap();
                // Not from within: a runtime cannot wait for itself.
                std::thread::spawn(move || serving.die(Some(0), None));
            });
            *copy.runtime.lock().unwrap() = Some(runtime);
            self.note(&copy, InstanceEventKind::Started { pid: None, container: None });
            self.copies.lock().unwrap().insert(launch.instance.clone(), copy);
            let ports = launch.ports.keys().map(|port| (port.clone(), address)).collect();
            Ok(Started { ports, pid: None })
        })
    }

    fn inject<'a>(
        &'a self,
        instance: &'a InstanceId,
        fault: InstanceFault,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        Box::pin(async move {
            let copy = self.copy(instance)?;
            match fault {
                InstanceFault::Kill => {
                    self.note(&copy, InstanceEventKind::Killed);
                    copy.die(None, Some(9));
                }
                InstanceFault::Term => {
                    self.note(&copy, InstanceEventKind::AskedToEnd);
                    copy.term.send_replace(true);
                }
                // That it was asked for is what tests look at: a copy lives in this process and cannot be frozen.
                InstanceFault::Pause => self.note(&copy, InstanceEventKind::Paused),
                InstanceFault::Unpause => self.note(&copy, InstanceEventKind::Resumed),
                other => {
                    return Err(RuntimeError::Unsupported {
                        service: copy.launch.service.clone(),
                        fault: other.as_str(),
                        runtime: "copies",
                        hint: "use another",
                    });
                }
            }
            Ok(())
        })
    }

    fn ended<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move {
            let mut ended = self.copy(instance)?.ended.subscribe();
            let exit = *ended.wait_for(Option::is_some).await.unwrap();
            Ok(exit.unwrap())
        })
    }

    fn stop<'a>(
        &'a self,
        instance: &'a InstanceId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<Exit, RuntimeError>> {
        Box::pin(async move {
            self.inject(instance, InstanceFault::Term).await?;
            if let Ok(exit) = tokio::time::timeout(grace, self.ended(instance)).await {
                return exit;
            }
            self.inject(instance, InstanceFault::Kill).await?;
            self.ended(instance).await
        })
    }

    fn ports<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SocketAddr>, RuntimeError>> {
        Box::pin(async move { Err(RuntimeError::NoInstance(instance.clone())) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async { Ok(()) })
    }

    fn mark_ready(&self, instance: &InstanceId) {
        self.note(&self.copy(instance).unwrap(), InstanceEventKind::Ready);
    }

    fn events(&self) -> Vec<InstanceEvent> {
        self.events.lock().unwrap().clone()
    }

    fn output(&self) -> Output {
        Output::default()
    }

    fn last_lines(&self, _: &InstanceId, _: usize) -> Vec<String> {
        Vec::new()
    }
}
