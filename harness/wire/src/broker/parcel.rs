//! One message on its way to one subscriber, and the faults that are done to it.

use std::sync::Arc;
use std::time::Duration;

use lapin::types::ShortString;
use seaworthy_core::fault::FaultAction;

use super::message::Message;
use super::record::Record;
use crate::fault::Match;
use crate::fault::matching;

/// A message on its way.
pub(super) struct Parcel {
    /// Which of the carrier's routes it takes.
    pub(super) route: usize,
    /// Under which tag the broker gave the message out.
    pub(super) tag: u64,
    pub(super) message: Arc<Message>,
    pub(super) record: Record,
    pub(super) faults: Faults,
    /// Whether its body is replaced.
    pub(super) is_poisoned: bool,
    /// Its place in the order in which messages go out on its route.
    pub(super) place: u64,
    /// Whether it is where it was to go.
    pub(super) is_settled: bool,
}

impl Parcel {
    pub(super) fn key(&self) -> &ShortString {
        &self.message.routing_key
    }
}

/// A parcel that goes before it was settled was not carried.
impl Drop for Parcel {
    fn drop(&mut self) {
        if !self.is_settled {
            self.record.given_back();
        }
    }
}

/// What is done to a message, in this order: every delay, every stall and hold, then it is left behind (`reorder`),
/// dropped or else poisoned and duplicated. Of those that can only be done once, the rule that was installed first.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) waits: Vec<Match>,
    pub(super) reorder: Option<(Match, u32)>,
    pub(super) drop: Option<Match>,
    pub(super) poison: Option<Match>,
    pub(super) copies: Vec<(Match, u32)>,
}

impl Faults {
    pub(super) fn of(matches: Vec<Match>) -> Self {
        let mut faults = Self::default();
        let mut stops = Vec::new();
        for found in matches {
            match *found.action() {
                FaultAction::Delay { .. } => faults.waits.push(found),
                FaultAction::Stall { .. } | FaultAction::Hold { .. } => stops.push(found),
                FaultAction::Reorder { behind } => drop(faults.reorder.get_or_insert((found, behind))),
                FaultAction::Drop => drop(faults.drop.get_or_insert(found)),
                FaultAction::Poison => drop(faults.poison.get_or_insert(found)),
                FaultAction::Duplicate { copies } => faults.copies.push((found, copies)),
                // Nothing of this can be done to a message.
                _ => {}
            }
        }
        faults.waits.append(&mut stops);
        faults
    }
}

/// Waits as long as delays, stalls and holds say, one after the other; each ends with its rule.
pub(super) async fn wait(record: Record, waits: Vec<Match>) {
    for found in &waits {
        let application = record.apply(found);
        let length = match *found.action() {
            FaultAction::Delay { by, jitter } => {
                Some(matching::delay(by.0, jitter.0, found.rule.rule.seed, found.index))
            }
            FaultAction::Stall { length, .. } => Some(length.0),
            _ => None,
        };
        tokio::select! {
            () = healed(length) => {}
            () = found.rule.ended() => {}
        }
        record.let_go(application);
    }
}

async fn healed(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}
