//! The ledger: which version of a consumer relies on what, which version of a provider keeps it, and what is deployed
//! where. Either a folder of plain files that is kept in git ([`Folder`]) or a Pact Broker ([`crate::broker::Broker`]);
//! [`Ledger`] is both.

pub mod content;
mod error;
pub mod facts;
mod folder;
pub mod name;
mod publication;
mod read;
mod results;
pub mod selector;
mod time;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use error::LedgerError;
pub use folder::Folder;
pub use publication::pacts;
pub(crate) use publication::parse as parse_pact;
pub use results::Summary;
pub use selector::{Selection, Selector};
pub use time::{Timestamp, TimestampError};

use crate::broker::{Access, Broker, PactLink};
use crate::gate::{Picture, Question};
use crate::model::{Contract, Interaction};
use crate::outcome::InteractionResult;
use facts::{ResultFact, Schema};

/// A ledger, wherever it is kept.
#[derive(Debug, Clone)]
pub enum Ledger {
    /// In a folder.
    Folder(Folder),
    /// In a Pact Broker.
    Broker(Box<Broker>),
}

/// A pact as it is published: the document that the consumer's tests wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct PactDocument {
    /// What it is called in messages: its file.
    pub name: String,
    /// The consumer that it names.
    pub consumer: String,
    /// The provider that it names.
    pub provider: String,
    /// The whole document.
    pub document: Value,
}

/// Pacts of one version of one consumer.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The consumer; each pact names it.
    pub consumer: String,
    /// Its version.
    pub version: String,
    /// The branch that the version was built from.
    pub branch: Option<String>,
    /// Tags for the version.
    pub tags: Vec<String>,
    /// The build that publishes them.
    pub build_url: Option<String>,
    /// The pacts, one for each provider.
    pub pacts: Vec<PactDocument>,
    /// When.
    pub at: Timestamp,
}

/// What is recorded of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// The version took the place of what was deployed before.
    Deployment,
    /// The version is available beside others (an app in a store, a library).
    Release,
    /// The version is gone.
    Undeployment,
}

/// Something that happened in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What.
    pub what: Recording,
    /// The service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// The environment.
    pub environment: String,
    /// When.
    pub at: Timestamp,
}

/// The version of a provider that results are published for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderVersion {
    /// The provider.
    pub provider: String,
    /// Its version.
    pub version: String,
    /// The branch that it was built from.
    pub branch: Option<String>,
    /// The build that verified it.
    pub build_url: Option<String>,
}

/// A pact that a provider is to verify.
#[derive(Debug, Clone)]
pub struct PactToVerify {
    /// The pact.
    pub contract: Contract,
    /// Why it is verified, and what its failing would mean: one line each.
    pub notices: Vec<String>,
    /// The provider never verified it: its failures do not fail the run.
    pub pending: bool,
    /// It was not selected, but is work in progress.
    pub wip: bool,
    /// Where its result goes.
    pub handle: PublishHandle,
}

/// Where the result of a verification goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishHandle {
    /// To the content of this name.
    Content(String),
    /// To a Pact Broker's links.
    Broker(PactLink),
}

impl PactToVerify {
    /// The pact for the verifier: where the whole is pending, so is each of its interactions.
    pub fn marked(&self) -> Contract {
        let mut contract = self.contract.clone();
        if self.pending {
            for interaction in &mut contract.interactions {
                if !interaction.pending {
                    *interaction = Interaction { pending: true, ..(**interaction).clone() }.into();
                }
            }
        }
        contract
    }
}

/// What became of publishing results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// Lines for people.
    pub lines: Vec<String>,
    /// How many pacts have no published result, because not every interaction was decided.
    pub left_out: usize,
}

impl Ledger {
    /// The ledger that is named: an URL of a Pact Broker (`http://…`, `https://…`), or a folder.
    ///
    /// # Errors
    /// The URL is none, or no client for it could be made.
    pub fn open(place: &str, access: &Access) -> Result<Self, LedgerError> {
        if place.starts_with("http://") || place.starts_with("https://") {
            return Ok(Self::Broker(Box::new(Broker::new(place, access)?)));
        }
        if let Some((scheme, _)) = place.split_once("://") {
            return Err(LedgerError::Missing {
                place: seaworthy_core::secret::redact(place).0.into_owned(),
                hint: format!("`{scheme}://` is neither http:// nor https:// nor a folder"),
            });
        }
        Ok(Self::Folder(Folder::new(place)))
    }

    /// The ledger of a working copy: `contracts/ledger` in this folder or the nearest one above that has it.
    pub fn find(from: &Path) -> Option<PathBuf> {
        from.ancestors().map(|folder| folder.join("contracts/ledger")).find(|ledger| ledger.is_dir())
    }

