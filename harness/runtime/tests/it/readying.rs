//! Instances that get ready, and those that do not.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seaworthy_core::instance::InstanceEventKind;
use seaworthy_core::runtime::{Launch, Runtime, RuntimeError};
use seaworthy_runtime::readiness::{address_in_use, is_address_in_use, until_ready};

use crate::stand_in;
use crate::support::{DEADLINE, command_of, runtime, script, with_port, within};

async fn never() -> Result<(), String> {
    Err("connection refused".to_owned())
}

/// A service that really listens, on what `address` says.
fn listener(instance: &str, address: &str) -> Launch {
    let mut launch = with_port(script("orders", instance, ""), "http");
    let command = command_of(&mut launch);
    *command = vec![std::env::current_exe().unwrap().to_str().unwrap().to_owned()];
    command.extend(stand_in::arguments("service"));
    launch.env.insert("ADDRESS".into(), address.into());
    launch
}

#[tokio::test]
async fn an_instance_is_ready_when_its_probe_says_so() {
    let runtime = runtime();
    let launch = listener("orders-1", "127.0.0.1:${port.http}");
    let address = runtime.start(&launch).await.unwrap().ports["http"];
    let asked = AtomicU32::new(0);
    let probe = || {
        asked.fetch_add(1, Ordering::SeqCst);
        async move { tokio::net::TcpStream::connect(address).await.map(|_| ()).map_err(|error| error.to_string()) }
    };
    until_ready(&runtime, &launch, DEADLINE, probe).await.unwrap();
    assert!(asked.load(Ordering::SeqCst) > 0);
    assert_eq!(runtime.events().last().map(|event| event.kind.clone()), Some(InstanceEventKind::Ready));
}

#[tokio::test]
async fn an_instance_that_ends_early_is_shown_with_its_last_lines() {
    let runtime = runtime();
    let launch = script("orders", "orders-1", "echo starting; echo 'no database at db:5432' >&2; exit 7");
    runtime.start(&launch).await.unwrap();
    let ready = until_ready(&runtime, &launch, DEADLINE, never);
    let error = within(ready).await.unwrap_err();
    let RuntimeError::EndedEarly { how, output, .. } = &error else { panic!("{error:?}") };
    assert_eq!(how, "exit code 7");
    assert!(output.contains("starting") && output.contains("no database at db:5432"), "{output}");
    assert!(error.to_string().starts_with("`orders` ended before it was ready (exit code 7)"), "{error}");
    assert!(!is_address_in_use(&error));
}

#[tokio::test]
async fn an_instance_that_ends_early_is_not_ready_though_something_answers() {
    let runtime = runtime();
    let launch = script("orders", "orders-1", "exit 0");
    runtime.start(&launch).await.unwrap();
    within(runtime.ended(&launch.instance)).await.unwrap();
    let ready = until_ready(&runtime, &launch, DEADLINE, || async { Ok(()) });
    let error = within(ready).await.unwrap_err();
    assert!(matches!(error, RuntimeError::EndedEarly { .. }), "{error:?}");
}

#[tokio::test]
async fn an_instance_that_never_gets_ready_is_shown_with_what_was_seen() {
    let runtime = runtime();
    let launch = script("orders", "orders-1", "echo waiting for the database; exec sleep 1000");
    runtime.start(&launch).await.unwrap();
    crate::support::printed(&runtime, "waiting for the database").await;
    let patience = Duration::from_millis(100);
    let ready = until_ready(&runtime, &launch, patience, never);
    let error = within(ready).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`orders` was not ready after 100ms: connection refused\nwaiting for the database"
    );
    assert_eq!(runtime.groups().len(), 1, "it is the caller who ends it");
}

#[tokio::test]
async fn a_probe_that_never_answers_is_given_up() {
    let runtime = runtime();
    let launch = script("orders", "orders-1", "exec sleep 1000");
    runtime.start(&launch).await.unwrap();
    let patience = Duration::from_millis(50);
    let ready = until_ready(&runtime, &launch, patience, std::future::pending);
    let error = within(ready).await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::NotReady { last, .. } if last == "no probe was answered"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_from_other_ends_and_fresh_ports_help() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = runtime();
    let first = listener("orders-1", &taken.local_addr().unwrap().to_string());
    runtime.start(&first).await.unwrap();
    let ready = until_ready(&runtime, &first, DEADLINE, never);
    let error = within(ready).await.unwrap_err();
    assert!(is_address_in_use(&error), "{error}");

    let second = listener("orders-2", "127.0.0.1:${port.http}");
    let address = runtime.start(&second).await.unwrap().ports["http"];
    let probe = || async move {
        tokio::net::TcpStream::connect(address).await.map(|_| ()).map_err(|e| e.to_string())
    };
    until_ready(&runtime, &second, DEADLINE, probe).await.unwrap();
}

#[test]
fn common_languages_are_understood_when_they_say_that_an_address_is_taken() {
    for line in [
        "Error: Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }",
        "listen tcp :8080: bind: address already in use",
        "Error: listen EADDRINUSE: address already in use :::8080",
        "java.net.BindException: Address already in use",
        "OSError: [Errno 98] Address already in use",
        "Web server failed to start. Port 8080 was already in use.",
    ] {
        assert!(address_in_use(&["starting".to_owned(), line.to_owned()]), "{line}");
    }
    assert!(!address_in_use(&["could not connect to db: connection refused".to_owned()]));
    assert!(!address_in_use(&[]));
}
