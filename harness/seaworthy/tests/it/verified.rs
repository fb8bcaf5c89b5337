//! `seaworthy contracts verify`, `match`, `diff` and `merge`, as processes.

#![allow(clippy::unwrap_used, reason = "these helpers are part of the tests below")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::support::{said, seaworthy};

/// A provider of one thread that answers each request by its path, and ends with the test.
struct Provider {
    address: SocketAddr,
    asked: mpsc::Receiver<String>,
}

impl Provider {
    fn new(answers: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Vec<(String, String)> =
            answers.iter().map(|(path, body)| ((*path).to_owned(), (*body).to_owned())).collect();
        let (tell, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = String::new();
                let mut length = 0;
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
                    let last = head.lines().last().unwrap_or_default().to_ascii_lowercase();
                    if let Some(value) = last.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                reader.take(length).read_to_end(&mut Vec::new()).unwrap();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, body) = match answers.iter().find(|(known, _)| *known == path) {
                    Some((_, body)) => ("200 OK", body.as_str()),
                    None => ("404 Not Found", "{}"),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Who asked may be gone; the next one is served all the same.
                let _ = stream.write_all(answer.as_bytes());
                if tell.send(head).is_err() {
                    return;
                }
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn pact(folder: &Path, name: &str, interactions: Value) -> PathBuf {
    let file = folder.join(name);
    let document = json!({
        "consumer": {"name": "orders"},
        "provider": {"name": "payments"},
        "interactions": interactions,
        "metadata": {"pactSpecification": {"version": "3.0.0"}},
    });
    std::fs::write(&file, format!("{document:#}")).unwrap();
    file
}

fn read_payment(description: &str, path: &str, amount: u32) -> Value {
    json!({
        "description": description,
        "request": {"method": "GET", "path": path, "headers": {"Authorization": "Bearer s3cr3t-s3cr3t-s3cr3t"}},
        "response": {"status": 200, "body": {"amount": amount}},
    })
}

/// Runs `seaworthy contracts …` with a cache of its own.
fn contracts(cache: &Path, args: &[&str]) -> (i32, String, String) {
    said(
        &seaworthy()
            .env("XDG_CACHE_HOME", cache)
            .current_dir(cache)
            .arg("contracts")
            .args(args)
            .output()
            .unwrap(),
    )
}

#[test]
fn a_provider_that_keeps_its_contract_passes_and_one_that_does_not_is_told_how() {
    let folder = tempfile::tempdir().unwrap();
    let file = pact(folder.path(), "pact.json", json!([read_payment("a payment", "/payments/1", 10)]));
    let file = file.to_str().unwrap();
    let good = Provider::new(&[("/payments/1", r#"{"amount":10}"#)]);
    let (code, out, err) =
        contracts(folder.path(), &["verify", "--provider", "payments", "--url", &good.url(), "--pact", file]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("1 interaction"), "{out}");
    let head = good.asked.recv().unwrap().to_ascii_lowercase();
    assert!(head.contains("traceparent: 00-") && head.contains("x-correlation-id: "), "{head}");

    let bad = Provider::new(&[("/payments/1", r#"{"amount":11}"#)]);
    let (code, out, err) =
        contracts(folder.path(), &["verify", "--provider", "payments", "--url", &bad.url(), "--pact", file]);
    assert_eq!(code, 1, "{out}{err}");
    for part in ["contract.mismatch", "$.amount", "10", "11", "curl ", "pact.json:"] {
        assert!(out.contains(part), "no `{part}` in {out}");
    }
    assert!(!out.contains("s3cr3t"), "a secret is told: {out}");
}

#[test]
fn only_what_failed_the_last_time_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let all = json!([
        read_payment("the good one", "/payments/1", 10),
        read_payment("the bad one", "/payments/2", 20)
    ]);
    let file = pact(folder.path(), "pact.json", all);
    let file = file.to_str().unwrap();
    let verify = |provider: &Provider| {
        let args =
            ["verify", "--last-failed", "--provider", "payments", "--url", &provider.url(), "--pact", file];
        contracts(folder.path(), &args)
    };
    let provider = Provider::new(&[("/payments/1", r#"{"amount":10}"#)]);
    let (code, out, _) = verify(&provider);
    assert!(code == 3 && out.contains("nothing of payments failed the last time"), "{code} {out}");

    let args = ["verify", "--provider", "payments", "--url", &provider.url(), "--pact", file];
    assert_eq!(contracts(folder.path(), &args).0, 1);
    // What a filter leaves out has not been mended by that.
    let args = [
        "verify",
        "--provider",
        "payments",
        "--url",
        &provider.url(),
        "--pact",
        file,
        "--description",
        "good",
    ];
    assert_eq!(contracts(folder.path(), &args).0, 0);
    let mended = Provider::new(&[("/payments/2", r#"{"amount":20}"#)]);
    let (code, out, err) = verify(&mended);
    assert_eq!(code, 0, "{out}{err}");
    assert!(mended.asked.try_iter().all(|head| head.starts_with("GET /payments/2 ")));
    assert_eq!(verify(&mended).0, 3, "nothing is left to be asked again");
}

#[test]
fn nothing_verified_is_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let file = pact(folder.path(), "pact.json", json!([read_payment("a payment", "/payments/1", 10)]));
    let args =
        ["verify", "--provider", "paymentz", "--url", "http://127.0.0.1:1", "--pact", file.to_str().unwrap()];
    let (code, out, err) = contracts(folder.path(), &args);
    assert_eq!(code, 3, "{out}{err}");
    assert!(out.contains("contract.not-verified") && out.contains("payments"), "{out}");
}

#[test]
fn wrong_input_is_told_with_its_place_and_a_provider_that_is_down_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let version = r#"{"consumer":{"name":"a"},"provider":{"name":"b"},"interactions":[],
 "metadata":{"pactSpecification":{"version":"9.0"}}}"#;
    for (name, text, told) in [
        ("text.json", "{\"consumer\": ", "text.json:1"),
        ("list.json", "[]", "list.json:1"),
        ("other.json", r#"{"openapi": "3.1.0"}"#, "other.json:1"),
        ("version.json", version, "9.0"),
    ] {
        let file = write(name, text);
        let args = ["verify", "--provider", "b", "--url", "http://127.0.0.1:1", "--pact", &file];
        let (code, out, err) = contracts(folder.path(), &args);
        assert_eq!(code, 2, "{name}: {out}{err}");
        assert!(out.is_empty() && err.contains(told) && err.contains("help: "), "{name}: {err}");
    }

    let good = pact(folder.path(), "pact.json", json!([read_payment("a payment", "/payments/1", 10)]));
    // Nobody listens where somebody just stopped to.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let args = ["verify", "--provider", "payments", "--url", &url, "--pact", good.to_str().unwrap()];
    let (code, out, err) = contracts(folder.path(), &args);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("contract.request-failed") && out.contains("refused"), "{out}");
}

#[test]
fn a_case_file_exits_with_whether_it_comes_out_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let case = |name: &str, says: bool| {
        let file = folder.path().join(name);
        let case = json!({
            "match": says, "comment": "another status", "expected": {"status": 200}, "actual": {"status": 404},
        });
        std::fs::write(&file, case.to_string()).unwrap();
        let args = ["match", "--spec", "2", "--response", file.to_str().unwrap()];
        contracts(folder.path(), &args)
    };
    assert_eq!(case("right.json", false).0, 0);
    let (code, out, _) = case("wrong.json", true);
    assert_eq!(code, 1);
    assert!(out.contains("match.wrong") && out.contains("another status") && out.contains("404"), "{out}");
}

#[test]
fn pacts_are_compared_and_merged_and_a_contradiction_is_wrong_input() {
    let folder = tempfile::tempdir().unwrap();
    let one = pact(folder.path(), "one.json", json!([read_payment("a payment", "/payments/1", 10)]));
    let two = pact(folder.path(), "two.json", json!([read_payment("another", "/payments/2", 20)]));
    let other = pact(folder.path(), "other.json", json!([read_payment("a payment", "/payments/1", 11)]));
    let [one, two, other] = [&one, &two, &other].map(|path| path.to_str().unwrap());

    let (code, out, _) = contracts(folder.path(), &["diff", one, other]);
    assert!(code == 0 && out.contains("1 changed") && out.contains("amount"), "{code} {out}");
    let (code, ..) = contracts(folder.path(), &["diff", one, other, "--deny", "warnings"]);
    assert_eq!(code, 1);
    let (code, out, _) = contracts(folder.path(), &["diff", one, one, "--deny", "warnings"]);
    assert!(code == 0 && out.contains("no differences"), "{code} {out}");

    let (code, out, err) = contracts(folder.path(), &["merge", one, two]);
    assert_eq!(code, 0, "{err}");
    let merged: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(merged["interactions"].as_array().unwrap().len(), 2);
    let (code, out, err) = contracts(folder.path(), &["merge", one, other]);
    assert!(code == 2 && out.is_empty(), "{code} {out}");
    assert!(err.contains("\"a payment\"") && err.contains("one.json") && err.contains("other.json"), "{err}");

    let into = folder.path().join("merged");
    let (code, _, err) = contracts(folder.path(), &["merge", one, two, "-o", into.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let file = into.join("orders-payments.json");
    let before = std::fs::read(&file).unwrap();
    let (code, _, err) = contracts(folder.path(), &["merge", other, "-o", into.to_str().unwrap()]);
    assert_eq!(code, 2, "what contradicts the file is no reason to write over it: {err}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn time_that_runs_out_leaves_what_was_found_and_is_inconclusive_else() {
    let folder = tempfile::tempdir().unwrap();
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let file = pact(folder.path(), "pact.json", json!([read_payment("a payment", "/payments/1", 10)]));
    let file = file.to_str().unwrap();
    let args = ["verify", "--provider", "payments", "--url", &url, "--pact", file, "--timeout", "200ms"];
    let (code, out, err) = contracts(folder.path(), &args);
    assert_eq!(code, 3, "{out}{err}");
    assert!(out.contains("time ran out after"), "{out}");
}
