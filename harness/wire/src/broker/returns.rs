//! What became of the messages that were sent: decisions over values, no sockets.
//!
//! The broker gives an unroutable message back before it confirms it, but the client library hands it over with
//! whichever confirmation is next, and one frame may confirm many at once, in any order. So what comes back is told by
//! what it is, and a confirmation alone does not say yet that a queue took the message: what came back for it may come
//! with another one.
//!
//! It comes in time, though. Each confirmation takes one of the messages that came back along, if there are any, so if
//! one that belongs to a confirmed message is still to come, another came along too early: with it, a message was
//! given back that is not confirmed itself. While there is such a one nothing is decided. (Two messages of one route with
//! the same routing key, properties and body may stand in for each other, so all that are the same have to be confirmed.)

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::ShortString;

use super::message::Message;

/// A message that the broker gave back.
pub(super) struct GivenBack {
    /// On which of the carrier's routes it was.
    pub(super) route: Option<usize>,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

/// One confirmation.
pub(super) struct Confirmed {
    /// Of which parcel.
    pub(super) id: u64,
    /// Whether the broker has done with it what was to be done.
    pub(super) is_ack: bool,
    /// What came along: this parcel or another.
    pub(super) given_back: Option<GivenBack>,
}

/// What became of a parcel that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A queue has it.
    Taken,
    /// No queue is bound for it.
    Returned,
    /// The broker could not take it.
    Refused,
}

struct Sent {
    route: usize,
    message: Arc<Message>,
    is_poisoned: bool,
    is_returned: bool,
    is_confirmed: bool,
}

impl Sent {
    fn body(&self) -> &[u8] {
        self.message.sent_body(self.is_poisoned)
    }

    /// What two messages that may stand in for each other have in common.
    fn likeness(&self) -> (usize, &str, &[u8]) {
        (self.route, self.message.routing_key.as_str(), self.body())
    }
}

/// What is out: each parcel from when it is sent until it is known what became of it.
#[derive(Default)]
pub(super) struct Outstanding {
    sent: BTreeMap<u64, Sent>,
    /// What is confirmed and not decided: the parcel and whether the broker acknowledged it.
    held: Vec<(u64, bool)>,
}

impl Outstanding {
    /// A parcel goes out.
    pub(super) fn send(&mut self, id: u64, route: usize, message: Arc<Message>, is_poisoned: bool) {
        let sent = Sent { route, message, is_poisoned, is_returned: false, is_confirmed: false };
        self.sent.insert(id, sent);
    }

    /// Takes confirmations: whenever one of them was there, all that were there before it. Tells what became of those
    /// parcels of which it is certain now.
    pub(super) fn confirm(&mut self, confirmed: Vec<Confirmed>) -> Vec<(u64, Fate)> {
        let mut given_back = Vec::new();
        for one in confirmed {
            self.held.push((one.id, one.is_ack));
            given_back.extend(one.given_back);
            if let Some(sent) = self.sent.get_mut(&one.id) {
                sent.is_confirmed = true;
            }
        }
        given_back.iter().for_each(|one| self.mark(one));
        if self.is_one_early() {
            return Vec::new();
        }
        let decide = |(id, is_ack): (u64, bool)| {
            let fate = match self.sent.remove(&id)?.is_returned {
                _ if !is_ack => Fate::Refused,
                true => Fate::Returned,
                false => Fate::Taken,
            };
            Some((id, fate))
        };
        std::mem::take(&mut self.held).into_iter().filter_map(decide).collect()
    }

    /// Marks the parcel that this message is. Those that are confirmed are looked at first: the broker confirms a message
    /// right after it has given it back.
    fn mark(&mut self, returned: &GivenBack) {
        let could_be = |sent: &Sent| {
            let likeness = (returned.route, returned.routing_key.as_str(), &*returned.body);
            let (route, key, body) = sent.likeness();
            !sent.is_returned && (Some(route), key, body) == likeness
        };
        // Should the broker have added to the properties, the next best is it.
        let rank = |sent: &Sent| (sent.message.properties != returned.properties, !sent.is_confirmed);
        let candidates = self.sent.values_mut().filter(|sent| could_be(sent));
        if let Some(sent) = candidates.min_by_key(|sent| rank(sent)) {
            sent.is_returned = true;
        }
    }

