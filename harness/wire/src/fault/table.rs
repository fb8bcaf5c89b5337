//! The fault table: which rules stand, and which of them apply to a request.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use seaworthy_core::fault::{FaultAction, FaultRecord, FaultRule, FaultRuleError, When};
use seaworthy_core::ids::{EdgeId, FaultId};
use seaworthy_core::time::RunClock;
use tokio::sync::watch;

use super::matching::RequestFacts;
use super::rule::Rule;
use crate::config::MAX_RULES;

/// How many rules that are over are remembered.
const MAX_REMEMBERED: usize = 100_000;

/// The rules installed at a [`crate::Wire`].
///
/// This is the raw door, for whoever steers from another process: a rule that is installed here lapses unless it is
/// renewed here. In a test, use [`crate::Wire::install`], whose lease renews itself.
#[derive(Debug)]
pub struct FaultTable {
    clock: RunClock,
    /// In order of installation. Replaced whole, so that a request reads it without holding the lock.
    standing: RwLock<Arc<[Arc<Rule>]>>,
    every: Mutex<Vec<Arc<Rule>>>,
    /// Counts up when an edge-wide rule comes.
    connection_rules: watch::Sender<u64>,
}

impl FaultTable {
    pub(crate) fn new(clock: RunClock) -> Self {
        Self {
            clock,
            standing: RwLock::new(Arc::from([])),
            every: Mutex::default(),
            connection_rules: watch::Sender::new(0),
        }
    }

    /// Puts a rule in force. It lapses after its lease unless it is renewed.
    ///
    /// # Errors
    /// When the rule cannot work, its id stands already, or the table is full ([`MAX_RULES`]).
    pub fn install(&self, rule: FaultRule) -> Result<(), FaultRuleError> {
        self.add(rule).map(drop)
    }

    pub(crate) fn add(&self, rule: FaultRule) -> Result<Arc<Rule>, FaultRuleError> {
        rule.validate()?;
        let is_edge_wide = rule.action.is_edge_wide();
        let mut every = self.every.lock().unwrap_or_else(PoisonError::into_inner);
        let standing: Vec<_> = self.rules().iter().filter(|rule| rule.is_standing()).cloned().collect();
        if standing.iter().any(|other| other.rule.id == rule.id) {
            return Err(FaultRuleError::Taken(rule.id));
        }
        if standing.len() >= MAX_RULES || every.len() >= MAX_REMEMBERED {
            return Err(FaultRuleError::TooMany(standing.len()));
        }
        let rule = Arc::new(Rule::new(rule, self.clock));
        every.push(Arc::clone(&rule));
        let rules = standing.into_iter().chain([Arc::clone(&rule)]).collect();
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = rules;
        drop(every);
        if is_edge_wide {
            self.connection_rules.send_modify(|count| *count += 1);
        }
        Ok(rule)
    }

    /// Starts a rule's lease anew; `false` when no such rule stands.
    pub fn renew(&self, id: &FaultId) -> bool {
        self.find(id).is_some_and(|rule| rule.renew())
    }

    /// Lets go what a rule holds; it applies to nothing more. `false` when no such rule stands.
    pub fn release(&self, id: &FaultId) -> bool {
        self.find(id).is_some_and(|rule| self.end(&rule))
    }

    /// Takes a rule out of force, which lets go what it holds. `false` when no such rule stands.
    pub fn remove(&self, id: &FaultId) -> bool {
        self.release(id)
    }

    /// Every rule that was ever installed, in that order, with what came of it.
    pub fn records(&self) -> Vec<FaultRecord> {
        let every = self.every.lock().unwrap_or_else(PoisonError::into_inner).clone();
        every.iter().map(|rule| rule.record()).collect()
    }

    /// Ends one rule.
    pub(crate) fn end(&self, rule: &Arc<Rule>) -> bool {
        let ended = rule.end();
        let _every = self.every.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = self.rules().iter().filter(|other| !Arc::ptr_eq(other, rule)).cloned().collect();
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = rules;
        ended
    }

