//! Builds binaries of a Cargo workspace and says where they lie.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use seaworthy_core::system::suggest;
use serde::Deserialize;

/// How many lines of the compiler an error shows at most.
const SHOWN_LINES: usize = 200;
/// How long one line of cargo's may be, in bytes; a JSON message holds all features of a package.
const LINE_LIMIT: u64 = 4 * 1024 * 1024;
/// How much `cargo metadata` may say, in bytes.
const METADATA_LIMIT: u64 = 64 * 1024 * 1024;

/// Links the C library into the binary.
const STATIC: &str = "-Ctarget-feature=+crt-static";

/// Why binaries could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be run.
    #[error("could not run `{program}` in `{}`: {source}", folder.display())]
    Cargo {
        /// The program.
        program: String,
        /// The folder it was run in.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder is in no workspace, or its manifest is wrong.
    #[error("could not find a Cargo workspace for `{}`\n{output}", folder.display())]
    Workspace {
        /// The folder.
        folder: PathBuf,
        /// What cargo said.
        output: String,
    },
    /// No package of the workspace has a binary of this name.
    #[error("could not find a binary `{bin}` in the workspace of `{}`{}", folder.display(), hint(suggestion.as_ref()))]
    UnknownBinary {
        /// The name.
        bin: String,
        /// The folder.
        folder: PathBuf,
        /// The name that it may have been meant to be.
        suggestion: Option<String>,
    },
    /// Several packages have a binary of this name.
    #[error("could not tell which binary `{bin}` is meant: the packages {} each have one", packages.join(", "))]
    Ambiguous {
        /// The name.
        bin: String,
        /// The packages.
        packages: Vec<String>,
    },
    /// They do not compile.
    #[error("could not build {}\n{output}", bins.join(", "))]
    Failed {
        /// What was to be built.
        bins: Vec<String>,
        /// What cargo and the compiler said: the last lines.
        output: String,
    },
    /// Cargo built it and did not say where it lies.
    #[error("could not find the executable of `{0}` after it was built")]
    NoExecutable(String),
}

fn hint(suggestion: Option<&String>) -> String {
    suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Builds binaries of the workspace that `folder` lies in, whichever package each is in, and returns the
/// executables by name. When all are fresh, nothing is compiled and nothing printed; when something is compiled,
/// cargo's progress goes to stderr. `CARGO`, `RUSTFLAGS`, `CARGO_TARGET_DIR` and the like mean what they mean to
/// cargo.
///
/// This blocks for as long as the compiler takes: call it where blocking is fine.
///
/// # Errors
/// When cargo cannot be run, a name is no binary's, or something does not compile.
pub fn build(folder: &Path, bins: &[String], release: bool) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    build_with(folder, bins, release, &mut |line| {
        let _ = writeln!(std::io::stderr(), "{line}");
    })
}

/// Like [`build`], with cargo's progress going line by line where the caller likes.
///
/// # Errors
/// As [`build`].
pub fn build_with(
    folder: &Path,
    bins: &[String],
    release: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    if bins.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut arguments = arguments_for(folder, bins, &metadata(folder)?.packages)?;
    if release {
        arguments.push("--release".into());
    }
    run(folder, &arguments, &[], bins, progress)
}

/// Builds binaries that need nothing of the system they run on, for images without anything else in them (`FROM
/// scratch`): for release, for this machine's processor and Linux with glibc, linked statically and stripped. They lie
/// in a folder of their own below the workspace's target folder, so the ordinary build stays fresh.
///
/// Of `RUSTFLAGS` all is kept; flags that a configuration file of cargo's gives are not.
///
/// # Errors
/// As [`build`].
pub fn static_binaries(folder: &Path, bins: &[String]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    static_binaries_with(folder, bins, &mut |line| {
        let _ = writeln!(std::io::stderr(), "{line}");
    })
}

/// Like [`static_binaries`], with cargo's progress going line by line where the caller likes.
///
/// # Errors
/// As [`build`].
pub fn static_binaries_with(
    folder: &Path,
    bins: &[String],
    progress: &mut dyn FnMut(&str),
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    if bins.is_empty() {
        return Ok(BTreeMap::new());
    }
    let Metadata { packages, target_directory } = metadata(folder)?;
    let mut arguments = arguments_for(folder, bins, &packages)?;
    // Naming the target, though it is this machine's, keeps the flags from build scripts and macros, which must not
    // be linked statically.
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let target_folder = target_directory.join("static").display().to_string();
    arguments.extend(["--release".into(), "--target".into(), target, "--target-dir".into(), target_folder]);
    let given = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().or_else(|| {
        let flags = std::env::var("RUSTFLAGS").ok()?;
        Some(flags.split_whitespace().collect::<Vec<_>>().join("\u{1f}"))
    });
    let flags: Vec<String> =
        given.into_iter().filter(|flags| !flags.is_empty()).chain([STATIC.to_owned()]).collect();
    let environment = [
        ("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")),
        ("CARGO_PROFILE_RELEASE_STRIP", "symbols".to_owned()),
    ];
    run(folder, &arguments, &environment, bins, progress)
}

