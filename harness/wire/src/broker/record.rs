//! What the log says of one message on its way to one subscriber.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use seaworthy_core::exchange::{AppliedFault, Outcome};
use seaworthy_core::ids::{EdgeId, InstanceId};

use super::message::Message;
use crate::fault::Match;
use crate::log::Entry;
use crate::log::record::{Raw, RawProvider, RawResponse};
use crate::wire::Carrying;

/// The broker has confirmed that the subscriber's side has it.
const DELIVERED: StatusCode = StatusCode::ACCEPTED;
/// No queue of the subscriber is bound for it.
const UNBOUND: StatusCode = StatusCode::NOT_FOUND;

/// Writes into one message's exchange.
#[derive(Clone)]
pub(super) struct Record {
    wire: Arc<Carrying>,
    entry: Arc<Entry>,
}

impl Record {
    /// A message has come.
    pub(super) fn begin(wire: &Arc<Carrying>, edge: &EdgeId, message: &Message) -> Self {
        let entry = wire.log.begin(message.asked(edge), wire.clock.now());
        let mut body = wire.log.capture();
        body.see(&message.body);
        wire.log.keep(&body);
        let record = Self { wire: Arc::clone(wire), entry };
        record.write(|raw| raw.request_body = Some(body));
        record
    }

    /// A fault is applied; the result names this application for [`Record::let_go`].
    pub(super) fn apply(&self, found: &Match) -> usize {
        found.rule.fire();
        self.mark(found)
    }

    /// It is there because of a fault that was applied to another.
    pub(super) fn mark(&self, found: &Match) -> usize {
        let fault = AppliedFault {
            fault: found.rule.rule.id.clone(),
            action: found.action().kind().to_owned(),
            at: self.wire.clock.now(),
            until: None,
        };
        self.write(|raw| {
            raw.faults.push(fault);
            raw.faults.len() - 1
        })
        .unwrap_or_default()
    }

    /// A fault that held it up lets it go.
    pub(super) fn let_go(&self, application: usize) {
        let now = self.wire.clock.now();
        self.write(|raw| {
            if let Some(fault) = raw.faults.get_mut(application) {
                fault.until = Some(now);
            }
        });
    }

    /// It goes out to the subscriber's exchange.
    pub(super) fn reach(&self, instance: Option<InstanceId>) {
        let started = self.wire.clock.now();
        self.write(|raw| {
            raw.response = None;
            raw.provider = Some(RawProvider {
                instance,
                started,
                ended: None,
                response: None,
                outcome: Outcome::InFlight,
            });
        });
    }

    /// The broker had no queue for it; it will be tried again.
    pub(super) fn is_unbound(&self) {
        let response = RawResponse::of(UNBOUND, &HeaderMap::new(), self.wire.clock.now());
        self.write(|raw| {
            raw.provider = None;
            raw.response = Some(response);
        });
    }

    /// The broker has it for the subscriber.
    pub(super) fn delivered(&self) {
        self.answered(DELIVERED, true);
    }

    /// It is not for this subscriber.
    pub(super) fn unwanted(&self) {
        self.answered(UNBOUND, false);
    }

    /// It goes no further, and its publisher is not told.
    pub(super) fn dropped(&self) {
        self.answered(DELIVERED, false);
    }

    fn answered(&self, status: StatusCode, reached: bool) {
        let now = self.wire.clock.now();
        let mut response = RawResponse::of(status, &HeaderMap::new(), now);
        response.last_byte = Some(now);
        self.write(|raw| {
            match &mut raw.provider {
                Some(provider) if reached => {
                    provider.ended = Some(now);
                    provider.outcome = Outcome::Answered;
                    provider.response = Some(response.clone());
                }
                provider => *provider = None,
            }
            raw.response = Some(response);
            raw.ended = Some(now);
            raw.outcome = Outcome::Answered;
        });
    }

    /// The tap ended first. Whether the subscriber has it cannot be known; the broker gives it out again.
    pub(super) fn given_back(&self) {
        let now = self.wire.clock.now();
        self.write(|raw| {
            raw.ended = Some(now);
            raw.outcome = Outcome::Reset;
            if let Some(provider) = &mut raw.provider {
                provider.ended = Some(now);
                provider.outcome = Outcome::Reset;
            }
        });
    }

    fn write<R>(&self, change: impl FnOnce(&mut Raw) -> R) -> Option<R> {
        self.wire.log.write(&self.entry, change)
    }
}
