//! Services that run already are found, and left alone.

use std::path::Path;
use std::time::Duration;

use seaworthy_core::instance::InstanceFault;
use seaworthy_core::runtime::{Launch, Program, Runtime, RuntimeError};
use seaworthy_core::system::{Overrides, RunKind, System};
use seaworthy_runtime::{AttachRuntime, readiness};

fn system(url: &str) -> System {
    let text = format!(
        "version: 1\nname: s\nservices:\n  api:\n    ports: {{http: http, sql: tcp}}\n    url: {url}\n  worker: {{}}\n"
    );
    let overrides = Overrides { on: RunKind::Attach, env: Vec::new() };
    System::parse(&text, Path::new("seaworthy.yaml"), &overrides).unwrap()
}

fn launch(service: &str) -> Launch {
    Launch {
        service: service.into(),
        instance: format!("{service}-1").as_str().into(),
        program: Program::Command(Vec::new()),
        env: Default::default(),
        files: Default::default(),
        ports: Default::default(),
        volumes: Vec::new(),
    }
}

#[tokio::test]
async fn each_port_is_where_the_file_says() {
    let runtime = AttachRuntime::new(&system("{http: \"http://localhost:8080\", sql: \"tcp://[::1]:5432\"}"));
    let started = runtime.start(&launch("api")).await.unwrap();
    assert_eq!(started.pid, None);
    let shown: Vec<String> =
        started.ports.iter().map(|(port, address)| format!("{port} {address}")).collect();
    assert_eq!(shown, ["http 127.0.0.1:8080", "sql [::1]:5432"]);
    assert_eq!(runtime.ports(&"api-1".into()).await.unwrap(), started.ports);
    // What listens nowhere is there as well.
    assert_eq!(runtime.start(&launch("worker")).await.unwrap().ports, Default::default());
}

#[tokio::test]
async fn nothing_is_done_to_them() {
    let runtime = AttachRuntime::new(&system("{http: \"http://127.0.0.1:1\", sql: \"tcp://127.0.0.1:2\"}"));
    let api = "api-1".into();
    assert!(matches!(runtime.inject(&api, InstanceFault::Kill).await, Err(RuntimeError::NoInstance(_))));
    runtime.start(&launch("api")).await.unwrap();
    let error = runtime.inject(&api, InstanceFault::Kill).await.unwrap_err().to_string();
    assert!(error.contains("could not kill an instance of `api`"), "{error}");
    assert!(error.contains("cannot be done to a service that runs already"), "{error}");
    let exit = runtime.stop(&api, Duration::from_secs(1)).await.unwrap();
    assert_eq!((exit.code, exit.signal), (None, None));
    // It goes on: nobody who waits for its end is told of one.
    tokio::select! {
        biased;
        ended = runtime.ended(&api) => panic!("{ended:?}"),
        () = std::future::ready(()) => {}
    }
    runtime.close().await.unwrap();
    assert!(runtime.events().is_empty() && runtime.output().lines.is_empty());
}

#[tokio::test]
async fn one_that_is_not_there_is_named_with_the_address_where_it_was_looked_for() {
    let runtime = AttachRuntime::new(&system("{http: \"http://127.0.0.1:1\", sql: \"tcp://127.0.0.1:2\"}"));
    let launch = launch("api");
    runtime.start(&launch).await.unwrap();
    let probe = || async { Err("connection refused".to_owned()) };
    let error =
        readiness::until_ready(&runtime, &launch, Duration::from_millis(50), probe).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("connection refused") && text.contains("http://127.0.0.1:1"), "{text}");
}
