//! Nothing is lost when the tap, its connection or the broker dies.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use lapin::Consumer;
use seaworthy_core::exchange::{Outcome, header};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::ids::{EdgeId, TraceId};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::{HumanDuration, RunClock};
use seaworthy_wire::{Upstream, Wire, WireConfig};

use super::rabbit::Rabbit;
use super::support::*;
use crate::support::within;

/// Takes messages until each of these has come at least once.
async fn all_of(consumer: &mut Consumer, mut missing: BTreeSet<String>) {
    let all = async {
        while !missing.is_empty() {
            let delivery = consumer.next().await.unwrap().unwrap();
            missing.remove(&String::from_utf8(delivery.data).unwrap());
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("some never came");
}

fn numbers(count: usize) -> BTreeSet<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_connection_that_is_cut_in_mid_stream_costs_no_message() {
    let Some(rabbit) = Rabbit::shared().await else { return };
    // The tap reaches the broker over an edge of its own.
    let line = Wire::new(RunClock::start(), WireConfig::default());
    let edge = EdgeId::new("tap", "rabbit");
    let proxy = line.open(edge.clone(), PortProtocol::Tcp).await.unwrap();
    let address = ([127, 0, 0, 1], rabbit.port).into();
    line.set_upstream(&edge, Some(Upstream { address, instance: None }));
    let config =
        config(&rabbit.url().replace(&rabbit.port.to_string(), &proxy.port().to_string()), &["mail"]);
    let stage = Stage::with(rabbit, config).await;
    let mut mail = stage.subscribe("mail", "#").await;
    let trace = TraceId::random();
    for number in 0..900 {
        stage.say(trace, &number.to_string()).await;
        if number % 300 == 100 {
            let matcher = FaultMatcher { edge: Some(edge.clone()), ..FaultMatcher::default() };
            let cut = line.install(FaultRule::new("cut", matcher, FaultAction::Refuse)).unwrap();
            within(cut.first_fired()).await;
        }
    }
    all_of(&mut mail, numbers(900)).await;
    assert!(line.traffic(&edge).unwrap().cut >= 3);
    let exchanges = stage.over(trace, 900).await;
    let given_back = exchanges.iter().filter(|exchange| exchange.outcome == Outcome::Reset);
    let again =
        exchanges.iter().filter(|exchange| header(&exchange.request.headers, "redelivered").is_some());
    assert!(given_back.count() <= again.count(), "what was given back was given out again");
}

#[tokio::test]
async fn the_next_tap_carries_what_one_that_died_has_left() {
    let Some(stage) = Stage::open(&["mail", "stock"]).await else { return };
    let (mut mail, mut stock) = (stage.subscribe("mail", "#").await, stage.subscribe("stock", "#").await);
    let trace = TraceId::random();
    // One of two ways is held, so that no message is done with.
    let matcher = FaultMatcher { edge: Some(stage.edge("stock")), ..FaultMatcher::default() };
    let hold = FaultRule::new("hold", matcher, FaultAction::Hold { when: When::Before });
    let hold = stage.wire.install(hold).unwrap();
    for number in 0..50 {
        stage.say(trace, &number.to_string()).await;
    }
    all_of(&mut mail, numbers(50)).await;
    let Stage { wire, tap, config, .. } = &stage;
    within(tap.close()).await;
    let held: Vec<_> =
        wire.log().snapshot().into_iter().filter(|one| one.edge == stage.edge("stock")).collect();
    assert!(held.iter().all(|exchange| exchange.outcome == Outcome::Reset && !exchange.reached_provider()));
    hold.remove();
    let next_wire = Wire::new(RunClock::start(), WireConfig::default());
    let _next_tap = within(next_wire.tap(config.clone())).await.unwrap();
    all_of(&mut stock, numbers(50)).await;
    all_of(&mut mail, numbers(50)).await;
    let again = next_wire.log().snapshot();
    assert!(again.iter().all(|exchange| header(&exchange.request.headers, "redelivered") == Some("true")));
}

#[tokio::test]
async fn a_tap_that_is_closed_carries_nothing_and_can_be_opened_again() {
    let Some(stage) = Stage::open(&["mail"]).await else { return };
    let mut mail = stage.subscribe("mail", "#").await;
    within(stage.tap.close()).await;
    stage.say(TraceId::random(), "later").await;
    assert_eq!(within(stage.left_to_carry()).await, 1);
    let tap = within(stage.wire.tap(stage.config.clone())).await.unwrap();
    assert_eq!(bodies(&mut mail, 1).await, ["later"]);
    within(stage.wire.close()).await;
    within(tap.close()).await;
    assert!(stage.wire.log().snapshot().iter().all(seaworthy_core::exchange::Exchange::is_over));
}

#[tokio::test]
async fn what_was_published_before_a_tap_closes_is_carried() {
    let Some(rabbit) = Rabbit::shared().await else { return };
    // The broker gives out one at a time, and each takes a while.
    let mut config = config(&rabbit.url(), &["mail"]);
    config.prefetch = 1;
    let stage = Stage::with(rabbit, config).await;
    let mut mail = stage.subscribe("mail", "#").await;
    let trace = TraceId::random();
    let delay = FaultAction::Delay { by: HumanDuration::millis(20), jitter: HumanDuration::millis(0) };
    let _delay = stage.fault(trace, delay);
    for number in 0..10 {
        stage.say(trace, &number.to_string()).await;
    }
    within(stage.tap.close()).await;
    assert_eq!(within(stage.left_to_carry()).await, 0);
    all_of(&mut mail, numbers(10)).await;
    assert!(stage.wire.log().of_trace(trace).iter().all(|exchange| exchange.outcome == Outcome::Answered));
}

#[tokio::test]
async fn a_broker_that_restarts_finds_its_tap_again() {
    let Some(rabbit) = Rabbit::own().await else { return };
    let stage = Stage::on(rabbit, &["mail"]).await;
    drop(stage.subscribe("mail", "#").await);
    stage.say(TraceId::random(), "before").await;
    stage.over_any(1).await;
    stage.rabbit.restart();
    within(stage.is_cut()).await;
    let again = stage.connect_again().await;
    again.say(TraceId::random(), "after").await;
    let mut mail = again.consume(&again.queue("mail")).await;
    all_of(&mut mail, ["before".to_owned(), "after".to_owned()].into()).await;
}
