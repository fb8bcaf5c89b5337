//! The connection to the engine, and the threads that talk to it.
//!
//! `testcontainers` finds the engine (`DOCKER_HOST`, the usual socket, those of rootless engines and of Docker
//! Desktop) and brings its client, bollard. That client asks for the newest API there is, which older engines refuse
//! by name (Debian's speaks 1.41), and so does `testcontainers`' own runner. So the version is agreed on first, and
//! containers are made with the client itself.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use seaworthy_core::runtime::RuntimeError;
use testcontainers::bollard::{BollardRequest, Docker, errors::Error};
use testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Runtime};

/// How long the engine may take to say its version.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// What to do when there is no engine.
const HINT: &str = "start Docker (on a bare Debian: `ci/docker`), or say where it is by DOCKER_HOST";

/// A client that speaks the engine's version of the API.
pub(super) async fn connect() -> Result<Docker, RuntimeError> {
    let none = |reason: String| RuntimeError::Engine {
        what: "reach a container engine".to_owned(),
        reason: format!("{reason}; {HINT}"),
    };
    let docker = docker_client_instance().await.map_err(|error| none(error.to_string()))?;
    let docker = docker.with_request_modifier(ask_for_the_version_in_any_version);
    match tokio::time::timeout(FIRST_ANSWER, docker.negotiate_version()).await {
        Ok(Ok(docker)) => Ok(docker),
        Ok(Err(error)) => Err(none(reason(error))),
        Err(_) => Err(none(format!("it did not answer within {FIRST_ANSWER:?}"))),
    }
}

/// The engine's version is asked for without saying a version of one's own: there is no other answer to one that is
/// too new than that it is too new.
fn ask_for_the_version_in_any_version(mut request: BollardRequest) -> BollardRequest {
    let path = request.uri().path().to_owned();
    if path.starts_with("/v") && path.ends_with("/version") {
        let uri = request.uri().to_string().replacen(&path, "/version", 1);
        if let Ok(uri) = uri.parse() {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Where the engine is, as `testcontainers` finds it, for those who talk to it by other means.
pub(super) fn address() -> String {
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        return host;
    }
    let below =
        |variable: &str, path: &str| std::env::var_os(variable).map(|base| PathBuf::from(base).join(path));
    let usual = PathBuf::from("/var/run/docker.sock");
    let places = [
        Some(usual.clone()),
        below("XDG_RUNTIME_DIR", ".docker/run/docker.sock"),
        below("HOME", ".docker/run/docker.sock"),
        below("HOME", ".docker/desktop/docker.sock"),
    ];
    let found = places.into_iter().flatten().find(|path| path.exists()).unwrap_or(usual);
    format!("unix://{}", found.display())
}

/// What the engine said.
pub(super) fn reason(error: Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message,
        Error::DockerStreamError { error } => error,
        other => {
            // The outer error alone says little: "error in the hyper legacy client".
            let mut said = other.to_string();
            let mut source = std::error::Error::source(&other);
            while let Some(inner) = source {
                let text = inner.to_string();
                if !said.contains(&text) {
                    said = format!("{said}: {text}");
                }
                source = inner.source();
            }
            said
        }
    }
}

/// An error of the engine's, while it was to do something.
pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(Error) -> RuntimeError {
    move |error| RuntimeError::Engine { what: what.into(), reason: reason(error) }
}

/// Whether the engine answered with this status.
pub(super) fn is_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// Threads of their own for all that is said to the engine: output is read and ends are noticed whatever the
/// caller's runtime does, and also when it goes away first.
#[derive(Debug)]
pub(super) struct Room(Option<Runtime>);

impl Room {
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        Ok(Self(Some(builder.worker_threads(2).thread_name("seaworthy-docker").enable_all().build()?)))
    }

    /// Does this in the room. It goes on when the caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RuntimeError>> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let ended = |reason: String| RuntimeError::Engine { what: "go on".to_owned(), reason };
        let Some(runtime) = &self.0 else { return Err(ended("the runtime was dropped".to_owned())) };
        runtime.spawn(work).await.map_err(|error| ended(error.to_string()))?
    }

    /// Does this in the room, which closes afterwards, without anyone waiting. Nothing is done when no thread can be
    /// made for it.
    pub(super) fn finish(mut self, work: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.0.take() else { return };
        let thread = std::thread::Builder::new().name("seaworthy-docker-end".to_owned());
        let _ = thread.spawn(move || runtime.block_on(work));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // To wait here is not allowed within another runtime.
            runtime.shutdown_background();
        }
    }
}
