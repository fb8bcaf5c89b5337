//! From a system file to a running system: find the file, build what it names, start it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seaworthy_core::ids::ServiceName;
use seaworthy_core::runtime::Runtime;
use seaworthy_core::system::{Overrides, Process, RunKind, System, SystemFileError};
use seaworthy_core::time::RunClock;
use seaworthy_experiment::flow::{self, Flow, FlowFileError};
use seaworthy_experiment::session::{Built, Session, StartError};
use seaworthy_runtime::{ProcessRuntime, cargo};

use crate::attach::{self, AttachError};

/// The name of a system file.
pub const FILE_NAME: &str = "seaworthy.yaml";

/// Why a system could not be started. Nothing was judged: exit code 2.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LaunchError {
    /// There is no system file.
    #[error("could not find a `{FILE_NAME}` in `{}` or above", start.display())]
    #[diagnostic(help("run `seaworthy init` to write a first one, or name one: `seaworthy check PATH`"))]
    NoSystemFile {
        /// Where the search began.
        start: PathBuf,
    },
    /// What was named is not there.
    #[error("could not find `{}`", .0.display())]
    #[diagnostic(help(
        "name a `{FILE_NAME}` or a folder that holds one; `seaworthy init` writes a first one"
    ))]
    NoSuchFile(PathBuf),
    /// The system file is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    System(#[from] SystemFileError),
    /// A flow file is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Flow(#[from] FlowFileError),
    /// The contracts that the system file names cannot be read.
    #[cfg(feature = "contracts")]
    #[error(transparent)]
    #[diagnostic(help("{}", .0.hint()))]
    Contracts(#[from] crate::contracts::BindingError),
    /// A flow that was asked for is not for this runtime.
    #[error("could not run the flow `{flow}` on `{on}`: it is not for that runtime")]
    #[diagnostic(help("use `--on {only}`"))]
    FlowElsewhere {
        /// Which.
        flow: String,
        /// The runtime that was chosen.
        on: &'static str,
        /// Those that it is for.
        only: String,
    },
    /// This runtime is not in this build.
    #[error("could not start the system on `{0}`: this build does not have that runtime")]
    #[diagnostic(help("build seaworthy with the feature of that name, or use `--on process`"))]
    Runtime(&'static str),
    /// An image could not be found or built.
    #[error("could not get the image of `{service}`: {reason}")]
    #[diagnostic(help("{help}"))]
    Image {
        /// Whose.
        service: ServiceName,
        /// Why, with all that was tried.
        reason: String,
        /// What to do.
        help: String,
    },
    /// A placeholder in what an image is made from stands for nothing.
    #[error("could not fill in `{place}` of service `{service}`: {reason}")]
    Placeholder {
        /// Whose.
        service: ServiceName,
        /// Where: `image`, `build.args.BASE`.
        place: String,
        /// Why.
        reason: String,
    },
    /// A binary could not be built.
    #[error(transparent)]
    Build(#[from] cargo::BuildError),
    /// The process that is to carry the proxies could not be started or steered.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Attach(#[from] AttachError),
    /// A service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The operating system refused something.
    #[error("could not {what}: {source}")]
    Io {
        /// What.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Finds the system file: the one named, the one in the folder named, the nearest one upwards; else, inside
/// seaworthy's own repository, the shop's.
///
/// # Errors
/// There is none.
pub fn find(named: Option<&Path>, from: &Path) -> Result<PathBuf, LaunchError> {
    if let Some(named) = named {
        let named = from.join(named);
        let file = if named.is_dir() { named.join(FILE_NAME) } else { named };
        return if file.is_file() { Ok(file) } else { Err(LaunchError::NoSuchFile(file)) };
    }
    for folder in from.ancestors() {
        let file = folder.join(FILE_NAME);
        if file.is_file() {
            return Ok(file);
        }
    }
    let ours = from.ancestors().find(|folder| folder.join("harness/seaworthy/Cargo.toml").is_file());
    let shop = ours.map(|root| root.join("fixtures/shop").join(FILE_NAME)).filter(|file| file.is_file());
    shop.ok_or_else(|| LaunchError::NoSystemFile { start: from.to_owned() })
}

/// A system file with its flows, read and found sound.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The system.
    pub system: System,
    /// Its flows.
    pub flows: Vec<Flow>,
}

impl Plan {
    /// Reads the system file and its flows.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn load(
        file: &Path,
        on: RunKind,
        env: Vec<(ServiceName, String, String)>,
    ) -> Result<Self, LaunchError> {
        let system = System::load(file, &Overrides { on, env })?;
        if on == RunKind::Docker && !cfg!(feature = "docker") {
            return Err(LaunchError::Runtime(on.as_str()));
        }
        let flows = flow::load_all(&system)?;
        // A run reads them when it verifies; what is wrong in them is said before anything is started.
        #[cfg(feature = "contracts")]
        crate::contracts::Binding::read(&system)?;
        Ok(Self { system, flows })
    }

    /// Takes these flow files instead of the system's own.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn load_flows(&mut self, files: &[PathBuf]) -> Result<(), LaunchError> {
        self.flows = files.iter().map(|file| flow::load(file, &self.system)).collect::<Result<_, _>>()?;
        let on = self.system.on;
        match self.flows.iter().find(|flow| !flow.is_for(on)) {
            None => Ok(()),
            Some(flow) => Err(LaunchError::FlowElsewhere {
                flow: flow.name.clone(),
                on: on.as_str(),
                only: flow.only.iter().map(|on| on.as_str()).collect::<Vec<_>>().join("` or `--on "),
            }),
        }
    }

    /// Makes what the system runs: builds binaries from source, finds or builds images. Says nothing and takes little
    /// time when all is fresh.
    ///
    /// # Errors
    /// A binary does not compile, there is no such binary, or an image can neither be found nor built.
    pub async fn build(&self) -> Result<Built, LaunchError> {
        match self.system.on {
            RunKind::Process => Ok(Built { executables: self.executables().await?, ..Built::default() }),
            #[cfg(feature = "docker")]
            RunKind::Docker => {
                let images = crate::images::make(&self.system).await?;
                Ok(Built { images, ..Built::default() })
            }
            #[cfg(not(feature = "docker"))]
            RunKind::Docker => Err(LaunchError::Runtime(RunKind::Docker.as_str())),
            // What runs already was made by somebody else.
            RunKind::Attach => Ok(Built::default()),
        }
    }

    async fn executables(&self) -> Result<BTreeMap<String, PathBuf>, LaunchError> {
        let binaries = self.system.services.values().filter_map(|service| match &service.process {
            Some(Process::Cargo { cargo }) => Some(cargo.clone()),
            _ => None,
        });
        // Services are built as the harness itself was: a debug test does not wait for a release build.
        let release = !cfg!(debug_assertions);
        build(binaries.collect(), &self.system.folder, move |folder, binaries| {
            cargo::build(folder, binaries, release)
        })
        .await
    }

    /// Starts the system with what was made for it.
    ///
    /// # Errors
    /// A service does not start or does not get ready.
    pub async fn start(&self, built: Built) -> Result<Session, LaunchError> {
        let clock = RunClock::start();
        let runtime: Arc<dyn Runtime> = match self.system.on {
            RunKind::Process => Arc::new(ProcessRuntime::new(clock).map_err(StartError::Runtime)?),
            #[cfg(feature = "docker")]
            RunKind::Docker => {
                Arc::new(seaworthy_runtime::DockerRuntime::new(clock).await.map_err(StartError::Runtime)?)
            }
            #[cfg(not(feature = "docker"))]
            RunKind::Docker => return Err(LaunchError::Runtime(RunKind::Docker.as_str())),
            RunKind::Attach => {
                let runtime = Arc::new(seaworthy_runtime::AttachRuntime::new(&self.system));
                let wire = attach::wire(&self.system, clock, &*runtime).await?;
                return Ok(Session::start_on(wire, self.system.clone(), clock, runtime, built).await?);
            }
        };
        Ok(Session::start(self.system.clone(), clock, runtime, built).await?)
    }
}

/// Builds binaries on a thread of its own, each once.
pub(crate) async fn build(
    mut binaries: Vec<String>,
    folder: &Path,
    work: impl FnOnce(&Path, &[String]) -> Result<BTreeMap<String, PathBuf>, cargo::BuildError> + Send + 'static,
) -> Result<BTreeMap<String, PathBuf>, LaunchError> {
    binaries.sort();
    binaries.dedup();
    if binaries.is_empty() {
        return Ok(BTreeMap::new());
    }
    let folder = folder.to_owned();
    let built = tokio::task::spawn_blocking(move || work(&folder, &binaries));
    let built = built.await.map_err(|error| LaunchError::Io {
        what: "build the services".to_owned(),
        source: std::io::Error::other(error),
    })?;
    Ok(built?)
}
