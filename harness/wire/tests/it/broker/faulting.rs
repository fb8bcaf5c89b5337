//! Faults on the messages of one trace, which others do not feel.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::Consumer;
use seaworthy_core::exchange::{Exchange, Outcome};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::ids::TraceId;
use seaworthy_core::time::HumanDuration;

use super::rabbit::Rabbit;
use super::support::*;
use crate::support::within;

const FOREVER: HumanDuration = HumanDuration(Duration::from_secs(3600));

/// A subscriber, and a trace that is to be hurt.
async fn scene() -> Option<(Stage, Consumer, TraceId)> {
    let stage = Stage::open(&["mail"]).await?;
    let mail = stage.subscribe("mail", "#").await;
    Some((stage, mail, TraceId::random()))
}

async fn only(stage: &Stage, trace: TraceId) -> Exchange {
    let mut exchanges = stage.over(trace, 1).await;
    assert_eq!(exchanges.len(), 1);
    exchanges.remove(0)
}

#[tokio::test]
async fn what_is_held_delayed_or_stalled_comes_when_its_rule_ends_and_others_go_ahead() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let actions = [
        FaultAction::Hold { when: When::Before },
        FaultAction::Delay { by: FOREVER, jitter: HumanDuration::millis(10) },
        FaultAction::Stall { length: FOREVER, when: When::Before },
    ];
    for (turn, action) in actions.into_iter().enumerate() {
        let lease = stage.fault(trace, action.clone());
        stage.say(trace, "held").await;
        within(lease.first_fired()).await;
        stage.say(TraceId::random(), "other").await;
        assert_eq!(bodies(&mut mail, 1).await, ["other"]);
        let exchange = stage.wire.log().of_trace(trace).pop().unwrap();
        assert_eq!((exchange.outcome, exchange.reached_provider()), (Outcome::InFlight, false));
        lease.release();
        assert_eq!(bodies(&mut mail, 1).await, ["held"]);
        let exchange = stage.over(trace, turn + 1).await.pop().unwrap();
        assert_eq!((exchange.faults.len(), &*exchange.faults[0].action), (1, action.kind()));
        assert!(exchange.faults[0].until.unwrap() <= exchange.provider.unwrap().started);
        assert_eq!(lease.fired(), 1);
    }
}

#[tokio::test]
async fn a_delay_and_a_stall_end_by_themselves() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let (by, length) = (HumanDuration::millis(15), HumanDuration::millis(10));
    let _delay = stage.fault(trace, FaultAction::Delay { by, jitter: HumanDuration::millis(0) });
    let _stall = stage.fault(trace, FaultAction::Stall { length, when: When::Before });
    stage.say(trace, "late").await;
    assert_eq!(bodies(&mut mail, 1).await, ["late"]);
    let exchange = only(&stage, trace).await;
    let kinds: Vec<_> = exchange.faults.iter().map(|fault| &*fault.action).collect();
    assert_eq!(kinds, ["delay", "stall"]);
    let held: Vec<_> = exchange.faults.iter().map(|fault| fault.until.unwrap().since(fault.at)).collect();
    assert!(held[0] >= by.0 && held[1] >= length.0, "{held:?}");
}

#[tokio::test]
async fn later_messages_of_the_same_subject_wait_behind_one_that_is_held() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let hold = stage.fault(trace, FaultAction::Hold { when: When::Before });
    let of = |trace, subject| properties(&[("traceparent", &*traceparent(trace)), ("ce-subject", subject)]);
    stage.publish("order.placed", of(trace, "order-1"), b"held").await;
    within(hold.first_fired()).await;
    stage.publish("order.paid", of(TraceId::random(), "order-1"), b"behind it").await;
    stage.publish("order.placed", of(TraceId::random(), "order-2"), b"another").await;
    assert_eq!(bodies(&mut mail, 1).await, ["another"]);
    hold.remove();
    assert_eq!(bodies(&mut mail, 2).await, ["held", "behind it"]);
}

#[tokio::test]
async fn a_dropped_message_is_delivered_to_nobody_and_gone() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let dropping = stage.fault(trace, FaultAction::Drop);
    stage.say(trace, "lost").await;
    stage.say(TraceId::random(), "other").await;
    assert_eq!(bodies(&mut mail, 1).await, ["other"]);
    let exchange = only(&stage, trace).await;
    assert_eq!((exchange.outcome, exchange.reached_provider()), (Outcome::Answered, false));
    assert_eq!((&*exchange.faults[0].action, dropping.fired()), ("drop", 1));
    stage.tap.close().await;
    assert_eq!(within(stage.left_to_carry()).await, 0);
}

#[tokio::test]
async fn a_duplicated_message_comes_so_many_times_more() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let duplicating = stage.fault(trace, FaultAction::Duplicate { copies: 2 });
    stage.say(trace, "again").await;
    stage.say(TraceId::random(), "other").await;
    assert_eq!(bodies(&mut mail, 4).await, ["again", "again", "again", "other"]);
    let exchanges = stage.over(trace, 3).await;
    let marked: Vec<_> = exchanges.iter().map(|exchange| exchange.faults.len()).collect();
    assert_eq!((marked, duplicating.fired()), (vec![0, 1, 1], 1), "the copies are marked");
    assert!(exchanges.iter().all(|exchange| exchange.reached_provider() && exchange.succeeded()));
}

