//! `seaworthy contracts coverage`: which interactions were exercised.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use seaworthy_contracts::observe::coverage;

use super::seen::{PactArgs, SeenArgs};
use crate::cli::args::Common;
use crate::cli::failure::Failure;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct CoverageArgs {
    #[command(flatten)]
    seen: SeenArgs,
    #[command(flatten)]
    pacts: PactArgs,
}

pub(super) fn run(args: &CoverageArgs, common: &Common) -> Result<ExitCode, Failure> {
    let seen = args.seen.read()?;
    let contracts = args.pacts.read(&seen.evidence)?;
    let coverage = coverage::coverage(&contracts, &seen.evidence.exchanges, seen.edges);
    let (table, findings) = (coverage.to_text(), coverage.findings());
    seen.deliver(coverage::CHECK, &table, findings, (coverage.held, &coverage.left_out), common)
}
