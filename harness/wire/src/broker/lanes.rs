//! Messages about one subject keep their order while a fault holds one of them up: pure bookkeeping.

use std::collections::{HashMap, VecDeque};

/// The messages of one route that may not go yet.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// For each subject those that wait, in order, and whether each would be ready by itself.
    lanes: HashMap<String, VecDeque<(u64, bool)>>,
    subjects: HashMap<u64, String>,
}

impl Lanes {
    /// A message comes. Whether it may go at once; if not, [`Lanes::ready`] tells when.
    pub(super) fn enter(&mut self, id: u64, subject: Option<&str>, is_ready: bool) -> bool {
        let Some(subject) = subject else { return is_ready };
        if is_ready && !self.lanes.contains_key(subject) {
            return true;
        }
        self.lanes.entry(subject.to_owned()).or_default().push_back((id, is_ready));
        self.subjects.insert(id, subject.to_owned());
        false
    }

    /// Nothing holds this message up any more: those that may go now, in order.
    pub(super) fn ready(&mut self, id: u64) -> Vec<u64> {
        let Some(subject) = self.subjects.get(&id).cloned() else { return vec![id] };
        let Some(lane) = self.lanes.get_mut(&subject) else { return vec![id] };
        for (waiting, is_ready) in lane.iter_mut() {
            *is_ready |= *waiting == id;
        }
        let mut gone = Vec::new();
        while let Some((first, true)) = lane.front().copied() {
            lane.pop_front();
            self.subjects.remove(&first);
            gone.push(first);
        }
        if lane.is_empty() {
            self.lanes.remove(&subject);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_goes_once_in_the_order_of_its_subject_and_not_before_it_is_ready(
            messages in prop::collection::vec((0u8..4, any::<bool>(), any::<prop::sample::Index>()), 1..60),
        ) {
            let mut lanes = Lanes::default();
            let mut held: Vec<u64> = Vec::new();
            let mut gone: Vec<u64> = Vec::new();
            let subject = |id: u64| match messages[id as usize].0 {
                0 => None,
                subject => Some(subject.to_string()),
            };
            for (id, (_, is_ready, release)) in messages.iter().enumerate() {
                let id = id as u64;
                if lanes.enter(id, subject(id).as_deref(), *is_ready) {
                    prop_assert!(is_ready);
                    gone.push(id);
                } else if !is_ready {
                    held.push(id);
                }
                if !held.is_empty() && *is_ready {
                    gone.extend(lanes.ready(held.remove(release.index(held.len()))));
                }
                prop_assert!(gone.iter().all(|id| !held.contains(id)));
            }
            for id in held {
                gone.extend(lanes.ready(id));
            }
            for wanted in ["1", "2", "3"] {
                let of_subject: Vec<u64> =
                    gone.iter().copied().filter(|id| subject(*id).as_deref() == Some(wanted)).collect();
                prop_assert!(of_subject.is_sorted(), "{of_subject:?}");
            }
            gone.sort_unstable();
            prop_assert_eq!(gone, (0..messages.len() as u64).collect::<Vec<_>>());
            prop_assert!(lanes.lanes.is_empty() && lanes.subjects.is_empty(), "nothing is left behind");
        }
    }
}
