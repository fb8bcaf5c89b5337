//! The fault table: which rules stand, and which of them apply to a request.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use seaworthy_core::fault::{FaultAction, FaultRecord, FaultRule, FaultRuleError, When};
use seaworthy_core::ids::{EdgeId, FaultId};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use tokio::sync::watch;

use super::matching::RequestFacts;
use super::rule::{Executor, Rule};
use crate::config::MAX_RULES;

/// How many rules that are over are remembered.
const MAX_REMEMBERED: usize = 100_000;

/// The rules installed at a [`crate::Wire`].
///
/// This is the raw door, for whoever steers from another process: a rule that is installed here lapses unless it is
/// renewed here. In a test, use [`crate::Wire::install`], whose lease renews itself.
pub struct FaultTable {
    clock: RunClock,
    /// In order of installation. Replaced whole, so that a request reads it without holding the lock.
    standing: RwLock<Arc<[Arc<Rule>]>>,
    every: Mutex<Vec<Arc<Rule>>>,
    /// The edges that are open.
    edges: Mutex<Vec<(EdgeId, Carries)>>,
    /// Counts up when a rule comes that connections which are open must know of.
    connection_rules: watch::Sender<u64>,
    /// Who carries the rules out, where that is another process.
    executor: OnceLock<Weak<dyn Executor>>,
}

impl std::fmt::Debug for FaultTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultTable").field("standing", &self.rules()).finish_non_exhaustive()
    }
}

/// What an edge carries, which decides what can be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Requests,
    Bytes,
    #[cfg_attr(not(feature = "amqp"), expect(dead_code, reason = "only a tap carries messages"))]
    Messages,
}

impl From<PortProtocol> for Carries {
    fn from(protocol: PortProtocol) -> Self {
        match protocol {
            PortProtocol::Tcp => Self::Bytes,
            PortProtocol::Http | PortProtocol::Grpc => Self::Requests,
        }
    }
}

impl Carries {
    /// Whether the rule can do anything to an edge that carries this.
    fn suits(self, rule: &FaultRule) -> bool {
        match self {
            Self::Requests => {
                !rule.action.is_for_messages() && !matches!(rule.action, FaultAction::Throttle { .. })
            }
            Self::Bytes => rule.action.suits_bytes() && !rule.matcher.looks_at_requests(),
            Self::Messages => rule.action.suits_messages(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Messages => "messages",
        }
    }
}

impl FaultTable {
    pub(crate) fn new(clock: RunClock) -> Self {
        Self {
            clock,
            standing: RwLock::new(Arc::from([])),
            every: Mutex::default(),
            edges: Mutex::default(),
            connection_rules: watch::Sender::new(0),
            executor: OnceLock::new(),
        }
    }

    /// Says that the rules are carried out by another process.
    pub(crate) fn is_carried_out_by(&self, executor: Weak<dyn Executor>) {
        let _ = self.executor.set(executor);
    }

    /// Makes sure that what is read next is up to date.
    pub(crate) fn catch_up(&self) {
        if let Some(executor) = self.executor.get().and_then(Weak::upgrade) {
            executor.catch_up();
        }
    }

    /// Ends every rule and forgets it.
    pub(crate) fn forget(&self) {
        let mut every = self.every.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = std::mem::take(&mut *every);
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::from([]);
        drop(every);
        for rule in gone {
            rule.end();
        }
    }

    /// Puts a rule in force. It lapses after its lease unless it is renewed.
    ///
    /// # Errors
    /// When the rule cannot work, or not on what the edge that it names carries, its id stands already, or the table
    /// is full ([`MAX_RULES`]).
    pub fn install(&self, rule: FaultRule) -> Result<(), FaultRuleError> {
        self.add(rule).map(drop)
    }