    /// What applies to this request. Each rule that is about it counts it.
    pub(crate) fn plan(&self, request: &RequestFacts<'_>) -> Plan {
        let mut plan = Plan::default();
        for rule in self.rules().iter() {
            if rule.rule.action.is_edge_wide() {
                continue;
            }
            if let Some(index) = rule.take(request) {
                plan.add(Match { rule: Arc::clone(rule), index });
            }
        }
        plan
    }

    /// Whether there is nothing to match against.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules().is_empty()
    }

    /// The first rule that refuses connections on this edge.
    pub(crate) fn refusing(&self, edge: &EdgeId) -> Option<Arc<Rule>> {
        self.edge_wide(edge).into_iter().find(|rule| matches!(rule.rule.action, FaultAction::Refuse))
    }

    /// The rules about connections on this edge, in order of installation.
    pub(crate) fn edge_wide(&self, edge: &EdgeId) -> Vec<Arc<Rule>> {
        let is_here = |rule: &&Arc<Rule>| {
            rule.rule.action.is_edge_wide()
                && rule.rule.matcher.edge.as_ref().is_some_and(|pattern| edge.is_covered_by(pattern))
                && rule.is_standing()
        };
        self.rules().iter().filter(is_here).cloned().collect()
    }

    /// Changes when an edge-wide rule comes.
    pub(crate) fn connection_rules(&self) -> watch::Receiver<u64> {
        self.connection_rules.subscribe()
    }

    fn rules(&self) -> Arc<[Arc<Rule>]> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, id: &FaultId) -> Option<Arc<Rule>> {
        self.rules().iter().find(|rule| rule.rule.id == *id).cloned()
    }
}

/// A rule that applies to a request, with the request's number among those that the rule counted.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    pub(crate) rule: Arc<Rule>,
    pub(crate) index: u64,
}

impl Match {
    pub(crate) fn action(&self) -> &FaultAction {
        &self.rule.rule.action
    }
}

/// What is done to one exchange, in this order; within each step in order of installation.
///
/// 1. every delay, 2. every stall and hold of `when: before`, 3. the one that ends it (the first abort or reset that
///    was installed) if it is of `when: before`; else the provider is asked, then 4. every stall and hold of
///    `when: after`, 5. the one that ends it if it is of `when: after`, else 6. all that change the response's body.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delays: Vec<Match>,
    pub(crate) waits_before: Vec<Match>,
    pub(crate) waits_after: Vec<Match>,
    pub(crate) ending: Option<(When, Match)>,
    pub(crate) shaping: Vec<Match>,
}

impl Plan {
    fn add(&mut self, found: Match) {
        match *found.action() {
            FaultAction::Delay { .. } => self.delays.push(found),
            FaultAction::Stall { when: When::Before, .. } | FaultAction::Hold { when: When::Before } => {
                self.waits_before.push(found);
            }
            FaultAction::Stall { when: When::After, .. } | FaultAction::Hold { when: When::After } => {
                self.waits_after.push(found);
            }
            FaultAction::Abort { when, .. } | FaultAction::Reset { when } => {
                self.ending.get_or_insert((when, found));
            }
            FaultAction::Truncate { .. } | FaultAction::Corrupt { .. } | FaultAction::SlowBody { .. } => {
                self.shaping.push(found);
            }
            FaultAction::Refuse | FaultAction::ConnectDelay { .. } => {}
        }
    }

    /// Whether the provider's answer is withheld for a while or for good.
    pub(crate) fn withholds(&self) -> bool {
        !self.waits_after.is_empty() || matches!(self.ending, Some((When::After, _)))
    }

    /// What ends the exchange before the provider is asked.
    pub(crate) fn ending(&self, side: When) -> Option<&Match> {
        self.ending.as_ref().filter(|(when, _)| *when == side).map(|(_, found)| found)
    }
}
