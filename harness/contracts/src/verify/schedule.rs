//! Which interaction runs when: those that do not conflict at the same time, those that do in the order of the file.
//!
//! One rule says it all: an interaction starts once no earlier one that it conflicts with is unfinished. So nothing waits
//! in a circle, for the earliest unfinished one waits for nobody.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// What an interaction wants for itself while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing: it conflicts only with those that run alone.
    Free,
    /// These keys, by number: it conflicts with whoever claims one of them.
    Keys(Box<[u32]>),
    /// Everything: it conflicts with all others.
    Alone,
}

impl Claim {
    /// The claim to these keys.
    pub(super) fn keys(mut keys: Vec<u32>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() { Claim::Free } else { Claim::Keys(keys.into_boxed_slice()) }
    }
}

/// The interactions that are still to run, and those that do.
pub(super) struct Schedule {
    claims: Vec<Claim>,
    jobs: usize,
    /// The first that is not let in yet. The door is shut at one that runs alone, until all before it have finished, and
    /// behind it, until it has.
    door: usize,
    /// Let in and not finished.
    inside: usize,
    running: usize,
    /// Who waits for a key, in order; the first has it.
    queues: HashMap<u32, VecDeque<usize>>,
    /// Who waits for nothing but a free hand.
    ready: BinaryHeap<Reverse<usize>>,
}

impl Schedule {
    /// Runs as many as `jobs` at the same time; 0 counts as 1.
    pub(super) fn new(claims: Vec<Claim>, jobs: usize) -> Self {
        let mut schedule = Self {
            claims,
            jobs: jobs.max(1),
            door: 0,
            inside: 0,
            running: 0,
            queues: HashMap::new(),
            ready: BinaryHeap::new(),
        };
        schedule.let_in();
        schedule
    }

    /// The next to start, if one may. It runs from now on.
    pub(super) fn start(&mut self) -> Option<usize> {
        if self.running == self.jobs {
            return None;
        }
        let Reverse(item) = self.ready.pop()?;
        self.running += 1;
        Some(item)
    }

    /// One that was started has finished.
    pub(super) fn finish(&mut self, item: usize) {
        self.running -= 1;
        self.inside -= 1;
        if let Claim::Keys(keys) = &self.claims[item] {
            for key in keys {
                let Some(queue) = self.queues.get_mut(key) else { continue };
                queue.pop_front();
                if queue.is_empty() {
                    self.queues.remove(key);
                }
            }
            let mut heirs: Vec<usize> =
                keys.iter().filter_map(|key| self.queues.get(key)?.front().copied()).collect();
            heirs.sort_unstable();
            heirs.dedup();
            heirs.retain(|&heir| self.has_its_keys(heir));
            self.ready.extend(heirs.into_iter().map(Reverse));
        }
        self.let_in();
    }

    fn has_its_keys(&self, item: usize) -> bool {
        match &self.claims[item] {
            Claim::Keys(keys) => {
                keys.iter().all(|key| self.queues.get(key).and_then(VecDeque::front) == Some(&item))
            }
            Claim::Free | Claim::Alone => true,
        }
    }

    fn let_in(&mut self) {
        let alone_inside =
            self.inside > 0 && self.claims.get(self.door.wrapping_sub(1)) == Some(&Claim::Alone);
        if alone_inside {
            return;
        }
        while let Some(claim) = self.claims.get(self.door) {
            let item = self.door;
            match claim {
                Claim::Alone if self.inside > 0 => return,
                Claim::Alone | Claim::Free => {}
                Claim::Keys(keys) => {
                    for key in keys {
                        self.queues.entry(*key).or_default().push_back(item);
                    }
                }
            }
            let shut = *claim == Claim::Alone;
            self.door += 1;
            self.inside += 1;
            if self.has_its_keys(item) {
                self.ready.push(Reverse(item));
            }
            if shut {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn conflict(one: &Claim, other: &Claim) -> bool {
        match (one, other) {
            (Claim::Alone, _) | (_, Claim::Alone) => true,
            (Claim::Keys(ours), Claim::Keys(theirs)) => ours.iter().any(|key| theirs.contains(key)),
            _ => false,
        }
    }

    /// The rule, word by word: the first that has not started and conflicts with no earlier one that has not finished.
    fn first_that_may_start(claims: &[Claim], started: &[bool], finished: &[bool]) -> Option<usize> {
        (0..claims.len()).find(|&item| {
            !started[item]
                && (0..item).all(|earlier| finished[earlier] || !conflict(&claims[earlier], &claims[item]))
        })
    }

    fn claim() -> impl Strategy<Value = Claim> {
        prop_oneof![
            3 => Just(Claim::Free),
            6 => proptest::collection::vec(0u32..5, 1..4).prop_map(Claim::keys),
            1 => Just(Claim::Alone),
        ]
    }

    proptest! {
        #[test]
        fn it_starts_what_the_rule_says_and_everything_once(
            claims in proptest::collection::vec(claim(), 0..40),
            jobs in 1usize..6,
            picks in proptest::collection::vec(any::<prop::sample::Index>(), 40),
        ) {
            let mut schedule = Schedule::new(claims.clone(), jobs);
            let mut started = vec![false; claims.len()];
            let mut finished = vec![false; claims.len()];
            let mut running: Vec<usize> = Vec::new();
            let mut picks = picks.into_iter();
            loop {
                while let Some(item) = schedule.start() {
                    prop_assert_eq!(Some(item), first_that_may_start(&claims, &started, &finished));
                    for other in &running {
                        prop_assert!(!conflict(&claims[*other], &claims[item]), "{} beside {}", other, item);
                    }
                    started[item] = true;
                    running.push(item);
                    prop_assert!(running.len() <= jobs);
                }
                if running.len() < jobs {
                    prop_assert_eq!(first_that_may_start(&claims, &started, &finished), None);
                }
                if running.is_empty() {
                    break;
                }
                let pick = picks.next().expect("as many as there are claims");
                let item = running.remove(pick.index(running.len()));
                finished[item] = true;
                schedule.finish(item);
            }
            prop_assert!(finished.iter().all(|&finished| finished));
        }
    }

    #[test]
    fn the_same_key_twice_counts_once() {
        let mut schedule = Schedule::new(vec![Claim::keys(vec![1, 1]), Claim::keys(vec![1])], 4);
        assert_eq!((schedule.start(), schedule.start()), (Some(0), None));
        schedule.finish(0);
        assert_eq!(schedule.start(), Some(1));
    }
}
