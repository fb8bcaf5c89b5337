//! What the tests of containers share: an engine or a word about its absence, an image, questions from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use seaworthy_core::instance::InstanceEventKind;
use seaworthy_core::runtime::{Launch, Program, Runtime};
use seaworthy_core::time::RunClock;
use seaworthy_runtime::DockerRuntime;
use seaworthy_runtime::docker::RUN;
use seaworthy_runtime::docker::image::{BuildRequest, ImageRequest, resolve};

use crate::support::{DEADLINE, script};

const SERVICE: &str = include_str!("service/main.rs");

/// Whether there is to be an engine. When there is none although, the tests fail.
#[allow(clippy::print_stdout, reason = "whoever leaves tests out is told")]
pub(crate) fn engine_is_wanted() -> bool {
    let left_out = std::env::var("SEAWORTHY_NO_DOCKER").is_ok_and(|value| value == "1");
    if left_out {
        println!("left out: SEAWORTHY_NO_DOCKER=1");
    }
    !left_out
}

/// Leaves the test when engines are not wanted.
macro_rules! engine {
    () => {
        if !$crate::docker::support::engine_is_wanted() {
            return;
        }
    };
}
pub(crate) use engine;

pub(crate) async fn docker() -> DockerRuntime {
    match DockerRuntime::new(RunClock::start()).await {
        Ok(runtime) => runtime,
        Err(error) => panic!("{error}; SEAWORTHY_NO_DOCKER=1 leaves these tests out"),
    }
}

/// A folder with the service as a static binary and a Dockerfile.
fn build_request() -> BuildRequest {
    // Kept between runs, so that it is compiled once.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docker-service");
    write(&folder.join("src/main.rs"), SERVICE);
    write(
        &folder.join("Cargo.toml"),
        "[package]\nname = \"stand-in-service\"\nedition = \"2024\"\n[workspace]\n[profile.release]\npanic = \"abort\"\n",
    );
    let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docker-image");
    write(
        &image.join("Dockerfile"),
        "FROM scratch\nCOPY stand-in-service /service\nWORKDIR /work\nENTRYPOINT [\"/service\"]\nCMD [\"from\", \"image\"]\n",
    );
    let bins = ["stand-in-service".to_owned()];
    let mut built = seaworthy_runtime::cargo::static_binaries_with(&folder, &bins, &mut |_| ()).unwrap();
    let binary = built.remove("stand-in-service").unwrap();
    BuildRequest {
        context: image,
        extra_files: [("stand-in-service".to_owned(), binary)].into(),
        ..BuildRequest::default()
    }
}

/// Writes a file that other test processes may read or write at the same time.
fn write(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    let folder = path.parent().unwrap();
    std::fs::create_dir_all(folder).unwrap();
    let new = tempfile::NamedTempFile::new_in(folder.parent().unwrap()).unwrap();
    std::fs::write(new.path(), text).unwrap();
    new.persist(path).unwrap();
}

/// The image with the service.
pub(crate) async fn image() -> String {
    let build = tokio::task::spawn_blocking(build_request).await.unwrap();
    resolve(&ImageRequest { name: None, build: Some(build) }).await.unwrap()
}

/// An instance of the service, with one port.
pub(crate) fn service(image: &str, service: &str, instance: &str) -> Launch {
    let mut launch = script(service, instance, "");
    launch.program = Program::Image { image: image.to_owned(), command: Vec::new() };
    launch.ports.insert("tcp".to_owned(), "tcp".parse().unwrap());
    launch.env.insert("PORT".to_owned(), "${port.tcp}".to_owned());
    launch
}

/// Starts the service and waits until it answers.
pub(crate) async fn start(runtime: &DockerRuntime, launch: &Launch) -> SocketAddr {
    let address = runtime.start(launch).await.unwrap().ports["tcp"];
    await_answer(address).await;
    address
}

/// Says one line, and returns the answer.
pub(crate) async fn ask(address: SocketAddr, line: &str) -> std::io::Result<String> {
    ask_within(address, line, DEADLINE).await
}

pub(crate) async fn ask_within(address: SocketAddr, line: &str, within: Duration) -> std::io::Result<String> {
    let line = format!("{line}\n");
    let asking = move || {
        let mut connection = TcpStream::connect_timeout(&address, within)?;
        connection.set_read_timeout(Some(within))?;
        connection.write_all(line.as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    tokio::task::spawn_blocking(asking).await.unwrap()
}

/// Something of the harness's that hears a line and gives this answer. Returns its port.
pub(crate) fn answering(ip: IpAddr, answer: &'static str) -> u16 {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            BufReader::new(&connection).read_line(&mut String::new()).unwrap();
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    port
}

/// Asks until the service answers.
pub(crate) async fn await_answer(address: SocketAddr) {
    let since = Instant::now();
    while ask_within(address, "ping", Duration::from_secs(2)).await.ok().as_deref() != Some("pong") {
        assert!(since.elapsed() < DEADLINE, "{address} does not answer");
        tokio::task::yield_now().await;
    }
}

/// What `docker` says.
pub(crate) fn docker_says(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// All that the engine has of a run, one thing per line.
pub(crate) fn left_of(run: &str) -> String {
    let filter = format!("label={RUN}={run}");
    let lists = [
        docker_says(&["ps", "-aq", "--filter", &filter]),
        docker_says(&["network", "ls", "-q", "--filter", &filter]),
        docker_says(&["volume", "ls", "-q", "--filter", &filter]),
    ];
    lists.iter().flat_map(|list| list.lines()).collect::<Vec<_>>().join("\n")
}

/// What happened to instances, in order.
pub(crate) fn kinds(runtime: &DockerRuntime) -> Vec<InstanceEventKind> {
    runtime.events().into_iter().map(|event| event.kind).collect()
}

/// The id of the container that an instance runs in.
pub(crate) fn container_of(runtime: &DockerRuntime, instance: &str) -> String {
    let id = |kind: InstanceEventKind| match kind {
        InstanceEventKind::Started { container, .. } => container,
        _ => None,
    };
    let events = runtime.events();
    events.into_iter().filter(|event| event.instance == *instance).find_map(|event| id(event.kind)).unwrap()
}

/// The image that has a shell in it.
pub(crate) fn base_image() -> String {
    std::env::var("SEAWORTHY_BASE_IMAGE").unwrap_or_else(|_| "debian:bookworm-slim".to_owned())
}

/// An instance that runs a shell script.
pub(crate) fn shell(service: &str, instance: &str, text: &str) -> Launch {
    let command = ["/bin/sh", "-c", text].map(str::to_owned).into();
    Launch { program: Program::Image { image: base_image(), command }, ..script(service, instance, "") }
}

/// Waits until the instance has printed a line that is `wanted`.
pub(crate) async fn printed(runtime: &DockerRuntime, wanted: &str) {
    crate::support::within(async {
        while !runtime.output().lines.iter().any(|line| line.text == wanted) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A folder for a build context.
pub(crate) fn context(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_owned();
    (folder, path)
}
