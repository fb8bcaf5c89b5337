//! How many messages a second a tap carries, against a broker that is given by its URL:
//!
//! ```sh
//! cargo run --release -p seaworthy-wire --features amqp --example carrying -- amqp://guest:guest@127.0.0.1/%2f
//! ```
//!
//! One publisher sends as fast as it can, one subscriber takes. First without a tap, the publisher's exchange bound
//! straight to the subscriber's, then through the tap.

#![allow(clippy::print_stdout, reason = "it is what an example is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use seaworthy_core::context::TraceParent;
use seaworthy_core::ids::{EdgeId, ServiceName};
use seaworthy_core::time::RunClock;
use seaworthy_wire::broker::{TapConfig, exchange_in, exchange_out};
use seaworthy_wire::{Wire, WireConfig};

const MESSAGES: usize = 50_000;
const BODY: usize = 300;

type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), AnyError> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let (orders, mail) = (ServiceName::from("orders"), ServiceName::from("mail"));

    let straight = format!("straight-{}", std::process::id());
    let channel = connection.create_channel().await?;
    let (into, out) = (exchange_in(&straight, &orders), exchange_out(&straight, &mail));
    for exchange in [&into, &out] {
        let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, options, FieldTable::default())
            .await?;
    }
    let (all, options) = ("#".into(), ExchangeBindOptions::default());
    channel
        .exchange_bind(out.as_str().into(), into.as_str().into(), all, options, FieldTable::default())
        .await?;
    say("without a tap", measure(&connection, &into, &out).await?);

    let tapped = format!("tapped-{}", std::process::id());
    let wire = Wire::new(RunClock::start(), WireConfig::default());
    let routes = vec![(orders.clone(), mail.clone(), EdgeId::new("orders", "mail"))];
    let tap = wire.tap(TapConfig::new(&*tapped, url, routes)).await?;
    let (into, out) = (exchange_in(&tapped, &orders), exchange_out(&tapped, &mail));
    say("through a tap", measure(&connection, &into, &out).await?);
    tap.close().await;
    println!("{} exchanges recorded", wire.log().len());
    for exchange in [into, out] {
        channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    }
    let queue = format!("seaworthy.{tapped}.carry.orders");
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    Ok(())
}

fn say(how: &str, took: Duration) {
    println!("{how}: {:.0} messages a second", MESSAGES as f64 / took.as_secs_f64());
}

/// From the first message sent to the last one taken.
async fn measure(connection: &Connection, into: &str, out: &str) -> Result<Duration, AnyError> {
    let takes = connection.create_channel().await?;
    let queue = takes
        .queue_declare(
            "".into(),
            QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() },
            FieldTable::default(),
        )
        .await?;
    let bind = QueueBindOptions::default();
    takes.queue_bind(queue.name().clone(), out.into(), "#".into(), bind, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut taken =
        takes.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default()).await?;
    let sends = connection.create_channel().await?;
    let into = into.to_owned();
    let started = Instant::now();
    let sending = tokio::spawn(async move { send(&sends, &into).await });
    for _ in 0..MESSAGES {
        tokio::time::timeout(Duration::from_secs(60), taken.next()).await?.ok_or("the broker is gone")??;
    }
    let took = started.elapsed();
    sending.await??;
    Ok(took)
}

async fn send(channel: &Channel, exchange: &str) -> Result<(), lapin::Error> {
    let body = vec![b'x'; BODY];
    for number in 0..MESSAGES {
        let mut headers = FieldTable::default();
        let traceparent = TraceParent::random().to_string();
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
        headers.insert("ce-subject".into(), AMQPValue::LongString(number.to_string().into()));
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        let options = BasicPublishOptions::default();
        channel.basic_publish(exchange.into(), "order.placed".into(), options, &body, properties).await?;
    }
    Ok(())
}
