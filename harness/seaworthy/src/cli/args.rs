//! What the command line takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use seaworthy_core::ids::ServiceName;
use seaworthy_core::system::RunKind;
use seaworthy_core::time::HumanDuration;

use super::contracts::ContractsCommand;
use super::gate::{CanIDeployArgs, PublishArgs, RecordArgs};

/// Is this set of services fit to ship? One verdict with evidence.
#[derive(Debug, Parser)]
#[command(name = "seaworthy", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 pass, 1 fail, 2 wrong input or environment (nothing was judged), 3 inconclusive."
)]
pub struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Common to all commands.
#[derive(Debug, ClapArgs)]
pub(super) struct Common {
    /// How to print the result; `FORMAT=FILE` writes a file beside what is printed. May be given several times.
    #[arg(long, global = true, value_name = "FORMAT[=FILE]", value_parser = parse_format)]
    pub(super) format: Vec<FormatTo>,
    /// When to use colour. NO_COLOR is heeded.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
    /// Print the verdict and what is wrong, nothing else.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more; twice, a log of the harness itself on stderr.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Give up after this long (`90s`, `5m`); the run is inconclusive then.
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// What fails a run besides errors.
    #[arg(long, global = true, value_enum)]
    pub(super) deny: Option<Deny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Deny {
    Warnings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Terminal,
    Json,
    Junit,
    Sarif,
    Markdown,
}

/// A format, and the file that it goes to if not to stdout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FormatTo {
    pub(super) format: Format,
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The main job: start the system, run its flows, break it, judge; one verdict.
    Check(CheckArgs),
    /// What consumers rely on: verify providers, write and compare contracts, see what they cover.
    #[command(subcommand)]
    Contracts(ContractsCommand),
    /// Run flows alone.
    Flow(FlowArgs),
    /// Run the checks again over kept evidence, without a system.
    Judge(JudgeArgs),
    /// Run the experiment of one finding again.
    Replay(ReplayArgs),
    /// What a rule means, its threshold, and how to mend it.
    Explain(ExplainArgs),
    /// Start a system with proxies and receiver, print the addresses, keep it until Ctrl-C.
    Up(UpArgs),
    /// Carry the proxies of a system that runs already, for harnesses that come and go.
    #[command(hide = true)]
    Proxy(ProxyArgs),
    /// May these versions go to that environment? Exit codes: 0 yes, 1 no, 3 unknown.
    CanIDeploy(CanIDeployArgs),
    /// Record that a version was deployed; it takes the place of the one before.
    #[command(disable_version_flag = true)]
    RecordDeployment(RecordArgs),
    /// Record that a version was released and is there beside others.
    #[command(disable_version_flag = true)]
    RecordRelease(RecordArgs),
    /// Record that a version is no longer there.
    #[command(disable_version_flag = true)]
    RecordUndeployment(RecordArgs),
    /// Publish consumers' pacts to the ledger.
    Publish(PublishArgs),
    /// Write a first `seaworthy.yaml`.
    Init(InitArgs),
    /// Print the JSON Schema of a machine-readable surface.
    Schema(SchemaArgs),
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// Which system, and how it is run.
#[derive(Debug, ClapArgs)]
pub(super) struct SystemArgs {
    /// Where it runs.
    #[arg(long, value_enum, default_value_t = On::Process)]
    pub(super) on: On,
    /// Set a variable of a service: `orders.LOG_LEVEL=debug`.
    #[arg(long, value_name = "SERVICE.KEY=VALUE", value_parser = parse_env)]
    pub(super) env: Vec<(ServiceName, String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum On {
    Process,
    Docker,
    Attach,
}

impl From<On> for RunKind {
    fn from(on: On) -> Self {
        match on {
            On::Process => RunKind::Process,
            On::Docker => RunKind::Docker,
            On::Attach => RunKind::Attach,
        }
    }
}

/// Which checks judge.
#[derive(Debug, ClapArgs)]
pub(super) struct JudgingArgs {
    /// Only these checks.
    #[arg(long, value_name = "CHECK", num_args = 1.., value_delimiter = ',')]
    pub(super) only: Vec<String>,
    /// Not these checks.
    #[arg(long, value_name = "CHECK", num_args = 1.., value_delimiter = ',')]
    pub(super) skip: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CheckArgs {
    /// A `seaworthy.yaml` or a folder that holds one; else the nearest one upwards.
    pub(super) system: Option<PathBuf>,
    #[command(flatten)]
    pub(super) run: SystemArgs,
    #[command(flatten)]
    pub(super) judging: JudgingArgs,
    /// Governs what is chosen at random (jitter, corruption). Ids are random whatever it is.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// Keep the evidence in this folder, for `judge` and `replay`.
    #[arg(long, value_name = "DIR")]
    pub(super) evidence: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct FlowArgs {
    /// Flow files.
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
    /// The system: a `seaworthy.yaml` or a folder that holds one; else the nearest one upwards.
    #[arg(long)]
    pub(super) system: Option<PathBuf>,
    #[command(flatten)]
    pub(super) run: SystemArgs,
    #[command(flatten)]
    pub(super) judging: JudgingArgs,
    /// Keep the evidence in this folder.
    #[arg(long, value_name = "DIR")]
    pub(super) evidence: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct JudgeArgs {
    /// A folder that `check --evidence` wrote.
    pub(super) folder: PathBuf,
    #[command(flatten)]
    pub(super) judging: JudgingArgs,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ReplayArgs {
    /// The finding's fingerprint, as the report prints it.
    pub(super) finding: String,
    /// The folder that the run's evidence was kept in.
    #[arg(long, value_name = "DIR")]
    pub(super) evidence: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ExplainArgs {
    /// A rule; without it, all rules in a line each.
    pub(super) rule: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct UpArgs {
    /// A `seaworthy.yaml` or a folder that holds one; else the nearest one upwards.
    pub(super) system: Option<PathBuf>,
    #[command(flatten)]
    pub(super) run: SystemArgs,
    /// Where to make the control socket; in a fresh folder of its own unless said.
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ProxyArgs {
    /// The socket at which a harness steers it.
    #[arg(long, value_name = "SOCKET", required = true)]
    pub(super) steered: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(super) struct InitArgs {
    /// The folder to write it in.
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,
    /// Write it even if there is one.
    #[arg(long)]
    pub(super) force: bool,
    /// Make it from this Compose file.
    #[arg(long, value_name = "FILE")]
    pub(super) compose: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SchemaArgs {
    /// Of what.
    #[arg(value_enum, default_value_t = Surface::Report)]
    pub(super) surface: Surface,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Surface {
    /// The JSON report.
    Report,
    /// `seaworthy.yaml`.
    System,
    /// Flow files.
    Flow,
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<HumanDuration>().map(|duration| duration.0).map_err(|error| error.to_string())
}

fn parse_env(text: &str) -> Result<(ServiceName, String, String), String> {
    let wrong = || format!("`{text}` is not SERVICE.KEY=VALUE, as in `orders.LOG_LEVEL=debug`");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let (service, key) = name.split_once('.').ok_or_else(wrong)?;
    if service.is_empty() || key.is_empty() {
        return Err(wrong());
    }
    Ok((service.into(), key.to_owned(), value.to_owned()))
}

fn parse_format(text: &str) -> Result<FormatTo, String> {
    let (name, file) = match text.split_once('=') {
        Some((name, "")) => return Err(format!("`{name}=` names no file")),
        Some((name, file)) => (name, Some(PathBuf::from(file))),
        None => (text, None),
    };
    Ok(FormatTo { format: Format::from_str(name, false)?, file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn values_may_hold_dots_and_equals_signs() {
        let (service, key, value) = parse_env("orders.SHOP_DEFECTS=orders.a,orders.b=c").unwrap();
        assert_eq!(
            (service.as_str(), key.as_str(), value.as_str()),
            ("orders", "SHOP_DEFECTS", "orders.a,orders.b=c")
        );
        assert!(parse_env("orders=x").is_err());
    }

    #[test]
    fn a_format_may_name_a_file() {
        let to = parse_format("junit=out/report.xml").unwrap();
        assert_eq!(to, FormatTo { format: Format::Junit, file: Some("out/report.xml".into()) });
        assert!(parse_format("yaml").is_err());
        assert!(parse_format("json=").is_err());
    }
}
