//! Subscribers that come late, and messages that are for nobody.

use std::time::Duration;

use seaworthy_core::exchange::Outcome;
use seaworthy_core::ids::TraceId;

use super::rabbit::Rabbit;
use super::support::*;
use crate::support::within;

#[tokio::test]
async fn what_no_queue_is_bound_for_is_kept_in_order_until_one_is() {
    let Some(stage) = Stage::open(&["mail", "stock"]).await else { return };
    let mut stock = stage.subscribe("stock", "#").await;
    let trace = TraceId::random();
    let sent: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for body in &sent {
        stage.say(trace, body).await;
    }
    assert_eq!(bodies(&mut stock, 20).await, sent, "a subscriber that is there does not wait for another");
    let log = stage.wire.log();
    let waiting = within(log.wait_for(|exchange| {
        exchange.edge == stage.edge("mail")
            && exchange.response.as_ref().is_some_and(|answer| answer.status == 404)
    }))
    .await;
    assert_eq!(
        (waiting.outcome, waiting.ended, waiting.reached_provider()),
        (Outcome::InFlight, None, false)
    );
    let mut mail = stage.subscribe("mail", "order.*").await;
    assert_eq!(bodies(&mut mail, 20).await, sent);
    for exchange in stage.over(trace, 40).await {
        assert_eq!((exchange.response.unwrap().status, exchange.outcome), (202, Outcome::Answered));
        assert!(exchange.provider.is_some());
    }
}

#[tokio::test]
async fn what_a_subscriber_has_no_binding_for_is_not_for_it() {
    let Some(rabbit) = Rabbit::shared().await else { return };
    let mut config = config(&rabbit.url(), &["mail"]);
    config.binding_time = Duration::ZERO;
    let stage = Stage::with(rabbit, config).await;
    let mut mail = stage.subscribe("mail", "order.placed").await;
    let (trace, other) = (TraceId::random(), TraceId::random());
    stage.say(trace, "for mail").await;
    assert_eq!(bodies(&mut mail, 1).await, ["for mail"]);
    stage.over(trace, 1).await;
    // The same words under different keys: what comes back must be told apart from what does not.
    let traceparent = traceparent(other);
    for number in 0..50 {
        let key = if number % 3 == 0 { "order.placed" } else { "order.lost" };
        stage.publish(key, properties(&[("traceparent", &traceparent)]), b"same").await;
    }
    assert_eq!(bodies(&mut mail, 17).await, vec!["same"; 17]);
    for exchange in stage.over(other, 50).await {
        let (status, reached) = (exchange.response.as_ref().unwrap().status, exchange.reached_provider());
        let expected = if exchange.path == "/order.placed" { (202, true) } else { (404, false) };
        assert_eq!((status, reached), expected);
    }
    stage.tap.close().await;
    let left = within(stage.left_to_carry()).await;
    assert_eq!(left, 0, "what is for nobody is settled");
}

#[tokio::test]
async fn a_subscriber_that_is_ready_and_has_no_binding_wants_nothing() {
    let Some(rabbit) = Rabbit::shared().await else { return };
    let mut config = config(&rabbit.url(), &["mail", "stock"]);
    config.binding_time = Duration::ZERO;
    let stage = Stage::with(rabbit, config).await;
    let mut stock = stage.subscribe("stock", "#").await;
    let trace = TraceId::random();
    for body in ["1", "2", "3"] {
        stage.say(trace, body).await;
    }
    assert_eq!(bodies(&mut stock, 3).await, ["1", "2", "3"]);
    stage.over(trace, 3).await;
    stage.tap.subscriber_is_ready(&"mail".into());
    for exchange in stage.over(trace, 6).await {
        let expected = if exchange.edge == stage.edge("mail") { 404 } else { 202 };
        assert_eq!(exchange.response.unwrap().status, expected);
    }
    stage.tap.close().await;
    assert_eq!(within(stage.left_to_carry()).await, 0);
}
