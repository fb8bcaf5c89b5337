//! The examples of the OTLP repository, when `SEAWORTHY_CONFORMANCE` names the folder that holds them: each is
//! accepted whole over a real socket. That they are read unchanged is tested beside the reader.

use std::path::PathBuf;

use http::StatusCode;
use serde_json::Value;

use crate::client::{Running, post};

#[tokio::test]
async fn the_examples_of_the_specification_are_accepted() {
    let Some(folder) = std::env::var_os("SEAWORTHY_CONFORMANCE") else {
        println!("OTLP examples: 0 accepted, SEAWORTHY_CONFORMANCE is not set");
        return;
    };
    let folder = PathBuf::from(folder).join("otlp");
    let running = Running::start().await;
    let mut read = 0;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let bytes = std::fs::read(file).unwrap();
        let example: Value = serde_json::from_slice(&bytes).unwrap();
        let path = match example.as_object().and_then(|fields| fields.keys().next()).map(String::as_str) {
            Some("resourceSpans") => "/v1/traces",
            Some("resourceMetrics") => "/v1/metrics",
            Some("resourceLogs") => "/v1/logs",
            other => panic!("{}: {other:?} is no signal", file.display()),
        };
        let reply = post(running.address(), path, &[("content-type", "application/json")], bytes).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"{}"[..]), "{}", file.display());
        read += 1;
    }
    let counts = running.store.counts();
    println!("OTLP examples: {read} accepted; {counts:?}");
    assert!(read > 0, "no example in {}", folder.display());
    assert!(counts.spans > 0 && counts.logs > 0 && counts.metric_points > 0, "{counts:?}");
}
