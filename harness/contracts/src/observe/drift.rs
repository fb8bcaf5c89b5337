//! What was seen on the wire outside every contract.
//!
//! It is folded: one finding for an edge that no contract binds, one for all operations of an edge that no contract
//! has, one for each interaction that something differs from. A status that no interaction of its operation has is
//! told as info: which state the provider was in is not written on the wire.
//!
//! Requests drift by their form. Values in a contract's request that no rule loosens are what a test happened to send,
//! so other values of the same types are no drift; and what is answered to those is held against the contract by its
//! form, too. What is answered to a request that the contract has to the letter must be what it says to the letter.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::{Finding, Severity};
use seaworthy_core::ids::{EdgeId, ServiceName};
use seaworthy_core::secret;

use super::against::{Against, Agreed, Held, sightings};
use super::coverage::operation;
use super::route::Route;
use super::sighting::{LeftOuts, Sighting, in_words};
use crate::mismatch::{Mismatch, Part};
use crate::model::Contract;

/// The check that drift is reported as.
pub const CHECK: &str = "contract-drift";
/// The rule of an edge on which something passes and that no contract binds.
pub const UNBOUND: &str = "contract.drift.no-contract";
/// The rule of operations and events that no contract of their edge has.
pub const OPERATION: &str = "contract.drift.operation";
/// The rule of requests that no interaction allows.
pub const REQUEST: &str = "contract.drift.request";
/// The rule of responses that no interaction allows.
pub const RESPONSE: &str = "contract.drift.response";
/// The rule of events that are not what was agreed.
pub const MESSAGE: &str = "contract.drift.message";
/// The rule of statuses that no interaction of the operation has.
pub const STATUS: &str = "contract.drift.status";
/// The rule of a run that had nothing to hold against contracts.
pub const NOTHING: &str = "contract.drift.nothing-seen";

/// So many differences of an interaction are told; of the rest only how many there are.
const TOLD: usize = 5;

/// What was seen outside every contract.
#[derive(Debug, Clone)]
pub struct Drift {
    /// What is to be said: warnings, infos for statuses, undecided where there was nothing to judge.
    pub findings: Vec<Finding>,
    /// How many exchanges were held against contracts.
    pub held: u64,
    /// How many of them were in line.
    pub in_line: u64,
    /// How many exchanges were left out, by why.
    pub left_out: LeftOuts,
}

/// Holds what was seen on these edges (on all between services, when none is named) against the contracts.
pub fn drift(contracts: &[Contract], exchanges: &[Exchange], edges: &[EdgeId]) -> Drift {
    let against = Against::new(contracts);
    let (sightings, left_out) = sightings(exchanges, edges, &against);
    let mut folded = Folded::default();
    let mut in_line = 0;
    for sighting in &sightings {
        match against.hold(sighting) {
            Held::Allowed { .. } => in_line += 1,
            held => folded.add(sighting, held),
        }
    }
    let held = sightings.len() as u64;
    let findings = if held == 0 { vec![nothing(&left_out)] } else { folded.findings() };
    Drift { findings, held, in_line, left_out }
}

fn nothing(left_out: &LeftOuts) -> Finding {
    let why = match in_words(left_out) {
        words if words.is_empty() => String::new(),
        words => format!(" ({words} were left out)"),
    };
    Finding::undecided(
        NOTHING,
        format!("no exchange between services was seen that contracts could speak of{why}"),
    )
    .hint("make the flows reach the services, and keep the evidence again")
}

/// How often something was seen, and first where.
struct Seen<'x> {
    count: u64,
    first: &'x Exchange,
}

impl<'x> Seen<'x> {
    fn of(first: &'x Exchange) -> Self {
        Self { count: 0, first }
    }
}

/// What differs from one interaction.
struct Differing<'c, 'x> {
    agreed: Agreed<'c>,
    seen: Seen<'x>,
    /// One example for each place and rule.
    differences: BTreeMap<(Part, String), Mismatch>,
}

#[derive(Default)]
struct Folded<'c, 'x> {
    unbound: BTreeMap<Between, (Seen<'x>, BTreeSet<String>)>,
    operations: BTreeMap<Between, BTreeMap<String, Seen<'x>>>,
    statuses: BTreeMap<(String, String), (Agreed<'c>, BTreeMap<u16, Seen<'x>>)>,
    differing: BTreeMap<(&'static str, usize), Differing<'c, 'x>>,
}

/// An edge without ports and instances, for contracts bind services; and whether it is events that pass there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Between {
    edge: EdgeId,
    events: bool,
}

impl Between {
    /// Who relies on what passes: whoever asks, or whoever receives events.
    fn consumer(&self) -> &ServiceName {
        if self.events { &self.edge.provider } else { &self.edge.consumer }
    }
}

/// An operation as it was seen.
fn seen_operation(sighting: &Sighting<'_>) -> String {
    match sighting {
        Sighting::Http(exchange, _) => {
            format!("{} {}", exchange.method, Route::of(&exchange.path).template())
        }
        Sighting::Event(event) => format!("event {}", event.kind),
    }
}

/// The edge without ports and instances: contracts bind services.
fn between(edge: &EdgeId) -> EdgeId {
    EdgeId::new(edge.consumer.clone(), edge.provider.clone())
}

impl<'c, 'x> Folded<'c, 'x> {
    fn add(&mut self, sighting: &Sighting<'x>, held: Held<'c>) {
        let (exchange, is_event) = match sighting {
            Sighting::Http(exchange, _) => (*exchange, false),
            Sighting::Event(event) => (event.exchange, true),
        };
        let edge = between(&exchange.edge);
        match held {
            Held::Allowed { .. } => {}
            Held::Unbound => {
                let entry = self.unbound.entry(Between { edge, events: is_event });
                let (seen, operations) = entry.or_insert_with(|| (Seen::of(exchange), BTreeSet::new()));
                seen.count += 1;
                operations.insert(seen_operation(sighting));
            }
            Held::Operation => {
                let operations = self.operations.entry(Between { edge, events: is_event }).or_default();
                operations.entry(seen_operation(sighting)).or_insert_with(|| Seen::of(exchange)).count += 1;
            }
            Held::Status { asked } => {
                let status = exchange.response.as_ref().map_or(0, |response| response.status);
                let key = (edge.to_string(), operation(asked.interaction));
                let (_, statuses) = self.statuses.entry(key).or_insert_with(|| (asked, BTreeMap::new()));
                statuses.entry(status).or_insert_with(|| Seen::of(exchange)).count += 1;
            }
            Held::Request { nearest, mismatches } => {
                self.differs(if is_event { MESSAGE } else { REQUEST }, nearest, exchange, mismatches);
            }
            Held::Response { nearest, mismatches } => self.differs(RESPONSE, nearest, exchange, mismatches),
        }
    }

