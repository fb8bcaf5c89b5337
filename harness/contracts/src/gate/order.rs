//! In which order can these versions be deployed, one after the other, so that after each step everything that is
//! there works together?
//!
//! A state is the set of services that have been deployed so far. Each pair that is not verified forbids some states:
//! those that hold certain new versions and do not yet hold certain others. The search goes through the states that
//! can be reached, services by name, and so finds the first order by name if there is one.

use std::collections::{BTreeSet, HashSet};

use super::judge::row;
use super::{Picture, Question, Row, State};

/// How many states are looked at before giving up.
const MOST_STATES: usize = 1 << 20;
/// How many groups are tried for a step of several at once.
const MOST_GROUPS: usize = 1 << 16;

/// A safe order, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Deploy them in this order.
    Safe(Vec<String>),
    /// Every order breaks.
    Breaks {
        /// As far as one can come: these, in this order, are safe.
        after: Vec<String>,
        /// What each next step would break.
        blocked: Vec<Blocked>,
        /// The fewest that could go together then, so that the step is safe.
        together: Option<Vec<String>>,
        /// Whether an order could be found if every pair that nobody verified were verified.
        could_be: bool,
    },
    /// There are too many states to look through.
    TooMany {
        /// How many were.
        looked_at: usize,
    },
}

/// A step that would break something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The service that would be deployed.
    pub service: String,
    /// The first pair that would not work.
    pub row: Row,
}

/// A pair that is not verified, and the states that it forbids.
#[derive(Debug, Clone)]
struct Clause {
    /// The new versions that it takes.
    with: u64,
    /// The new versions whose old ones it takes.
    without: u64,
    row: Row,
}

impl Clause {
    fn forbids(&self, state: u64) -> bool {
        state & self.with == self.with && state & self.without == 0
    }
}

/// When a version is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before, during and after.
    Always,
    /// Once this service has been deployed.
    From(usize),
    /// Until this service is deployed.
    Until(usize),
}

/// Looks for a safe order. Questions with more than 60 services are not looked through.
pub fn order(picture: &Picture, question: &Question) -> Order {
    let names: Vec<&str> = question.wanted.keys().map(String::as_str).collect();
    if names.len() > super::MOST_SERVICES {
        return Order::TooMany { looked_at: 0 };
    }
    let clauses = clauses(picture, question, &names);
    match search(names.len(), &clauses) {
        Found::Order(steps) => Order::Safe(named(&names, &steps)),
        Found::GaveUp => Order::TooMany { looked_at: MOST_STATES },
        Found::Deepest(steps) => {
            let state = steps.iter().fold(0, |state, step| state | 1 << step);
            let rest: Vec<usize> = (0..names.len()).filter(|step| state & (1 << step) == 0).collect();
            let blocked = rest.iter().filter_map(|&step| {
                let clause = clauses.iter().find(|clause| clause.forbids(state | 1 << step))?;
                Some(Blocked { service: names.get(step)?.to_string(), row: clause.row.clone() })
            });
            let failing: Vec<Clause> =
                clauses.iter().filter(|clause| clause.row.state == State::Failed).cloned().collect();
            Order::Breaks {
                after: named(&names, &steps),
                blocked: blocked.collect(),
                together: together(state, &rest, &clauses).map(|group| named(&names, &group)),
                could_be: matches!(search(names.len(), &failing), Found::Order(_)),
            }
        }
    }
}

fn named(names: &[&str], steps: &[usize]) -> Vec<String> {
    steps.iter().filter_map(|&step| names.get(step)).map(|name| (*name).to_owned()).collect()
}

enum Found {
    Order(Vec<usize>),
    /// As far as one can come.
    Deepest(Vec<usize>),
    GaveUp,
}

/// Depth first, services by number; each state is entered once, because what is possible from it does not depend on
/// the way to it.
fn search(count: usize, clauses: &[Clause]) -> Found {
    let mut entered: HashSet<u64> = HashSet::from([0]);
    // The way here, and for each state on it the next step to try.
    let mut way: Vec<usize> = Vec::new();
    let mut next: Vec<usize> = vec![0];
    let mut deepest: Vec<usize> = Vec::new();
    let mut state = 0u64;
    while let Some(step) = next.last_mut() {
        if way.len() == count {
            return Found::Order(way);
        }
        if *step == count {
            next.pop();
            if let Some(step) = way.pop() {
                state &= !(1 << step);
            }
            continue;
        }
        let taken = *step;
        *step += 1;
        let after = state | 1 << taken;
        if after == state || clauses.iter().any(|clause| clause.forbids(after)) || !entered.insert(after) {
            continue;
        }
        if entered.len() > MOST_STATES {
            return Found::GaveUp;
        }
        state = after;
        way.push(taken);
        next.push(0);
        if way.len() > deepest.len() {
            deepest.clone_from(&way);
        }
    }
    Found::Deepest(deepest)
}

