//! Dead letters are seen, and stay where they are.

use lapin::ExchangeKind;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use seaworthy_core::exchange::{Protocol, header};
use seaworthy_core::ids::{EdgeId, TraceId};

use super::support::*;
use crate::support::within;

#[tokio::test]
async fn a_dead_letter_is_an_exchange_and_the_service_keeps_it() {
    let Some(stage) = Stage::open(&["mail"]).await else { return };
    let dead = format!("test.{}.dead", stage.config.name);
    within(stage.tap.watch_dead_letters(&"mail".into(), &dead)).await.unwrap();
    // The service declares its queues only now: dead letters are those that it rejects.
    let (channel, durable) = (&stage.channel, ExchangeDeclareOptions { durable: true, ..Default::default() });
    channel
        .exchange_declare(dead.as_str().into(), ExchangeKind::Fanout, durable, FieldTable::default())
        .await
        .unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(dead.as_str().into()));
    let queue = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(dead.as_str().into(), queue, FieldTable::default()).await.unwrap();
    let bind = QueueBindOptions::default();
    channel
        .queue_bind(dead.as_str().into(), dead.as_str().into(), "".into(), bind, FieldTable::default())
        .await
        .unwrap();
    let work = stage.queue("mail");
    channel.queue_declare(work.as_str().into(), queue, arguments).await.unwrap();
    let out = seaworthy_wire::broker::exchange_out(&stage.config.name, &"mail".into());
    channel
        .queue_bind(work.as_str().into(), out.into(), "#".into(), bind, FieldTable::default())
        .await
        .unwrap();
    let consume = BasicConsumeOptions::default();
    let mut mail =
        channel.basic_consume(work.as_str().into(), "".into(), consume, FieldTable::default()).await.unwrap();
    // The tap has seen the exchange when its own queue is there; `watch_dead_letters` is again asked until then.
    within(stage.is_watching_dead_letters("mail")).await;

    let trace = TraceId::random();
    stage.say(trace, "bad").await;
    next(&mut mail).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let letter =
        within(stage.wire.log().wait_for(|exchange| exchange.edge.provider.as_str() == "dead-letters")).await;
    assert_eq!(
        (letter.edge.clone(), letter.protocol),
        (EdgeId::new("mail", "dead-letters"), Protocol::Message)
    );
    assert_eq!((letter.trace_id(), &*letter.path), (Some(trace), "/order.placed"));
    assert_eq!(letter.request.body.text.as_deref(), Some("bad"));
    let death: serde_json::Value =
        serde_json::from_str(header(&letter.request.headers, "x-death").unwrap()).unwrap();
    assert_eq!((&death[0]["reason"], &death[0]["queue"]), (&"rejected".into(), &work.as_str().into()));
    let letter =
        within(stage.wire.log().wait_for(|exchange| exchange.id == letter.id && exchange.is_over())).await;
    assert_eq!(letter.response.unwrap().status, 202);
    assert_eq!(bodies(&mut stage.consume(&dead).await, 1).await, ["bad"], "the service's own queue has it");
    assert_eq!(stage.tap.dead(), [("mail".into(), 1)].into());
    within(stage.tap.close()).await;
    assert_eq!(stage.wire.log().losses(), []);
}

#[tokio::test]
async fn dead_letters_that_could_not_be_seen_are_a_loss_of_evidence() {
    let Some(stage) = Stage::open(&["mail"]).await else { return };
    within(stage.tap.watch_dead_letters(&"mail".into(), "mail.daed")).await.unwrap();
    assert_eq!(stage.wire.log().losses(), [], "it may still come");
    within(stage.tap.close()).await;
    let losses = stage.wire.log().losses();
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    assert!(loss.harmful && loss.what == "dead letters", "{loss:?}");
    assert!(loss.why.contains("the broker has no exchange `mail.daed`"), "{loss:?}");
}
