//! What starts and stops instances: processes, containers, or nothing at all, where a system runs already.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use crate::ids::{InstanceId, ServiceName};
use crate::instance::{InstanceEvent, InstanceFault};
use crate::log::OutputLine;
use crate::secret::SecretHit;
use crate::system::Port;

/// A boxed future, so that runtimes can be chosen at run time.
pub type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// What is needed to start one instance. `${port.NAME}` may still stand in command, environment and files: the
/// runtime chooses the ports and fills them in.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// Of which service.
    pub service: ServiceName,
    /// The new instance's id.
    pub instance: InstanceId,
    /// What is run.
    pub program: Program,
    /// Its whole environment but PATH and what an image brings.
    pub env: BTreeMap<String, String>,
    /// Files to write into its working folder before it starts: relative path → content.
    pub files: BTreeMap<String, String>,
    /// Its ports by name.
    pub ports: BTreeMap<String, Port>,
    /// Folders of a container (absolute) that outlive an instance and end with the run; the next instance of the
    /// service finds them as they were left. Processes have their working folder for that.
    pub volumes: Vec<String>,
}

/// What an instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A program of this machine (absolute, or found on PATH) and its arguments.
    Command(Vec<String>),
    /// An image that the engine has.
    Image {
        /// Its reference.
        image: String,
        /// The command to run in it; empty: the image's own.
        command: Vec<String>,
    },
}

/// From where instances see the harness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vantage {
    /// The addresses on which proxies and the receiver listen, loopback first. Never all interfaces.
    pub listen: Vec<IpAddr>,
    /// The name or address by which instances reach them.
    pub host: String,
}

impl Default for Vantage {
    /// Instances are processes of this machine: loopback is enough.
    fn default() -> Self {
        Self { listen: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], host: Ipv4Addr::LOCALHOST.to_string() }
    }
}

/// A started instance: alive, maybe not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Where each of its ports listens.
    pub ports: BTreeMap<String, SocketAddr>,
    /// Its process id, where it is a process here.
    pub pid: Option<u32>,
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, if it returned one.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// Why an instance could not be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Its program is not there or cannot be run.
    #[error("could not run `{program}` for `{service}`: {reason}")]
    Program {
        /// Whose.
        service: ServiceName,
        /// Which.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// It ended before it was ready.
    #[error("`{service}`{} ended before it was ready ({how})\n{output}", of_image(.image))]
    EndedEarly {
        /// Which.
        service: ServiceName,
        /// From which image, where it is a container.
        image: Option<String>,
        /// `exit code 2`, `signal 9`.
        how: String,
        /// Its last lines.
        output: String,
    },
    /// It did not get ready in time.
    #[error("`{service}`{} was not ready after {after:?}: {last}\n{output}", of_image(.image))]
    NotReady {
        /// Which.
        service: ServiceName,
        /// From which image, where it is a container.
        image: Option<String>,
        /// How long it had.
        after: Duration,
        /// What the last probe saw.
        last: String,
        /// Its last lines.
        output: String,
    },
    /// No instance of this id is running.
    #[error("could not find a running instance `{0}`")]
    NoInstance(InstanceId),
    /// This runtime cannot do that to an instance.
    #[error("could not {fault} an instance of `{service}` on the {runtime} runtime: {hint}")]
    Unsupported {
        /// Whose.
        service: ServiceName,
        /// What was asked for.
        fault: &'static str,
        /// Which runtime.
        runtime: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The container engine refused something, or there is none.
    #[error("could not {what}: {reason}")]
    Engine {
        /// What.
        what: String,
        /// What the engine said, or why it was not reached, and what to do.
        reason: String,
    },
    /// The operating system refused something.
    #[error("could not {what}: {source}")]
    Io {
        /// What.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

fn of_image(image: &Option<String>) -> String {
    image.as_ref().map(|image| format!(" (image `{image}`)")).unwrap_or_default()
}

/// Starts and stops instances, and keeps what they print and what becomes of them.
///
/// Whatever it started ends with it: on drop, on panic, and when the harness itself is killed.
pub trait Runtime: Send + Sync {
    /// From where its instances see the harness; the same for the whole run.
    fn vantage(&self) -> Vantage {
        Vantage::default()
    }

    /// Starts an instance; it is alive and its ports are known, it is not ready yet.
    fn start<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Started, RuntimeError>>;

    /// Where the ports of a running instance listen now; a container that was off its network may have moved.
    fn ports<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SocketAddr>, RuntimeError>>;

    /// Ends and removes all that is left of the run, and returns when it is gone. May be called again.
    fn close(&self) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// Carries out a fault on an instance: `kill` and `term` return when the signal is sent, the others when it is
    /// done. `stop` and `restart` are not for here: whoever wants them calls [`Runtime::stop`].
    fn inject<'a>(
        &'a self,
        instance: &'a InstanceId,
        fault: InstanceFault,
    ) -> BoxFuture<'a, Result<(), RuntimeError>>;

    /// Returns when the instance has ended.
    fn ended<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Exit, RuntimeError>>;

    /// Asks it to end, waits up to `grace`, then kills it. An instance that has ended already is fine.
    fn stop<'a>(
        &'a self,
        instance: &'a InstanceId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<Exit, RuntimeError>>;

    /// The harness saw it ready: recorded as an event.
    fn mark_ready(&self, instance: &InstanceId);

    /// What happened to instances so far.
    fn events(&self) -> Vec<InstanceEvent>;

    /// What they printed so far, and the secrets found in it, and how many lines were not kept.
    fn output(&self) -> Output;

    /// The last lines that an instance printed, for error messages.
    fn last_lines(&self, instance: &InstanceId, lines: usize) -> Vec<String>;
}

/// What instances printed.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The lines.
    pub lines: Vec<OutputLine>,
    /// Secrets found in them, by fingerprint.
    pub secrets: Vec<SecretHit>,
    /// Lines that were not kept because a limit was reached.
    pub dropped: u64,
}
