//! `seaworthy contracts record`, `drift` and `coverage` over evidence that was kept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these helpers are part of the tests below")]

use std::collections::BTreeMap;
use std::path::Path;

use seaworthy::core::evidence::EvidenceSet;
use seaworthy::core::exchange::{Body, Exchange, Headers, Outcome, Protocol, Request, Response};
use seaworthy::core::ids::{ExchangeId, TraceId};
use seaworthy::core::system::{Overrides, System};
use seaworthy::core::time::Nanos;
use seaworthy::experiment::disk;
use serde_json::Value;

use crate::support::{said, seaworthy};

const SYSTEM: &str = "
version: 1
name: small
services:
  orders: {process: {command: [orders]}}
  payments: {process: {command: [payments]}}
";

fn body(text: &str) -> Body {
    // Digests only tell bodies apart.
    Body {
        bytes: text.len() as u64,
        digest: format!("{:064x}", text.len()),
        text: Some(text.to_owned()),
        truncated: false,
    }
}

fn exchange(id: u64, asked: &str, sent: &str, status: u16, received: &str) -> Exchange {
    let (method, path) = asked.split_once(' ').unwrap();
    let headers: Headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Exchange {
        id: ExchangeId(id),
        edge: "orders -> payments".parse().unwrap(),
        protocol: Protocol::Http1,
        method: method.to_owned(),
        path: path.to_owned(),
        query: None,
        trace: None,
        invalid_traceparent: None,
        correlation_id: None,
        baggage: Vec::new(),
        started: Nanos(id),
        ended: Some(Nanos(id + 1)),
        request: Request { headers: headers.clone(), body: body(sent) },
        response: Some(Response {
            status,
            grpc_status: None,
            headers,
            trailers: Vec::new(),
            body: body(received),
            first_byte: Nanos(id),
            last_byte: Some(Nanos(id)),
        }),
        outcome: Outcome::Answered,
        provider: None,
        faults: Vec::new(),
    }
}

fn keep(folder: &Path, exchanges: Vec<Exchange>) {
    let system = System::parse(SYSTEM, Path::new("seaworthy.yaml"), &Overrides::default()).unwrap();
    let mut evidence = EvidenceSet::empty(system);
    evidence.exchanges = exchanges;
    evidence.index();
    disk::write(folder, &evidence, &BTreeMap::new(), &TraceId::random().to_string(), 0).unwrap();
}

