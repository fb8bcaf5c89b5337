//! Carries what one publisher publishes to its subscribers: one task, one channel, all state in one place.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Channel, Confirmation, Consumer};
use seaworthy_core::ids::EdgeId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bindings::{self, Bindings};
use super::lanes::Lanes;
use super::message::Message;
use super::parcel::{Faults, Parcel, wait};
use super::record::Record;
use super::returns::{Confirmed, Fate, GivenBack, Outstanding};
use crate::proxy::pool::Pool;
use crate::wire::Carrying;

/// How long the confirmations of what is out are waited for when the tap closes.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often it is looked whether all is carried when the tap closes.
const LOOK: Duration = Duration::from_millis(10);

/// When carriers end.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// When nothing is left to carry.
    pub(super) ending: CancellationToken,
    /// Whatever is left.
    pub(super) stop: CancellationToken,
}

/// Since when a subscriber is ready, once that is known.
pub(super) type Readiness = Arc<OnceLock<Instant>>;

/// The way from the publisher to one subscriber.
pub(super) struct Route {
    edge: EdgeId,
    /// The subscriber's exchange.
    exchange: ShortString,
    /// Knows the subscriber's instance.
    end: Arc<Pool>,
    lanes: Lanes,
    bindings: Bindings,
    ready: Readiness,
    /// Messages that wait until this many later ones are delivered.
    left_behind: Vec<(u64, u32)>,
    /// How many went out, or wait for a binding.
    places: u64,
}

impl Route {
    pub(super) fn new(
        edge: EdgeId,
        exchange: ShortString,
        end: Arc<Pool>,
        ready: Readiness,
        binding_time: Duration,
    ) -> Self {
        Self {
            ready,
            edge,
            exchange,
            end,
            lanes: Lanes::default(),
            bindings: Bindings::new(binding_time),
            left_behind: Vec::new(),
            places: 0,
        }
    }
}

/// A message that the broker gave out, until all of its ways are settled.
struct Letter {
    acker: Acker,
    open: usize,
}

/// Why a parcel may go on.
enum Woken {
    /// Its delays, stalls and holds are over.
    Waited(u64),
    /// The rule that left it behind has ended.
    LeftBehind(u64),
}

/// The carrier of one publisher's messages, for as long as one connection lasts.
pub(super) struct Carrier {
    wire: Arc<Carrying>,
    channel: Channel,
    /// Where what the publisher published waits.
    queue: ShortString,
    /// As whom we are connected.
    user: String,
    /// How many messages the broker gives out before some are settled.
    prefetch: usize,
    is_stuck: bool,
    routes: Vec<Route>,
    letters: HashMap<u64, Letter>,
    parcels: BTreeMap<u64, Parcel>,
    next_id: u64,
    out: FuturesUnordered<BoxFuture<'static, (u64, lapin::Result<Confirmation>)>>,
    outstanding: Outstanding,
    waiting: FuturesUnordered<BoxFuture<'static, Woken>>,
    /// How a fault that left a parcel behind was written down.
    applications: HashMap<u64, usize>,
}

impl Carrier {
    pub(super) fn new(
        wire: Arc<Carrying>,
        (channel, queue): (Channel, ShortString),
        user: String,
        prefetch: u16,
        routes: Vec<Route>,
    ) -> Self {
        Self {
            wire,
            channel,
            queue,
            user,
            prefetch: usize::from(prefetch),
            is_stuck: false,
            routes,
            letters: HashMap::new(),
            parcels: BTreeMap::new(),
            next_id: 0,
            out: FuturesUnordered::new(),
            outstanding: Outstanding::default(),
            waiting: FuturesUnordered::new(),
            applications: HashMap::new(),
        }
    }

