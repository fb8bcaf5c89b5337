//! What the harness does to containers on purpose.

use std::sync::atomic::Ordering;
use std::time::Duration;

use seaworthy_core::instance::{InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::{Exit, RuntimeError};
use testcontainers::bollard::models::{ContainerUpdateBody, NetworkConnectRequest, NetworkDisconnectRequest};
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;

use super::Inner;
use super::create::endpoint;
use super::engine::{failed, is_status};
use super::instance::{Instance, State};

/// How long an instance that is stopped by a fault may take to end before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The kernel's accounting period for processor time, in microseconds.
const PERIOD: i64 = 100_000;
const MIB: i64 = 1024 * 1024;

/// Carries out a fault.
pub(super) async fn inject(
    inner: &Inner,
    instance: &Instance,
    fault: InstanceFault,
) -> Result<(), RuntimeError> {
    if instance.exit.borrow().is_some() {
        return Err(RuntimeError::NoInstance(instance.id.clone()));
    }
    let mut state = instance.state.lock().await;
    match fault {
        InstanceFault::Kill => signal(inner, instance, &mut state, "SIGKILL").await,
        InstanceFault::Term => signal(inner, instance, &mut state, &instance.stop_signal).await,
        // Of a restart the caller starts the new instance: it knows what it is to be like.
        InstanceFault::Stop | InstanceFault::Restart => {
            drop(state);
            stop(inner, instance, STOP_GRACE).await.map(|_| ())
        }
        InstanceFault::Pause => pause(inner, instance, &mut state).await,
        InstanceFault::Unpause => unpause(inner, instance, &mut state).await,
        InstanceFault::Limit { cpu_percent, memory_mib } => {
            state.short_of_memory |= memory_mib.is_some();
            limit(inner, instance, cpu_percent, memory_mib).await
        }
        InstanceFault::Unlimit => unlimit(inner, instance, &mut state).await,
        InstanceFault::Disconnect => disconnect(inner, instance, &mut state).await,
        InstanceFault::Reconnect => reconnect(inner, instance, &mut state).await,
    }
}

/// Asks it to end, waits up to `grace`, then kills it.
pub(super) async fn stop(inner: &Inner, instance: &Instance, grace: Duration) -> Result<Exit, RuntimeError> {
    if let Some(exit) = *instance.exit.borrow() {
        return Ok(exit);
    }
    {
        let mut state = instance.state.lock().await;
        // What it has still to send is to get through.
        if state.disconnected {
            let _ = reconnect(inner, instance, &mut state).await;
        }
        // It may end between the look and the signal; then it has ended, which is what was asked for.
        let _ = signal(inner, instance, &mut state, &instance.stop_signal).await;
        let _ = unpause(inner, instance, &mut state).await;
    }
    if let Ok(exit) = tokio::time::timeout(grace, instance.ended()).await {
        return exit;
    }
    let _ = signal(inner, instance, &mut *instance.state.lock().await, "SIGKILL").await;
    instance.ended().await
}

/// Sends a signal and records that, first, so that the end never comes before what caused it. What is frozen gets a
/// SIGKILL when it is let go, so it is let go.
pub(super) async fn signal(
    inner: &Inner,
    instance: &Instance,
    state: &mut State,
    signal: &str,
) -> Result<(), RuntimeError> {
    let kill = signal == "SIGKILL";
    instance.asked.store(true, Ordering::SeqCst);
    let kind = if kill { InstanceEventKind::Killed } else { InstanceEventKind::AskedToEnd };
    instance.record(&inner.record, kind);
    let options = KillContainerOptionsBuilder::new().signal(signal).build();
    let sent = inner.docker.kill_container(&instance.container, Some(options)).await;
    if kill && state.paused {
        // The engine may have let it go itself.
        let _ = inner.docker.unpause_container(&instance.container).await;
        state.paused = false;
    }
    sent.map_err(ended_or(instance, "send a signal to"))
}

async fn pause(inner: &Inner, instance: &Instance, state: &mut State) -> Result<(), RuntimeError> {
    if state.paused {
        return Ok(());
    }
    inner.docker.pause_container(&instance.container).await.map_err(ended_or(instance, "pause"))?;
    state.paused = true;
    instance.record(&inner.record, InstanceEventKind::Paused);
    Ok(())
}

async fn unpause(inner: &Inner, instance: &Instance, state: &mut State) -> Result<(), RuntimeError> {
    if !state.paused {
        return Ok(());
    }
    inner.docker.unpause_container(&instance.container).await.map_err(ended_or(instance, "unpause"))?;
    state.paused = false;
    instance.record(&inner.record, InstanceEventKind::Resumed);
    Ok(())
}

async fn limit(
    inner: &Inner,
    instance: &Instance,
    cpu_percent: Option<u32>,
    memory_mib: Option<u32>,
) -> Result<(), RuntimeError> {
    if cpu_percent.unwrap_or(1) == 0 || (cpu_percent, memory_mib) == (None, None) {
        // An engine takes 0 for no limit.
        return Err(RuntimeError::Engine {
            what: format!("limit `{}`", instance.id),
            reason: "give it 1 percent of a core or more, or an amount of memory".to_owned(),
        });
    }
    let memory = memory_mib.map(|mib| i64::from(mib) * MIB);
    let update = ContainerUpdateBody {
        cpu_period: cpu_percent.map(|_| PERIOD),
        cpu_quota: cpu_percent.map(|percent| i64::from(percent) * PERIOD / 100),
        memory,
        // As much as memory: nothing may be swapped out instead.
        memory_swap: memory,
        ..ContainerUpdateBody::default()
    };
    inner.docker.update_container(&instance.container, update).await.map_err(ended_or(instance, "limit"))?;
    instance.record(&inner.record, InstanceEventKind::Limited { cpu_percent, memory_mib });
    Ok(())
}

async fn unlimit(inner: &Inner, instance: &Instance, state: &mut State) -> Result<(), RuntimeError> {
    let memory = match state.short_of_memory {
        // Engines do not take a limit back; all that the machine has is as good.
        true => {
            let machine = inner.docker.info().await.map_err(failed(format!("unlimit `{}`", instance.id)))?;
            machine.mem_total
        }
        false => None,
    };
    let update = ContainerUpdateBody {
        cpu_period: Some(PERIOD),
        cpu_quota: Some(-1),
        memory,
        memory_swap: memory,
        ..ContainerUpdateBody::default()
    };
    inner
        .docker
        .update_container(&instance.container, update)
        .await
        .map_err(ended_or(instance, "unlimit"))?;
    state.short_of_memory = false;
    instance.record(&inner.record, InstanceEventKind::Unlimited);
    Ok(())
}

async fn disconnect(inner: &Inner, instance: &Instance, state: &mut State) -> Result<(), RuntimeError> {
    if state.disconnected {
        return Ok(());
    }
    let request = NetworkDisconnectRequest {
        container: instance.container.clone(),
        ..NetworkDisconnectRequest::default()
    };
    let done = inner.docker.disconnect_network(&inner.network.name, request).await;
    done.map_err(ended_or(instance, "disconnect"))?;
    state.disconnected = true;
    instance.record(&inner.record, InstanceEventKind::Disconnected);
    Ok(())
}

/// With the address that it had.
async fn reconnect(inner: &Inner, instance: &Instance, state: &mut State) -> Result<(), RuntimeError> {
    if !state.disconnected {
        return Ok(());
    }
    let request = NetworkConnectRequest {
        container: instance.container.clone(),
        endpoint_config: Some(endpoint(instance.address)),
    };
    let done = inner.docker.connect_network(&inner.network.name, request).await;
    done.map_err(ended_or(instance, "reconnect"))?;
    state.disconnected = false;
    instance.record(&inner.record, InstanceEventKind::Reconnected);
    Ok(())
}

/// What the engine refused; that there is no such container, or that it does not run, means that it has ended.
fn ended_or(
    instance: &Instance,
    what: &str,
) -> impl FnOnce(testcontainers::bollard::errors::Error) -> RuntimeError {
    let what = format!("{what} `{}`", instance.id);
    let id = instance.id.clone();
    move |error| {
        let text = error.to_string();
        if is_status(&error, 404) || text.contains("is not running") {
            RuntimeError::NoInstance(id)
        } else {
            failed(what)(error)
        }
    }
}
