//! `seaworthy contracts record`: pacts from what was seen.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as ClapArgs;
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::observe::record::{self, Recording};
use seaworthy_contracts::observe::sighting::in_words;
use seaworthy_contracts::write::{Mode, keep};
use seaworthy_core::finding::{Finding, Location, Severity};

use super::seen::SeenArgs;
use crate::cli::args::Common;
use crate::cli::failure::Failure;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RecordArgs {
    #[command(flatten)]
    seen: SeenArgs,
    /// Where to write them: one file for each consumer and provider. What is there already stays; an interaction of
    /// the same name that says something else is an error.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Replace interactions of the same name instead.
    #[arg(long)]
    update: bool,
}

pub(super) fn run(args: &RecordArgs, common: &Common) -> Result<ExitCode, Failure> {
    let seen = args.seen.read()?;
    let recording = record::record(&seen.evidence.exchanges, seen.edges);
    let mode = if args.update { Mode::Update } else { Mode::Merge };
    let (mut findings, mut table) = (Vec::new(), String::new());
    for contract in &recording.contracts {
        let file = keep(&args.output, contract, mode)?;
        let _ = writeln!(table, "{}: {} relies on {}", file.display(), contract.consumer, contract.provider);
        for interaction in &contract.interactions {
            let _ = writeln!(table, "  {}", interaction.description);
        }
        findings.push(written(contract, &file));
    }
    if findings.is_empty() {
        findings.push(nothing(&recording));
    }
    seen.deliver(record::CHECK, &table, findings, (recording.recorded, &recording.left_out), common)
}

fn written(contract: &Contract, file: &Path) -> Finding {
    let interactions = match contract.interactions.len() {
        1 => "1 interaction".to_owned(),
        count => format!("{count} interactions"),
    };
    let (consumer, provider) = (&contract.consumer, &contract.provider);
    let said = format!("{consumer} relies on {provider}: {interactions} in {}", file.display());
    let mut finding = Finding::warning(record::RECORDED, said)
        .hint("read it, give provider states their names, and let a test of the consumer keep it true")
        .service(&consumer.as_str().into())
        .location(Location { file: file.display().to_string(), ..Location::default() });
    finding.severity = Severity::Info;
    finding
}

fn nothing(recording: &Recording) -> Finding {
    let left_out = in_words(&recording.left_out);
    let why = if left_out.is_empty() { String::new() } else { format!(" ({left_out} were left out)") };
    Finding::undecided(record::NOTHING, format!("no exchange was seen that a pact could be made from{why}"))
        .hint("make the flows reach the services, and keep the evidence again")
}