/// What tells cargo to build these binaries, wherever in the workspace they are.
fn arguments_for(folder: &Path, bins: &[String], packages: &[Package]) -> Result<Vec<String>, BuildError> {
    let mut arguments: Vec<String> = vec!["build".into(), "--message-format=json-render-diagnostics".into()];
    for package in bins.iter().map(|bin| owner(folder, bin, packages)).collect::<Result<BTreeSet<_>, _>>()? {
        arguments.extend(["--package".into(), package]);
    }
    for bin in bins {
        arguments.extend(["--bin".into(), bin.clone()]);
    }
    Ok(arguments)
}

/// The package that a binary is in.
fn owner(folder: &Path, bin: &str, packages: &[Package]) -> Result<String, BuildError> {
    let owners: Vec<&Package> =
        packages.iter().filter(|package| package.binaries().any(|b| b == bin)).collect();
    match owners.as_slice() {
        [package] => Ok(package.name.clone()),
        [] => Err(BuildError::UnknownBinary {
            bin: bin.to_owned(),
            folder: folder.to_owned(),
            suggestion: suggest::closest(bin, packages.iter().flat_map(Package::binaries)).map(str::to_owned),
        }),
        several => Err(BuildError::Ambiguous {
            bin: bin.to_owned(),
            packages: several.iter().map(|package| package.name.clone()).collect(),
        }),
    }
}

fn cargo(folder: &Path) -> (String, Command) {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&program);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_for_the_running_program) {
            command.env_remove(name);
        }
    }
    (program.to_string_lossy().into_owned(), command)
}

/// Whether cargo sets this variable for the program or build script that it runs, so that it says something of
/// us and would mislead another cargo.
fn is_for_the_running_program(name: &str) -> bool {
    const PREFIXES: [&str; 6] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CFG_", "CARGO_FEATURE_", "DEP_"];
    const NAMES: [&str; 8] = [
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "CARGO_MAKEFLAGS",
        "MAKEFLAGS",
        "MFLAGS",
        "NUM_JOBS",
        "OUT_DIR",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    fn binaries(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.is_binary()).map(|target| target.name.as_str())
    }
}

impl Target {
    fn is_binary(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bin")
    }
}

fn metadata(folder: &Path) -> Result<Metadata, BuildError> {
    let (program, mut command) = cargo(folder);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let failed = |source| BuildError::Cargo { program: program.clone(), folder: folder.to_owned(), source };
    let mut child = command.spawn().map_err(failed)?;
    let stderr = child.stderr.take().map(|from| thread::spawn(move || text_of(from)));
    let stdout = child.stdout.take().map(text_of).unwrap_or_default();
    let status = child.wait().map_err(failed)?;
    let wrong = |output: String| BuildError::Workspace { folder: folder.to_owned(), output };
    if !status.success() {
        return Err(wrong(stderr.and_then(|thread| thread.join().ok()).unwrap_or_default()));
    }
    serde_json::from_str(&stdout).map_err(|error| wrong(error.to_string()))
}

fn text_of(from: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is all there is to say.
    let _ = from.take(METADATA_LIMIT).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

fn run(
    folder: &Path,
    arguments: &[String],
    environment: &[(&str, String)],
    bins: &[String],
    progress: &mut dyn FnMut(&str),
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let (program, mut command) = cargo(folder);
    let failed = |source| BuildError::Cargo { program: program.clone(), folder: folder.to_owned(), source };
    let mut child = command.args(arguments).envs(environment.iter().cloned()).spawn().map_err(failed)?;
    let messages = child.stdout.take().map(|from| thread::spawn(move || executables(from)));
    let mut said = VecDeque::new();
    let mut compiling = false;
    each_line(child.stderr.take(), |line| {
        let says = |verbs: &[&str]| verbs.iter().any(|verb| line.trim_start().starts_with(verb));
        compiling |= says(&["Compiling ", "Downloading ", "Downloaded ", "Updating "]);
        // Waiting for another cargo's lock may take long too, and is no compiling.
        if compiling || says(&["Blocking "]) {
            progress(line);
        }
        if said.len() == SHOWN_LINES {
            said.pop_front();
        }
        said.push_back(line.to_owned());
    });
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        let output = Vec::from(said).join("\n");
        return Err(BuildError::Failed { bins: bins.to_vec(), output });
    }
    let executables = messages.and_then(|thread| thread.join().ok()).unwrap_or_default();
    match bins.iter().find(|bin| !executables.contains_key(bin.as_str())) {
        Some(bin) => Err(BuildError::NoExecutable(bin.clone())),
        None => Ok(executables),
    }
}

/// The executables that cargo's messages name, by binary.
fn executables(from: impl Read) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    each_line(Some(from), |line| {
        // Lines that are not messages are what build scripts and wrappers print.
        let Ok(message) = serde_json::from_str::<Message>(line) else { return };
        if let (Some(target), Some(executable)) = (message.target, message.executable)
            && message.reason == "compiler-artifact"
            && target.is_binary()
        {
            found.insert(target.name, executable);
        }
    });
    found
}

fn each_line(from: Option<impl Read>, mut see: impl FnMut(&str)) {
    let Some(from) = from else { return };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => see(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])),
        }
    }
}
