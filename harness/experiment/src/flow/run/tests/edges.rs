//! Faults on edges: for one request, for everyone, and for how long.

use super::shop::{Shop, failures, order, sound, the_failure};

const ABORT: &str =
    "    faults:\n      - {on: \"front -> back POST /stock\", action: {kind: abort, status: 503}";

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_for_this_request_alone() {
    let shop = Shop::open().await;
    let faulted = format!("{ABORT}}}\n    expect: {{status: 503}}\n");
    let plain = "    expect: {status: 201}\n".to_owned();
    let runs = (0..8).map(|number| {
        let rest = if number % 2 == 0 { &faulted } else { &plain };
        shop.order(rest)
    });
    for outcome in futures_util::future::join_all(runs).await {
        sound(&outcome);
    }
    let records = shop.session.wire().faults().records();
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.fired == 1 && record.removed.is_some()), "{records:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_never_fires_leaves_the_step_undecided() {
    let shop = Shop::open().await;
    let never = "    faults:\n      - {on: \"front -> back POST /nowhere\", action: {kind: reset}";
    let outcome = shop.order(&format!("{never}}}\n")).await;
    let failure = the_failure(&outcome);
    assert!(failure.undecided);
    assert!(
        failure.message.starts_with("the fault on `front -> back POST /nowhere` never fired"),
        "{failure:?}"
    );
    assert_eq!(failure.location.as_ref().unwrap().line, 6);
    sound(&shop.order(&format!("{never}, must-fire: false}}\n")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_for_everyone_stands_for_the_whole_step() {
    let shop = Shop::open().await;
    let text = order(&format!("{ABORT}, whole-edge: true}}\n    repeat: 3\n    expect: {{status: 503}}\n"))
        + "  - name: after\n    request: {method: POST, path: /orders, json: {sku: book}}\n    expect: {status: 201}\n";
    let outcome = shop.run(&text).await;
    assert!(outcome.is_sound(), "{outcome:#?}");
    let names: Vec<&str> = outcome.steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(names, ["order#1", "order#2", "order#3", "after"]);
    let records = shop.session.wire().faults().records();
    assert_eq!(records.iter().map(|record| record.fired).collect::<Vec<_>>(), [3]);
    assert_eq!(outcome.steps[0].faults, outcome.steps[2].faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_can_stay_until_the_flow_is_over() {
    let shop = Shop::open().await;
    let text = order(&format!("{ABORT}, whole-edge: true, until: flow}}\n    expect: {{status: 503}}\n"))
        + "  - name: after\n    request: {method: POST, path: /orders, json: {sku: book}}\n    expect: {status: 503}\n";
    assert!(shop.run(&text).await.is_sound());
    sound(&shop.order("    expect: {status: 201}\n").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_repeated_until_something_holds() {
    let shop = Shop::open().await;
    let outcome = shop
        .order(&format!(
            "{ABORT}, whole-edge: true, first: 2}}\n    until: {{expect: {{status: 201}}, within: 50s}}\n    expect: {{status: 201}}\n"
        ))
        .await;
    assert!(outcome.is_sound(), "{outcome:#?}");
    let statuses: Vec<Option<u16>> = outcome.steps.iter().map(|step| step.status).collect();
    assert_eq!(statuses, [Some(503), Some(503), Some(201)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_comes_to_hold_is_told_once() {
    let shop = Shop::open().await;
    let outcome = shop
        .order(&format!(
            "{ABORT}, whole-edge: true}}\n    repeat: 3\n    until: {{expect: {{status: 201}}, within: 50s}}\n"
        ))
        .await;
    assert_eq!(outcome.steps.len(), 3);
    let failure = the_failure(&outcome);
    assert_eq!(failure.message, "expected status 201 within 50s; sent 3 times, the last time got status 503");
    assert_eq!(failure.location.as_ref().unwrap().pointer.as_deref(), Some("/steps/0/until"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_edge_is_open_again_afterwards() {
    let shop = Shop::open().await;
    let outcome = shop
        .order("    faults:\n      - {on: \"front -> back\", action: {kind: refuse}, whole-edge: true}\n    expect: {status: 503}\n")
        .await;
    sound(&outcome);
    assert!(failures(&shop.order("    expect: {status: 201}\n").await).is_empty());
}
