//! However the harness ends, nothing it made stays on the engine.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use seaworthy_core::instance::{InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::{Runtime, RuntimeError};

use super::support::{container_of, docker, docker_says, engine, image, kinds, left_of, service, start};
use crate::stand_in;
use crate::support::{DEADLINE, within};

/// How long what a killed owner left may stay.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Returns when the engine has nothing of a run any more.
fn await_nothing_of(run: &str, within: Duration) {
    let since = Instant::now();
    loop {
        let left = left_of(run);
        if left.is_empty() {
            return;
        }
        assert!(since.elapsed() < within, "still there after {within:?}:\n{left}");
    }
}

/// A harness in a process of its own, with instances in every state.
fn owner(end: &str) -> (Child, String) {
    owner_in(end, &[])
}

fn owner_in(end: &str, environment: &[(&str, &str)]) -> (Child, String) {
    let mut child = stand_in::command_in("docker::leaving", "owner_of_containers")
        .env("END", end)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let run = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("run ")?.to_owned()));
    (child, run.expect("the owner did not start"))
}

/// Starts containers, does things to them, says so, and ends as the variable END says when its stdin ends.
#[tokio::test]
#[ignore = "no test: the owner that other tests kill"]
async fn owner_of_containers() {
    let Ok(end) = std::env::var("END") else { return };
    let owned = docker().await;
    let image = match std::env::var("IMAGE") {
        Ok(image) => image,
        Err(_) => image().await,
    };
    let states = [
        ("plain-1", None),
        ("frozen-1", Some(InstanceFault::Pause)),
        ("off-1", Some(InstanceFault::Disconnect)),
        ("limited-1", Some(InstanceFault::Limit { cpu_percent: Some(10), memory_mib: None })),
    ];
    let (runtime, image) = (&owned, &image);
    futures_util::future::join_all(states.map(|(instance, fault)| async move {
        let mut launch = service(image, instance.strip_suffix("-1").unwrap(), instance);
        launch.volumes.push("/data".into());
        start(runtime, &launch).await;
        if let Some(fault) = fault {
            runtime.inject(&launch.instance, fault).await.unwrap();
        }
    }))
    .await;
    println!("\nrun {}", runtime.run());
    std::io::stdout().flush().unwrap();
    if end == "making" {
        // Always some in the making.
        for number in 0..100 {
            let names: Vec<String> = (0..3).map(|n| format!("m{number}x{n}")).collect();
            let launches: Vec<_> =
                names.iter().map(|name| service(image, name, &format!("{name}-1"))).collect();
            futures_util::future::join_all(launches.iter().map(|launch| runtime.start(launch))).await;
        }
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
    match end.as_str() {
        "panic" => panic!("as asked"),
        "drop" => drop(owned),
        "exit" => std::process::exit(0),
        other => panic!("no such end: {other}"),
    }
}

#[test]
fn nothing_is_left_of_an_owner_that_is_killed() {
    engine!();
    let (mut child, run) = owner("exit");
    assert_eq!(left_of(&run).lines().count(), 4 + 1 + 4, "{}", left_of(&run));
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    await_nothing_of(&run, AFTERWARDS);
    child.wait().unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_killed_owner_where_there_is_no_docker_command() {
    engine!();
    let tools = tempfile::tempdir().unwrap();
    for tool in ["curl", "grep", "cut", "sleep"] {
        let path = std::env::var_os("PATH").unwrap();
        let there = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|path| path.is_file());
        let Some(there) = there else {
            println!("left out: there is no {tool} here");
            return;
        };
        std::os::unix::fs::symlink(there, tools.path().join(tool)).unwrap();
    }
    let image = image().await;
    let (mut child, run) =
        owner_in("exit", &[("PATH", tools.path().to_str().unwrap()), ("IMAGE", image.as_str())]);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    await_nothing_of(&run, AFTERWARDS);
    child.wait().unwrap();
}

#[test]
fn nothing_is_left_of_an_owner_that_is_killed_while_containers_are_in_the_making() {
    engine!();
    let (mut child, run) = owner("making");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    await_nothing_of(&run, AFTERWARDS);
}

#[test]
fn nothing_is_left_of_an_owner_that_ends_without_closing() {
    engine!();
    for end in ["panic", "exit", "drop"] {
        let (mut child, run) = owner(end);
        drop(child.stdin.take());
        child.wait().unwrap();
        await_nothing_of(&run, DEADLINE);
    }
}

#[tokio::test]
async fn nothing_is_left_after_the_end_and_the_end_can_come_twice() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let mut launch = service(&image, "orders", "orders-1");
    launch.volumes.push("/data".into());
    start(&runtime, &launch).await;
    runtime.inject(&launch.instance, InstanceFault::Pause).await.unwrap();
    let second = service(&image, "payments", "payments-1");
    start(&runtime, &second).await;
    within(runtime.close()).await.unwrap();
    assert_eq!(left_of(runtime.run()), "");
    within(runtime.close()).await.unwrap();
    let ended = |kind: &InstanceEventKind| matches!(kind, InstanceEventKind::Exited { expected: true, .. });
    assert_eq!(kinds(&runtime).iter().filter(|kind| ended(kind)).count(), 2, "{:?}", kinds(&runtime));
    let late = runtime.start(&service(&image, "late", "late-1")).await;
    assert!(matches!(late, Err(RuntimeError::Engine { .. })), "{late:?}");
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_any_more_leaves_nothing_either() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launches: Vec<_> = (0..3).map(|n| service(&image, "a", &format!("a-{n}"))).collect();
    for (launch, polls) in launches.iter().zip([1, 50, 5000]) {
        let mut start = runtime.start(launch);
        for _ in 0..polls {
            if futures_util::poll!(&mut start).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    within(runtime.close()).await.unwrap();
    assert_eq!(left_of(runtime.run()), "");
}

#[tokio::test]
async fn a_runtime_that_is_dropped_takes_all_with_it() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    start(&runtime, &service(&image, "orders", "orders-1")).await;
    let run = runtime.run().to_owned();
    drop(runtime);
    await_nothing_of(&run, DEADLINE);
}

#[tokio::test]
async fn what_a_dead_owner_left_is_removed_by_the_next_and_what_a_living_one_has_is_not() {
    engine!();
    let (living, image) = (docker().await, image().await);
    start(&living, &service(&image, "orders", "orders-1")).await;
    let container = container_of(&living, "orders-1");

    // What would be left if the reaper were killed too: things with the labels of a process that has ended.
    let mut gone = std::process::Command::new("/bin/true").spawn().unwrap();
    gone.wait().unwrap();
    let labels = docker_says(&["inspect", "-f", "{{json .Config.Labels}}", &container]);
    let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(&labels).unwrap();
    let run = format!("left{}", gone.id());
    let mut arguments = Vec::new();
    for (name, value) in &labels {
        let value = match name.as_str() {
            "seaworthy.run" => run.clone(),
            "seaworthy.owner.pid" => gone.id().to_string(),
            _ => value.clone(),
        };
        arguments.extend(["--label".to_owned(), format!("{name}={value}")]);
    }
    let make = |start: &[&str], end: &[&str]| {
        let all: Vec<&str> = start
            .iter()
            .copied()
            .chain(arguments.iter().map(String::as_str))
            .chain(end.iter().copied())
            .collect();
        docker_says(&all);
    };
    // Other tests' runtimes may be the next, too: what is made here may be gone at once.
    make(&["create"], &[image.as_str()]);
    make(&["volume", "create"], &[]);
    make(&["network", "create"], &[&format!("seaworthy-{run}")]);

    let next = docker().await;
    assert_eq!(left_of(&run), "");
    super::support::await_answer(living.ports(&"orders-1".into()).await.unwrap()["tcp"]).await;
    next.close().await.unwrap();
    living.close().await.unwrap();
}
