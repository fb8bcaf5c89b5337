//! Bad input gets a clear error that says what, where and what to do; nothing hangs, nothing leaks.

#![allow(clippy::unwrap_used, reason = "these helpers are part of the tests below")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{said, seaworthy};

/// A system of one service, `api`, that runs `command`; `more` are further lines of the service.
fn system_of(command: &str, more: &str) -> String {
    format!(
        r#"version: 1
name: s
services:
  api:
    process: {{command: [{command}]}}
    ports: {{http: http}}
    env: {{PORT: "${{port.http}}"}}
    telemetry: none
{more}
"#
    )
}

/// Writes a system file and checks it.
fn check(folder: &Path, system: &str) -> (i32, String, String) {
    std::fs::write(folder.join("seaworthy.yaml"), system).unwrap();
    said(&seaworthy().arg("check").arg(folder).output().unwrap())
}

/// Writes an executable script.
fn script(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn no_services() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = check(folder.path(), "version: 1\nname: empty\nservices: {}\n");
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("service") && stderr.contains("seaworthy.yaml:3"), "{stderr}");
}

#[test]
fn a_binary_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = check(folder.path(), &system_of("no-such-program", ""));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("no-such-program") && stderr.contains("api"), "{stderr}");
}

#[test]
fn a_service_that_ends_early_shows_its_last_lines() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "run", "echo 'config key FOO is missing' >&2; exit 7");
    let (code, _, stderr) = check(folder.path(), &system_of("./run", ""));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("exit code 7") && stderr.contains("config key FOO is missing"), "{stderr}");
}

#[test]
fn a_service_that_never_gets_ready() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "run", "echo still thinking; exec sleep 1000");
    let system = system_of("./run", "    health: {ready: /ready, deadline: 300ms}");
    let (code, _, stderr) = check(folder.path(), &system);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("not ready after 300ms") && stderr.contains("still thinking"), "{stderr}");
}

#[test]
fn a_flow_with_a_bad_json_path() {
    let folder = tempfile::tempdir().unwrap();
    let flow = "flow: f\nsteps:\n  - name: a\n    request: {path: /}\n    expect: {json: {\"$.[\": 1}}\n";
    std::fs::write(folder.path().join("f.yaml"), flow).unwrap();
    let system = system_of("sleep, '9'", "ingress: {api: {}}\nflows: [f.yaml]");
    let (code, _, stderr) = check(folder.path(), &system);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("f.yaml:5") && stderr.contains("JSONPath"), "{stderr}");
}

#[test]
fn json_output_has_the_error_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seaworthy.yaml"), "version: 1\nname: s\nservces: {}\n").unwrap();
    let output = seaworthy().arg("check").arg(folder.path()).args(["--format", "json"]).output().unwrap();
    let (code, stdout, stderr) = said(&output);
    assert_eq!(code, 2);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["error"]["location"]["line"], 3, "{document:#}");
    assert!(document.get("verdict").is_none());
    assert!(stderr.contains("did you mean `services`"), "{stderr}");
}

#[test]
fn nowhere_to_look() {
    let folder = tempfile::tempdir().unwrap();
    let output = seaworthy().arg("check").current_dir(folder.path()).output().unwrap();
    let (code, _, stderr) = said(&output);
    assert_eq!(code, 2);
    assert!(stderr.contains("seaworthy init"), "{stderr}");
}

#[test]
fn a_service_that_dies_in_mid_flow_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let flow = "flow: f\nsteps:\n  - name: work\n    request: {path: /work}\n    expect: {status: 200}\n";
    std::fs::write(folder.path().join("f.yaml"), flow).unwrap();
    let fragile = Path::new(env!("CARGO_BIN_EXE_seaworthy")).with_file_name("examples/fragile");
    let more = "    health: {ready: /ready}\ningress: {api: {}}\nflows: [f.yaml]";
    let system = system_of(&format!("'{}'", fragile.display()), more);
    let (code, stdout, stderr) = check(folder.path(), &system);
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("instance.died") && stdout.contains("exit code 3"), "{stdout}");
}

#[test]
fn nothing_is_left_running_when_the_harness_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    // The service's child holds the other end of a named pipe: end of file tells that all of them are gone.
    let pipe = folder.path().join("alive");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    script(folder.path(), "run", &format!("exec 9>'{}'; sleep 1000 & wait", pipe.display()));
    let system = system_of("./run", "    health: {ready: /ready, deadline: 10m}");
    std::fs::write(folder.path().join("seaworthy.yaml"), system).unwrap();
    let mut harness = seaworthy().arg("check").arg(folder.path()).spawn().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Opening waits until the service has opened its end, reading until nobody has it open any more.
        let mut held = std::fs::File::open(&pipe).unwrap();
        tell.send(None).unwrap();
        tell.send(Some(std::io::Read::read(&mut held, &mut [0]).unwrap())).unwrap();
    });
    let deadline = std::time::Duration::from_secs(20);
    let started = told.recv_timeout(deadline);
    harness.kill().unwrap();
    harness.wait().unwrap();
    assert_eq!(started, Ok(None), "the service did not start");
    assert_eq!(told.recv_timeout(deadline), Ok(Some(0)), "a process outlived the harness");
}
