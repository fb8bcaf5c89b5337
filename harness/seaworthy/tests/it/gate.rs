//! The deploy gate as a pipeline calls it: exit codes, formats, what is written, what is refused.

#![allow(clippy::unwrap_used, reason = "these helpers are part of the tests below")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{said, seaworthy};

/// The command in this folder.
fn run(folder: &Path, arguments: &str) -> (i32, String, String) {
    let mut command: Command = seaworthy();
    said(&command.args(arguments.split(' ')).current_dir(folder).output().unwrap())
}

fn pact(folder: &Path, consumer: &str, provider: &str, path: &str) {
    let pact = json!({
        "consumer": {"name": consumer}, "provider": {"name": provider},
        "interactions": [{
            "description": format!("a request for {path}"),
            "request": {"method": "GET", "path": path}, "response": {"status": 200},
        }],
        "metadata": {"pactSpecification": {"version": "2.0.0"}},
    });
    std::fs::create_dir_all(folder.join("pacts")).unwrap();
    std::fs::write(folder.join(format!("pacts/{consumer}-{provider}.json")), pact.to_string()).unwrap();
}

/// What a verification would have written.
fn result(
    folder: &Path,
    provider: &str,
    version: &str,
    consumer: &str,
    consumer_version: &str,
    success: bool,
) {
    let ledger = folder.join("contracts/ledger/services");
    let pact = ledger.join(format!("{consumer}/versions/{consumer_version}/pacts/{provider}.json"));
    let pact: Value = serde_json::from_slice(&std::fs::read(pact).unwrap()).unwrap();
    let content = pact["content"].as_str().unwrap();
    let home = ledger.join(format!("{provider}/versions/{version}"));
    std::fs::create_dir_all(home.join("results")).unwrap();
    let write = |name: &str, fact: Value| std::fs::write(home.join(name), fact.to_string()).unwrap();
    let at = "2026-11-20T20:49:02.000Z";
    write(
        "version.json",
        json!({"schema_version": "1.0", "service": provider, "version": version, "recorded_at": at}),
    );
    write(
        &format!("results/{content}.json"),
        json!({"schema_version": "1.0", "consumer": consumer, "content": content, "success": success,
               "verified": u8::from(success), "failed": u8::from(!success), "verified_at": at}),
    );
}

/// Orders 5 published; payments 1 deployed.
fn scene() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    pact(folder.path(), "orders", "payments", "/payments/1");
    std::fs::create_dir_all(folder.path().join("contracts/ledger")).unwrap();
    let (code, stdout, stderr) =
        run(folder.path(), "publish --pact pacts --consumer-version 5 --branch main");
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("orders 5 for payments: content "), "{stdout}");
    let (code, stdout, stderr) =
        run(folder.path(), "record-deployment --service payments --version 1 --env production");
    assert_eq!((code, stdout.as_str()), (0, "payments 1 is deployed in production\n"), "{stderr}");
    folder
}

const ASK: &str = "can-i-deploy --service orders=5 --to production";

#[test]
fn the_answer_is_the_exit_code() {
    let folder = scene();
    let (code, stdout, stderr) = run(folder.path(), ASK);
    assert_eq!((code, stderr.as_str()), (3, ""), "{stdout}");
    assert!(stdout.starts_with("UNKNOWN · orders 5 → production"), "{stdout}");
    assert!(stdout.contains("run: seaworthy contracts verify --provider payments"), "{stdout}");
    result(folder.path(), "payments", "1", "orders", "5", false);
    let (code, stdout, _) = run(folder.path(), ASK);
    assert_eq!(code, 1, "{stdout}");
    result(folder.path(), "payments", "1", "orders", "5", true);
    let (code, stdout, _) = run(folder.path(), ASK);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("orders    5        payments  1        yes        2026-11-20 20:49"), "{stdout}");
    // From a folder below the ledger is the same.
    let below = folder.path().join("services/orders");
    std::fs::create_dir_all(&below).unwrap();
    assert_eq!(run(&below, ASK).0, 0);
}

/// A provider that answers everything with this status, as long as the test runs.
fn provider(status: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // A client that hung up has what it wanted.
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn what_is_published_is_verified_from_the_ledger_and_then_may_go() {
    let folder = scene();
    let verify = |version: &str, url: &str, more: &str| {
        let arguments = format!(
            "contracts verify --provider payments --url {url} --ledger contracts/ledger --publish --provider-version {version}{more}"
        );
        let (code, stdout, stderr) = run(folder.path(), &arguments);
        (code, format!("{stdout}{stderr}"))
    };
    let (good, bad) = (provider("200 OK"), provider("404 Not Found"));
    let (code, said) = verify("1", &good, " --branch main");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("published: payments 1 for orders 5: verified"), "{said}");
    assert_eq!(run(folder.path(), ASK).0, 0);
    let (code, said) = verify("2", &bad, " --branch main --pending");
    assert_eq!(code, 1, "it was kept once: {said}");
    // A branch that never kept it may fail, and still may not go.
    let (code, said) = verify("3", &bad, " --branch rewrite --pending");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("published: payments 3 for orders 5: failed"), "{said}");
    run(folder.path(), "record-deployment --service orders --version 5 --env production");
    let (code, stdout, _) = run(folder.path(), "can-i-deploy --service payments=3 --to production");
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("the newest version of payments that keeps orders 5 is 1"), "{stdout}");
}

