//! What is known of a subscriber's bindings, and which messages wait for one: decisions over values, no sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// How soon a message that no queue is bound for is tried again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// One route's view of the queues behind its subscriber's exchange.
///
/// Until the subscriber takes its first message nothing else is sent than one message at a time, so that all come in
/// order when it is there. From then on everything is sent at once but for the routing keys that were refused.
#[derive(Debug)]
pub(super) struct Bindings {
    /// How long after its first message, or after it was ready, the subscriber may still be making its bindings.
    binding_time: Duration,
    /// Since when the subscriber is ready, if that is known.
    ready: Option<Instant>,
    /// When it took its first message.
    first_taken: Option<Instant>,
    /// By its place in the order: a message and its routing key.
    waiting: BTreeMap<u64, (u64, String)>,
    /// Routing keys that no queue was bound for.
    refused: BTreeSet<String>,
    /// The message that is out to see whether there is a binding now.
    trying: Option<u64>,
    /// The keys that were tried in this round.
    tried: BTreeSet<String>,
    next_try: Option<Instant>,
    pause: Duration,
}

/// What becomes of a message that came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Returned {
    /// It waits for a binding.
    Kept,
    /// It is not for this subscriber.
    Unwanted,
}

impl Bindings {
    pub(super) fn new(binding_time: Duration) -> Self {
        Self {
            binding_time,
            ready: None,
            first_taken: None,
            waiting: BTreeMap::new(),
            refused: BTreeSet::new(),
            trying: None,
            tried: BTreeSet::new(),
            next_try: None,
            pause: FIRST_PAUSE,
        }
    }

    /// The subscriber is ready, and since when: it has its bindings, or is about to make them.
    pub(super) fn is_ready(&mut self, since: Instant) {
        self.ready.get_or_insert(since);
    }

    /// The next message in order: whether it is to be sent now. If not, it waits here.
    pub(super) fn submit(&mut self, place: u64, id: u64, key: &str, now: Instant) -> bool {
        let is_there = self.first_taken.is_some() || (self.has_bound(now) && self.waiting.is_empty());
        let goes = match is_there {
            true => !self.refused.contains(key),
            false => self.trying.is_none() && self.waiting.is_empty(),
        };
        if !goes {
            self.waiting.insert(place, (id, key.to_owned()));
            self.plan_next(now);
        } else if !is_there {
            self.trying = Some(id);
        }
        goes
    }

    /// A queue took a message: those that are to be sent now, in order.
    pub(super) fn taken(&mut self, id: u64, key: &str, now: Instant) -> Vec<u64> {
        self.first_taken.get_or_insert(now);
        if self.trying == Some(id) {
            self.trying = None;
        }
        self.refused.remove(key);
        self.tried.clear();
        self.pause = FIRST_PAUSE;
        let refused = &self.refused;
        let goes: Vec<_> = self
            .waiting
            .extract_if(.., |_, (_, key)| !refused.contains(key))
            .map(|(_, (id, _))| id)
            .collect();
        self.plan_next(now);
        goes
    }

    /// No queue was bound for a message.
    pub(super) fn returned(&mut self, place: u64, id: u64, key: &str, now: Instant) -> Returned {
        if self.trying == Some(id) {
            self.trying = None;
        }
        if self.has_bound(now) {
            self.plan_next(now);
            return Returned::Unwanted;
        }
        self.keep(place, id, key, now);
        Returned::Kept
    }

    /// A message could not be taken although there may be a binding: it is tried again.
    pub(super) fn keep(&mut self, place: u64, id: u64, key: &str, now: Instant) {
        if self.trying == Some(id) {
            self.trying = None;
        }
        self.waiting.insert(place, (id, key.to_owned()));
        self.refused.insert(key.to_owned());
        self.tried.insert(key.to_owned());
        self.plan_next(now);
    }

