//! Which interactions a run exercised: a request came that the interaction allows, and was answered as it says.
//!
//! A consumer's test sends one amount, and the consumer any. So where no interaction has the very values of a request,
//! those exercise it that have its form: the same operation, parameters, fields and types, and such an answer.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use seaworthy_core::exchange::{Exchange, Protocol};
use seaworthy_core::finding::{EvidenceRef, Finding, Location};
use seaworthy_core::ids::{EdgeId, ExchangeId};
use seaworthy_core::usage::UsedOperation;
use serde::{Deserialize, Serialize};

use super::against::{Against, Agreed, Held, sightings};
use super::sighting::{LeftOuts, Sighting, in_words};
use super::usages::{called, message_type};
use crate::model::{Contents, Contract, Interaction};

/// The check that coverage is reported as.
pub const CHECK: &str = "contract-coverage";
/// The rule of an interaction that nothing exercised.
pub const UNEXERCISED: &str = "contract.coverage.unexercised";
/// The rule of contracts that nothing could be held against.
pub const NOTHING: &str = "contract.coverage.nothing-seen";

/// Which interactions were exercised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageReport {
    /// Contract by contract, in the order in which they were given.
    pub contracts: Vec<ContractCoverage>,
    /// How many exchanges were held against them.
    pub held: u64,
    /// How many of these exercised no interaction.
    pub outside: u64,
    /// How many exchanges were left out, by why.
    pub left_out: LeftOuts,
}

/// Which interactions of one contract were exercised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContractCoverage {
    /// Its consumer.
    pub consumer: String,
    /// Its provider.
    pub provider: String,
    /// Where it was read from.
    pub source: String,
    /// Its operations, in the order in which they first appear.
    pub operations: Vec<OperationCoverage>,
}

/// Which interactions of one operation were exercised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationCoverage {
    /// `POST /payments`, `event shop.order.created`, `rpc shop.v1.Inventory/Reserve`.
    pub operation: String,
    /// For gRPC, how often the method was called, faulted calls aside. With which of the interactions that was in line
    /// cannot be told: what is kept of a call is not its message.
    pub called: Option<u64>,
    /// Its interactions, in the order of the file.
    pub interactions: Vec<InteractionCoverage>,
}

/// How often an interaction was exercised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InteractionCoverage {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub location: Location,
    /// How many exchanges it allows whole. An exchange counts for each interaction that allows it.
    pub exercised: u64,
    /// The first of them.
    pub example: Option<ExchangeId>,
    /// Whether it is of a kind that can be told from the wire; calls of gRPC cannot.
    pub can_be_told: bool,
}

/// Which interactions of these contracts the exchanges on these edges exercised (on all edges that concern them, when
/// none is named).
pub fn coverage(contracts: &[Contract], exchanges: &[Exchange], edges: &[EdgeId]) -> CoverageReport {
    let against = Against::new(contracts);
    let (sightings, left_out) = sightings(exchanges, edges, &against);
    let mut counts: BTreeMap<usize, (u64, ExchangeId)> = BTreeMap::new();
    let mut outside = 0;
    for sighting in &sightings {
        let exchange = match sighting {
            Sighting::Http(exchange, _) => exchange,
            Sighting::Event(event) => event.exchange,
        };
        match against.hold(sighting) {
            Held::Allowed { exercised } if !exercised.is_empty() => {
                for agreed in exercised {
                    counts.entry(agreed.at).or_insert((0, exchange.id)).0 += 1;
                }
            }
            _ => outside += 1,
        }
    }
    let mut covered: Vec<ContractCoverage> = contracts
        .iter()
        .map(|contract| ContractCoverage {
            consumer: contract.consumer.clone(),
            provider: contract.provider.clone(),
            source: contract.source.clone(),
            operations: Vec::new(),
        })
        .collect();
    let mut places: HashMap<(usize, String), usize> = HashMap::new();
    for agreed in against.all() {
        let Some(contract) = covered.get_mut(agreed.of) else { continue };
        let operation = operation(agreed.interaction);
        let place = *places.entry((agreed.of, operation.clone())).or_insert_with(|| {
            let called = called_times(*agreed, exchanges, edges);
            contract.operations.push(OperationCoverage { operation, called, interactions: Vec::new() });
            contract.operations.len() - 1
        });
        if let Some(operation) = contract.operations.get_mut(place) {
            operation.interactions.push(of_interaction(*agreed, counts.get(&agreed.at).copied()));
        }
    }
    CoverageReport { contracts: covered, held: sightings.len() as u64, outside, left_out }
}

/// How often the method of a gRPC interaction was called.
fn called_times(agreed: Agreed<'_>, exchanges: &[Exchange], edges: &[EdgeId]) -> Option<u64> {
    let Contents::SynchronousMessage { .. } = agreed.interaction.contents else { return None };
    let UsedOperation::Rpc { service, method } = called(agreed.interaction) else { return None };
    let (whole, tail) = (format!("/{service}/{method}"), format!(".{service}/{method}"));
    let calls = exchanges.iter().filter(|exchange| {
        let edge = &exchange.edge;
        exchange.protocol == Protocol::Grpc
            && exchange.faults.is_empty()
            && edge.consumer == agreed.contract.consumer.as_str()
            && edge.provider == agreed.contract.provider.as_str()
            && (edges.is_empty() || edges.iter().any(|wanted| edge.is_covered_by(wanted)))
            // Some files leave the package out.
            && (exchange.path == whole || exchange.path.ends_with(&tail))
    });
    Some(calls.count() as u64)
}

