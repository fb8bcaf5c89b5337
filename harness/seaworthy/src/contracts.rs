//! The contracts that bind a system's services, verified while it runs: each interaction under its own trace, so that a
//! mismatch comes with the provider's span tree.
//!
//! Requests go over the provider's `probe` edges, like all that the harness itself asks: they are recorded, and counted
//! where a service's own counts are held against the wire. Messages are not asked for: what the services published
//! during the run is held against what their consumers rely on.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use seaworthy_contracts::document::{self, ReadError};
use seaworthy_contracts::grpc::{self, Caller, GrpcError};
use seaworthy_contracts::model::{Contents, Contract};
use seaworthy_contracts::observe::events;
use seaworthy_contracts::outcome::{InteractionResult, Outcome};
use seaworthy_contracts::verify::{self, Options, Provider, StateKeys, Verification, VerifyError};
use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, EvidenceSet};
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::{Finding, Location};
use seaworthy_core::ids::{PROBE, ServiceName};
use seaworthy_core::system::{PortProtocol, System};
use seaworthy_experiment::disk::DiskError;
use seaworthy_experiment::session::Session;

use crate::judge::{Also, Judge, JudgeError};

/// The check's name.
pub use seaworthy_contracts::pages::CONTRACTS as CHECK;

/// Why the contracts of a system could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// A pact file is wrong.
    #[error(transparent)]
    Pact(#[from] ReadError),
    /// The file of state keys is wrong.
    #[error(transparent)]
    Keys(#[from] VerifyError),
    /// An interaction of gRPC is not as it must be.
    #[error(transparent)]
    Rpc(#[from] GrpcError),
}

impl BindingError {
    /// Where.
    pub fn location(&self) -> Option<Location> {
        match self {
            BindingError::Pact(error) => Some(error.location()),
            BindingError::Keys(error) => error.location(),
            BindingError::Rpc(error) => Some(error.location().clone()),
        }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            BindingError::Pact(error) => error.hint(),
            BindingError::Keys(error) => error.hint().to_owned(),
            BindingError::Rpc(error) => error.hint().to_owned(),
        }
    }
}

/// The contracts that bind a system, read.
#[derive(Debug, Clone, Default)]
pub struct Binding {
    contracts: Arc<[Contract]>,
    keys: StateKeys,
}

impl Binding {
    /// Reads what the system file names.
    ///
    /// # Errors
    /// A file cannot be read, or is no pact.
    pub fn read(system: &System) -> Result<Self, BindingError> {
        let sources = system.pact_sources();
        let contracts = if sources.is_empty() { Vec::new() } else { document::collect(&sources)? };
        // What is wrong in a gRPC interaction is told before anything starts.
        grpc::validate(&contracts)?;
        let keys = match &system.contracts.state_keys {
            Some(file) => StateKeys::read(&system.folder.join(file))?,
            None => StateKeys::default(),
        };
        Ok(Self { contracts: contracts.into(), keys })
    }

    /// The contracts.
    pub fn contracts(&self) -> &[Contract] {
        &self.contracts
    }

    /// Verifies what every provider of the running system can be asked; `heard` gets each result as soon as it is final.
    pub async fn verify(&self, session: &Session, heard: &(dyn Fn(InteractionResult) + Send + Sync)) {
        for provider in self.providers(session.system()) {
            self.verify_one(session, &provider, heard).await;
        }
    }

    /// What `results` say nothing of although it was to be asked: time ran out on it, or there is no such provider.
    fn not_asked(&self, system: &System, results: &[InteractionResult]) -> Vec<InteractionResult> {
        let known = |result: &InteractionResult| {
            let consumers = result.consumers.iter().cloned();
            let name = result.name();
            consumers.map(move |consumer| (consumer, name.clone())).collect::<Vec<_>>()
        };
        let heard: BTreeSet<(String, String)> = results.iter().flat_map(known).collect();
        let mut missing = Vec::new();
        for contract in self.contracts.iter() {
            let provider = &contract.provider;
            let why = if system.services.contains_key(provider.as_str()) {
                "time ran out before it was asked".to_owned()
            } else {
                format!("no service of the system is called `{provider}`")
            };
            for interaction in &contract.interactions {
                if !heard.contains(&(contract.consumer.clone(), interaction.name())) {
                    let outcome = Outcome::Undecided { message: why.clone() };
                    missing.push(InteractionResult::new(contract, interaction, outcome));
                }
            }
        }
        missing
    }

    /// The results with those added that follow from what the services published.
    pub fn with_events(
        &self,
        system: &System,
        mut results: Vec<InteractionResult>,
        exchanges: &[Exchange],
    ) -> Vec<InteractionResult> {
        for provider in self.providers(system) {
            results.extend(events::verify(&self.contracts, provider.as_str(), exchanges));
        }
        results.extend(self.not_asked(system, &results));
        // They came as they were done.
        results.sort_by(|one, other| {
            let place = |result: &InteractionResult| (result.location.file.clone(), result.location.line);
            place(one).cmp(&place(other))
        });
        results
    }

    /// The services of the system that somebody relies on.
    fn providers(&self, system: &System) -> BTreeSet<ServiceName> {
        let named = self.contracts.iter().map(|contract| contract.provider.as_str());
        named.filter_map(|name| Some(system.services.get_key_value(name)?.0.clone())).collect()
    }

    /// The provider's contracts without messages: nobody is asked for those.
    fn asked(&self, provider: &str) -> Vec<Contract> {
        let of_provider = self.contracts.iter().filter(|contract| contract.provider == provider);
        let asked = of_provider.map(|contract| {
            let mut contract = contract.clone();
            contract.interactions.retain(|each| !matches!(each.contents, Contents::Message(_)));
            contract
        });
        asked.filter(|contract| !contract.interactions.is_empty()).collect()
    }

    async fn verify_one(
        &self,
        session: &Session,
        provider: &ServiceName,
        heard: &(dyn Fn(InteractionResult) + Send + Sync),
    ) {
        let undecided =
            |contracts: &[Contract], why: &str| undecided(contracts, why).into_iter().for_each(heard);
        let contracts = self.asked(provider.as_str());
        if contracts.is_empty() {
            return;
        }
        let system = session.system();
        let settings = &system.contracts;
        let address = |edge| session.address(&edge).map(|address| format!("http://{address}"));
        let Some(url) = session.probe_edge(provider).and_then(address) else {
            return undecided(&contracts, "it has no port that speaks HTTP, so nobody can be asked");
        };
        let mut options = Options {
            states: settings.states.as_ref().map(|path| format!("{url}{path}")),
            state_teardown: settings.state_teardown,
            state_keys: self.keys.clone(),
            max_latency: settings.max_latency.map(|limit| limit.0),
            ..Options::default()
        };
        if let Some(headers) = settings.headers.get(provider) {
            options.headers.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let correlation = system.facts.correlation.as_ref();
        if let Some(header) = correlation.and_then(|correlation| correlation.headers.first()) {
            options.correlation_header.clone_from(header);
        }
        let rpc = system.services.get(provider).and_then(|service| {
            let port = service.ports.iter().find(|(_, port)| port.protocol == PortProtocol::Grpc)?;
            address(system.edge(PROBE, provider.as_str(), Some(port.0)))
        });
        if let Some(rpc) = rpc.filter(|_| grpc::any(&contracts)) {
            match Caller::new(&rpc, &contracts, None) {
                Ok(caller) => options.synchronous = Some(Arc::new(caller)),
                Err(error) => return undecided(&contracts, &error.to_string()),
            }
        }
        let asked = Provider { name: provider.to_string(), url, message_url: None };
        if let Err(error) =
            verify::verify(&contracts, &asked, &options, &|result| heard(result.clone())).await
        {
            undecided(&contracts, &error.to_string());
        }
    }
}

fn undecided(contracts: &[Contract], why: &str) -> Vec<InteractionResult> {
    let interactions = contracts
        .iter()
        .flat_map(|contract| contract.interactions.iter().map(move |interaction| (contract, interaction)));
    interactions
        .map(|(contract, interaction)| {
            InteractionResult::new(contract, interaction, Outcome::Undecided { message: why.to_owned() })
        })
        .collect()
}

/// The contracts of a running session, and what came of verifying them so far.
#[derive(Debug)]
pub(crate) struct Verifying {
    binding: Binding,
    asked: Mutex<Vec<InteractionResult>>,
}

impl Verifying {
    /// Reads the contracts of the session's system, unless nobody wants them judged.
    pub(crate) fn of(session: &Session, judge: &Judge) -> Result<Self, JudgeError> {
        let skipped = session.system().checks.skip.iter().any(|skip| skip == CHECK);
        let binding = if judge.wants(CHECK) && !skipped {
            let read = Binding::read(session.system());
            read.map_err(|error| JudgeError::Contracts { reason: error.to_string() })?
        } else {
            Binding::default()
        };
        Ok(Self { binding, asked: Mutex::default() })
    }

    /// Asks every provider.
    pub(crate) async fn run(&self, session: &Session) {
        let heard = |result| self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        self.binding.verify(session, &heard).await;
    }

    /// What came of it, with what the evidence shows of messages.
    pub(crate) fn results(&self, evidence: &EvidenceSet) -> Vec<InteractionResult> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        self.binding.with_events(&evidence.system, asked, &evidence.exchanges)
    }
}

/// The check that tells what came of it.
pub(crate) fn also(results: Vec<InteractionResult>) -> Also {
    Also { interactions: results.len() as u64, checks: vec![Box::new(ContractsCheck { results })] }
}

/// The file beside the evidence in which the results are kept, one per line.
const KEPT: &str = "interactions.jsonl";

/// Keeps the results beside the evidence.
pub(crate) fn keep(folder: &Path, results: &[InteractionResult]) -> Result<(), DiskError> {
    let path = folder.join(KEPT);
    let io = |source| DiskError::Io { what: "write", path: path.clone(), source };
    let mut lines = Vec::new();
    for result in results {
        serde_json::to_writer(&mut lines, result).map_err(|error| io(error.into()))?;
        lines.push(b'\n');
    }
    std::fs::write(&path, lines).map_err(io)
}

/// The results that were kept; none where there is no such file.
pub(crate) fn read(folder: &Path) -> Result<Vec<InteractionResult>, DiskError> {
    let path = folder.join(KEPT);
    let io = |source| DiskError::Io { what: "read", path: path.clone(), source };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).map_err(|error| io(error.into()))).collect()
}

/// The check `contracts`: what came of verifying the interactions of a run.
#[derive(Debug)]
pub struct ContractsCheck {
    /// What came of it.
    pub results: Vec<InteractionResult>,
}

impl Check for ContractsCheck {
    fn id(&self) -> &str {
        CHECK
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        if !self.results.is_empty() {
            return verify::findings(&Verification::of(&*evidence.system().name, self.results.clone()));
        }
        if evidence.system().contracts.pacts.is_empty() {
            let said = Finding::not_applicable(CHECK, "the system file names no contracts");
            return vec![said.hint("add `contracts: {pacts: [contracts/pacts]}`")];
        }
        let said = Finding::undecided("contract.not-verified", "no contract names a service of the system");
        let hint = "look at `contracts.pacts` in the system file, and at the providers' names in those files";
        vec![said.hint(hint)]
    }
}