#[tokio::test]
async fn a_poisoned_message_has_its_headers_and_a_body_that_nobody_reads() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let _poison = stage.fault(trace, FaultAction::Poison);
    let sent = properties(&[("traceparent", &traceparent(trace)), ("ce-id", "e-1")]);
    stage.publish("order.placed", sent.clone(), b"{\"fine\":true}").await;
    let got = next(&mut mail).await;
    assert_eq!(got.properties, sent);
    assert!(
        std::str::from_utf8(&got.data).is_err()
            && serde_json::from_slice::<serde_json::Value>(&got.data).is_err()
    );
    let exchange = only(&stage, trace).await;
    assert_eq!(exchange.cloud_event("id"), Some("e-1"));
    assert_eq!(exchange.request.body.text.as_deref(), Some("{\"fine\":true}"), "what was sent is recorded");
    assert_eq!(exchange.faults[0].action, "poison");
}

#[tokio::test]
async fn a_reordered_message_is_overtaken_by_as_many_as_are_to() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let reorder = stage.fault(trace, FaultAction::Reorder { behind: 2 });
    // All of one subject: this is the fault that breaks its order.
    let of = |trace| properties(&[("traceparent", &*traceparent(trace)), ("ce-subject", "order-1")]);
    stage.publish("order.placed", of(trace), b"first").await;
    within(reorder.first_fired()).await;
    for body in ["second", "third", "fourth"] {
        stage.publish("order.placed", of(TraceId::random()), body.as_bytes()).await;
        if body == "third" {
            // The third is confirmed before the fourth is sent, so that it is clear who comes next.
            stage.over(trace, 1).await;
        }
    }
    assert_eq!(bodies(&mut mail, 4).await, ["second", "third", "first", "fourth"]);
    let exchange = only(&stage, trace).await;
    assert!(exchange.faults[0].until.is_some());
}

#[tokio::test]
async fn a_reordered_message_goes_when_its_rule_ends() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let reorder = stage.fault(trace, FaultAction::Reorder { behind: 10_000 });
    stage.say(trace, "first").await;
    within(reorder.first_fired()).await;
    stage.say(TraceId::random(), "second").await;
    assert_eq!(bodies(&mut mail, 1).await, ["second"]);
    reorder.remove();
    assert_eq!(bodies(&mut mail, 1).await, ["first"]);
}

#[tokio::test]
async fn faults_on_one_message_add_up() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let hold = stage.fault(trace, FaultAction::Hold { when: When::Before });
    let _poison = stage.fault(trace, FaultAction::Poison);
    let _copies = stage.fault(trace, FaultAction::Duplicate { copies: 1 });
    stage.say(trace, "fine").await;
    within(hold.first_fired()).await;
    hold.remove();
    let (one, other) = (next(&mut mail).await, next(&mut mail).await);
    assert!(one.data == other.data && one.data != b"fine");
    let exchanges = stage.over(trace, 2).await;
    let kinds =
        |exchange: &Exchange| exchange.faults.iter().map(|fault| fault.action.clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&exchanges[0]), ["hold", "poison"]);
    assert_eq!(kinds(&exchanges[1]), ["duplicate", "poison"]);
}

#[tokio::test]
async fn a_rule_can_name_the_route_and_the_nth_message_of_it() {
    let Some((stage, mut mail, trace)) = scene().await else { return };
    let matcher = FaultMatcher {
        edge: Some(stage.edge("mail")),
        route: Some("SEND /order.paid".parse().unwrap()),
        nth: Some(2),
        ..FaultMatcher::default()
    };
    let _drop = stage.wire.install(FaultRule::new("second", matcher, FaultAction::Drop)).unwrap();
    let of = || properties(&[("traceparent", &*traceparent(trace))]);
    for (key, body) in [("order.paid", "1"), ("order.placed", "2"), ("order.paid", "3"), ("order.paid", "4")]
    {
        stage.publish(key, of(), body.as_bytes()).await;
    }
    assert_eq!(bodies(&mut mail, 3).await, ["1", "2", "4"]);
}

#[tokio::test]
async fn what_cannot_be_done_to_a_message_is_refused() {
    let Some(stage) = Stage::open(&["mail"]).await else { return };
    let abort = FaultAction::Abort {
        status: Some(503),
        grpc_status: None,
        headers: BTreeMap::new(),
        when: When::Before,
    };
    for action in [
        abort,
        FaultAction::Reset { when: When::Before },
        FaultAction::Hold { when: When::After },
        FaultAction::Truncate { after_bytes: 1 },
        FaultAction::Corrupt { every_bytes: 1 },
        FaultAction::SlowBody { bytes_per_second: 1 },
        FaultAction::Refuse,
        FaultAction::ConnectDelay { by: FOREVER },
        FaultAction::Throttle { bytes_per_second: 1 },
    ] {
        let kind = action.kind();
        let matcher = FaultMatcher { edge: Some(stage.edge("mail")), ..FaultMatcher::default() };
        let error = stage.wire.install(FaultRule::new("f1", matcher, action)).unwrap_err();
        let said =
            format!("`{kind}` cannot be done to messages, and these are what `orders -> mail` carries");
        assert_eq!(error.to_string(), said);
    }
}

#[tokio::test]
async fn when_as_many_are_held_as_may_be_the_rest_waits_and_that_is_said() {
    let Some(rabbit) = Rabbit::shared().await else { return };
    let mut config = config(&rabbit.url(), &["mail"]);
    config.prefetch = 3;
    let stage = Stage::with(rabbit, config).await;
    let mut mail = stage.subscribe("mail", "#").await;
    let trace = TraceId::random();
    let hold = stage.fault(trace, FaultAction::Hold { when: When::Before });
    let sent: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    for body in &sent {
        stage.say(trace, body).await;
    }
    within(stage.wire.log().wait_for(|exchange| exchange.id.0 == 3)).await;
    hold.release();
    assert_eq!(bodies(&mut mail, 5).await, sent);
    let losses = stage.wire.log().losses();
    assert_eq!(
        (losses.len(), &*losses[0].what, losses[0].count, losses[0].harmful),
        (1, "messages", 1, true)
    );
}