fn usual() -> Vec<Exchange> {
    vec![
        exchange(1, "POST /payments", r#"{"amount": 10}"#, 201, r#"{"id": "p-17", "status": "PAID"}"#),
        exchange(2, "GET /payments/p-17", "", 200, r#"{"id": "p-17", "status": "PAID"}"#),
    ]
}

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[test]
fn what_was_recorded_is_in_line_and_exercised_until_something_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (evidence, pacts) = (folder.path().join("evidence"), folder.path().join("pacts"));
    keep(&evidence, usual());
    let run = |command: &str, more: &[&str]| {
        let mut process = seaworthy();
        process.args(["contracts", command, "--evidence"]).arg(&evidence);
        let output = if command == "record" { "-o" } else { "--pacts" };
        said(&process.arg(output).arg(&pacts).args(more).output().unwrap())
    };

    let (code, stdout, stderr) = run("record", &[]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("orders relies on payments\n  POST /payments is answered 201\n"), "{stdout}");
    let file = pacts.join("orders-payments.json");
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(run("record", &["--edge", "orders -> payments"]).0, 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written, "recorded again it is the same");

    let (code, stdout, stderr) = run("drift", &[]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("2 of 2 exchanges are in line with 1 contract"), "{stdout}");
    let (code, stdout, stderr) = run("coverage", &[]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("orders relies on payments: 2 of 2 interactions exercised"), "{stdout}");

    // The provider renames a field, and nobody looks at payments any more.
    keep(
        &evidence,
        vec![
            exchange(1, "POST /payments", r#"{"amount": 10}"#, 201, r#"{"id": "p-17", "state": "PAID"}"#),
            exchange(2, "POST /payments/p-17/capture", "", 200, ""),
        ],
    );
    let (code, stdout, stderr) = run("drift", &["--format", "json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let report = json(&stdout);
    let rules: Vec<&str> = report["checks"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["contract.drift.operation", "contract.drift.response"]);
    assert_eq!(run("drift", &["--deny", "warnings"]).0, 1);
    let (code, stdout, _) = run("coverage", &["--deny", "warnings", "--format", "json"]);
    assert_eq!(code, 1);
    assert_eq!(json(&stdout)["checks"][0]["findings"].as_array().unwrap().len(), 2);
    for (format, sign) in
        [("junit", "<testsuite"), ("sarif", "\"2.1.0\""), ("markdown", "contract.drift.response")]
    {
        let (code, stdout, stderr) = run("drift", &["--format", format]);
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.contains(sign), "{format}: {stdout}");
    }
}

#[test]
fn nothing_seen_is_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let (evidence, pacts) = (folder.path().join("evidence"), folder.path().join("pacts"));
    keep(&evidence, usual());
    let record = |more: &[&str]| {
        let mut process = seaworthy();
        process.args(["contracts", "record", "--evidence"]).arg(&evidence).arg("-o").arg(&pacts).args(more);
        said(&process.output().unwrap())
    };
    let (code, stdout, stderr) = record(&["--edge", "payments -> orders"]);
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(stdout.contains("contract.recorded.nothing"), "{stdout}");
    assert!(!pacts.exists());
    assert_eq!(record(&[]).0, 0);
    keep(&evidence, Vec::new());
    for command in ["drift", "coverage"] {
        let mut process = seaworthy();
        process.args(["contracts", command, "--evidence"]).arg(&evidence).arg("--pacts").arg(&pacts);
        let (code, stdout, stderr) = said(&process.output().unwrap());
        assert_eq!(code, 3, "{command}: {stdout}{stderr}");
    }
}

#[test]
fn wrong_input_says_what_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    keep(&evidence, usual());
    let pact = folder.path().join("pact.json");
    std::fs::write(&pact, "{\n  \"consumer\": {\"name\": \"orders\"},\n  oops\n}").unwrap();
    let run = |evidence: &Path, more: &[&str]| {
        let mut process = seaworthy();
        process.args(["contracts", "drift", "--evidence"]).arg(evidence).args(more);
        said(&process.output().unwrap())
    };
    for (evidence, more, expected) in [
        (evidence.as_path(), &[][..], "name them with `--pacts PATH`"),
        (&evidence, &["--pacts", "/nowhere"], "/nowhere"),
        (&evidence, &["--pacts", pact.to_str().unwrap()], "pact.json:3"),
        (&evidence, &["--edge", "order -> payments", "--pacts", "x"], "did you mean `orders`?"),
        (&evidence, &["--edge", "orders", "--pacts", "x"], "is not an edge"),
        (folder.path(), &["--pacts", "x"], "system.json"),
    ] {
        let (code, stdout, stderr) = run(evidence, more);
        assert_eq!((code, stdout.as_str()), (2, ""), "{more:?}: {stderr}");
        assert!(stderr.contains(expected), "{more:?}: {stderr}");
    }
    let (code, stdout, _) = run(&evidence, &["--pacts", pact.to_str().unwrap(), "--format", "json"]);
    assert_eq!(code, 2);
    assert_eq!(json(&stdout)["error"]["location"]["line"], 3);

    // What somebody wrote by hand is not written over.
    let pacts = folder.path().join("pacts");
    let record = |more: &[&str]| {
        let mut process = seaworthy();
        process.args(["contracts", "record", "--evidence"]).arg(&evidence).arg("-o").arg(&pacts).args(more);
        said(&process.output().unwrap())
    };
    assert_eq!(record(&[]).0, 0);
    let file = pacts.join("orders-payments.json");
    let mine = std::fs::read_to_string(&file).unwrap().replace("\"status\": 201", "\"status\": 200");
    std::fs::write(&file, &mine).unwrap();
    let (code, _, stderr) = record(&[]);
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), mine);
    assert_eq!(record(&["--update"]).0, 0);
    assert_ne!(std::fs::read_to_string(&file).unwrap(), mine);
}
