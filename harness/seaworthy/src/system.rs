//! A running system in the hands of a test.

use std::collections::BTreeMap;
#[cfg(feature = "process")]
use std::collections::HashMap;
use std::net::SocketAddr;
#[cfg(feature = "process")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "process")]
use std::sync::LazyLock;
use std::time::Duration;

use seaworthy_core::ids::{EdgeId, INGRESS, ServiceName};
use seaworthy_core::instance::InstanceFault;
#[cfg(feature = "process")]
use seaworthy_core::system::RunKind;
use seaworthy_experiment::plan::Silent;
use seaworthy_experiment::session::Session;
use tokio::runtime::Handle;
#[cfg(feature = "process")]
use tokio::{
    runtime::Runtime,
    sync::{Mutex, OnceCell},
};

use crate::check::{Run, drive};
#[cfg(feature = "process")]
use crate::control::SOCKET_VARIABLE;
use crate::control::{Ask, Client, Reply, serve};
use crate::judge::{Judge, JudgeError};
#[cfg(feature = "process")]
use crate::launch::{LaunchError, Plan, find};
use crate::request::Request;

/// Why a test could not do what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not be started.
    #[cfg(feature = "process")]
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A running system could not be reached through its control socket.
    #[error("could not reach the system at {path}: {source}; is `seaworthy up` still running?")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The running system refused.
    #[error("could not {what}: {reason}")]
    Refused {
        /// What was asked.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A request got no answer.
    #[error("could not get an answer to {request}: {reason}")]
    NoAnswer {
        /// The request.
        request: String,
        /// What happened instead.
        reason: String,
    },
    /// A request, a fault or an edge is not what it should be.
    #[error("{0}")]
    Usage(String),
    /// A trace did not become complete.
    #[error("the trace is not complete\n{0}")]
    Incomplete(String),
    /// A fault was never applied, so that the test shows nothing of it.
    #[error("the fault on `{on}` never fired, in\n{trace}")]
    NeverFired {
        /// Where it was to be.
        on: String,
        /// What happened instead.
        trace: String,
    },
    /// Checks could not be chosen.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The thread that runs the system is gone.
    #[error("could not reach the system: the thread that ran it ended")]
    Gone,
}

/// Where the system runs.
#[derive(Clone)]
enum Backend {
    /// In this process, on `handle`'s runtime.
    #[cfg_attr(not(feature = "process"), allow(dead_code, reason = "only a build with a runtime makes one"))]
    Here { session: Session, handle: Handle },
    /// In another process.
    There(Client),
}

/// A running system: send requests with [`System::get`] and [`System::post`], break edges for one request with
/// [`Request::fault`], assert on [`crate::Answer::trace`].
#[derive(Clone)]
pub struct System {
    backend: Backend,
    /// Other tests of this process hold it too.
    shared: bool,
    pub(crate) name: Arc<str>,
    edges: Arc<BTreeMap<EdgeId, SocketAddr>>,
    pub(crate) correlation_header: Arc<str>,
    pub(crate) patience: Duration,
}

/// One runtime for all shared systems of this process. Each `#[tokio::test]` drops its own runtime at its end, and
/// a shared system must outlive that.
#[cfg(feature = "process")]
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("seaworthy")
        .enable_all()
        .build()
});

/// Shared systems by system file.
#[cfg(feature = "process")]
static SHARED: LazyLock<Mutex<HashMap<PathBuf, Arc<OnceCell<System>>>>> = LazyLock::new(Mutex::default);

#[cfg(feature = "process")]
fn handle() -> Result<Handle, Error> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(Error::Usage(format!("could not start a runtime for the system: {error}"))),
    }
}

impl System {
    /// The system at `path` (a `seaworthy.yaml` or a folder that holds one, relative to the working folder or to
    /// the nearest folder above it that has it), started once per process and shared by all tests in it. Where
    /// `SEAWORTHY_SOCKET` is set, the running system there is joined instead, so that tests of many processes can
    /// share one.
    ///
    /// # Errors
    /// The system file is wrong, or a service does not start.
    #[cfg(feature = "process")]
    pub async fn shared(path: impl AsRef<Path>) -> Result<System, Error> {
        if let Some(socket) = std::env::var_os(SOCKET_VARIABLE) {
            return Self::join(PathBuf::from(socket)).await;
        }
        let file = resolve(path.as_ref())?;
        let cell = SHARED.lock().await.entry(file.clone()).or_default().clone();
        let system = cell.get_or_try_init(|| Self::start_file(file, RunKind::Process)).await?;
        Ok(System { shared: true, ..system.clone() })
    }

    /// A system of the test's own: ended when the last clone of it is dropped, or by [`System::finish`].
    ///
    /// # Errors
    /// As [`System::shared`].
    #[cfg(feature = "process")]
    pub async fn start(path: impl AsRef<Path>) -> Result<System, Error> {
        Self::start_on(path, RunKind::Process).await
    }

    /// As [`System::start`], on a runtime of choice: the same system file in containers, say.
    ///
    /// # Errors
    /// As [`System::shared`]; there is no container engine; an image can neither be found nor built.
    #[cfg(feature = "process")]
    pub async fn start_on(path: impl AsRef<Path>, on: RunKind) -> Result<System, Error> {
        Self::start_file(resolve(path.as_ref())?, on).await
    }

    /// Joins a system that `seaworthy up` runs.
    ///
    /// # Errors
    /// Nobody serves at that socket.
    pub async fn join(socket: impl Into<PathBuf>) -> Result<System, Error> {
        Self::describe(Backend::There(Client::new(socket))).await
    }

