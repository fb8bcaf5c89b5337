//! One installed rule: its counts, its lease and its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use seaworthy_core::fault::{FaultRecord, FaultRule, FaultRuleError};
use seaworthy_core::time::{Nanos, RunClock};
use tokio::sync::watch;
use tokio::time::Instant;

use super::matching::{RequestFacts, is_about, is_chosen};
use super::pace::Pace;

/// The process in which a rule is carried out, where that is not this one.
pub(crate) trait Executor: Send + Sync {
    /// Puts the rule in force there.
    ///
    /// # Errors
    /// It was refused, or the process is gone.
    fn install(&self, rule: &std::sync::Arc<Rule>) -> Result<(), FaultRuleError>;
    /// Starts its lease anew.
    fn renew(&self, rule: &Rule);
    /// Ends it, and returns when it applies to nothing more there.
    fn end(&self, rule: &Rule);
    /// Returns when each rule here knows how often it was applied there.
    fn catch_up(&self);
}

/// A rule in the table.
pub(crate) struct Rule {
    pub(crate) rule: FaultRule,
    clock: RunClock,
    installed: Nanos,
    /// How many requests it has counted, whether it was applied to them or not.
    counted: AtomicU64,
    fired: watch::Sender<u64>,
    life: Mutex<Life>,
    over: watch::Sender<bool>,
    /// When it was first applied to an edge's bytes, for a stall of which the time runs from there.
    began: OnceLock<Instant>,
    /// For a throttle: the times at which the next bytes may pass, to the provider and to the consumer.
    paces: [Pace; 2],
    executor: OnceLock<Weak<dyn Executor>>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule")
            .field("rule", &self.rule)
            .field("record", &self.record())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Life {
    /// When the lease lapses.
    deadline: Instant,
    deadline_in_run: Nanos,
    ended: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: Nanos,
    lapsed: bool,
}

impl Rule {
    pub(crate) fn new(rule: FaultRule, clock: RunClock) -> Self {
        let now = clock.now();
        let life = Life {
            deadline: deadline(&rule, Instant::now()),
            deadline_in_run: now.plus(rule.lease.0),
            ended: None,
        };
        Self {
            rule,
            clock,
            installed: now,
            counted: AtomicU64::new(0),
            fired: watch::Sender::new(0),
            life: Mutex::new(life),
            over: watch::Sender::new(false),
            began: OnceLock::new(),
            paces: Default::default(),
            executor: OnceLock::new(),
        }
    }

    /// Says that it is carried out elsewhere.
    pub(crate) fn is_carried_out_by(&self, executor: Weak<dyn Executor>) {
        let _ = self.executor.set(executor);
    }

    /// So often it was applied elsewhere by now.
    pub(crate) fn has_fired(&self, times: u64) {
        self.fired.send_if_modified(|count| {
            let more = times > *count;
            *count = times.max(*count);
            more
        });
    }

    /// It lapsed elsewhere.
    pub(crate) fn has_lapsed(&self) {
        self.end_as(Some(self.clock.now()));
    }

    /// The number of another application to an edge's bytes, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.counted.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// When it was first applied to an edge's bytes: now, if it was not.
    pub(crate) fn began(&self) -> Instant {
        *self.began.get_or_init(Instant::now)
    }

    /// The pace of one direction of its edge.
    pub(crate) fn pace(&self, to_provider: bool) -> &Pace {
        let [up, down] = &self.paces;
        if to_provider { up } else { down }
    }

    /// If the rule counts this request and chooses it: the request's number among those counted, from 1.
    pub(crate) fn take(&self, request: &RequestFacts<'_>) -> Option<u64> {
        if !is_about(&self.rule.matcher, &self.rule.action, request) || !self.is_standing() {
            return None;
        }
        let index = self.counted.fetch_add(1, Ordering::Relaxed) + 1;
        is_chosen(&self.rule.matcher, self.rule.seed, index).then_some(index)
    }

    /// Counts one application.
    pub(crate) fn fire(&self) {
        self.fired.send_modify(|count| *count += 1);
    }

    pub(crate) fn fired(&self) -> watch::Receiver<u64> {
        self.fired.subscribe()
    }

