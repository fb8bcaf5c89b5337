//! `seaworthy contracts verify`: a running provider against what its consumers rely on.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use seaworthy_contracts::broker::Access;
use seaworthy_contracts::document;
use seaworthy_contracts::gate::clean;
use seaworthy_contracts::grpc::{self, Caller};
use seaworthy_contracts::ledger::{Ledger, PactToVerify, ProviderVersion, Selection, Selector, Timestamp};
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::outcome::{InteractionResult, Outcome};
use seaworthy_contracts::verify::{
    self, Filter, Options, Provider, StateKeys, SynchronousCaller, Verification,
};
use seaworthy_core::check::verdict_of;
use seaworthy_core::finding::Finding;
use seaworthy_core::report::{CheckReport, RunReport, Summary};
use seaworthy_core::time::for_people;

use super::args::VerifyArgs;
use super::last;
use crate::cli::args::{Common, Deny};
use crate::cli::failure::Failure;
use crate::cli::output::{deliver_alone, one_to_stdout};
use crate::cli::progress::Live;
use crate::contracts::CHECK;

pub(super) async fn verify(args: &VerifyArgs, common: &Common) -> Result<ExitCode, Failure> {
    one_to_stdout(common)?;
    let source = Source::open(args).await?;
    let only = if args.last_failed { Some(last::failed(&args.provider)?) } else { None };
    if only.as_ref().is_some_and(BTreeSet::is_empty) {
        let message =
            format!("nothing of {} failed the last time, so nothing was verified again", args.provider);
        let finding = Finding::undecided("contract.not-verified", message).hint("leave out --last-failed");
        return deliver_alone(&report(vec![finding], 0, common), &args.provider, common);
    }
    let options = options(args, &source.contracts, only)?;
    let provider = Provider {
        name: args.provider.clone(),
        url: args.url.clone(),
        message_url: args.message_url.clone(),
    };
    let live = Live::new(common.quiet);
    live.say(&format!("verifying {}", args.provider));
    let heard = Mutex::new(Vec::new());
    let hear = |result: &InteractionResult| {
        if common.verbose > 0 {
            live.say(&line(result));
        }
        // Only where time may run out are they wanted before the end.
        if common.timeout.is_some() {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(result.clone());
        }
    };
    let verifying = verify::verify(&source.contracts, &provider, &options, &hear);
    let (verification, late) = match common.timeout {
        None => (verifying.await?, None),
        Some(limit) => match tokio::time::timeout(limit, verifying).await {
            Ok(verification) => (verification?, None),
            Err(_) => {
                let results = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
                (Verification::of(&*args.provider, results), Some(limit))
            }
        },
    };
    live.clear();
    last::keep(&verification);
    let mut findings = verify::findings(&verification);
    if let Some(limit) = late {
        let message =
            format!("time ran out after {}: what was not asked by then was not judged", for_people(limit));
        findings.push(Finding::undecided("contract.not-verified", message).hint("allow more with --timeout"));
    }
    if args.publish {
        findings.extend(source.publish(args, &verification).await?);
    }
    let mut report = report(findings, verification.results.len(), common);
    report.set_duration(verification.took);
    let about = format!("{}: {}", args.provider, counts(&verification));
    deliver_alone(&report, &about, common)
}