    /// Carries until the end, or until the connection is lost.
    pub(super) async fn run(mut self, mut consumer: Consumer, end: End) -> lapin::Result<()> {
        loop {
            let is_last = end.ending.is_cancelled() && self.letters.is_empty();
            let next_try = self.routes.iter().filter_map(|route| route.bindings.next_try()).min();
            tokio::select! {
                biased;
                () = end.stop.cancelled() => break,
                confirmed = all_ready(&mut self.out), if !self.out.is_empty() => self.confirmed(confirmed)?,
                Some(woken) = self.waiting.next(), if !self.waiting.is_empty() => self.wake(woken),
                () = sleep_until(next_try), if next_try.is_some() => self.try_again(),
                delivery = consumer.next() => match delivery {
                    Some(delivery) => self.arrive(delivery?),
                    // The broker has cancelled it, because the queue was deleted for one.
                    None => return Ok(()),
                },
                () = end.ending.cancelled(), if !end.ending.is_cancelled() => {}
                emptied = emptied(&self.channel, &self.queue), if is_last => {
                    emptied?;
                    // The broker answers on the channel on which it gives out, after all that it gave out before.
                    match consumer.next().now_or_never().flatten() {
                        Some(delivery) => self.arrive(delivery?),
                        None => return Ok(()),
                    }
                }
            }
        }
        let farewell = async {
            while !self.out.is_empty() {
                let confirmed = all_ready(&mut self.out).await;
                self.confirmed(confirmed)?;
            }
            Ok(())
        };
        tokio::time::timeout(FAREWELL, farewell).await.unwrap_or(Ok(()))
    }

    /// A message has come from the publisher.
    fn arrive(&mut self, delivery: Delivery) {
        let Delivery { delivery_tag: tag, routing_key, redelivered, properties, data, acker, .. } = delivery;
        let (properties, has_lost_user) = super::message::sendable(properties, &self.user);
        if has_lost_user {
            self.wire.log.lost(
                "message properties",
                "only the broker's own user may be named by `user-id`",
                false,
            );
        }
        let correlation = &self.wire.config.correlation_headers;
        let message = Arc::new(Message::read(routing_key, properties, data, redelivered, correlation));
        let subject = message.subject();
        self.letters.insert(tag, Letter { acker, open: 0 });
        let mut ready = Vec::new();
        for route in 0..self.routes.len() {
            let Some(Route { edge, lanes, .. }) = self.routes.get_mut(route) else { continue };
            let faults = match self.wire.faults.is_empty() {
                true => Faults::default(),
                false => Faults::of(self.wire.faults.for_message(&message.facts(edge))),
            };
            let record = Record::begin(&self.wire, edge, &message);
            // What is to be overtaken has no ties to others of its subject.
            let subject = subject.as_deref().filter(|_| faults.reorder.is_none());
            let id = self.next_id;
            if lanes.enter(id, subject, faults.waits.is_empty()) {
                ready.push(id);
            }
            self.add(route, tag, &message, record, faults);
            self.hold_up(id);
        }
        if self.routes.is_empty() {
            self.settle_letter(tag);
        }
        for id in ready {
            self.go_on(id);
        }
        self.notice_standstill();
    }

    /// When all that the broker gives out at once is held up, nothing more can come until some of it goes.
    fn notice_standstill(&mut self) {
        let is_stuck = self.letters.len() >= self.prefetch && self.out.is_empty();
        if is_stuck && !self.is_stuck {
            let why = "as many of one publisher are held up as may be; later ones wait with the broker";
            self.wire.log.lost("messages", why, true);
        }
        self.is_stuck = is_stuck;
    }

