//! `seaworthy contracts …`.

mod args;
mod case;
mod coverage;
mod drift;
mod last;
mod pacts;
mod record;
mod seen;
mod verify;

use std::process::ExitCode;

pub(super) use args::ContractsCommand;

use super::args::Common;
use super::failure::Failure;

/// Runs a command on contracts.
pub(super) async fn run(command: &ContractsCommand, common: &Common) -> Result<ExitCode, Failure> {
    match command {
        ContractsCommand::Verify(args) => verify::verify(args, common).await,
        ContractsCommand::Match(args) => case::run(args, common),
        ContractsCommand::Record(args) => record::run(args, common),
        ContractsCommand::Drift(args) => drift::run(args, common),
        ContractsCommand::Coverage(args) => coverage::run(args, common),
        ContractsCommand::Diff(args) => pacts::diff(args, common),
        ContractsCommand::Merge(args) => pacts::merge(args),
    }
}