#[test]
fn every_format_says_it() {
    let folder = scene();
    result(folder.path(), "payments", "1", "orders", "5", false);
    let formats = "--format json --format junit=r.xml --format sarif=r.sarif --format markdown=r.md";
    let (code, stdout, stderr) = run(folder.path(), &format!("{ASK} {formats}"));
    assert_eq!(code, 1, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["verdict"], "fail");
    let finding = &report["checks"][0]["findings"][0];
    assert_eq!(report["checks"][0]["id"], "can-i-deploy");
    assert_eq!((&finding["rule"], &finding["edge"]), (&json!("deploy.failed"), &json!("orders -> payments")));
    for file in ["r.xml", "r.sarif", "r.md"] {
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains("deploy.failed"), "{file}: {text}");
    }
    let (code, stdout, _) = run(folder.path(), &format!("-q {ASK}"));
    assert_eq!((code, stdout.lines().count()), (1, 2), "{stdout}");
}

#[test]
fn an_order_is_found_or_the_step_that_breaks() {
    let folder = scene();
    run(folder.path(), "record-deployment --service orders --version 4 --env production");
    result(folder.path(), "payments", "2", "orders", "5", true);
    result(folder.path(), "payments", "1", "orders", "5", false);
    let both = "can-i-deploy --service orders=5 payments=2 --to production --order";
    let (code, stdout, _) = run(folder.path(), both);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("  1. payments 2\n  2. orders 5\n"), "{stdout}");
    // Orders 4 has a pact of its own, which payments 2 breaks.
    pact(folder.path(), "orders", "payments", "/payments/old");
    run(folder.path(), "publish --pact pacts --consumer-version 4");
    result(folder.path(), "payments", "2", "orders", "4", false);
    let (code, stdout, _) = run(folder.path(), both);
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("YES") && stdout.contains("Every order breaks."), "{stdout}");
    assert!(stdout.contains("orders 5 and payments 2 can go together at step 1"), "{stdout}");
}

#[test]
fn an_unknown_answer_is_asked_for_again() {
    let folder = scene();
    let again = format!("{ASK} --retry-unknown 3 --retry-interval 1ms");
    assert_eq!(run(folder.path(), &again).0, 3);
    // There is no time for a second question.
    assert_eq!(
        run(folder.path(), &format!("{ASK} --retry-unknown 9 --retry-interval 1h --timeout 10s")).0,
        3
    );
    result(folder.path(), "payments", "1", "orders", "5", true);
    assert_eq!(run(folder.path(), &again).0, 0);
}

#[test]
fn deployments_and_releases_are_recorded_and_end() {
    let folder = scene();
    let steps = [
        ("record-release --service app --version 1 --env production", 0, "app 1 is released in production"),
        ("record-deployment --service payments --version 2 --env production", 0, "in place of 1"),
        ("record-undeployment --service payments --version 2 --env production", 0, "no longer deployed"),
        ("record-undeployment --service payments --version 2 --env production", 2, "it is not in production"),
    ];
    for (arguments, expected, says) in steps {
        let (code, stdout, stderr) = run(folder.path(), arguments);
        assert_eq!(code, expected, "{arguments}: {stdout}{stderr}");
        assert!(format!("{stdout}{stderr}").contains(says), "{stdout}{stderr}");
    }
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let folder = scene();
    let empty = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(empty.path(), ASK);
    assert_eq!(code, 2);
    assert!(stderr.contains("--ledger DIR|URL"), "{stderr}");
    for (arguments, says) in [
        ("can-i-deploy --service orders --to production", "is not SERVICE=VERSION"),
        ("can-i-deploy --service a=1 a=2 --to production", "one version of a service"),
        (
            "can-i-deploy --service orders=5 --to production --ledger nowhere",
            "could not find a ledger at nowhere",
        ),
        ("publish --pact contracts --consumer-version 5", "contracts/ledger"),
        ("publish --pact nothing --consumer-version 5", "nothing"),
    ] {
        let (code, stdout, stderr) = run(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments}: {stderr}");
        assert!(stderr.contains(says), "{arguments}: {stderr}");
    }
    // Another pact for a version that has one.
    pact(folder.path(), "orders", "payments", "/other");
    let (code, _, stderr) = run(folder.path(), "publish --pact pacts --consumer-version 5");
    assert_eq!(code, 2);
    assert!(stderr.contains("publish it under a new version"), "{stderr}");
    // A file of the ledger that is broken.
    let file = "contracts/ledger/services/orders/versions/5/version.json";
    std::fs::write(folder.path().join(file), "{\n  \"schema_version\": 1\n}").unwrap();
    let (code, stdout, stderr) = run(folder.path(), &format!("{ASK} --format json"));
    assert_eq!(code, 2, "{stderr}");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["error"]["location"]["file"], file);
    assert_eq!(document["error"]["location"]["line"], 2, "{document}");
}

#[test]
fn a_broker_is_taken_from_the_environment_and_its_secrets_stay_secret() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = seaworthy()
        .args(ASK.split(' '))
        .current_dir(folder.path())
        .env("PACT_BROKER_BASE_URL", format!("http://ann:hunter2@127.0.0.1:{port}/broker"))
        .env("PACT_BROKER_TOKEN", "tok-hunter2")
        .output()
        .unwrap();
    let (code, stdout, stderr) = said(&output);
    assert_eq!(code, 2, "{stdout}{stderr}");
    assert!(stderr.contains(&format!("could not GET http://127.0.0.1:{port}/broker")), "{stderr}");
    assert!(!format!("{stdout}{stderr}").contains("hunter2"), "{stderr}");
}
