//! What the commands on contracts take.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, Subcommand, ValueEnum};
use seaworthy_contracts::ledger::Timestamp;
use seaworthy_contracts::model::Specification;

use super::coverage::CoverageArgs;
use super::drift::DriftArgs;
use super::pacts::{DiffArgs, MergeArgs};
use super::record::RecordArgs;
use crate::cli::args::parse_duration;

/// The commands on contracts.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ContractsCommand {
    /// Hold a running provider against what its consumers rely on.
    Verify(Box<VerifyArgs>),
    /// Run one case file of the Pact specification: `{match, comment, expected, actual}`.
    Match(MatchArgs),
    /// What changed from one pact to another.
    Diff(DiffArgs),
    /// Make one pact of several between the same consumer and provider.
    Merge(MergeArgs),
    /// Write pacts from what a run has seen between services.
    Record(RecordArgs),
    /// What a run has seen that no contract covers.
    Drift(DriftArgs),
    /// Which interactions of contracts a run has exercised.
    Coverage(CoverageArgs),
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("source").required(true).args(["pact", "ledger"]).multiple(false))]
pub(in crate::cli) struct VerifyArgs {
    /// The provider's name, as contracts have it.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) provider: String,
    /// Where it runs.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) url: String,
    /// Pact files, folders of them, or URLs.
    #[arg(long, value_name = "FILE|DIR|URL", num_args = 1..)]
    pub(in crate::cli) pact: Vec<String>,
    /// Take the contracts from a ledger: a folder, or the URL of a Pact Broker.
    #[arg(long, value_name = "DIR|URL")]
    pub(in crate::cli) ledger: Option<String>,
    /// Which consumers' versions, as the broker has it: `{"mainBranch": true}`, `{"deployed": true}`.
    #[arg(long, value_name = "JSON", requires = "ledger")]
    pub(in crate::cli) selector: Vec<String>,
    /// Contracts that this provider never kept do not fail the run.
    #[arg(long, requires = "ledger")]
    pub(in crate::cli) pending: bool,
    /// Also verify work in progress since this day (YYYY-MM-DD); it is pending.
    #[arg(long, value_name = "DATE", requires = "ledger")]
    pub(in crate::cli) wip_since: Option<Timestamp>,
    /// Sets provider states up: gets POST `{consumer, state, params, action}`.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) states: Option<String>,
    /// Says of each state which others it disturbs (YAML: state → key template over its parameters).
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) state_keys: Option<PathBuf>,
    /// Take states back afterwards.
    #[arg(long, requires = "states")]
    pub(in crate::cli) state_teardown: bool,
    /// Where the provider's messages are asked for: gets POST `{description, providerStates}`.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) message_url: Option<String>,
    /// How many interactions are verified at once.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(in crate::cli) jobs: u16,
    /// Only interactions whose description this regular expression matches.
    #[arg(long, value_name = "RE")]
    pub(in crate::cli) description: Option<String>,
    /// Only interactions with a state that this regular expression matches.
    #[arg(long, value_name = "RE")]
    pub(in crate::cli) state: Option<String>,
    /// Only interactions without a state; with `--state`, those besides.
    #[arg(long)]
    pub(in crate::cli) no_state: bool,
    /// Only contracts of this consumer. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) consumer: Vec<String>,
    /// Only what failed the last time.
    #[arg(long)]
    pub(in crate::cli) last_failed: bool,
    /// Stop at the first interaction that the provider does not keep.
    #[arg(long)]
    pub(in crate::cli) exit_on_first_error: bool,
    /// A header for every request to the provider: credentials, say.
    #[arg(long, value_name = "K:V", value_parser = parse_header)]
    pub(in crate::cli) header: Vec<(String, String)>,
    /// What stands before every path.
    #[arg(long, value_name = "P")]
    pub(in crate::cli) base_path: Option<String>,
    /// How long the provider may take to answer one request.
    #[arg(long, value_name = "D", default_value = "5s", value_parser = parse_duration)]
    pub(in crate::cli) request_timeout: Duration,
    /// An interaction that takes longer than this fails.
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(in crate::cli) max_latency: Option<Duration>,
    /// Trust this certificate authority (PEM), too.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) cacert: Option<PathBuf>,
    /// Write the results into the ledger.
    #[arg(long, requires_all = ["ledger", "provider_version"])]
    pub(in crate::cli) publish: bool,
    /// The provider's version.
    #[arg(long, value_name = "V")]
    pub(in crate::cli) provider_version: Option<String>,
    /// The provider's branch.
    #[arg(long, value_name = "B")]
    pub(in crate::cli) branch: Option<String>,
    /// Where the build that verified it can be looked at.
    #[arg(long, value_name = "U")]
    pub(in crate::cli) build_url: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("kind").required(true).args(["request", "response", "message"]))]
pub(in crate::cli) struct MatchArgs {
    /// The version of the Pact specification.
    #[arg(long, value_name = "N", value_enum)]
    pub(in crate::cli) spec: Version,
    /// A case file of a request.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) request: Option<PathBuf>,
    /// A case file of a response.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) response: Option<PathBuf>,
    /// A case file of a message.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) message: Option<PathBuf>,
}

/// A version as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Version {
    #[value(name = "1", aliases = ["1.0", "1.0.0", "v1"])]
    V1,
    #[value(name = "1.1", aliases = ["1.1.0", "v1.1"])]
    V1_1,
    #[value(name = "2", aliases = ["2.0", "2.0.0", "v2"])]
    V2,
    #[value(name = "3", aliases = ["3.0", "3.0.0", "v3"])]
    V3,
    #[value(name = "4", aliases = ["4.0", "v4"])]
    V4,
}

impl Version {
    /// As people write it.
    pub(in crate::cli) fn name(self) -> String {
        Specification::from(self).to_string()
    }
}

impl From<Version> for Specification {
    fn from(version: Version) -> Self {
        match version {
            Version::V1 => Specification::V1,
            Version::V1_1 => Specification::V1_1,
            Version::V2 => Specification::V2,
            Version::V3 => Specification::V3,
            Version::V4 => Specification::V4,
        }
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` is not NAME:VALUE, as in `Authorization: Bearer …`"))?;
    let name = name.trim();
    if name.is_empty() {
        return Err(format!("`{text}` names no header"));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}