    fn add(&mut self, route: usize, tag: u64, message: &Arc<Message>, record: Record, faults: Faults) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let parcel = Parcel {
            route,
            tag,
            message: Arc::clone(message),
            record,
            faults,
            is_poisoned: false,
            place: 0,
            is_settled: false,
        };
        self.parcels.insert(id, parcel);
        if let Some(letter) = self.letters.get_mut(&tag) {
            letter.open += 1;
        }
        id
    }

    /// Starts the waits of a parcel that has any.
    fn hold_up(&mut self, id: u64) {
        let Some(parcel) = self.parcels.get_mut(&id) else { return };
        let waits = std::mem::take(&mut parcel.faults.waits);
        if !waits.is_empty() {
            let waited = wait(parcel.record.clone(), waits);
            self.waiting.push(Box::pin(async move {
                waited.await;
                Woken::Waited(id)
            }));
        }
    }

    fn wake(&mut self, woken: Woken) {
        match woken {
            Woken::Waited(id) => {
                let Some(route) = self.parcels.get(&id).and_then(|parcel| self.routes.get_mut(parcel.route))
                else {
                    return;
                };
                for id in route.lanes.ready(id) {
                    self.go_on(id);
                }
            }
            Woken::LeftBehind(id) => self.catch_up(id),
        }
    }

    /// A parcel has had its waits: it goes out, unless it is to be overtaken.
    fn go_on(&mut self, id: u64) {
        let Some(parcel) = self.parcels.get_mut(&id) else { return };
        let Some((found, behind)) = parcel.faults.reorder.take() else { return self.go(id) };
        self.applications.insert(id, parcel.record.apply(&found));
        if let Some(route) = self.routes.get_mut(parcel.route) {
            route.left_behind.push((id, behind));
        }
        self.waiting.push(Box::pin(async move {
            found.rule.ended().await;
            Woken::LeftBehind(id)
        }));
    }

    /// One that was left behind goes out after all, if it has not.
    fn catch_up(&mut self, id: u64) {
        let Some(application) = self.applications.remove(&id) else { return };
        let Some(parcel) = self.parcels.get(&id) else { return };
        parcel.record.let_go(application);
        if let Some(route) = self.routes.get_mut(parcel.route) {
            route.left_behind.retain(|(waiting, _)| *waiting != id);
        }
        self.go(id);
    }

    /// Nothing holds a parcel up any more: it is dropped, or poisoned, duplicated and sent.
    fn go(&mut self, id: u64) {
        let Some(parcel) = self.parcels.get_mut(&id) else { return };
        let faults = std::mem::take(&mut parcel.faults);
        if let Some(found) = faults.drop {
            parcel.record.apply(&found);
            parcel.record.dropped();
            return self.settle(id);
        }
        let poison = faults.poison.inspect(|found| {
            parcel.record.apply(found);
        });
        parcel.is_poisoned = poison.is_some();
        let (route, tag, message) = (parcel.route, parcel.tag, Arc::clone(&parcel.message));
        self.submit(id);
        for (found, copies) in faults.copies {
            found.rule.fire();
            for _ in 0..copies {
                let Some(Route { edge, .. }) = self.routes.get(route) else { continue };
                let record = Record::begin(&self.wire, edge, &message);
                record.mark(&found);
                poison.as_ref().map(|found| record.mark(found));
                let copy = self.add(route, tag, &message, record, Faults::default());
                if let Some(parcel) = self.parcels.get_mut(&copy) {
                    parcel.is_poisoned = poison.is_some();
                }
                self.submit(copy);
            }
        }
    }

    /// Sends a parcel, if its subscriber can be thought to be bound for it.
    fn submit(&mut self, id: u64) {
        let Some(parcel) = self.parcels.get_mut(&id) else { return };
        let Some(route) = self.routes.get_mut(parcel.route) else { return };
        parcel.place = route.places;
        route.places += 1;
        if route.bindings.submit(parcel.place, id, parcel.key().as_str(), Instant::now()) {
            self.send(id);
        } else {
            parcel.record.is_unbound();
        }
    }

    fn send(&mut self, id: u64) {
        let Some(parcel) = self.parcels.get_mut(&id) else { return };
        let Some(route) = self.routes.get(parcel.route) else { return };
        parcel.record.reach(route.end.upstream().and_then(|upstream| upstream.instance));
        let (channel, exchange) = (self.channel.clone(), route.exchange.clone());
        let (message, is_poisoned) = (Arc::clone(&parcel.message), parcel.is_poisoned);
        self.outstanding.send(id, parcel.route, Arc::clone(&message), is_poisoned);
        let mut sending: BoxFuture<'static, _> = Box::pin(async move {
            let body = message.sent_body(is_poisoned);
            let (key, properties) = (message.routing_key.clone(), message.properties.clone());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            channel.basic_publish(exchange, key, options, body, properties).await?.await
        });
        // Its first step puts the message into line, before that of any other.
        let sent = (&mut sending).now_or_never();
        self.out.push(Box::pin(async move {
            match sent {
                Some(sent) => (id, sent),
                None => (id, sending.await),
            }
        }));
    }

    /// The broker has taken what it says, or given it back.
    fn confirmed(&mut self, confirmed: Vec<(u64, lapin::Result<Confirmation>)>) -> lapin::Result<()> {
        let read = |(id, confirmation): (u64, lapin::Result<Confirmation>)| {
            let confirmation = confirmation?;
            let is_ack = !confirmation.is_nack();
            let given_back = confirmation.take_message().map(|message| {
                let Delivery { exchange, routing_key, properties, data, .. } = message.delivery;
                let route = self.routes.iter().position(|route| route.exchange == exchange);
                GivenBack { route, routing_key, properties, body: data }
            });
            Ok(Confirmed { id, is_ack, given_back })
        };
        let confirmed = confirmed.into_iter().map(read).collect::<lapin::Result<_>>()?;
        let now = Instant::now();
        for (id, fate) in self.outstanding.confirm(confirmed) {
            let Some(parcel) = self.parcels.get_mut(&id) else { continue };
            let Some(route) = self.routes.get_mut(parcel.route) else { continue };
            let key = parcel.key().as_str();
            match fate {
                Fate::Refused => {
                    route.bindings.keep(parcel.place, id, key, now);
                    parcel.record.is_unbound();
                }
                Fate::Taken => {
                    parcel.record.delivered();
                    let follow = route.bindings.taken(id, key, now);
                    let overtaken = overtaken(&mut route.left_behind, id);
                    self.settle(id);
                    follow.into_iter().for_each(|id| self.send(id));
                    overtaken.into_iter().for_each(|id| self.catch_up(id));
                }
                Fate::Returned => match route.bindings.returned(parcel.place, id, key, now) {
                    bindings::Returned::Kept => parcel.record.is_unbound(),
                    bindings::Returned::Unwanted => {
                        parcel.record.unwanted();
                        self.settle(id);
                    }
                },
            }
        }
        Ok(())
    }

    /// Tries again what waits for a binding.
    fn try_again(&mut self) {
        let now = Instant::now();
        let tick = |route: &mut Route| {
            if route.ready.get().is_some() {
                // Not since when it was: after a broker's restart it may have to bind again.
                route.bindings.is_ready(now);
            }
            route.bindings.tick(now)
        };
        let due: Vec<u64> = self.routes.iter_mut().flat_map(tick).collect();
        due.into_iter().for_each(|id| self.send(id));
    }

    /// A parcel is where it was to go. When all of a message are, the publisher's side may forget it.
    fn settle(&mut self, id: u64) {
        let Some(mut parcel) = self.parcels.remove(&id) else { return };
        parcel.is_settled = true;
        let Some(letter) = self.letters.get_mut(&parcel.tag) else { return };
        letter.open -= 1;
        if letter.open == 0 {
            self.settle_letter(parcel.tag);
        }
    }

    fn settle_letter(&mut self, tag: u64) {
        if let Some(letter) = self.letters.remove(&tag) {
            // The first step hands it over; should the connection fail then, the message is given out again.
            let _ = letter.acker.ack(BasicAckOptions::default()).now_or_never();
        }
    }
}

