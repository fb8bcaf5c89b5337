//! `seaworthy contracts diff` and `merge`: what can be done with pact files alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use seaworthy_contracts::diff::{self, Change};
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::{document, merge, write};
use seaworthy_core::check::verdict_of;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::report::{CheckReport, RunReport, Summary};
use seaworthy_core::secret;

use crate::cli::args::{Common, Deny};
use crate::cli::failure::Failure;
use crate::cli::output::deliver_text;

const DIFF: &str = "contract-diff";

/// Two pacts.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct DiffArgs {
    /// The pact as it was.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The pact as it is.
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

/// Several pacts.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct MergeArgs {
    /// Pact files, or folders of them.
    #[arg(value_name = "FILE|DIR", required = true)]
    pacts: Vec<PathBuf>,
    /// The folder to write the merged pacts in, one per consumer and provider; without it the one pact that all become
    /// is printed.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Differences are warnings: they fail with `--deny warnings`.
pub(super) fn diff(args: &DiffArgs, common: &Common) -> Result<ExitCode, Failure> {
    let (old, new) = (document::read(&args.old)?, document::read(&args.new)?);
    let changes = diff::diff(&old, &new);
    let findings: Vec<Finding> = changes.iter().map(|change| finding(change, &new)).collect();
    let check = CheckReport { id: DIFF.to_owned(), verdict: verdict_of(&findings), findings };
    let interactions = old.interactions.len().max(new.interactions.len()) as u64;
    let summary = Summary { interactions, ..Summary::default() };
    let report = RunReport::new(vec![check], summary, common.deny == Some(Deny::Warnings));
    deliver_text(&report, &diff::render(&changes), common)
}

fn finding(change: &Change, new: &Contract) -> Finding {
    let (rule, message, location, differences) = match change {
        Change::Specification { old, new } => (
            "contract.diff.specification",
            format!("the specification was {old} and is {new}"),
            None,
            &[][..],
        ),
        Change::Added { name, location } => {
            ("contract.diff.added", format!("`{name}` is new"), Some(location), &[][..])
        }
        Change::Removed { name, location } => {
            ("contract.diff.removed", format!("`{name}` is gone"), Some(location), &[][..])
        }
        Change::Changed { name, new, differences, .. } => {
            ("contract.diff.changed", format!("`{name}` has changed"), Some(new), &differences[..])
        }
    };
    let hint =
        format!("let {} be verified against the new contract before its consumer is deployed", new.provider);
    let mut finding = Finding::warning(rule, secret::redact(&message).0.into_owned()).hint(hint);
    if let Some(location) = location {
        finding = finding.location(location.clone());
    }
    let line = |text: String| secret::redact(&text).0.into_owned();
    differences.iter().fold(finding, |finding, difference| {
        finding.evidence(EvidenceRef::other("difference", &difference.what, line(difference.to_string())))
    })
}

/// What contradicts itself is wrong input: exit code 2.
pub(super) fn merge(args: &MergeArgs) -> Result<ExitCode, Failure> {
    let contracts = document::collect(&args.pacts)?;
    let mut between: BTreeMap<(&str, &str), Vec<&Contract>> = BTreeMap::new();
    for contract in &contracts {
        between.entry((&contract.consumer, &contract.provider)).or_default().push(contract);
    }
    let merged = between.into_values().filter_map(|same| merge::merge_all(same).transpose());
    let merged = merged.collect::<Result<Vec<_>, _>>().map_err(|conflict| {
        let location = conflict.location().cloned();
        Failure::placed(
            conflict.to_string(),
            location,
            "keep the one that holds, or give the other another description",
        )
    })?;
    let said = match (&args.output, &merged[..]) {
        (Some(folder), merged) => {
            let mut lines = String::new();
            for contract in merged {
                let file = write::merge_into(folder, contract)?;
                let count = document::read(&file)?.interactions.len();
                lines += &format!("{}: {count} interactions\n", file.display());
            }
            lines
        }
        (None, [one]) => document::to_text(one),
        (None, several) => {
            return Err(Failure::placed(
                format!(
                    "{} pacts between different consumers and providers could not become one",
                    several.len()
                ),
                None,
                "name a folder for them: -o DIR",
            ));
        }
    };
    // A reader that hung up wants no more.
    let _ = write!(std::io::stdout(), "{said}");
    Ok(ExitCode::SUCCESS)
}
