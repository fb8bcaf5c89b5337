//! What is done to containers on purpose, seen from outside, and undone.

use std::time::{Duration, Instant};

use seaworthy_core::instance::{InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::{Exit, Program, Runtime, RuntimeError};
use seaworthy_runtime::docker::image::{BuildRequest, ImageRequest, resolve};

use super::support::{
    ask, ask_within, await_answer, base_image, container_of, context, docker, docker_says, engine, image,
    kinds, printed, service, shell, start,
};
use crate::support::{DEADLINE, within};

/// Long enough for an answer that comes, short enough to wait for one that does not.
const PATIENCE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_killed_instance_ends_by_the_signal_and_its_container_goes() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launch = service(&image, "orders", "orders-1");
    let address = start(&runtime, &launch).await;
    ask(address, "say last words").await.unwrap();
    let container = container_of(&runtime, "orders-1");
    runtime.inject(&launch.instance, InstanceFault::Kill).await.unwrap();
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit, Exit { code: None, signal: Some(9) });
    assert_eq!(runtime.last_lines(&launch.instance, 1), ["last words"]);
    assert!(
        matches!(
            kinds(&runtime)[1..],
            [InstanceEventKind::Killed, InstanceEventKind::Exited { signal: Some(9), expected: true, .. }]
        ),
        "{:?}",
        kinds(&runtime)
    );
    let again = runtime.inject(&launch.instance, InstanceFault::Kill).await;
    assert!(matches!(again, Err(RuntimeError::NoInstance(_))), "{again:?}");
    let since = Instant::now();
    while !docker_says(&["ps", "-aq", "--filter", &format!("id={container}")]).is_empty() {
        assert!(since.elapsed() < DEADLINE, "its container is still there");
    }
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn an_instance_that_is_asked_to_end_gets_the_signal() {
    engine!();
    let runtime = docker().await;
    let launch = shell("a", "a-1", "trap 'echo flushed; exit 0' TERM; echo up; while :; do sleep 0.05; done");
    runtime.start(&launch).await.unwrap();
    printed(&runtime, "up").await;
    runtime.inject(&launch.instance, InstanceFault::Term).await.unwrap();
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit.code, Some(0));
    assert_eq!(runtime.last_lines(&launch.instance, 1), ["flushed"]);
    assert_eq!(kinds(&runtime)[1], InstanceEventKind::AskedToEnd);
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn a_frozen_instance_does_not_answer_until_it_may_go_on() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launch = service(&image, "orders", "orders-1");
    let address = start(&runtime, &launch).await;
    for _ in 0..2 {
        runtime.inject(&launch.instance, InstanceFault::Pause).await.unwrap();
    }
    assert!(ask_within(address, "ping", PATIENCE).await.is_err());
    let waiting = tokio::spawn(ask(address, "ping"));
    runtime.inject(&launch.instance, InstanceFault::Unpause).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), "pong");
    assert_eq!(kinds(&runtime)[1..], [InstanceEventKind::Paused, InstanceEventKind::Resumed]);
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn a_frozen_instance_can_be_stopped_and_killed() {
    engine!();
    let runtime = docker().await;
    let script = "trap 'echo flushed; exit 3' TERM; echo up $0; while :; do sleep 0.05; done";
    let (stopped, killed) = (shell("a", "a-1", script), shell("b", "b-1", script));
    for launch in [&stopped, &killed] {
        runtime.start(launch).await.unwrap();
        within(async {
            while runtime.last_lines(&launch.instance, 1).is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        runtime.inject(&launch.instance, InstanceFault::Pause).await.unwrap();
    }
    let exit = within(runtime.stop(&stopped.instance, Duration::from_secs(60))).await.unwrap();
    assert_eq!(exit.code, Some(3));
    assert_eq!(runtime.last_lines(&stopped.instance, 1), ["flushed"]);
    runtime.inject(&killed.instance, InstanceFault::Kill).await.unwrap();
    let exit = within(runtime.ended(&killed.instance)).await.unwrap();
    assert_eq!(exit.signal, Some(9));
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn an_instance_off_its_network_is_reached_by_no_one_and_has_its_address_again_afterwards() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launch = service(&image, "orders", "orders-1");
    let address = start(&runtime, &launch).await;
    for _ in 0..2 {
        runtime.inject(&launch.instance, InstanceFault::Disconnect).await.unwrap();
    }
    assert!(ask_within(address, "ping", PATIENCE).await.is_err());
    // Another instance does not get its address meanwhile.
    let other = start(&runtime, &service(&image, "payments", "payments-1")).await;
    assert_ne!(other.ip(), address.ip());
    runtime.inject(&launch.instance, InstanceFault::Reconnect).await.unwrap();
    await_answer(address).await;
    assert_eq!(runtime.ports(&launch.instance).await.unwrap()["tcp"], address);
    // It also reaches the harness by name again.
    let vantage = runtime.vantage();
    let port = super::support::answering(vantage.listen[1], "the harness");
    let answer = ask(address, &format!("call {}:{port}", vantage.host)).await.unwrap();
    assert_eq!(answer, "the harness");
    let events = runtime.events();
    let of_orders: Vec<_> =
        events.into_iter().filter(|event| event.service == "orders").map(|event| event.kind).collect();
    assert_eq!(of_orders[1..], [InstanceEventKind::Disconnected, InstanceEventKind::Reconnected]);
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn an_instance_gets_as_much_of_the_machine_as_it_may() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launch = service(&image, "orders", "orders-1");
    let address = start(&runtime, &launch).await;
    let container = container_of(&runtime, "orders-1");
    let limits =
        || docker_says(&["inspect", "-f", "{{.HostConfig.CpuQuota}} {{.HostConfig.Memory}}", &container]);
    let limit = InstanceFault::Limit { cpu_percent: Some(20), memory_mib: Some(64) };
    runtime.inject(&launch.instance, limit).await.unwrap();
    assert_eq!(limits(), "20000 67108864");
    let more = InstanceFault::Limit { cpu_percent: Some(150), memory_mib: None };
    runtime.inject(&launch.instance, more).await.unwrap();
    assert_eq!(limits(), "150000 67108864");
    runtime.inject(&launch.instance, InstanceFault::Unlimit).await.unwrap();
    // More than the 64 MiB it had.
    assert_eq!(ask(address, "allocate 100").await.unwrap(), "25600");
    assert_eq!(
        kinds(&runtime)[1..],
        [
            InstanceEventKind::Limited { cpu_percent: Some(20), memory_mib: Some(64) },
            InstanceEventKind::Limited { cpu_percent: Some(150), memory_mib: None },
            InstanceEventKind::Unlimited
        ]
    );
    for (cpu_percent, memory_mib) in [(None, Some(1)), (Some(0), Some(64)), (None, None)] {
        let nonsense = InstanceFault::Limit { cpu_percent, memory_mib };
        let error = runtime.inject(&launch.instance, nonsense).await.unwrap_err().to_string();
        assert!(error.starts_with("could not limit `orders-1`: "), "{error}");
    }
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn an_instance_that_takes_more_memory_than_it_may_is_ended_and_that_is_told() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launch = service(&image, "orders", "orders-1");
    let address = start(&runtime, &launch).await;
    let limit = InstanceFault::Limit { cpu_percent: None, memory_mib: Some(32) };
    runtime.inject(&launch.instance, limit).await.unwrap();
    let _ = ask(address, "allocate 200").await;
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit.signal, Some(9));
    assert_eq!(
        kinds(&runtime)[2..],
        [
            InstanceEventKind::OutOfMemory,
            InstanceEventKind::Exited { code: None, signal: Some(9), expected: false }
        ]
    );
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn a_restart_ends_the_instance_in_order() {
    engine!();
    let runtime = docker().await;
    let launch = shell("a", "a-1", "trap 'echo flushed; exit 0' TERM; echo up; while :; do sleep 0.05; done");
    for (instance, fault) in [("a-1", InstanceFault::Restart), ("a-2", InstanceFault::Stop)] {
        let launch = seaworthy_core::runtime::Launch { instance: instance.into(), ..launch.clone() };
        runtime.start(&launch).await.unwrap();
        within(async {
            while runtime.last_lines(&launch.instance, 1).is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        within(runtime.inject(&launch.instance, fault)).await.unwrap();
        assert_eq!(runtime.last_lines(&launch.instance, 1), ["flushed"]);
    }
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn an_image_says_by_which_signal_it_ends_in_order() {
    engine!();
    let dockerfile = format!("FROM {}\nSTOPSIGNAL SIGQUIT\n", base_image());
    let (_folder, context) = context(&[("Dockerfile", dockerfile.as_str())]);
    let build = BuildRequest { context, ..BuildRequest::default() };
    let image = resolve(&ImageRequest { name: None, build: Some(build) }).await.unwrap();
    let runtime = docker().await;
    let mut launch =
        shell("a", "a-1", "trap 'echo quit; exit 5' QUIT; echo up; while :; do sleep 0.05; done");
    if let Program::Image { image: base, .. } = &mut launch.program {
        base.clone_from(&image);
    }
    runtime.start(&launch).await.unwrap();
    printed(&runtime, "up").await;
    let exit = within(runtime.stop(&launch.instance, Duration::from_secs(60))).await.unwrap();
    assert_eq!(exit.code, Some(5));
    runtime.close().await.unwrap();
    docker_says(&["image", "rm", &image]);
}