    pub(crate) fn add(&self, rule: FaultRule) -> Result<Arc<Rule>, FaultRuleError> {
        rule.validate()?;
        self.check_edge(&rule)?;
        let is_for_connections = rule.action.suits_bytes() && !rule.matcher.looks_at_requests();
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
        if let Some(executor) = self.executor.get() {
            rule.is_carried_out_by(Weak::clone(executor));
            // Once the executor is gone, so are its proxies.
            if let Some(executor) = executor.upgrade()
                && let Err(refused) = executor.install(&rule)
            {
                self.end(&rule);
                let mut every = self.every.lock().unwrap_or_else(PoisonError::into_inner);
                every.retain(|other| !Arc::ptr_eq(other, &rule));
                return Err(refused);
            }
        }
        if is_for_connections {
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
        self.catch_up();
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

    /// Takes note of an edge.
    pub(crate) fn note_edge(&self, edge: &EdgeId, carries: Carries) {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner).push((edge.clone(), carries));
    }

    /// An edge is closed.
    pub(crate) fn forget_edge(&self, edge: &EdgeId) {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != edge);
    }

    /// Refuses a rule that can do nothing on any of the open edges that it names. One that names no edge, or an edge
    /// that is not open yet, is for whatever it suits.
    fn check_edge(&self, rule: &FaultRule) -> Result<(), FaultRuleError> {
        let Some(pattern) = &rule.matcher.edge else { return Ok(()) };
        let edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named = edges.iter().filter(|(edge, _)| edge.is_covered_by(pattern)).peekable();
        let Some((edge, carries)) = named.peek().copied() else { return Ok(()) };
        if named.any(|(_, carries)| carries.suits(rule)) {
            return Ok(());
        }
        if *carries == Carries::Bytes && rule.action.suits_bytes() {
            return Err(FaultRuleError::NoRequests(edge.clone()));
        }
        Err(FaultRuleError::Unsuited {
            kind: rule.action.kind(),
            carried: carries.name(),
            edge: edge.clone(),
        })
    }

    /// What applies to this request. Each rule that is about it counts it.
    pub(crate) fn plan(&self, request: &RequestFacts<'_>) -> Plan {
        let mut plan = Plan::default();
        for rule in self.rules().iter() {
            let action = &rule.rule.action;
            if action.is_edge_wide() || action.is_for_messages() {
                continue;
            }
            if let Some(index) = rule.take(request) {
                plan.add(Match { rule: Arc::clone(rule), index });
            }
        }
        plan
    }

    /// What applies to this message, in order of installation. Each rule that is about it counts it.
    #[cfg(feature = "amqp")]
    pub(crate) fn for_message(&self, message: &RequestFacts<'_>) -> Vec<Match> {
        let suited = self.rules();
        let suited = suited.iter().filter(|rule| rule.rule.action.suits_messages());
        suited.filter_map(|rule| Some(Match { index: rule.take(message)?, rule: Arc::clone(rule) })).collect()
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

    /// The rules that are done to the bytes of connections on this edge, in order of installation. They name the
    /// edge: a rule for every edge is meant for requests and messages, not for databases.
    pub(crate) fn for_bytes(&self, edge: &EdgeId) -> Vec<Arc<Rule>> {
        let is_here = |rule: &&Arc<Rule>| {
            let FaultRule { matcher, action, .. } = &rule.rule;
            action.suits_bytes()
                && !matches!(action, FaultAction::Refuse | FaultAction::ConnectDelay { .. })
                && !matcher.looks_at_requests()
                && matcher.edge.as_ref().is_some_and(|pattern| edge.is_covered_by(pattern))
                && rule.is_standing()
        };
        self.rules().iter().filter(is_here).cloned().collect()
    }

    /// Changes when a rule comes that connections which are open must know of.
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
            // About connections or messages, and left out before.
            FaultAction::Refuse
            | FaultAction::ConnectDelay { .. }
            | FaultAction::Throttle { .. }
            | FaultAction::Duplicate { .. }
            | FaultAction::Drop
            | FaultAction::Reorder { .. }
            | FaultAction::Poison => {}
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
