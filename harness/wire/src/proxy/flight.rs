//! An exchange in flight: writes into the log what happens to it, and says how it ended even when nobody is left to
//! say so, because hyper simply drops the work of a consumer that has left.

use std::sync::Arc;

use http::HeaderMap;
use http::response::Parts;
use seaworthy_core::exchange::{AppliedFault, Outcome};
use seaworthy_core::ids::{FaultId, InstanceId};
use seaworthy_core::time::{Nanos, RunClock};

use super::connection::Connection;
use crate::fault::Match;
use crate::log::record::{Capture, Raw, RawProvider, RawResponse};
use crate::log::{Entry, ExchangeLog};

/// The guard of one exchange.
pub(crate) struct Flight {
    log: ExchangeLog,
    clock: RunClock,
    entry: Arc<Entry>,
    connection: Arc<Connection>,
    over: bool,
}

impl Flight {
    pub(crate) fn new(
        log: ExchangeLog,
        clock: RunClock,
        entry: Arc<Entry>,
        connection: Arc<Connection>,
    ) -> Self {
        Self { log, clock, entry, connection, over: false }
    }

    /// A capture for a body of this exchange.
    pub(crate) fn capture(&self) -> Capture {
        self.log.capture()
    }

    /// The consumer's connection.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Where the request's body reports to.
    pub(crate) fn request_recorder(&self) -> RequestRecorder {
        RequestRecorder { log: self.log.clone(), entry: Arc::clone(&self.entry) }
    }

    /// A fault is applied; the result names this application for [`Flight::let_go`].
    pub(crate) fn apply(&self, found: &Match) -> usize {
        found.rule.fire();
        let at = self.clock.now();
        let fault = applied(&found.rule.rule.id, found.action().kind(), at);
        self.write(|raw| {
            raw.faults.push(fault);
            raw.faults.len() - 1
        })
        .unwrap_or_default()
    }

    /// A fault that held the exchange up lets it go.
    pub(crate) fn let_go(&self, application: usize) {
        let now = self.clock.now();
        self.write(|raw| {
            if let Some(fault) = raw.faults.get_mut(application) {
                fault.until = Some(now);
            }
        });
    }

    /// The request goes out to the provider.
    pub(crate) fn reach(&self, instance: Option<InstanceId>) {
        let started = self.clock.now();
        self.write(|raw| {
            raw.provider = Some(RawProvider {
                instance,
                started,
                ended: None,
                response: None,
                outcome: Outcome::InFlight,
            });
        });
    }

    /// It did not after all: the connection turned out to be closed before anything was sent.
    pub(crate) fn unreach(&self) {
        self.write(|raw| raw.provider = None);
    }

    /// The provider's response head came.
    pub(crate) fn provider_head(&self, head: &Parts) {
        let response = RawResponse::of(head.status, &head.headers, self.clock.now());
        self.write(|raw| {
            if let Some(provider) = &mut raw.provider {
                provider.response = Some(response);
            }
        });
    }

    /// The provider's head came and goes on to the consumer as it is: both steps as one change.
    pub(crate) fn head_passes(&self, head: &Parts) {
        let response = RawResponse::of(head.status, &head.headers, self.clock.now());
        self.write(|raw| {
            raw.response = Some(response.clone());
            if let Some(provider) = &mut raw.provider {
                provider.response = Some(response);
            }
        });
    }

    /// The head that the provider gave earlier goes on to the consumer now.
    pub(crate) fn consumer_head_is_providers(&self) {
        let now = self.clock.now();
        self.write(|raw| {
            raw.response = raw.provider.as_ref().and_then(|provider| provider.response.clone());
            if let Some(response) = &mut raw.response {
                response.first_byte = now;
            }
        });
    }

    /// A head of our own goes to the consumer.
    pub(crate) fn consumer_head(&self, head: &Parts) {
        let response = RawResponse::of(head.status, &head.headers, self.clock.now());
        self.write(|raw| raw.response = Some(response));
    }

    /// The provider's side is over.
    pub(crate) fn provider_over(&self, outcome: Outcome, body: &Arc<Capture>, trailers: Option<&HeaderMap>) {
        let now = self.clock.now();
        self.write(|raw| end_provider(raw, outcome, now, Some((body, trailers))));
    }

