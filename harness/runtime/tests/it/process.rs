//! One instance from start to end.

use std::time::Duration;

use seaworthy_core::instance::{InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::{Exit, Runtime, RuntimeError};

use crate::support::{printed, runtime, script, with_port, within};

#[tokio::test]
async fn an_instance_gets_its_port_its_files_and_what_is_declared_and_nothing_else() {
    let runtime = runtime();
    let mut launch = with_port(script("orders", "orders-1", "cat config; echo $# $1; env; pwd"), "http");
    launch.command.extend(["sh".into(), "--listen=${port.http}".into()]);
    launch.env.insert("ADDRESS".into(), "127.0.0.1:${port.http} $${x}".into());
    launch.files.insert("config".into(), "port = ${port.http}".into());
    let started = runtime.start(&launch).await.unwrap();
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit, Exit { code: Some(0), signal: None });

    let port = started.ports["http"].port();
    let output = runtime.output();
    let lines: Vec<&str> = output.lines.iter().map(|line| line.text.as_str()).collect();
    let expected = format!("port = {port}1 --listen={port}");
    assert_eq!(lines[0], expected);
    assert!(lines.contains(&format!("ADDRESS=127.0.0.1:{port} ${{x}}").as_str()), "{lines:?}");
    // What the shell itself adds is not the harness's.
    let strange = |line: &&&str| {
        line.split_once('=')
            .is_some_and(|(name, _)| !["ADDRESS", "PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(&name))
    };
    assert_eq!(lines[1..].iter().find(strange), None, "{lines:?}");
    let folder = runtime.folder_of(&launch.service).canonicalize().unwrap();
    assert_eq!(lines.last(), Some(&folder.to_str().unwrap()));
}

#[tokio::test]
async fn an_instance_that_is_killed_ends_by_the_signal_and_the_cause_is_recorded_first() {
    let runtime = runtime();
    let launch = script("orders", "orders-1", "echo up; exec sleep 1000");
    runtime.start(&launch).await.unwrap();
    printed(&runtime, "up").await;
    runtime.inject(&launch.instance, InstanceFault::Kill).await.unwrap();
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit, Exit { code: None, signal: Some(9) });
    let kinds: Vec<InstanceEventKind> = runtime.events().into_iter().map(|event| event.kind).collect();
    assert!(
        matches!(
            kinds[..],
            [
                InstanceEventKind::Started { pid: Some(_) },
                InstanceEventKind::Killed,
                InstanceEventKind::Exited { code: None, signal: Some(9), expected: true }
            ]
        ),
        "{kinds:?}"
    );
    let again = runtime.inject(&launch.instance, InstanceFault::Kill).await;
    assert!(matches!(again, Err(RuntimeError::NoInstance(_))), "{again:?}");
}

#[tokio::test]
async fn an_instance_that_is_asked_to_end_may_take_its_time_up_to_its_grace() {
    let runtime = runtime();
    let orderly = script("a", "a-1", "trap 'echo flushed; exit 3' TERM; echo up; sleep 1000 & wait");
    runtime.start(&orderly).await.unwrap();
    printed(&runtime, "up").await;
    let exit = within(runtime.stop(&orderly.instance, Duration::from_secs(60))).await.unwrap();
    assert_eq!(exit.code, Some(3));
    printed(&runtime, "flushed").await;

    let stubborn = script("b", "b-1", "trap '' TERM; echo deaf; sleep 1000");
    runtime.start(&stubborn).await.unwrap();
    printed(&runtime, "deaf").await;
    let exit = within(runtime.stop(&stubborn.instance, Duration::from_millis(1))).await.unwrap();
    assert_eq!(exit.signal, Some(9));
    let exit = within(runtime.stop(&stubborn.instance, Duration::from_secs(60))).await.unwrap();
    assert_eq!(exit.signal, Some(9), "stopping what has ended is fine");
}
