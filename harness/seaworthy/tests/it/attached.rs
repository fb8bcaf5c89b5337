//! `--on attach`: services that a test starts itself, told beforehand where the proxies are.

#![allow(clippy::unwrap_used, reason = "these helpers are part of the tests below")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{said, seaworthy};

/// Nothing here takes this long.
const DEADLINE: Duration = Duration::from_secs(30);

/// Two services that run already, `front` and `back`, with their system file.
struct Standing {
    folder: tempfile::TempDir,
    services: Vec<Child>,
    receiver: SocketAddr,
    /// The proxies of `ingress -> front` and `front -> back`.
    ingress: SocketAddr,
    inner: SocketAddr,
}

/// A port that is free, outside the range from which systems give out ports for other purposes.
fn free() -> SocketAddr {
    let seed = seaworthy::core::ids::SpanId::random().to_string();
    let seed = u64::from_str_radix(&seed, 16).unwrap();
    let ports = (0..).map(|offset| 12_000 + u16::try_from((seed + offset) % 18_000).unwrap());
    let mut addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

impl Standing {
    /// `front` calls `back` through the proxy, or past it.
    fn start(through_proxy: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [front, back, receiver, ingress, inner] = std::array::from_fn(|_| free());
        let relay = Path::new(env!("CARGO_BIN_EXE_seaworthy")).with_file_name("examples/relay");
        let run = |name: &str, at: SocketAddr, next: Option<SocketAddr>| {
            let mut command = Command::new(&relay);
            command.env("PORT", at.port().to_string()).env("OTEL_SERVICE_NAME", name);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}"));
            if let Some(next) = next {
                command.env("NEXT_URL", format!("http://{next}"));
            }
            command.spawn().unwrap()
        };
        let services = vec![
            run("front", front, Some(if through_proxy { inner } else { back })),
            run("back", back, None),
        ];
        let system = format!(
            r#"version: 1
name: standing
services:
  front:
    url: http://{front}
    ports: {{http: http}}
    health: {{ready: /ready, deadline: 30s}}
    calls: {{back: NEXT_URL}}
  back:
    url: http://{back}
    ports: {{http: http}}
    health: {{ready: /ready, deadline: 30s}}
ingress: {{front: {{}}}}
flows: [flow.yaml]
attach:
  receiver: {receiver}
  edges:
    "ingress -> front": {ingress}
    "front -> back": {inner}
"#
        );
        std::fs::write(folder.path().join("seaworthy.yaml"), system).unwrap();
        let standing = Self { folder, services, receiver, ingress, inner };
        standing.flow("  - name: ask\n    request: {path: /work}\n    expect: {status: 200}\n");
        standing
    }

    fn flow(&self, steps: &str) {
        let flow = format!("flow: work\nsteps:\n{steps}");
        std::fs::write(self.folder.path().join("flow.yaml"), flow).unwrap();
    }

    fn check(&self) -> Command {
        let mut command = seaworthy();
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        command.args(["check", "--on", "attach"]).arg(self.folder.path());
        command.args(["--only", "attach,flows,trace-context,trace-completeness,faults,evidence"]);
        command
    }

    /// A file of the data plane's, by how its name ends.
    fn file(&self, extension: &str) -> Option<PathBuf> {
        let folders = std::fs::read_dir(self.folder.path()).ok()?;
        let folder = folders.filter_map(|entry| Some(entry.ok()?.path())).find(|path| path.is_dir())?;
        let mut files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        files.find(|path| path.extension().is_some_and(|found| found == extension))
    }

    /// The data plane's process id.
    fn plane(&self) -> Option<String> {
        Some(std::fs::read_to_string(self.file("pid")?).ok()?.trim().to_owned())
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        for service in &mut self.services {
            let _ = service.kill();
            let _ = service.wait();
        }
        if let Some(pid) = self.plane().filter(|pid| is_running(pid)) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    }
}

/// Whether a process is there and no zombie.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
}

/// The processes that have `text` among their arguments.
fn processes_about(text: &str) -> Vec<String> {
    let about = |pid: &String| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(text) && is_running(pid)
    };
    let names =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.chars().all(|c| c.is_ascii_digit())).filter(about).collect()
}

/// The status with which `address` answers.
fn get(address: SocketAddr) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(b"GET /by-hand HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// Asks again and again until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "{what} did not come");
        std::thread::yield_now();
    }
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