    /// The consumer's side is over, and with it the exchange.
    pub(crate) fn consumer_over(
        mut self,
        outcome: Outcome,
        body: &Arc<Capture>,
        trailers: Option<&HeaderMap>,
    ) {
        let now = self.clock.now();
        self.over = true;
        self.log.keep(body);
        self.write(|raw| end_consumer(raw, outcome, now, Some((body, trailers))));
    }

    /// Both sides are over, and saw the same.
    pub(crate) fn both_over(mut self, outcome: Outcome, body: &Arc<Capture>, trailers: Option<&HeaderMap>) {
        let now = self.clock.now();
        self.over = true;
        self.log.keep(body);
        self.write(|raw| {
            end_provider(raw, outcome, now, Some((body, trailers)));
            end_consumer(raw, outcome, now, Some((body, trailers)));
        });
    }

    /// It ends without a response.
    pub(crate) fn fail(mut self, provider: Outcome, consumer: Outcome) {
        let now = self.clock.now();
        self.over = true;
        self.write(|raw| {
            end_provider(raw, provider, now, None);
            end_consumer(raw, consumer, now, None);
        });
    }

    /// Writes bodies down as far as they came, for an exchange that is about to be dropped.
    pub(crate) fn bodies_so_far(&self, provider: &Arc<Capture>, consumer: &Arc<Capture>) {
        self.write(|raw| {
            if let Some(side) = &mut raw.provider
                && side.ended.is_none()
                && let Some(response) = &mut side.response
            {
                response.body = Arc::clone(provider);
            }
            if let Some(response) = &mut raw.response {
                response.body = Arc::clone(consumer);
            }
        });
    }

    /// The bytes switch to another protocol.
    pub(crate) fn is_upgraded(&self) {
        self.write(|raw| raw.asked.protocol = seaworthy_core::exchange::Protocol::Upgraded);
    }

    fn write<R>(&self, change: impl FnOnce(&mut Raw) -> R) -> Option<R> {
        self.log.write(&self.entry, change)
    }
}

/// Dropped before it was over: the consumer left, or we cut its connection.
impl Drop for Flight {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let now = self.clock.now();
        let cut = self.connection.cut();
        self.write(|raw| {
            if let Some(fault) = &cut {
                raw.faults.extend(fault.by.as_ref().map(|id| applied(id, "refuse", fault.at)));
            }
            end_provider(raw, Outcome::Cancelled, now, None);
            let outcome = if cut.is_some() { Outcome::Reset } else { Outcome::Cancelled };
            end_consumer(raw, outcome, now, None);
        });
    }
}

fn applied(fault: &FaultId, action: &str, at: Nanos) -> AppliedFault {
    AppliedFault { fault: fault.clone(), action: action.to_owned(), at, until: None }
}

type Rest<'r> = Option<(&'r Arc<Capture>, Option<&'r HeaderMap>)>;

fn end_provider(raw: &mut Raw, outcome: Outcome, now: Nanos, rest: Rest<'_>) {
    let Some(provider) = &mut raw.provider else { return };
    if provider.ended.is_some() {
        return;
    }
    provider.ended = Some(now);
    provider.outcome = outcome;
    if let (Some(response), Some((body, trailers))) = (&mut provider.response, rest) {
        response.end(body, trailers, (outcome == Outcome::Answered).then_some(now));
    }
}

fn end_consumer(raw: &mut Raw, outcome: Outcome, now: Nanos, rest: Rest<'_>) {
    raw.ended = Some(now);
    raw.outcome = outcome;
    if let (Some(response), Some((body, trailers))) = (&mut raw.response, rest) {
        response.end(body, trailers, (outcome == Outcome::Answered).then_some(now));
    }
}

/// Writes down the request's body, which may go on after the response has ended.
pub(crate) struct RequestRecorder {
    log: ExchangeLog,
    entry: Arc<Entry>,
}

impl RequestRecorder {
    pub(crate) fn record(&self, body: Capture) {
        self.log.keep(&body);
        self.log.write(&self.entry, |raw| raw.request_body = Some(body));
    }
}