    #[cfg(feature = "process")]
    async fn start_file(file: PathBuf, on: RunKind) -> Result<System, Error> {
        let handle = handle()?;
        let starting = handle.spawn(async move {
            let plan = Plan::load(&file, on, Vec::new())?;
            let built = plan.build().await?;
            plan.start(built).await
        });
        let session = starting.await.map_err(|_| Error::Gone)??;
        Self::describe(Backend::Here { session, handle }).await
    }

    async fn describe(backend: Backend) -> Result<System, Error> {
        match backend.ask(Ask::Describe).await? {
            Reply::System { name, edges, correlation_header, patience } => Ok(System {
                backend,
                shared: false,
                name: name.into(),
                edges: Arc::new(edges.into_iter().collect()),
                correlation_header: correlation_header.into(),
                patience: patience.0,
            }),
            other => Err(unexpected("describe the system", &other)),
        }
    }

    /// The system's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the proxy of an edge listens.
    pub fn address(&self, edge: &EdgeId) -> Option<SocketAddr> {
        let fits = |(have, address): (&EdgeId, &SocketAddr)| have.is_covered_by(edge).then_some(*address);
        self.edges.get(edge).copied().or_else(|| self.edges.iter().find_map(fits))
    }

    /// The only way in from the world, or an error that names them all.
    pub(crate) fn ingress(&self) -> Result<EdgeId, Error> {
        let ways: Vec<&EdgeId> = self.edges.keys().filter(|edge| edge.consumer == INGRESS).collect();
        match ways.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(Error::Usage(
                "the system has no ingress; add `ingress: {SERVICE: {}}` to its file".into(),
            )),
            several => Err(Error::Usage(format!("say through which ingress (`.through(…)`): {several:?}"))),
        }
    }

    /// A request with this method.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.clone(), method, path)
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// Kills (SIGKILL) the service's instance and returns when it has ended.
    ///
    /// # Errors
    /// None is running.
    pub async fn kill(&self, service: &str) -> Result<(), Error> {
        self.inject(service, InstanceFault::Kill).await
    }

    /// Ends the service's instance in order, and starts a new one.
    ///
    /// # Errors
    /// None is running, or the new one does not get ready.
    pub async fn restart(&self, service: &str) -> Result<(), Error> {
        self.inject(service, InstanceFault::Restart).await
    }

    /// Starts a new instance of a service whose instance has ended, and returns when it is ready.
    ///
    /// # Errors
    /// It does not start or does not get ready.
    pub async fn start_again(&self, service: &str) -> Result<(), Error> {
        let ask = Ask::StartAgain { service: ServiceName::from(service) };
        self.done(&format!("start `{service}` again"), ask).await.map(drop)
    }

    /// Does something to the service's instance: freezes it, takes it off its network, gives it less of the machine, and
    /// undoes that. One that ends by it has ended when this returns.
    ///
    /// # Errors
    /// None is running, or the runtime cannot do that.
    pub async fn inject(&self, service: &str, fault: InstanceFault) -> Result<(), Error> {
        let ask = Ask::Inject { service: ServiceName::from(service), fault };
        self.done(&format!("{} `{service}`", fault.as_str()), ask).await.map(drop)
    }

    pub(crate) async fn done(&self, what: &str, ask: Ask) -> Result<u64, Error> {
        match self.ask(ask).await? {
            Reply::Done { fired } => Ok(fired),
            other => Err(unexpected(what, &other)),
        }
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Result<Reply, Error> {
        self.backend.ask(ask).await
    }

    /// Ends the system and judges what was seen of it with every check and those given: the same verdict that
    /// `seaworthy check` draws, over the requests that the test made.
    ///
    /// # Errors
    /// The system is shared with other tests or runs in another process, which go on with it.
    pub async fn finish(self, judge: Judge) -> Result<Run, Error> {
        if self.shared {
            return Err(Error::Usage(
                "a shared system is not one test's to end; use `System::start`".to_owned(),
            ));
        }
        match self.backend {
            Backend::Here { session, handle } => {
                let finishing = handle.spawn(async move { drive(session, &[], &judge, None, &Silent).await });
                Ok(finishing.await.map_err(|_| Error::Gone)??)
            }
            Backend::There(_) => {
                Err(Error::Usage("a system that was joined is not this test's to end".to_owned()))
            }
        }
    }
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Backend {
    async fn ask(&self, ask: Ask) -> Result<Reply, Error> {
        match self {
            Backend::Here { session, handle } => {
                let session = session.clone();
                // On the system's runtime: the caller's may be gone before what this begins has ended.
                handle.spawn(async move { serve(&session, ask).await }).await.map_err(|_| Error::Gone)
            }
            Backend::There(client) => {
                let failed = |source| Error::Socket { path: client.path().to_owned(), source };
                client.ask(&ask).await.map_err(failed)
            }
        }
    }
}

pub(crate) fn unexpected(what: &str, reply: &Reply) -> Error {
    let reason = match reply {
        Reply::Refused { reason } => reason.clone(),
        other => format!("the reply makes no sense here: {other:?}"),
    };
    Error::Refused { what: what.to_owned(), reason }
}

/// Tests run in their package's folder; a path from the repository's root is meant as often.
#[cfg(feature = "process")]
fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let here = std::env::current_dir()
        .map_err(|source| LaunchError::Io { what: "find the working folder".to_owned(), source })?;
    let found = here.ancestors().find_map(|folder| find(Some(path), folder).ok());
    let file = found.ok_or_else(|| LaunchError::NoSuchFile(here.join(path)))?;
    Ok(file
        .canonicalize()
        .map_err(|source| LaunchError::Io { what: format!("read {}", file.display()), source })?)
}