/// Counts a delivery for those that wait for later ones: those that have been overtaken by enough of them now.
fn overtaken(left_behind: &mut [(u64, u32)], by: u64) -> Vec<u64> {
    let mut enough = Vec::new();
    for (id, left) in left_behind.iter_mut().filter(|(id, _)| *id < by) {
        *left = left.saturating_sub(1);
        if *left == 0 {
            enough.push(*id);
        }
    }
    enough
}

/// All that is ready, at least one. Everything that was ready when one of them became so is among them, which is what
/// [`Outstanding::confirm`] asks for.
async fn all_ready<S: Stream + Unpin>(stream: &mut S) -> Vec<S::Item> {
    let mut ready = Vec::new();
    let mut misses = 0;
    poll_fn(|context| {
        // It pauses now and then although more is ready, so that one "not yet" says little.
        while misses < 3 {
            match stream.poll_next_unpin(context) {
                Poll::Ready(Some(item)) => ready.push(item),
                Poll::Ready(None) => break,
                Poll::Pending => misses += 1,
            }
        }
        misses = 0;
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    ready
}

/// Waits until the broker has given out all of a queue.
async fn emptied(channel: &Channel, queue: &ShortString) -> lapin::Result<()> {
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    while channel.queue_declare(queue.clone(), look, FieldTable::default()).await?.message_count() > 0 {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn sleep_until(then: Option<Instant>) {
    if let Some(then) = then {
        tokio::time::sleep_until(then).await;
    }
}
