//! One instance: a container, and how it ends.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::InstanceEventKind;
use seaworthy_core::runtime::{Exit, RuntimeError};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::WaitContainerOptionsBuilder;
use tokio::sync::watch;

use super::Inner;
use super::engine::is_status;
use super::{printed, remove};
use crate::record::Record;

/// How long the last lines of an instance are awaited after its end. They come to an end by themselves, unless the
/// engine does not answer.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How often the engine is asked again how a container ended, when it does not say; and the pause before that.
const ASKED_AGAIN: (u32, Duration) = (50, Duration::from_millis(200));

/// One instance, alive or ended.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) service: ServiceName,
    pub(super) id: InstanceId,
    /// The container's id.
    pub(super) container: String,
    pub(super) address: Ipv4Addr,
    pub(super) ports: BTreeMap<String, u16>,
    /// What orderly ends are asked for with: the image's own signal, or SIGTERM.
    pub(super) stop_signal: String,
    /// Whether the harness asked it to end.
    pub(super) asked: AtomicBool,
    /// Whether the kernel ended a process of it for want of memory.
    out_of_memory: AtomicBool,
    /// What was done to it and not undone; held while something is done to it.
    pub(super) state: tokio::sync::Mutex<State>,
    pub(super) exit: watch::Sender<Option<Exit>>,
    pub(super) removed: watch::Sender<bool>,
}

/// What was done to an instance and not undone.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) paused: bool,
    pub(super) disconnected: bool,
    pub(super) short_of_memory: bool,
}

impl Instance {
    pub(super) fn new(
        (service, id): (ServiceName, InstanceId),
        container: String,
        address: Ipv4Addr,
        ports: BTreeMap<String, u16>,
        stop_signal: String,
    ) -> Self {
        Self {
            service,
            id,
            container,
            address,
            ports,
            stop_signal,
            asked: AtomicBool::new(false),
            out_of_memory: AtomicBool::new(false),
            state: tokio::sync::Mutex::default(),
            exit: watch::Sender::new(None),
            removed: watch::Sender::new(false),
        }
    }

    /// Where its ports listen.
    pub(super) fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        let address = |(name, port): (&String, &u16)| (name.clone(), SocketAddr::from((self.address, *port)));
        self.ports.iter().map(address).collect()
    }

    pub(super) fn record(&self, record: &Record, kind: InstanceEventKind) {
        record.add(&self.service, &self.id, kind);
    }

    /// A process of it took more memory than it may. The engine says so twice: when it happens, and in what it says
    /// about the end.
    pub(super) fn ran_out_of_memory(&self, record: &Record) {
        if !self.out_of_memory.swap(true, Ordering::SeqCst) {
            self.record(record, InstanceEventKind::OutOfMemory);
        }
    }

    /// Returns when it has ended and what it printed is in.
    pub(super) async fn ended(&self) -> Result<Exit, RuntimeError> {
        let mut exit = self.exit.subscribe();
        let ended = exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| *exit).ok_or_else(|| RuntimeError::NoInstance(self.id.clone()))
    }
}

/// Keeps what an instance prints, waits for its end, says how it was, and removes the container.
pub(super) async fn attend(inner: Arc<Inner>, instance: Arc<Instance>) {
    let (over, ended) = watch::channel(false);
    let mut printing = {
        let (inner, instance) = (Arc::clone(&inner), Arc::clone(&instance));
        tokio::spawn(async move { printed::listen(&inner, &instance, ended).await })
    };
    let exit = wait(&inner, &instance).await;
    over.send_replace(true);
    let expected = instance.asked.load(Ordering::SeqCst);
    let kind = InstanceEventKind::Exited { code: exit.code, signal: exit.signal, expected };
    instance.record(&inner.record, kind);
    if tokio::time::timeout(LAST_WORDS, &mut printing).await.is_err() {
        printing.abort();
    }
    instance.exit.send_replace(Some(exit));
    // What cannot be removed now is removed with the run.
    let _ = remove::container(&inner.docker, &instance.container).await;
    inner.network.give_back(instance.address);
    instance.removed.send_replace(true);
}

/// Waits for its end. An engine that is started again meanwhile is asked again.
async fn wait(inner: &Inner, instance: &Instance) -> Exit {
    let (tries, pause) = ASKED_AGAIN;
    let mut silent = 0;
    loop {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let told = Box::pin(inner.docker.wait_container(&instance.container, Some(options))).next().await;
        let status = match told {
            Some(Ok(told)) => Some(told.status_code),
            Some(Err(Error::DockerContainerWaitError { code, .. })) => Some(code),
            _ => None,
        };
        match state(&inner.docker, &instance.container).await {
            Ok(Some((exit, out_of_memory))) => {
                if out_of_memory {
                    instance.ran_out_of_memory(&inner.record);
                }
                return exit;
            }
            // Someone else removed it.
            Err(error) if is_status(&error, 404) => return exit_of(status),
            Err(_) if silent == tries => return exit_of(status),
            Err(_) => silent += 1,
            Ok(None) => silent = 0,
        }
        tokio::time::sleep(pause).await;
    }
}

/// How a container ended, and whether for want of memory; nothing while it runs.
async fn state(docker: &Docker, container: &str) -> Result<Option<(Exit, bool)>, Error> {
    let state = docker.inspect_container(container, None).await?.state.unwrap_or_default();
    if state.running == Some(true) || state.paused == Some(true) {
        return Ok(None);
    }
    Ok(Some((exit_of(state.exit_code), state.oom_killed == Some(true))))
}

/// Engines say 128 and the signal's number for what a signal ended.
fn exit_of(status: Option<i64>) -> Exit {
    let status = status.and_then(|status| i32::try_from(status).ok());
    match status {
        Some(status @ 129..=192) => Exit { code: None, signal: Some(status - 128) },
        code => Exit { code, signal: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_told_from_a_signal() {
        assert_eq!(exit_of(Some(0)), Exit { code: Some(0), signal: None });
        assert_eq!(exit_of(Some(128)), Exit { code: Some(128), signal: None });
        assert_eq!(exit_of(Some(137)), Exit { code: None, signal: Some(9) });
        assert_eq!(exit_of(Some(255)), Exit { code: Some(255), signal: None });
        assert_eq!(exit_of(None), Exit { code: None, signal: None });
    }
}