    /// When [`Bindings::tick`] wants to be called.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.next_try
    }

    /// Those that are to be tried now, in order.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<u64> {
        if self.next_try.is_none_or(|then| then > now) {
            return Vec::new();
        }
        self.next_try = None;
        if self.has_bound(now) {
            // Whatever comes back from now on is not for it.
            self.refused.clear();
            return std::mem::take(&mut self.waiting).into_values().map(|(id, _)| id).collect();
        }
        let untried = self.waiting.iter().find(|(_, (_, key))| !self.tried.contains(key));
        let next = untried.or_else(|| self.waiting.iter().next()).map(|(place, _)| *place);
        let Some((id, key)) = next.and_then(|place| self.waiting.remove(&place)) else { return Vec::new() };
        if self.tried.contains(&key) {
            self.tried.clear();
        }
        self.trying = Some(id);
        vec![id]
    }

    /// Whether the subscriber has had the time to make its bindings.
    fn has_bound(&self, now: Instant) -> bool {
        let since = self.first_taken.into_iter().chain(self.ready).min();
        since.is_some_and(|since| now.duration_since(since) >= self.binding_time)
    }

    fn plan_next(&mut self, now: Instant) {
        if self.trying.is_none() && self.next_try.is_none() && !self.waiting.is_empty() {
            self.next_try = Some(now + self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A subscriber that binds each key at a moment, and the messages as it gets them.
    struct Subscriber {
        bound_from: BTreeMap<String, u64>,
        got: Vec<u64>,
    }

    proptest! {
        #[test]
        fn what_is_bound_for_in_time_arrives_once_and_in_order_of_its_key(
            keys in prop::collection::vec(0u8..3, 1..40),
            bound_from in prop::array::uniform3(0u64..3000),
            spread in 0u64..100,
        ) {
            let start = Instant::now();
            let at = |millis: u64| start + Duration::from_millis(millis);
            let binding_time = Duration::from_secs(10);
            let key = |id: u64| keys[id as usize].to_string();
            let mut subscriber = Subscriber {
                bound_from: bound_from.iter().enumerate().map(|(key, from)| (key.to_string(), *from)).collect(),
                got: Vec::new(),
            };
            let mut bindings = Bindings::new(binding_time);
            let mut now = 0;
            for millis in 0..20_000u64 {
                now = millis;
                let mut out = bindings.tick(at(now));
                let due = millis / spread.max(1);
                if millis % spread.max(1) == 0 && due < keys.len() as u64 && bindings.submit(due, due, &key(due), at(millis)) {
                    out.push(due);
                }
                while !out.is_empty() {
                    let id = out.remove(0);
                    if subscriber.bound_from[&key(id)] <= now {
                        subscriber.got.push(id);
                        out.extend(bindings.taken(id, &key(id), at(now)));
                    } else {
                        prop_assert_eq!(bindings.returned(id, id, &key(id), at(now)), Returned::Kept);
                    }
                }
            }
            for wanted in 0..3u8 {
                let of_key: Vec<_> =
                    subscriber.got.iter().copied().filter(|id| keys[*id as usize] == wanted).collect();
                prop_assert!(of_key.is_sorted(), "{of_key:?}");
            }
            subscriber.got.sort_unstable();
            prop_assert_eq!(subscriber.got, (0..keys.len() as u64).collect::<Vec<_>>(), "at {}", now);
        }
    }

    #[test]
    fn until_the_first_is_taken_one_is_out_at_a_time_and_then_all_follow_in_order() {
        let now = Instant::now();
        let mut bindings = Bindings::new(Duration::from_secs(2));
        assert!(bindings.submit(1, 1, "a", now));
        assert!(!bindings.submit(2, 2, "b", now) && !bindings.submit(3, 3, "a", now));
        assert_eq!(bindings.returned(1, 1, "a", now), Returned::Kept);
        assert_eq!(bindings.tick(now), Vec::<u64>::new());
        let later = now + LONGEST_PAUSE;
        assert_eq!(bindings.tick(later), [2], "the other key has its turn");
        assert_eq!(bindings.returned(2, 2, "b", later), Returned::Kept);
        assert_eq!(bindings.tick(later + LONGEST_PAUSE), [1]);
        assert_eq!(bindings.taken(1, "a", later + LONGEST_PAUSE), [3]);
    }

    #[test]
    fn a_subscriber_that_is_ready_and_takes_nothing_wants_nothing() {
        let now = Instant::now();
        let mut bindings = Bindings::new(Duration::from_secs(2));
        assert!(bindings.submit(1, 1, "a", now) && !bindings.submit(2, 2, "a", now));
        assert_eq!(bindings.returned(1, 1, "a", now), Returned::Kept);
        bindings.is_ready(now);
        let late = now + Duration::from_secs(2);
        assert_eq!(bindings.tick(late), [1, 2]);
        for id in [1, 2] {
            assert_eq!(bindings.returned(id, id, "a", late), Returned::Unwanted);
        }
        assert!(bindings.submit(3, 3, "a", late) && bindings.submit(4, 4, "b", late), "it may still come");
        assert_eq!(bindings.returned(3, 3, "a", late), Returned::Unwanted);
        assert!(bindings.taken(4, "b", late).is_empty());
        assert_eq!(bindings.next_try(), None);
    }

    #[test]
    fn what_a_subscriber_has_not_bound_in_time_is_not_for_it() {
        let now = Instant::now();
        let mut bindings = Bindings::new(Duration::from_secs(2));
        assert!(bindings.submit(1, 1, "a", now));
        assert!(bindings.taken(1, "a", now).is_empty());
        assert!(bindings.submit(2, 2, "b", now));
        assert_eq!(bindings.returned(2, 2, "b", now), Returned::Kept);
        assert!(!bindings.submit(3, 3, "b", now), "the key is known");
        let late = now + Duration::from_secs(2);
        assert_eq!(bindings.tick(late), [2, 3], "a last time");
        for id in [2, 3] {
            assert_eq!(bindings.returned(id, id, "b", late), Returned::Unwanted);
        }
        assert!(bindings.submit(4, 4, "b", late), "a binding may still come");
        assert!(bindings.taken(4, "b", late).is_empty());
        assert_eq!(bindings.next_try(), None);
    }
}
