//! Dead letters: a copy of each, seen and acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::Connection;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use seaworthy_core::ids::{EdgeId, ServiceName};
use tokio::sync::watch;

use super::message::Message;
use super::record::Record;
use super::tap::{Shared, TapError};
use super::topology::{self, short};

/// The provider's name in the edge that stands for a service's dead letters.
const DEAD_LETTERS: &str = "dead-letters";
/// How often it is looked whether the exchange is there by now: at first, and after some 5 s of it.
const LOOK: Duration = Duration::from_millis(25);
const LATE_LOOK: Duration = Duration::from_millis(500);
/// How many copies are fetched at once.
const PREFETCH: u16 = 100;

/// Watches a service's dead letters until the tap stops, over whichever connection there is. If none could ever have been
/// seen, that is written down.
pub(super) async fn watch(
    shared: Arc<Shared>,
    service: ServiceName,
    exchange: String,
    looked: watch::Sender<bool>,
) {
    let edge = EdgeId::new(service.clone(), DEAD_LETTERS);
    let mut connections = shared.connection.subscribe();
    let was_bound = AtomicBool::new(false);
    let work = async {
        let mut pause = LOOK;
        loop {
            let connection = match connections.wait_for(Option::is_some).await {
                Ok(connection) => connection.clone(),
                Err(_) => return,
            };
            if let Some(connection) = connection {
                // It ends when the exchange is not there yet, or when the connection is lost.
                let bound = || {
                    was_bound.store(true, Ordering::Relaxed);
                    looked.send_replace(true);
                };
                let _ = take(&shared, &connection, &service, &edge, &exchange, bound).await;
            }
            looked.send_replace(true);
            tokio::time::sleep(pause).await;
            if !was_bound.load(Ordering::Relaxed) {
                pause = (pause + pause / 10).min(LATE_LOOK);
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shared.end.stop.cancelled() => {}
    }
    if !was_bound.load(Ordering::Relaxed) {
        let why = format!("the broker has no exchange `{exchange}`, where those of `{service}` are to go");
        shared.wire.log.lost("dead letters", &why, true);
    }
}

async fn take(
    shared: &Shared,
    connection: &Connection,
    service: &ServiceName,
    edge: &EdgeId,
    exchange: &str,
    bound: impl Fn(),
) -> Result<(), TapError> {
    let channel = connection.create_channel().await?;
    let queue = topology::dead_queue_of(&shared.config.name, service);
    topology::declare_dead_letters(&channel, &queue, exchange).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let mut letters = channel
        .basic_consume(short(&queue)?, "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    bound();
    while let Some(letter) = letters.next().await {
        let Delivery { routing_key, properties, data, redelivered, acker, .. } = letter?;
        let correlation = &shared.wire.config.correlation_headers;
        let message = Message::read(routing_key, properties, data, redelivered, correlation);
        Record::begin(&shared.wire, edge, &message).delivered();
        *shared.dead().entry(service.clone()).or_default() += 1;
        acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
