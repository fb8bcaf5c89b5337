//! `seaworthy contracts drift`: what was seen outside every contract.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use seaworthy_contracts::observe::drift;

use super::seen::{PactArgs, SeenArgs};
use crate::cli::args::Common;
use crate::cli::failure::Failure;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct DriftArgs {
    #[command(flatten)]
    seen: SeenArgs,
    #[command(flatten)]
    pacts: PactArgs,
}

pub(super) fn run(args: &DriftArgs, common: &Common) -> Result<ExitCode, Failure> {
    let seen = args.seen.read()?;
    let contracts = args.pacts.read(&seen.evidence)?;
    let drift = drift::drift(&contracts, &seen.evidence.exchanges, seen.edges);
    let table = match contracts.len() {
        1 => format!("{} of {} exchanges are in line with 1 contract\n", drift.in_line, drift.held),
        count => {
            format!("{} of {} exchanges are in line with {count} contracts\n", drift.in_line, drift.held)
        }
    };
    seen.deliver(drift::CHECK, &table, drift.findings, (drift.held, &drift.left_out), common)
}