#[test]
fn what_passes_the_proxies_is_judged_and_the_proxies_stay_until_they_are_ended() {
    let standing = Standing::start(true);
    let (code, stdout, stderr) = said(&standing.check().output().unwrap());
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("provisional"), "{stdout}");
    let plane = standing.plane().unwrap();
    let farewell = last_line(&stderr);
    assert!(
        farewell.contains("go on forwarding") && farewell.contains(&format!("`kill {plane}`")),
        "{stderr}"
    );
    assert_eq!(get(standing.ingress), Some(200), "they forward when nobody steers");

    // The next run takes the same process over, with its edges.
    let (code, stdout, stderr) = said(&standing.check().output().unwrap());
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(standing.plane().as_ref(), Some(&plane));

    // It ends in order when it is asked to.
    let socket = standing.file("sock").unwrap();
    assert!(Command::new("kill").arg(&plane).status().unwrap().success());
    until("the end of the data plane", || !is_running(&plane));
    assert!(!socket.exists());
    assert!(TcpStream::connect(standing.ingress).is_err() && TcpStream::connect(standing.inner).is_err());
    let log = std::fs::read_to_string(standing.file("log").unwrap()).unwrap();
    assert!(log.contains("a harness steers") && log.contains("ended"), "{log}");
}

#[test]
fn an_edge_that_is_not_configured_is_undecided_with_what_to_configure() {
    let standing = Standing::start(false);
    let output = standing.check().args(["--format", "json"]).output().unwrap();
    let (code, stdout, stderr) = said(&output);
    assert_eq!(code, 3, "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let findings: Vec<&Value> =
        checks.iter().flat_map(|check| check["findings"].as_array().unwrap()).collect();
    let unused = findings.iter().find(|finding| finding["rule"] == "attach.edge-unused").unwrap();
    assert_eq!(unused["edge"], "front -> back");
    let hint = unused["hint"].as_str().unwrap();
    let told = format!("tell `front` to call http://{} (its variable NEXT_URL)", standing.inner);
    assert!(hint.contains(&told), "{hint}");
    let errors: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "error").collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn what_is_seen_fails_a_run_and_what_cannot_be_done_is_undecided() {
    let standing = Standing::start(true);
    standing.flow("  - name: ask\n    request: {path: /work}\n    expect: {status: 201}\n");
    let (code, stdout, stderr) = said(&standing.check().output().unwrap());
    assert_eq!(code, 1, "{stdout}{stderr}");
    standing.flow("  - name: ask\n    request: {path: /work}\n    instance: {service: back, fault: kill}\n    expect: {status: 502}\n");
    let (code, stdout, stderr) = said(&standing.check().output().unwrap());
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(stdout.contains("cannot be done to a service that runs already"), "{stdout}");
    assert_eq!(get(standing.ingress), Some(200), "`back` lives");
}

#[test]
fn when_the_harness_is_killed_its_faults_go_and_the_proxies_forward() {
    let standing = Standing::start(true);
    standing.flow(
        r#"  - name: broken
    request: {path: /work}
    faults:
      - {on: "front -> back", action: {kind: abort, status: 503}, whole-edge: true, until: flow}
    expect: {status: 503}
  - name: for-ever
    request: {path: /work}
    wait-until:
      - {exchange: "front -> back", count: 1000, within: 10m}
"#,
    );
    let mut harness = standing.check().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the fault", || get(standing.ingress) == Some(503));

    // While one steers, another is refused and told which.
    let (code, stdout, stderr) = said(&standing.check().output().unwrap());
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    let words = stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("another harness (pid {}) steers it", harness.id())), "{stderr}");
    assert!(!words.contains("without faults"), "{stderr}");
    assert_eq!(get(standing.ingress), Some(503), "the first goes on");

    harness.kill().unwrap();
    harness.wait().unwrap();
    until("an answer without fault", || get(standing.ingress) == Some(200));
    // All that is left is what the services are told to call.
    let plane = standing.plane().unwrap();
    let folder = standing.folder.path().to_str().unwrap();
    assert_eq!(processes_about(folder), [plane.as_str()]);
    assert!(TcpStream::connect(standing.receiver).is_err());
    // Nobody waits for output of a process that has none of our pipes.
    let mut lines = BufReader::new(harness.stdout.take().unwrap()).lines();
    assert!(lines.next().is_none(), "the data plane holds no pipe of the harness's");

    // The next run finds it as it was meant to be.
    standing.flow("  - name: ask\n    request: {path: /work}\n    expect: {status: 200}\n");
    let (code, stdout, stderr) = said(&standing.check().output().unwrap());
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(standing.plane(), Some(plane));
}

#[test]
fn a_service_that_does_not_run_is_named_with_its_address() {
    let mut standing = Standing::start(true);
    let file = standing.folder.path().join("seaworthy.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("deadline: 30s", "deadline: 300ms");
    std::fs::write(&file, text).unwrap();
    let mut back = standing.services.remove(1);
    back.kill().unwrap();
    back.wait().unwrap();
    let (code, stdout, stderr) = said(&standing.check().output().unwrap());
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("`back` was not ready") && stderr.contains("as `url` says"), "{stderr}");
    assert!(stderr.contains("go on forwarding"), "{stderr}");
}
