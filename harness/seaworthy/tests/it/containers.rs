//! The same system in containers: one verdict, faults on instances, and nothing left behind, whatever becomes of the
//! harness. These tests fail where there is no engine; `SEAWORTHY_NO_DOCKER=1` leaves them out.

// What is not as it should be ends the test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seaworthy::System;
use seaworthy::core::instance::InstanceFault;
use seaworthy::core::system::RunKind;
use seaworthy_runtime::docker::OWNER_PID;

use crate::support::{SHOP, TOKEN, order, said, seaworthy};

/// How long the shop may take to be there: its images may have to be built first.
const THERE: Duration = Duration::from_secs(900);
/// How soon nothing is left of a harness that was killed.
const GONE: Duration = Duration::from_secs(10);

/// Whether there is to be an engine. When there is none although, the tests fail.
#[allow(clippy::print_stdout, reason = "whoever leaves tests out is told")]
fn engine_is_wanted() -> bool {
    let left_out = std::env::var("SEAWORTHY_NO_DOCKER").is_ok_and(|value| value == "1");
    if left_out {
        println!("left out: SEAWORTHY_NO_DOCKER=1");
    }
    !left_out
}

/// What the engine has of this process: containers, networks, volumes.
fn objects_of(pid: u32) -> Vec<String> {
    let filter = format!("label={OWNER_PID}={pid}");
    let lists: [&[&str]; 3] = [&["ps", "-aq"], &["network", "ls", "-q"], &["volume", "ls", "-q"]];
    let list = |arguments: &[&str]| {
        let said = Command::new("docker").args(arguments).args(["--filter", &filter]).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let kind = arguments[0];
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.lines().map(|id| format!("{kind} {id}")).collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(list).collect()
}

/// Asks the engine again until it says what it should.
fn until(within: Duration, pid: u32, holds: impl Fn(&[String]) -> bool) -> Result<(), Vec<String>> {
    let deadline = Instant::now() + within;
    loop {
        let objects = objects_of(pid);
        if holds(&objects) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(objects);
        }
    }
}

/// A process that is killed when the test ends before it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_verdict_is_the_same_in_containers_and_nothing_is_left() {
    if !engine_is_wanted() {
        return;
    }
    let child = seaworthy()
        .args(["check", SHOP, "--on", "docker", "--color", "never"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let (code, out, err) = said(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.starts_with("PASS · shop"), "{out}");
    assert!(out.contains("dead-letters") && out.contains("health"), "{out}");
    assert_eq!(objects_of(pid), Vec::<String>::new());
}

#[test]
fn a_harness_that_is_killed_in_mid_run_leaves_nothing() {
    if !engine_is_wanted() {
        return;
    }
    let mut command = seaworthy();
    command.args(["check", SHOP, "--on", "docker"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut harness = Killed(command.spawn().unwrap());
    let pid = harness.0.id();
    // Seven services, Postgres and RabbitMQ: all are made, some are starting.
    let containers = |objects: &[String]| objects.iter().filter(|object| object.starts_with("ps")).count();
    until(THERE, pid, |objects| containers(objects) >= 9)
        .unwrap_or_else(|objects| panic!("only {objects:?}"));
    harness.0.kill().unwrap();
    harness.0.wait().unwrap();
    until(GONE, pid, <[String]>::is_empty)
        .unwrap_or_else(|objects| panic!("{objects:?} are left {GONE:?} after the harness was killed"));
}

#[tokio::test]
async fn a_test_cuts_a_container_off_and_brings_it_back() -> Result<(), seaworthy::Error> {
    if !engine_is_wanted() {
        return Ok(());
    }
    let shop = System::start_on(SHOP, RunKind::Docker).await?;
    let ordered = || async { shop.post("/api/v1/orders").bearer(TOKEN).json(&order()).send().await };
    assert_eq!(ordered().await?.status(), 201);

    shop.inject("payments", InstanceFault::Disconnect).await?;
    let refused = ordered().await?;
    assert_ne!(refused.status(), 201, "{}", refused.text());
    shop.inject("payments", InstanceFault::Reconnect).await?;

    shop.inject("inventory", InstanceFault::Pause).await?;
    let refused = ordered().await?;
    assert_ne!(refused.status(), 201, "{}", refused.text());
    shop.inject("inventory", InstanceFault::Unpause).await?;

    let limit = InstanceFault::Limit { cpu_percent: Some(50), memory_mib: Some(128) };
    shop.inject("orders", limit).await?;
    // The breaker towards payments may still be open: it closes by trials.
    let deadline = Instant::now() + Duration::from_secs(30);
    while ordered().await?.status() != 201 {
        assert!(Instant::now() < deadline, "orders do not go through again");
    }
    shop.inject("orders", InstanceFault::Unlimit).await?;

    // A broker that was started again is somewhere else: publishers, subscribers and the harness between them follow.
    shop.restart("rabbitmq").await?;
    let answer = ordered().await?;
    assert_eq!(answer.status(), 201);
    answer.until("notifications -> mailbox POST /mail", 3).await?;
    Ok(())
}