    fn differs(
        &mut self,
        rule: &'static str,
        agreed: Agreed<'c>,
        first: &'x Exchange,
        mismatches: Vec<Mismatch>,
    ) {
        let new = || Differing { agreed, seen: Seen::of(first), differences: BTreeMap::new() };
        let differing = self.differing.entry((rule, agreed.at)).or_insert_with(new);
        differing.seen.count += 1;
        for mismatch in mismatches {
            differing.differences.entry((mismatch.part, mismatch.path.clone())).or_insert(mismatch);
        }
    }

    fn findings(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (between, (seen, operations)) in self.unbound {
            let (edge, consumer) = (&between.edge, between.consumer());
            let operations: Vec<String> = operations.into_iter().collect();
            let said = format!(
                "no contract binds {edge}: {} passed there ({})",
                exchanges(seen.count),
                listed(&operations)
            );
            let hint = format!(
                "let a test of {consumer} write one, or start from `seaworthy contracts record --edge \"{edge}\"`"
            );
            findings.push(Finding::warning(UNBOUND, said).hint(hint).edge(edge).exchange(seen.first));
        }
        for (between, operations) in self.operations {
            let (edge, consumer) = (&between.edge, between.consumer());
            let named: Vec<String> = operations
                .iter()
                .map(|(operation, seen)| format!("{operation} ({})", times(seen.count)))
                .collect();
            let said = format!("{edge} uses what no contract of theirs has: {}", listed(&named));
            let hint = format!("let a test of {consumer} say what it relies on there");
            let finding = Finding::warning(OPERATION, said).hint(hint).edge(edge);
            let shown = operations.values().take(TOLD);
            findings.push(shown.fold(finding, |finding, seen| finding.exchange(seen.first)));
        }
        for ((rule, _), differing) in self.differing {
            findings.push(differing.finding(rule));
        }
        for ((_, operation), (asked, statuses)) in self.statuses {
            let named: Vec<String> =
                statuses.iter().map(|(status, seen)| format!("{status} ({})", times(seen.count))).collect();
            let Some(first) = statuses.values().next() else { continue };
            let said = format!(
                "{operation} was answered {}, which no interaction of {} mentions",
                listed(&named),
                asked.contract.consumer
            );
            let mut finding = Finding::warning(STATUS, said)
                .hint("if the consumer relies on how it is answered then, its test should say so, under a provider state")
                .edge(&between(&first.first.edge))
                .location(asked.interaction.location.clone());
            finding.severity = Severity::Info;
            findings.push(
                statuses.values().take(TOLD).fold(finding, |finding, seen| finding.exchange(seen.first)),
            );
        }
        findings
    }
}

impl Differing<'_, '_> {
    fn finding(self, rule: &str) -> Finding {
        let name = self.agreed.interaction.name();
        let operation = operation(self.agreed.interaction);
        let what = match rule {
            REQUEST => format!("{operation} was asked {} as no interaction has it", times(self.seen.count)),
            MESSAGE => {
                format!("{operation} was published {} as no interaction has it", times(self.seen.count))
            }
            _ => format!("{operation} was answered {} as no interaction has it", times(self.seen.count)),
        };
        let all: Vec<String> = self.differences.values().map(ToString::to_string).collect();
        let told = all.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
        let rest = match all.len().saturating_sub(TOLD) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let said = format!("{what}; from `{name}` it differs in {told}{rest}");
        let hint = match rule {
            REQUEST => "let the consumer's test say that it asks so, so that the provider is held to it",
            _ => "if that is right, let the consumer's test allow it; if it is not, mend the provider",
        };
        Finding::warning(rule, secret::redact(&said).0)
            .hint(hint)
            .edge(&between(&self.seen.first.edge))
            .location(self.agreed.interaction.location.clone())
            .exchange(self.seen.first)
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn exchanges(count: u64) -> String {
    if count == 1 { "1 exchange".to_owned() } else { format!("{count} exchanges") }
}

/// The first few, and how many more there are.
fn listed(all: &[String]) -> String {
    let told = all.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}
