//! `seaworthy contracts match`: one case file of the Pact specification.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use seaworthy_contracts::casefile::{self, Kind};
use seaworthy_core::check::verdict_of;
use seaworthy_core::finding::{EvidenceRef, Finding, Location};
use seaworthy_core::report::{CheckReport, RunReport, Summary};

use super::args::MatchArgs;
use crate::cli::args::{Common, Deny};
use crate::cli::failure::Failure;
use crate::cli::output::deliver_alone;

/// The largest case file that is read, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;
const CHECK: &str = "match";

/// Exit 0 where the outcome equals the case's `match`.
pub(super) fn run(args: &MatchArgs, common: &Common) -> Result<ExitCode, Failure> {
    let kinds =
        [(Kind::Request, &args.request), (Kind::Response, &args.response), (Kind::Message, &args.message)];
    let named = kinds.into_iter().find_map(|(kind, file)| Some((kind, file.as_ref()?)));
    let Some((kind, file)) = named else {
        return Err(Failure::plain(
            "name a case file: `--request FILE`, `--response FILE` or `--message FILE`".to_owned(),
        ));
    };
    let name = file.display().to_string();
    let case = casefile::run(kind, args.spec.into(), &name, &read(file)?)?;
    let location = Location { file: name, ..Location::default() };
    let findings = if case.is_right() {
        Vec::new()
    } else {
        let said = if case.expected_match { "matches" } else { "does not match" };
        let mut finding = Finding::error(
            "match.wrong",
            format!("the case says that it {said}, and it is otherwise: {}", case.comment),
        )
        .hint("look at the differences; where there are none, the case expects one")
        .location(location);
        for mismatch in &case.mismatches {
            finding =
                finding.evidence(EvidenceRef::other("mismatch", mismatch.path.clone(), mismatch.to_string()));
        }
        vec![finding]
    };
    let verdict = verdict_of(&findings);
    let check = CheckReport { id: CHECK.to_owned(), verdict, findings };
    let report = RunReport::new(vec![check], Summary::default(), common.deny == Some(Deny::Warnings));
    deliver_alone(&report, &format!("{} of the specification {}", file.display(), args.spec.name()), common)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |why: String| Failure::plain(format!("could not read {}: {why}", file.display()));
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
    opened.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > LIMIT {
        return Err(wrong(format!("it is larger than {LIMIT} bytes")));
    }
    Ok(bytes)
}
