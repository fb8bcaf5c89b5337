//! One container from start to end.

use std::net::IpAddr;
use std::time::Duration;

use seaworthy_core::instance::InstanceEventKind;
use seaworthy_core::log::Stream;
use seaworthy_core::runtime::{Exit, Program, Runtime, RuntimeError};
use seaworthy_runtime::readiness::until_ready;

use super::support::{ask, docker, engine, image, kinds, printed, service, shell, start};
use crate::support::{DEADLINE, command_of, within};

#[tokio::test]
async fn an_instance_gets_its_ports_its_files_and_what_is_declared() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let mut launch = service(&image, "orders", "orders-1");
    launch.ports.insert("fixed".into(), "9000/http".parse().unwrap());
    launch.env.insert("TEXT".into(), "at ${port.fixed} $${x}".into());
    launch.files.insert("conf/port".into(), "${port.tcp}".into());
    launch.files.insert("/etc/absolute".into(), "there".into());
    let address = start(&runtime, &launch).await;
    let started = runtime.ports(&launch.instance).await.unwrap();
    assert_eq!((started["tcp"].port(), started["fixed"].port()), (8080, 9000));
    assert_eq!(started["tcp"], address);
    assert_eq!(ask(address, "env TEXT").await.unwrap(), "at 9000 ${x}");
    assert_eq!(ask(address, "read /work/conf/port").await.unwrap(), "8080");
    assert_eq!(ask(address, "read /etc/absolute").await.unwrap(), "there");
    let name = ask(address, "read /etc/hostname").await.unwrap();
    assert_eq!(name.trim(), format!("orders-{}", runtime.run()));
    printed(&runtime, r#"listening ["from", "image"]"#).await;
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn a_command_takes_the_place_of_the_images_own_and_lines_and_the_end_are_kept() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let mut launch = service(&image, "orders", "orders-1");
    command_of(&mut launch).extend(["fail".into(), "7".into()]);
    runtime.start(&launch).await.unwrap();
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit, Exit { code: Some(7), signal: None });
    let output = runtime.output();
    let line = |stream: Stream| output.lines.iter().find(|line| line.stream == stream).unwrap().text.clone();
    assert_eq!(line(Stream::Stdout), "starting");
    assert_eq!(line(Stream::Stderr), "no database at db:5432");
    assert!(
        matches!(
            kinds(&runtime)[..],
            [
                InstanceEventKind::Started { pid: None, container: Some(_) },
                InstanceEventKind::Exited { code: Some(7), signal: None, expected: false }
            ]
        ),
        "{:?}",
        kinds(&runtime)
    );
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn all_that_a_short_life_prints_is_kept_without_secrets() {
    engine!();
    let runtime = docker().await;
    let text = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo password=correct-horse";
    let launch = shell("orders", "orders-1", text);
    runtime.start(&launch).await.unwrap();
    within(runtime.ended(&launch.instance)).await.unwrap();
    let output = runtime.output();
    assert_eq!((output.lines.len(), output.dropped, output.secrets.len()), (20_001, 0, 1));
    assert!(output.lines[..20_000].iter().enumerate().all(|(n, line)| line.text == format!("line {n}")));
    assert!(!output.lines[20_000].text.contains("correct-horse"));
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn an_instance_that_does_not_get_ready_is_shown_with_its_image_its_end_and_its_last_lines() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let mut ends = service(&image, "orders", "orders-1");
    command_of(&mut ends).extend(["fail".into(), "7".into()]);
    runtime.start(&ends).await.unwrap();
    let never = || async { Err("connection refused".to_owned()) };
    let error = within(until_ready(&runtime, &ends, DEADLINE, never)).await.unwrap_err();
    let shown = error.to_string().replace(&image, "IMAGE");
    // The two streams come apart, so either line may come first.
    let mut lines: Vec<&str> = shown.lines().collect();
    lines[1..].sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r"
    `orders` (image `IMAGE`) ended before it was ready (exit code 7)
    no database at db:5432
    starting
    ");

    let stays = service(&image, "payments", "payments-1");
    start(&runtime, &stays).await;
    printed(&runtime, r#"listening ["from", "image"]"#).await;
    let error = until_ready(&runtime, &stays, Duration::from_millis(50), never).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&image, "IMAGE"), @r#"
    `payments` (image `IMAGE`) was not ready after 50ms: connection refused
    listening ["from", "image"]
    "#);
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_started_says_why_and_leaves_no_container() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let said = async |program: Program| {
        let launch = seaworthy_core::runtime::Launch { program, ..service("", "orders", "orders-1") };
        runtime.start(&launch).await.unwrap_err().to_string()
    };
    let missing = said(Program::Image { image: "seaworthy/none:here".into(), command: Vec::new() }).await;
    assert_eq!(missing, "could not run `seaworthy/none:here` for `orders`: the engine has no such image");
    let program = said(Program::Command(vec!["./orders".into()])).await;
    assert!(program.contains("`./orders`") && program.contains("`image:`"), "{program}");

    let mut launch = shell("orders", "orders-1", "");
    *command_of(&mut launch) = vec!["/no/such/program".into()];
    let error = runtime.start(&launch).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Program { .. }), "{error:?}");
    assert!(error.to_string().contains("/no/such/program"), "{error}");

    let mut outside = service(&image, "orders", "orders-1");
    outside.files.insert("../x".into(), String::new());
    let error = runtime.start(&outside).await.unwrap_err().to_string();
    assert!(error.contains("`../x` does not name a file of the container"), "{error}");
    let mut strange = service(&image, "orders", "orders-1");
    strange.env.insert("A".into(), "${port.nowhere}".into());
    let error = runtime.start(&strange).await.unwrap_err().to_string();
    assert!(error.contains("`${port.nowhere}` has no value here"), "{error}");

    let containers = super::support::docker_says(&[
        "ps",
        "-aq",
        "--filter",
        &format!("label={}={}", seaworthy_runtime::docker::RUN, runtime.run()),
    ]);
    assert_eq!(containers, "");
    assert!(runtime.events().is_empty(), "{:?}", runtime.events());
    // The id is free again.
    start(&runtime, &service(&image, "orders", "orders-1")).await;
    let again = runtime.start(&service(&image, "orders", "orders-1")).await;
    assert!(matches!(again, Err(RuntimeError::Io { .. })), "{again:?}");
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn a_container_reaches_the_harness_by_the_name_it_is_told() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let vantage = runtime.vantage();
    assert!(vantage.listen[0].is_loopback() && vantage.listen.len() == 2, "{vantage:?}");
    let gateway = vantage.listen[1];
    let IpAddr::V4(address) = gateway else { panic!("{gateway}") };
    assert!(address.is_private());
    // Before there is any container.
    let port = super::support::answering(gateway, "the harness");
    let address = start(&runtime, &service(&image, "orders", "orders-1")).await;
    let answer = ask(address, &format!("call {}:{port}", vantage.host)).await.unwrap();
    assert_eq!(answer, "the harness");
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn an_instance_that_is_stopped_may_take_its_time_up_to_its_grace() {
    engine!();
    let runtime = docker().await;
    let orderly =
        shell("a", "a-1", "trap 'echo flushed; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    runtime.start(&orderly).await.unwrap();
    printed(&runtime, "up").await;
    let exit = within(runtime.stop(&orderly.instance, Duration::from_secs(60))).await.unwrap();
    assert_eq!(exit.code, Some(3));
    assert_eq!(runtime.last_lines(&orderly.instance, 1), ["flushed"]);

    let stubborn = shell("b", "b-1", "trap '' TERM; echo deaf; while :; do sleep 0.05; done");
    runtime.start(&stubborn).await.unwrap();
    printed(&runtime, "deaf").await;
    let exit = within(runtime.stop(&stubborn.instance, Duration::from_millis(1))).await.unwrap();
    assert_eq!(exit.signal, Some(9));
    let exit = within(runtime.stop(&stubborn.instance, Duration::from_secs(60))).await.unwrap();
    assert_eq!(exit.signal, Some(9), "stopping what has ended is fine");
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn what_a_volume_holds_is_there_after_a_restart_and_nothing_else_is() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launch = |instance: &str| {
        let mut launch = service(&image, "orders", instance);
        launch.volumes.push("/data".into());
        launch
    };
    let first = start(&runtime, &launch("orders-1")).await;
    assert_eq!(ask(first, "write /data/kept yes").await.unwrap(), "written");
    assert_eq!(ask(first, "write /work/lost yes").await.unwrap(), "written");
    within(runtime.stop(&"orders-1".into(), Duration::ZERO)).await.unwrap();
    let second = start(&runtime, &launch("orders-2")).await;
    assert_eq!(ask(second, "read /data/kept").await.unwrap(), "yes");
    assert!(ask(second, "read /work/lost").await.unwrap().starts_with("error"));

    let mut other = service(&image, "payments", "payments-1");
    other.volumes.push("/data".into());
    let other = start(&runtime, &other).await;
    assert!(ask(other, "read /data/kept").await.unwrap().starts_with("error"), "it is the service's own");
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn two_runs_at_once_do_not_see_each_other() {
    engine!();
    let image = image().await;
    let (one, two) = tokio::join!(docker(), docker());
    assert_ne!(one.run(), two.run());
    let launch = service(&image, "a", "a-1");
    let (first, second) = tokio::join!(start(&one, &launch), start(&two, &launch));
    assert_ne!(first.ip(), second.ip());
    // Packets between two bridges are dropped, so the answer would be a long time coming.
    let call = super::support::ask_within(first, &format!("call {second}"), Duration::from_millis(700)).await;
    assert!(call.as_ref().map_or(true, |answer| answer.starts_with("error")), "{call:?}");
    start(&one, &service(&image, "b", "b-1")).await;
    let call = ask(first, "call b:8080").await.unwrap();
    assert!(call.starts_with("error"), "services have no names for each other: {call}");
    one.close().await.unwrap();
    super::support::await_answer(second).await;
    two.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_start_at_once() {
    engine!();
    let (runtime, image) = (docker().await, image().await);
    let launches: Vec<_> = (1..=6).map(|n| service(&image, &format!("s{n}"), &format!("s{n}-1"))).collect();
    let since = std::time::Instant::now();
    let addresses =
        futures_util::future::join_all(launches.iter().map(|launch| start(&runtime, launch))).await;
    println!("6 containers answered after {:?}", since.elapsed());
    let distinct: std::collections::BTreeSet<_> = addresses.iter().collect();
    assert_eq!(distinct.len(), 6);
    runtime.close().await.unwrap();
}