    /// Whether something came back that is not confirmed.
    fn is_one_early(&self) -> bool {
        let returned = self.sent.values().filter(|sent| sent.is_returned);
        let returned: HashSet<_> = returned.map(Sent::likeness).collect();
        let is_early = |sent: &Sent| !sent.is_confirmed && returned.contains(&sent.likeness());
        !returned.is_empty() && self.sent.values().any(is_early)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn message(kind: u8) -> Arc<Message> {
        let properties = BasicProperties::default().with_message_id((kind % 2).to_string().into());
        Arc::new(Message::read("key".into(), properties, vec![kind / 2], false, &[]))
    }

    fn given_back(kind: u8) -> GivenBack {
        let message = message(kind);
        GivenBack {
            route: Some(0),
            routing_key: message.routing_key.clone(),
            properties: message.properties.clone(),
            body: message.body.clone(),
        }
    }

    fn confirmed(id: u64, came_along: Option<u8>) -> Confirmed {
        Confirmed { id, is_ack: true, given_back: came_along.map(given_back) }
    }

    #[test]
    fn a_message_whose_return_is_still_to_come_is_not_taken_for_delivered() {
        let mut out = Outstanding::default();
        out.send(1, 0, message(1), false);
        out.send(2, 0, message(2), false);
        assert_eq!(out.confirm(vec![confirmed(2, Some(1))]), []);
        let both = [(2, Fate::Returned), (1, Fate::Returned)];
        assert_eq!(out.confirm(vec![confirmed(1, Some(2))]), both);
    }

    #[test]
    fn of_two_that_are_the_same_both_are_waited_for() {
        let mut out = Outstanding::default();
        for (id, kind) in [(1, 0), (2, 0), (3, 2)] {
            out.send(id, 0, message(kind), false);
        }
        // The second came back, and so did the third.
        assert_eq!(out.confirm(vec![confirmed(1, None), confirmed(3, Some(0))]), []);
        let all = [(1, Fate::Returned), (3, Fate::Returned), (2, Fate::Taken)];
        assert_eq!(out.confirm(vec![confirmed(2, Some(2))]), all, "the first stands in for the second");
    }

    proptest! {
        /// The broker gives back in the order of sending, each before it confirms it, some long before; a frame
        /// confirms the next few; the library resolves them in any order, each with the next that came back; and the
        /// carrier looks in between at any time.
        #[test]
        fn as_many_of_each_kind_are_taken_as_queues_took(
            messages in prop::collection::vec((0u8..6, any::<bool>(), any::<u16>()), 1..40),
            frames in prop::collection::vec((1usize..8, 0usize..4), 40),
            looks in prop::collection::vec(prop::bool::weighted(0.4), 40),
        ) {
            let mut out = Outstanding::default();
            let mut left = [0usize; 6];
            for (id, (kind, is_routable, _)) in messages.iter().enumerate() {
                out.send(id as u64, 0, message(*kind), false);
                left[usize::from(*kind)] += usize::from(*is_routable);
            }
            let (mut came_back, mut arrived, mut confirmed_up_to) = (VecDeque::new(), 0, 0);
            let (mut seen, mut decided) = (Vec::new(), 0);
            for (length, ahead) in frames {
                let frame = confirmed_up_to..(confirmed_up_to + length).min(messages.len());
                confirmed_up_to = frame.end;
                while arrived < (frame.end + ahead).min(messages.len()) {
                    let (kind, is_routable, _) = messages[arrived];
                    came_back.extend((!is_routable).then_some(kind));
                    arrived += 1;
                }
                let mut resolved: Vec<_> = frame.collect();
                resolved.sort_by_key(|id| messages[*id].2);
                for id in resolved {
                    seen.push(confirmed(id as u64, came_back.pop_front()));
                    if !looks[id] && id + 1 < messages.len() {
                        continue;
                    }
                    for (id, fate) in out.confirm(std::mem::take(&mut seen)) {
                        decided += 1;
                        let left = &mut left[usize::from(messages[id as usize].0)];
                        if fate == Fate::Taken {
                            prop_assert!(*left > 0, "{id} is taken for delivered");
                            *left -= 1;
                        }
                    }
                }
            }
            for (id, fate) in out.confirm(seen) {
                decided += 1;
                left[usize::from(messages[id as usize].0)] -= usize::from(fate == Fate::Taken);
            }
            prop_assert_eq!((decided, left), (messages.len(), [0; 6]));
        }
    }
}
