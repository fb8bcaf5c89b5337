//! One instance from start to end.

use std::time::Duration;

use seaworthy_core::instance::{InstanceEventKind, InstanceFault};
use seaworthy_core::log::Stream;
use seaworthy_core::runtime::{Exit, Runtime, RuntimeError};

use crate::support::{command_of, printed, runtime, script, with_port, within};

#[tokio::test]
async fn an_instance_gets_its_port_its_files_and_what_is_declared_and_nothing_else() {
    let runtime = runtime();
    let mut launch = with_port(script("orders", "orders-1", "cat config; echo $# $1; env; pwd"), "http");
    command_of(&mut launch).extend(["sh".into(), "--listen=${port.http}".into()]);
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
                InstanceEventKind::Started { pid: Some(_), container: None },
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

#[tokio::test]
async fn a_program_that_is_missing_says_so_and_what_was_meant() {
    let runtime = runtime();
    let start = async |command: &str| {
        let mut launch = script("orders", "orders-1", "");
        *command_of(&mut launch) = vec![command.into()];
        runtime.start(&launch).await.unwrap_err().to_string()
    };
    let misspelt = start("/bin/shh").await;
    assert!(
        misspelt.starts_with("could not run `/bin/shh` for `orders`: there is no such file"),
        "{misspelt}"
    );
    let unknown = start("no-such-program-anywhere").await;
    assert!(unknown.contains("it is in none of the"), "{unknown}");
    assert!(start("/").await.contains("it is a folder"));
    assert!(start("").await.contains("its command is empty"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    std::fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = file.to_str().unwrap();
    assert!(start(path).await.contains("the interpreter that its first line names is missing"));
    assert!(runtime.groups().is_empty() && runtime.events().is_empty(), "nothing was started");
}

#[tokio::test]
async fn a_launch_that_makes_no_sense_is_refused_before_anything_runs() {
    let runtime = runtime();
    let mut strange = script("orders", "orders-1", "exit 0");
    strange.env.insert("A".into(), "${port.nowhere}".into());
    let error = runtime.start(&strange).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not fill in the variable A of `orders`: `${port.nowhere}` has no value here"
    );
    let mut outside = script("orders", "orders-1", "exit 0");
    outside.files.insert("../../outside".into(), "x".into());
    let error = runtime.start(&outside).await.unwrap_err().to_string();
    assert!(error.contains("`../../outside` does not lie below the working folder"), "{error}");
    let unknown = runtime.ended(&"orders-1".into()).await;
    assert!(matches!(unknown, Err(RuntimeError::NoInstance(_))), "{unknown:?}");
}

#[tokio::test]
async fn an_id_is_used_once_and_a_service_keeps_its_folder() {
    let runtime = runtime();
    let first = script("orders", "orders-1", "echo kept > state");
    runtime.start(&first).await.unwrap();
    within(runtime.ended(&first.instance)).await.unwrap();
    let again = runtime.start(&first).await;
    assert!(matches!(again, Err(RuntimeError::Io { .. })), "{again:?}");
    let second = script("orders", "orders-2", "cat state");
    runtime.start(&second).await.unwrap();
    within(runtime.ended(&second.instance)).await.unwrap();
    assert_eq!(runtime.last_lines(&second.instance, 5), ["kept"]);
}

#[tokio::test]
async fn a_port_is_given_out_once() {
    let runtime = runtime();
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..20 {
        let launch = with_port(with_port(script("a", &format!("a-{number}"), "exit 0"), "http"), "grpc");
        let started = runtime.start(&launch).await.unwrap();
        for address in started.ports.values() {
            assert!(seen.insert(*address), "{address} was given out before");
        }
    }
    assert_eq!(seen.len(), 40);
}

#[tokio::test]
async fn what_it_prints_is_kept_by_stream_and_without_secrets() {
    let runtime = runtime();
    let text = "echo out; echo 'password=correct-horse' >&2";
    let launch = script("orders", "orders-1", text);
    runtime.start(&launch).await.unwrap();
    within(runtime.ended(&launch.instance)).await.unwrap();
    let output = runtime.output();
    let line = |stream: Stream| output.lines.iter().find(|line| line.stream == stream).unwrap().text.clone();
    assert_eq!(line(Stream::Stdout), "out");
    assert!(line(Stream::Stderr).contains("[redacted"), "{:?}", output.lines);
    assert!(!format!("{output:?}").contains("correct-horse"));
    assert_eq!(output.secrets.len(), 1);
    assert_eq!((output.secrets[0].place.as_str(), output.dropped), ("stderr", 0));
}

#[tokio::test]
async fn a_restart_ends_the_instance_in_order() {
    let runtime = runtime();
    let launch = script("orders", "orders-1", "trap 'echo flushed; exit 0' TERM; echo up; sleep 1000 & wait");
    runtime.start(&launch).await.unwrap();
    printed(&runtime, "up").await;
    within(runtime.inject(&launch.instance, InstanceFault::Restart)).await.unwrap();
    assert_eq!(runtime.last_lines(&launch.instance, 1), ["flushed"]);
    let kinds: Vec<InstanceEventKind> =
        runtime.events().into_iter().skip(1).map(|event| event.kind).collect();
    let ended = InstanceEventKind::Exited { code: Some(0), signal: None, expected: true };
    assert_eq!(kinds, [InstanceEventKind::AskedToEnd, ended]);
}

/// The state of a process as the kernel says it: `T` is stopped.
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().trim().chars().next().unwrap()
}

#[tokio::test]
async fn a_frozen_instance_stands_still_until_it_may_go_on() {
    let runtime = runtime();
    let launch = script("a", "a-1", "echo up; while :; do :; done");
    let pid = runtime.start(&launch).await.unwrap().pid.unwrap();
    printed(&runtime, "up").await;
    for _ in 0..2 {
        runtime.inject(&launch.instance, InstanceFault::Pause).await.unwrap();
    }
    within(async {
        while state(pid) != 'T' {
            tokio::task::yield_now().await;
        }
    })
    .await;
    runtime.inject(&launch.instance, InstanceFault::Unpause).await.unwrap();
    within(async {
        while state(pid) == 'T' {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let kinds: Vec<InstanceEventKind> =
        runtime.events().into_iter().skip(1).map(|event| event.kind).collect();
    assert_eq!(kinds, [InstanceEventKind::Paused, InstanceEventKind::Resumed], "each once");
}

#[tokio::test]
async fn a_frozen_instance_that_is_stopped_gets_to_end_in_order() {
    let runtime = runtime();
    let launch = script("a", "a-1", "trap 'echo flushed; exit 3' TERM; echo up; sleep 1000 & wait");
    runtime.start(&launch).await.unwrap();
    printed(&runtime, "up").await;
    runtime.inject(&launch.instance, InstanceFault::Pause).await.unwrap();
    let exit = within(runtime.stop(&launch.instance, Duration::from_secs(60))).await.unwrap();
    assert_eq!(exit.code, Some(3));
    assert_eq!(runtime.last_lines(&launch.instance, 1), ["flushed"]);
}

#[tokio::test]
async fn what_only_containers_can_suffer_is_refused_with_a_hint() {
    let runtime = runtime();
    let launch = script("a", "a-1", "exec sleep 1000");
    runtime.start(&launch).await.unwrap();
    let limit = InstanceFault::Limit { cpu_percent: Some(20), memory_mib: None };
    for fault in [limit, InstanceFault::Unlimit, InstanceFault::Disconnect, InstanceFault::Reconnect] {
        let error = runtime.inject(&launch.instance, fault).await.unwrap_err();
        assert!(matches!(error, RuntimeError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("--on docker"), "{error}");
    }
    let unknown = runtime.inject(&"b-1".into(), limit).await;
    assert!(matches!(unknown, Err(RuntimeError::NoInstance(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_runtime_that_is_closed_has_ended_everything() {
    let runtime = runtime();
    for instance in ["a-1", "a-2"] {
        let launch = with_port(script("a", instance, "exec sleep 1000"), "http");
        let started = runtime.start(&launch).await.unwrap();
        assert_eq!(runtime.ports(&launch.instance).await.unwrap(), started.ports);
    }
    within(runtime.close()).await.unwrap();
    assert!(runtime.groups().is_empty());
    within(runtime.close()).await.unwrap();
}

#[tokio::test]
async fn a_port_with_a_number_keeps_it() {
    let runtime = runtime();
    let mut launch = with_port(script("a", "a-1", "echo ${port.fixed}"), "http");
    launch.ports.insert("fixed".into(), "15432/tcp".parse().unwrap());
    let started = runtime.start(&launch).await.unwrap();
    assert_eq!(started.ports["fixed"].port(), 15432);
    assert_ne!(started.ports["http"].port(), 15432);
    printed(&runtime, "15432").await;
}
