//! Names of exchanges and queues, and their declaration, which may be repeated.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use seaworthy_core::ids::ServiceName;

use super::tap::{TapConfig, TapError};
use super::{exchange_in, exchange_out};

/// How long the copies of dead letters are kept by the broker when no tap takes them.
const DEAD_LETTERS_KEPT: Duration = Duration::from_secs(600);

/// A name as AMQP writes it: at most 255 bytes.
pub(super) fn short(name: &str) -> Result<ShortString, TapError> {
    ShortString::try_new(name).map_err(|_| TapError::Name(name.to_owned()))
}

/// The queue that holds what a publisher published until it is carried.
pub(super) fn queue_of(broker: &str, publisher: &ServiceName) -> String {
    format!("seaworthy.{broker}.carry.{publisher}")
}

/// The queue with copies of a service's dead letters.
pub(super) fn dead_queue_of(broker: &str, service: &ServiceName) -> String {
    format!("seaworthy.{broker}.dead.{service}")
}

/// Declares the exchanges of all publishers and subscribers, and a queue for each publisher.
pub(super) async fn declare(channel: &Channel, config: &TapConfig) -> Result<(), TapError> {
    let publishers: BTreeSet<_> = config.routes.iter().map(|(publisher, _, _)| publisher).collect();
    let subscribers: BTreeSet<_> = config.routes.iter().map(|(_, subscriber, _)| subscriber).collect();
    for subscriber in subscribers {
        declare_exchange(channel, &exchange_out(&config.name, subscriber)).await?;
    }
    for publisher in publishers {
        let (exchange, queue) = (exchange_in(&config.name, publisher), queue_of(&config.name, publisher));
        declare_exchange(channel, &exchange).await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(short(&queue)?, durable, FieldTable::default()).await?;
        bind(channel, &queue, &exchange).await?;
    }
    Ok(())
}

async fn declare_exchange(channel: &Channel, exchange: &str) -> Result<(), TapError> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = short(exchange)?;
    Ok(channel.exchange_declare(exchange, ExchangeKind::Topic, durable, FieldTable::default()).await?)
}

/// Binds a queue to everything that comes into an exchange.
async fn bind(channel: &Channel, queue: &str, exchange: &str) -> Result<(), TapError> {
    let options = QueueBindOptions::default();
    Ok(channel
        .queue_bind(short(queue)?, short(exchange)?, "#".into(), options, FieldTable::default())
        .await?)
}

/// Declares the queue for copies of a service's dead letters and binds it to the exchange that they go to. Fails while
/// the service has not declared that exchange; a failed channel is closed by the broker.
pub(super) async fn declare_dead_letters(
    channel: &Channel,
    queue: &str,
    exchange: &str,
) -> Result<(), TapError> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(short(exchange)?, ExchangeKind::Topic, passive, FieldTable::default()).await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    let kept = i32::try_from(DEAD_LETTERS_KEPT.as_millis()).unwrap_or(i32::MAX);
    arguments.insert("x-expires".into(), AMQPValue::LongInt(kept));
    channel.queue_declare(short(queue)?, durable, arguments).await?;
    bind(channel, queue, exchange).await
}