fn of_interaction(agreed: Agreed<'_>, count: Option<(u64, ExchangeId)>) -> InteractionCoverage {
    InteractionCoverage {
        name: agreed.interaction.name(),
        location: agreed.interaction.location.clone(),
        exercised: count.map_or(0, |(count, _)| count),
        example: count.map(|(_, example)| example),
        can_be_told: !matches!(agreed.interaction.contents, Contents::SynchronousMessage { .. }),
    }
}

/// The operation of an interaction, for people: paths with their ids taken out, so that examples of one operation
/// come together.
pub(super) fn operation(interaction: &Interaction) -> String {
    match &interaction.contents {
        Contents::Http { request, .. } => {
            format!("{} {}", request.method.to_uppercase(), super::route::Route::of(&request.path).template())
        }
        Contents::Message(message) => {
            format!("event {}", message_type(message).unwrap_or_else(|| interaction.description.clone()))
        }
        Contents::SynchronousMessage { .. } => match called(interaction) {
            UsedOperation::Rpc { service, method } => format!("rpc {service}/{method}"),
            _ => format!("message {}", interaction.description),
        },
    }
}

impl CoverageReport {
    /// All interactions that can be told from the wire.
    fn interactions(
        &self,
    ) -> impl Iterator<Item = (&ContractCoverage, &OperationCoverage, &InteractionCoverage)> {
        self.contracts.iter().flat_map(|contract| {
            contract.operations.iter().flat_map(move |operation| {
                let told = operation.interactions.iter().filter(|interaction| interaction.can_be_told);
                told.map(move |interaction| (contract, operation, interaction))
            })
        })
    }

    /// How many interactions were exercised, of how many that can be told from the wire.
    pub fn exercised(&self) -> (usize, usize) {
        let exercised = self.interactions().filter(|(.., interaction)| interaction.exercised > 0).count();
        (exercised, self.interactions().count())
    }

    /// What is to be said of it: a warning for each interaction that nothing exercised; undecided where there is
    /// nothing to tell.
    pub fn findings(&self) -> Vec<Finding> {
        if self.interactions().next().is_none() {
            let undecided =
                Finding::undecided(NOTHING, "no contract has an interaction that can be told from the wire");
            return vec![undecided.hint("name contracts with requests or events in them")];
        }
        if self.held == 0 {
            let left_out = in_words(&self.left_out);
            let why =
                if left_out.is_empty() { String::new() } else { format!(" ({left_out} were left out)") };
            let undecided = Finding::undecided(
                NOTHING,
                format!("no exchange between services was seen that contracts speak of{why}"),
            );
            return vec![undecided.hint("make the flows reach the services, and keep the evidence again")];
        }
        let unexercised = self.interactions().filter(|(.., interaction)| interaction.exercised == 0);
        let findings = unexercised.map(|(contract, operation, interaction)| {
            let said = format!(
                "nothing exercised `{}` ({}) between {} and {}",
                interaction.name, operation.operation, contract.consumer, contract.provider
            );
            Finding::warning(UNEXERCISED, said)
                .hint("let a flow use it, or take it out of the consumer's test if nobody needs it any more")
                .service(&contract.consumer.as_str().into())
                .location(interaction.location.clone())
                .evidence(EvidenceRef {
                    kind: "contract".to_owned(),
                    id: interaction.location.pointer.clone().unwrap_or_default(),
                    text: format!("{}: {}", contract.source, interaction.name),
                })
        });
        findings.collect()
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for contract in &self.contracts {
            let all = contract.operations.iter().flat_map(|operation| &operation.interactions);
            let told: Vec<&InteractionCoverage> = all.filter(|interaction| interaction.can_be_told).collect();
            let exercised = told.iter().filter(|interaction| interaction.exercised > 0).count();
            let counted = match told.len() {
                0 => "no interaction that can be told from the wire".to_owned(),
                all => format!("{exercised} of {all} interactions exercised"),
            };
            let _ = writeln!(text, "{} relies on {}: {counted}", contract.consumer, contract.provider);
            for operation in &contract.operations {
                let called =
                    operation.called.map(|called| format!(" (called {called}×)")).unwrap_or_default();
                let _ = writeln!(text, "  {}{called}", operation.operation);
                for interaction in &operation.interactions {
                    let count = match (interaction.can_be_told, interaction.exercised) {
                        (false, _) => "?".to_owned(),
                        (true, 0) => "-".to_owned(),
                        (true, count) => format!("{count}×"),
                    };
                    let example = interaction.example.map(|id| format!(" ({id})")).unwrap_or_default();
                    let _ = writeln!(text, "    {count:>5}  {}{example}", interaction.name);
                }
            }
            text.push('\n');
        }
        let (exercised, all) = self.exercised();
        let _ = writeln!(text, "{exercised} of {all} interactions exercised by {} exchanges", self.held);
        if self.outside > 0 {
            let _ =
                writeln!(text, "{} of these exercised none: see `seaworthy contracts drift`", self.outside);
        }
        if !self.left_out.is_empty() {
            let _ = writeln!(text, "left out: {}", in_words(&self.left_out));
        }
        text
    }
}