/// How many came out how, for the first line.
fn counts(verification: &Verification) -> String {
    let counts = verification.counts();
    let parts = [
        (counts.verified, "kept"),
        (counts.failed, "not kept"),
        (counts.undecided, "undecided"),
        (counts.pending_verified, "pending and kept"),
        (counts.pending_failed, "pending and not kept"),
        (verification.not_run, "not run"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if said.is_empty() { "nothing to verify".to_owned() } else { said.join(", ") }
}

/// One interaction with what came of it, for those who want to hear of each.
fn line(result: &InteractionResult) -> String {
    let outcome = match &result.outcome {
        Outcome::Verified => "kept",
        Outcome::Undecided { .. } => "undecided",
        _ => "not kept",
    };
    let took = result.latency.map_or_else(String::new, |took| format!(" in {}", for_people(took)));
    let trace = result.trace.map_or_else(String::new, |trace| format!(" (trace {trace})"));
    format!("{outcome}{took}: {}{trace}", result.name())
}

fn report(findings: Vec<Finding>, interactions: usize, common: &Common) -> RunReport {
    let check = CheckReport { id: CHECK.to_owned(), verdict: verdict_of(&findings), findings };
    let summary = Summary { interactions: interactions as u64, ..Summary::default() };
    RunReport::new(vec![check], summary, common.deny == Some(Deny::Warnings))
}

fn options(
    args: &VerifyArgs,
    contracts: &[Contract],
    only: Option<BTreeSet<String>>,
) -> Result<Options, Failure> {
    let state_keys = match &args.state_keys {
        Some(file) => StateKeys::read(file)?,
        None => StateKeys::default(),
    };
    let synchronous: Option<Arc<dyn SynchronousCaller>> = if grpc::any(contracts) {
        Some(Arc::new(Caller::new(&args.url, contracts, args.cacert.as_deref())?))
    } else {
        None
    };
    Ok(Options {
        jobs: usize::from(args.jobs),
        states: args.states.clone(),
        state_teardown: args.state_teardown,
        state_keys,
        filter: Filter {
            description: args.description.clone(),
            state: args.state.clone(),
            no_state: args.no_state,
            consumers: args.consumer.clone(),
        },
        only,
        headers: args.header.clone(),
        base_path: args.base_path.clone(),
        request_timeout: args.request_timeout,
        exit_on_first_error: args.exit_on_first_error,
        max_latency: args.max_latency,
        cacert: args.cacert.clone(),
        synchronous,
        ..Options::default()
    })
}

/// Where the contracts come from.
struct Source {
    contracts: Vec<Contract>,
    ledger: Option<(Ledger, Vec<PactToVerify>)>,
}

impl Source {
    async fn open(args: &VerifyArgs) -> Result<Self, Failure> {
        let Some(place) = &args.ledger else {
            return Ok(Self { contracts: named(args).await?, ledger: None });
        };
        let ledger = Ledger::open(place, &Access::from_env())?;
        let selectors = args.selector.iter().map(|text| Selector::parse(text));
        let selection = Selection {
            provider: args.provider.clone(),
            provider_branch: args.branch.clone(),
            selectors: selectors.collect::<Result<_, _>>()?,
            include_pending: args.pending,
            wip_since: args.wip_since,
        };
        let pacts = ledger.pacts_for_verification(&selection).await?;
        // Why each is verified, and what its failing would mean; a broker has notices of its own.
        for line in pacts.iter().flat_map(|pact| {
            let version = pact.contract.consumer_version.as_deref().unwrap_or_default();
            pact.notices.iter().map(move |notice| format!("{} {version}: {notice}", pact.contract.consumer))
        }) {
            let _ = writeln!(std::io::stderr(), "{}", clean(&line));
        }
        let contracts = pacts.iter().map(PactToVerify::marked).collect();
        Ok(Self { contracts, ledger: Some((ledger, pacts)) })
    }

    /// Publishes the results; what could not be published leaves the run undecided, for whoever asks the gate would
    /// not find it.
    async fn publish(
        &self,
        args: &VerifyArgs,
        verification: &Verification,
    ) -> Result<Option<Finding>, Failure> {
        let (Some((ledger, pacts)), Some(version)) = (&self.ledger, &args.provider_version) else {
            return Ok(None);
        };
        let provider = ProviderVersion {
            provider: args.provider.clone(),
            version: version.clone(),
            branch: args.branch.clone(),
            build_url: args.build_url.clone(),
        };
        let published =
            ledger.publish_results(pacts, &verification.results, &provider, Timestamp::now()).await?;
        for line in published.lines {
            // What was published is no part of the verdict.
            let _ = writeln!(std::io::stderr(), "{}", clean(&line));
        }
        Ok((published.left_out > 0).then(|| {
            let message = format!(
                "the results of {} contracts were not published, for not each of their interactions was decided",
                published.left_out
            );
            Finding::undecided("contract.not-verified", message).hint("verify them without filters")
        }))
    }
}

/// The contracts in the files, in the folders and at the URLs that were named.
async fn named(args: &VerifyArgs) -> Result<Vec<Contract>, Failure> {
    let is_url = |place: &&String| place.starts_with("http://") || place.starts_with("https://");
    let files: Vec<PathBuf> = args.pact.iter().filter(|place| !is_url(place)).map(PathBuf::from).collect();
    let mut contracts = if files.is_empty() { Vec::new() } else { document::collect(&files)? };
    for url in args.pact.iter().filter(is_url) {
        contracts.push(document::fetch(url, args.cacert.as_deref()).await?);
    }
    Ok(contracts)
}