/// The smallest group that could be deployed at once; the first by name of those.
fn together(state: u64, rest: &[usize], clauses: &[Clause]) -> Option<Vec<usize>> {
    let mut tried = 0;
    for size in 2..=rest.len() {
        let mut chosen: Vec<usize> = (0..size).collect();
        loop {
            tried += 1;
            if tried > MOST_GROUPS {
                return None;
            }
            let group: Vec<usize> = chosen.iter().filter_map(|&at| rest.get(at)).copied().collect();
            let after = group.iter().fold(state, |after, step| after | 1 << step);
            if !clauses.iter().any(|clause| clause.forbids(after)) {
                return Some(group);
            }
            // The next combination in lexical order.
            let movable =
                (0..size).rev().find(|&at| chosen.get(at).is_some_and(|&c| c < rest.len() - size + at));
            let Some(at) = movable else { break };
            let base = chosen.get(at).map_or(0, |c| c + 1);
            for (offset, slot) in chosen.iter_mut().skip(at).enumerate() {
                *slot = base + offset;
            }
        }
    }
    None
}

/// What forbids states: every pair with a new version that is not verified, and every consumer's new version that
/// comes before the first version of its provider.
fn clauses(picture: &Picture, question: &Question, names: &[&str]) -> Vec<Clause> {
    let services: BTreeSet<&str> = picture.present().into_iter().chain(names.iter().copied()).collect();
    let mut clauses = Vec::new();
    for consumer in &services {
        for (version, when) in phases(picture, question, names, consumer) {
            for provider in picture.providers(consumer, version) {
                let theirs = phases(picture, question, names, provider);
                if let When::From(step) = when
                    && !theirs.iter().any(|(_, when)| matches!(when, When::Always | When::Until(_)))
                {
                    let without = theirs.iter().fold(0, |bits, (_, when)| bits | bit_from(*when));
                    let row = row(picture, consumer, version, provider, None);
                    clauses.push(Clause { with: 1 << step, without, row });
                }
                for (provider_version, their) in theirs {
                    let with = bit_from(when) | bit_from(their);
                    let without = bit_until(when) | bit_until(their);
                    // Pairs without a new version are as they are; old and new of one service are never there at once.
                    if with == 0 || with & without != 0 {
                        continue;
                    }
                    let row = row(picture, consumer, version, provider, Some(provider_version));
                    if row.state != State::Verified {
                        clauses.push(Clause { with, without, row });
                    }
                }
            }
        }
    }
    // A pair that fails says more than one that nobody tried.
    clauses.sort_by_key(|clause| (clause.row.state != State::Failed, clause.row.clone()));
    clauses
}

fn bit_from(when: When) -> u64 {
    match when {
        When::From(step) => 1 << step,
        When::Always | When::Until(_) => 0,
    }
}

fn bit_until(when: When) -> u64 {
    match when {
        When::Until(step) => 1 << step,
        When::Always | When::From(_) => 0,
    }
}

/// The versions of a service that are there at some time, and when.
fn phases<'p>(
    picture: &'p Picture,
    question: &'p Question,
    names: &[&str],
    service: &str,
) -> Vec<(&'p str, When)> {
    let released = picture.released.get(service);
    let deployed = picture.deployed.get(service);
    let is_released = |version: &str| released.is_some_and(|versions| versions.contains(version));
    let mut phases: Vec<(&str, When)> =
        released.into_iter().flatten().map(|version| (version.as_str(), When::Always)).collect();
    let step = names.iter().position(|name| *name == service);
    let wanted = question.wanted.get(service);
    for version in deployed.into_iter().flatten().filter(|version| !is_released(version)) {
        let when = match step {
            Some(step) if wanted != Some(version) => When::Until(step),
            _ => When::Always,
        };
        phases.push((version, when));
    }
    if let (Some(step), Some(version)) = (step, wanted)
        && !phases.iter().any(|(known, _)| known == version)
    {
        phases.push((version, When::From(step)));
    }
    phases
}
