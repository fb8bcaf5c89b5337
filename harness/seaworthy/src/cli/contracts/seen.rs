//! What `record`, `drift` and `coverage` work on: kept evidence, and which edges of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args as ClapArgs;
use seaworthy_contracts::document;
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::observe::sighting::LeftOuts;
use seaworthy_core::check::verdict_of;
use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::{DEAD_LETTERS, EdgeId, INGRESS, PROBE};
use seaworthy_core::report::{CheckReport, RunReport, Summary};
use seaworthy_core::system::suggest;
use seaworthy_experiment::disk;

use crate::check::KeptError;
use crate::cli::args::{Common, Deny, Format};
use crate::cli::failure::Failure;
use crate::cli::output::deliver;

/// Which evidence, and which part of it.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SeenArgs {
    /// A folder that `check --evidence` wrote.
    #[arg(long, value_name = "DIR")]
    evidence: PathBuf,
    /// Only this edge, as `orders -> payments`; may be given several times. All between services unless said.
    #[arg(long, value_name = "EDGE")]
    edge: Vec<EdgeId>,
}

/// Which contracts.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct PactArgs {
    /// Pact files, or folders of them; those that the system file names unless said.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pacts: Vec<PathBuf>,
}

/// Evidence as it was read, without what counts for nothing.
pub(super) struct Seen<'a> {
    pub(super) evidence: EvidenceSet,
    pub(super) edges: &'a [EdgeId],
    folder: &'a Path,
    began: Instant,
}

impl SeenArgs {
    /// Reads the evidence.
    pub(super) fn read(&self) -> Result<Seen<'_>, Failure> {
        let began = Instant::now();
        let evidence = disk::read(&self.evidence).map_err(KeptError::from)?.without_void();
        for edge in &self.edge {
            known(edge, &evidence)?;
        }
        Ok(Seen { evidence, edges: &self.edge, folder: &self.evidence, began })
    }
}

/// Whether the system has such an edge; a slip of the pen would else look like an edge without traffic.
fn known(edge: &EdgeId, evidence: &EvidenceSet) -> Result<(), Failure> {
    let names = || {
        let services = evidence.system.services.keys().map(seaworthy_core::ids::ServiceName::as_str);
        services.chain([INGRESS, PROBE, DEAD_LETTERS])
    };
    for name in [&edge.consumer, &edge.provider] {
        if !names().any(|known| *name == known) {
            let hint = match suggest::closest(name.as_str(), names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the system has {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(Failure::plain(format!("could not find a service `{name}`; {hint}")));
        }
    }
    Ok(())
}

impl PactArgs {
    /// Reads the contracts.
    pub(super) fn read(&self, evidence: &EvidenceSet) -> Result<Vec<Contract>, Failure> {
        let named = if self.pacts.is_empty() { evidence.system.pact_sources() } else { self.pacts.clone() };
        if named.is_empty() {
            return Err(Failure::plain(
                "could not find contracts: the system file names none; name them with `--pacts PATH`"
                    .to_owned(),
            ));
        }
        document::collect(&named).map_err(Failure::from)
    }
}

impl Seen<'_> {
    /// Prints what one check has to say, in every format asked for. A person at a terminal reads `table` first.
    pub(super) fn deliver(
        &self,
        check: &str,
        table: &str,
        findings: Vec<Finding>,
        (exchanges, left_out): (u64, &LeftOuts),
        common: &Common,
    ) -> Result<ExitCode, Failure> {
        let printed =
            common.format.iter().find(|to| to.file.is_none()).map_or(Format::Terminal, |to| to.format);
        if printed == Format::Terminal && !common.quiet && !table.is_empty() {
            // A reader that hung up wants no more; the verdict stands.
            let _ = writeln!(std::io::stdout(), "{table}");
        }
        let report = CheckReport { id: check.to_owned(), verdict: verdict_of(&findings), findings };
        let summary = Summary {
            exchanges,
            dropped: left_out.iter().map(|(why, count)| (format!("exchanges: {why}"), *count)).collect(),
            ..Summary::default()
        };
        let mut report = RunReport::new(vec![report], summary, common.deny == Some(Deny::Warnings));
        report.set_duration(self.began.elapsed());
        deliver(&report, &self.evidence, Some(self.folder), common)
    }
}