    /// Starts the lease anew; `false` when the rule is over.
    pub(crate) fn renew(&self) -> bool {
        let renewed = self.renew_at(Instant::now());
        if let Some(executor) = self.executor.get().and_then(Weak::upgrade).filter(|_| renewed) {
            executor.renew(self);
        }
        renewed
    }

    fn renew_at(&self, now: Instant) -> bool {
        if !self.is_standing_at(now) {
            return false;
        }
        let mut life = self.life();
        life.deadline = deadline(&self.rule, now);
        life.deadline_in_run = self.clock.now().plus(self.rule.lease.0);
        life.ended.is_none()
    }

    /// Ends the rule and lets go what it holds; `false` when it was over already.
    pub(crate) fn end(&self) -> bool {
        let ended = self.end_as(None);
        if let Some(executor) = self.executor.get().and_then(Weak::upgrade).filter(|_| ended) {
            executor.end(self);
        }
        ended
    }

    fn end_as(&self, lapsed_at: Option<Nanos>) -> bool {
        let now = self.clock.now();
        let mut life = self.life();
        if life.ended.is_some() {
            return false;
        }
        life.ended = Some(End { at: lapsed_at.unwrap_or(now), lapsed: lapsed_at.is_some() });
        drop(life);
        self.over.send_replace(true);
        true
    }

    /// Whether it still applies. A lease that has run out is found here: nobody needs to watch over it.
    pub(crate) fn is_standing(&self) -> bool {
        self.is_standing_at(Instant::now())
    }

    fn is_standing_at(&self, now: Instant) -> bool {
        let life = self.life();
        if life.ended.is_some() {
            return false;
        }
        if now < life.deadline {
            return true;
        }
        let lapsed_at = life.deadline_in_run;
        drop(life);
        self.end_as(Some(lapsed_at));
        false
    }

    /// Waits until the rule is removed, released or lapsed.
    pub(crate) async fn ended(&self) {
        let mut over = self.over.subscribe();
        while self.is_standing() {
            let deadline = self.life().deadline;
            tokio::select! {
                _ = over.wait_for(|over| *over) => return,
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    pub(crate) fn record(&self) -> FaultRecord {
        self.is_standing();
        let ended = self.life().ended;
        FaultRecord {
            rule: self.rule.clone(),
            installed: self.installed,
            removed: ended.map(|end| end.at),
            fired: *self.fired.borrow(),
            lapsed: ended.is_some_and(|end| end.lapsed),
        }
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lease too long for the clock is one that does not lapse in this run.
fn deadline(rule: &FaultRule, now: Instant) -> Instant {
    now.checked_add(rule.lease.0).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_core::fault::{FaultAction, FaultMatcher, When};
    use seaworthy_core::time::HumanDuration;

    fn rule(lease: Duration) -> Rule {
        let action = FaultAction::Hold { when: When::Before };
        let rule = FaultRule::new("f1", FaultMatcher::default(), action);
        Rule::new(FaultRule { lease: HumanDuration(lease), ..rule }, RunClock::start())
    }

    #[test]
    fn a_rule_that_nobody_renews_lapses() {
        let rule = rule(Duration::from_secs(3600));
        let started = Instant::now();
        let at = |minutes: u64| started + Duration::from_secs(60 * minutes);
        assert!(rule.is_standing_at(at(50)));
        assert!(rule.renew_at(at(50)));
        assert!(rule.is_standing_at(at(100)), "renewed in time");
        assert!(rule.record().removed.is_none());
        assert!(!rule.is_standing_at(at(110)));
        let record = rule.record();
        assert!(record.lapsed && record.removed.is_some());
        assert!(!rule.renew_at(at(0)) && !rule.end(), "what has lapsed stays so");
    }

    #[test]
    fn a_rule_that_is_ended_has_not_lapsed() {
        let rule = rule(Duration::from_secs(3600));
        assert!(rule.end() && !rule.end() && !rule.is_standing() && !rule.renew());
        assert!(!rule.record().lapsed);
    }

    #[test]
    fn a_lease_longer_than_any_clock_is_no_panic() {
        assert!(rule(Duration::MAX).is_standing());
    }
}
