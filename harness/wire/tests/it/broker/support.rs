//! A wire with a tap, somebody who publishes and somebody who subscribes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use seaworthy_core::context::TraceParent;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule};
use seaworthy_core::ids::{EdgeId, ServiceName, TraceId};
use seaworthy_core::time::RunClock;
use seaworthy_wire::broker::{Tap, TapConfig, exchange_in, exchange_out};
use seaworthy_wire::{FaultLease, Wire, WireConfig};

use super::rabbit::Rabbit;
use crate::support::within;

/// Part of a name that nobody else has.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{now:x}-{:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// `orders` publishes; `mail`, and whoever else is named, subscribes.
pub(crate) struct Stage {
    pub(crate) rabbit: Rabbit,
    pub(crate) wire: Wire,
    pub(crate) tap: Tap,
    pub(crate) config: TapConfig,
    pub(crate) channel: Channel,
    connection: Connection,
}

/// The service that publishes.
pub(crate) const PUBLISHER: &str = "orders";

impl Stage {
    /// Everybody in place; the subscribers have not come yet. `None` when RabbitMQ is left out.
    pub(crate) async fn open(subscribers: &[&str]) -> Option<Self> {
        Some(Self::on(Rabbit::shared().await?, subscribers).await)
    }

    pub(crate) async fn on(rabbit: Rabbit, subscribers: &[&str]) -> Self {
        let config = config(&rabbit.url(), subscribers);
        Self::with(rabbit, config).await
    }

    pub(crate) async fn with(rabbit: Rabbit, config: TapConfig) -> Self {
        let wire = Wire::new(RunClock::start(), WireConfig::default());
        let tap = within(wire.tap(config.clone())).await.unwrap();
        let (connection, channel) = connect(&rabbit).await;
        Self { rabbit, wire, tap, config, channel, connection }
    }

    /// With a new connection of the test's own, after the broker was away.
    pub(crate) async fn connect_again(self) -> Self {
        self.rabbit.answers().await;
        let (connection, channel) = connect(&self.rabbit).await;
        Self { connection, channel, ..self }
    }

    /// Publishes, and waits until the broker has it.
    pub(crate) async fn publish(&self, key: &str, properties: BasicProperties, body: &[u8]) {
        let exchange = exchange_in(&self.config.name, &PUBLISHER.into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let published = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties);
        let confirmation = within(async { published.await.unwrap().await.unwrap() }).await;
        assert!(confirmation.is_ack());
        assert_eq!(confirmation.take_message(), None, "the tap's queue is there");
    }

    /// Publishes a message of a trace.
    pub(crate) async fn say(&self, trace: TraceId, body: &str) {
        self.publish("order.placed", properties(&[("traceparent", &traceparent(trace))]), body.as_bytes())
            .await;
    }

    /// A subscriber with a queue of its own, bound to its exchange.
    pub(crate) async fn subscribe(&self, subscriber: &str, pattern: &str) -> Consumer {
        let queue = self.queue(subscriber);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
        let exchange = exchange_out(&self.config.name, &ServiceName::from(subscriber));
        let options = QueueBindOptions::default();
        self.channel
            .queue_bind(
                queue.as_str().into(),
                exchange.into(),
                pattern.into(),
                options,
                FieldTable::default(),
            )
            .await
            .unwrap();
        self.consume(&queue).await
    }

    pub(crate) fn queue(&self, subscriber: &str) -> String {
        format!("test.{}.{subscriber}", self.config.name)
    }

    pub(crate) async fn consume(&self, queue: &str) -> Consumer {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap()
    }

    pub(crate) fn edge(&self, subscriber: &str) -> EdgeId {
        EdgeId::new(PUBLISHER, subscriber)
    }

    /// A fault on one trace.
    pub(crate) fn fault(&self, trace: TraceId, action: FaultAction) -> FaultLease {
        let matcher = FaultMatcher { trace_id: Some(trace), ..FaultMatcher::default() };
        self.wire.install(FaultRule::new(format!("{}-{trace}", action.kind()), matcher, action)).unwrap()
    }

    /// How many messages the tap has left with the broker.
    pub(crate) async fn left_to_carry(&self) -> u32 {
        let queue = format!("seaworthy.{}.carry.{PUBLISHER}", self.config.name);
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        loop {
            // What a channel has not acknowledged is put back a moment after it has closed.
            let found =
                self.channel.queue_declare(queue.as_str().into(), look, FieldTable::default()).await.unwrap();
            if found.consumer_count() == 0 {
                return found.message_count();
            }
        }
    }

    /// Waits until the tap's queue for dead letters is bound.
    pub(crate) async fn is_watching_dead_letters(&self, service: &str) {
        let queue = format!("seaworthy.{}.dead.{service}", self.config.name);
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        loop {
            let channel = self.connection.create_channel().await.unwrap();
            let found = channel.queue_declare(queue.as_str().into(), look, FieldTable::default()).await;
            // It consumes once it is bound.
            if found.is_ok_and(|found| found.consumer_count() > 0) {
                return;
            }
        }
    }

    /// Waits until this many messages were delivered.
    pub(crate) async fn over_any(&self, count: u64) {
        within(self.wire.log().wait_for(|exchange| exchange.id.0 == count && exchange.is_over())).await;
    }

    /// Waits until the test's own connection to the broker is cut.
    pub(crate) async fn is_cut(&self) {
        let mut events = std::pin::pin!(self.connection.events_listener());
        while self.connection.status().connected() {
            events.next().await;
        }
    }

    /// The exchanges of a trace when this many are over.
    pub(crate) async fn over(&self, trace: TraceId, count: usize) -> Vec<Exchange> {
        let log = self.wire.log();
        let mut changes = log.changes();
        within(async {
            loop {
                changes.mark_unchanged();
                let exchanges = log.of_trace(trace);
                if exchanges.iter().filter(|exchange| exchange.is_over()).count() >= count {
                    return exchanges;
                }
                changes.changed().await.unwrap();
            }
        })
        .await
    }
}

async fn connect(rabbit: &Rabbit) -> (Connection, Channel) {
    let connection = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

pub(crate) fn config(url: &str, subscribers: &[&str]) -> TapConfig {
    let route = |subscriber: &&str| {
        (PUBLISHER.into(), ServiceName::from(*subscriber), EdgeId::new(PUBLISHER, *subscriber))
    };
    TapConfig::new(unique(), url, subscribers.iter().map(route).collect())
}

/// Properties with these headers.
pub(crate) fn properties(headers: &[(&str, &str)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), AMQPValue::LongString((*value).into()));
    }
    BasicProperties::default().with_delivery_mode(2).with_headers(table)
}

pub(crate) fn traceparent(trace: TraceId) -> String {
    TraceParent { trace_id: trace, ..TraceParent::random() }.to_string()
}

/// The next message.
pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    within(consumer.next()).await.unwrap().unwrap()
}

/// The bodies of the next messages, as text.
pub(crate) async fn bodies(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(String::from_utf8_lossy(&next(consumer).await.data).into_owned());
    }
    bodies
}