    /// Publishes the pacts of a version of a consumer; gives lines for people.
    ///
    /// # Errors
    /// See [`Folder::publish`]; the broker refused.
    pub async fn publish(&self, publication: &Publication) -> Result<Vec<String>, LedgerError> {
        match self {
            Ledger::Folder(folder) => folder.publish(publication),
            Ledger::Broker(broker) => Ok(broker.publish(publication).await?),
        }
    }

    /// Records what happened in an environment; gives lines for people.
    ///
    /// # Errors
    /// See [`Folder::record`]; the broker refused, or does not know service, version or environment.
    pub async fn record(&self, record: &Record) -> Result<Vec<String>, LedgerError> {
        match self {
            Ledger::Folder(folder) => Ok(vec![folder.record(record)?]),
            Ledger::Broker(broker) => Ok(broker.record(record).await?),
        }
    }

    /// The pacts that a provider is to verify, each content once.
    ///
    /// # Errors
    /// There is no ledger, a file or an answer is not what it should be, a selector means nothing.
    pub async fn pacts_for_verification(
        &self,
        selection: &Selection,
    ) -> Result<Vec<PactToVerify>, LedgerError> {
        match self {
            Ledger::Folder(folder) => from_folder(folder, selection),
            Ledger::Broker(broker) => Ok(broker.pacts_for_verification(selection).await?),
        }
    }

    /// Publishes what came of verifying pacts. A pact of which not every interaction was decided is left out, and a line
    /// says so.
    ///
    /// # Errors
    /// A file could not be written, or the broker refused.
    pub async fn publish_results(
        &self,
        pacts: &[PactToVerify],
        results: &[InteractionResult],
        provider: &ProviderVersion,
        at: Timestamp,
    ) -> Result<Published, LedgerError> {
        let mut lines = Vec::new();
        let mut left_out = 0;
        let mut recorded_branch = false;
        let all: Vec<&Contract> = pacts.iter().map(|pact| &pact.contract).collect();
        for pact in pacts {
            let name = match &pact.contract.consumer_version {
                Some(version) => format!("{} {version}", pact.contract.consumer),
                None => pact.contract.consumer.clone(),
            };
            let summary = match results::summary(&pact.contract, &all, results) {
                Ok(summary) => summary,
                Err(reason) => {
                    lines.push(format!("not published: the result for {name}: {reason}"));
                    left_out += 1;
                    continue;
                }
            };
            match (self, &pact.handle) {
                (Ledger::Folder(folder), PublishHandle::Content(content)) => {
                    let fact = ResultFact {
                        schema_version: Schema,
                        consumer: pact.contract.consumer.clone(),
                        content: content.clone(),
                        success: summary.success,
                        verified: summary.verified,
                        failed: summary.failed,
                        verified_at: at,
                        kept_at: None,
                        build_url: provider.build_url.clone(),
                    };
                    folder.record_result(
                        &provider.provider,
                        &provider.version,
                        provider.branch.as_ref(),
                        &fact,
                    )?;
                }
                (Ledger::Broker(broker), PublishHandle::Broker(link)) => {
                    if !std::mem::replace(&mut recorded_branch, true) {
                        broker.record_branch(provider).await?;
                    }
                    lines.extend(broker.publish_result(link, provider, &summary).await?);
                }
                _ => {
                    return Err(LedgerError::Refused(format!(
                        "could not publish the result for {name}: the pact came from another ledger"
                    )));
                }
            }
            let says = if summary.success { "verified" } else { "failed" };
            lines.push(format!("published: {} {} for {name}: {says}", provider.provider, provider.version));
        }
        Ok(Published { lines, left_out })
    }

    /// What the gate must know to answer a question.
    ///
    /// # Errors
    /// There is no ledger, or a file or an answer is not what it should be.
    pub async fn picture(&self, question: &Question) -> Result<Picture, LedgerError> {
        match self {
            Ledger::Folder(folder) => Ok(Picture::of_facts(&folder.facts()?, question)),
            Ledger::Broker(broker) => Ok(broker.picture(question).await?),
        }
    }
}

fn from_folder(folder: &Folder, selection: &Selection) -> Result<Vec<PactToVerify>, LedgerError> {
    let mut pacts = Vec::new();
    for selected in selector::select(&folder.facts()?, selection)? {
        let (path, bytes) = folder.content(&selected.content)?;
        let mut contract = parse_pact(&path.to_string_lossy(), &bytes)?;
        contract.consumer_version = Some(selected.version);
        let mut notices = selected.reasons;
        if selected.pending {
            notices.push(pending_notice(selection.provider_branch.as_deref()));
        }
        pacts.push(PactToVerify {
            contract,
            notices,
            pending: selected.pending,
            wip: selected.wip,
            handle: PublishHandle::Content(selected.content),
        });
    }
    Ok(pacts)
}

fn pending_notice(branch: Option<&str>) -> String {
    match branch {
        Some(branch) => format!(
            "pending: no version of the provider's branch `{branch}` has ever verified it, so failing does not fail the run"
        ),
        None => "pending: no version of the provider has ever verified it, so failing does not fail the run"
            .to_owned(),
    }
}
