//! Faults on instances, while an exchange is held and before anything is sent.

use seaworthy_core::instance::{InstanceEventKind, InstanceFault};

use super::shop::{Shop, order, sound, the_failure};

fn instance(fault: &str, rest: &str) -> String {
    format!("    instance: {{service: front, fault: {fault}{rest}}}\n")
}

const HELD: &str = ", held: {on: \"front -> back POST /stock\"}";

fn kinds(shop: &Shop, instance: &str) -> Vec<InstanceEventKind> {
    let events = shop.session.instance_events().into_iter();
    events.filter(|event| event.instance == instance).map(|event| event.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_killed_while_its_request_is_held() {
    let shop = Shop::open().await;
    let text = order(&format!("{}    expect: {{status: none}}\n", instance("kill", HELD)))
        + "  - name: after\n    request: {method: POST, path: /orders, json: {sku: book}}\n    expect: {status: 201}\n";
    let outcome = shop.run(&text).await;
    assert!(outcome.is_sound(), "{outcome:#?}");
    let (fault, instance) = outcome.steps[0].instance_fault.clone().unwrap();
    assert_eq!((fault, instance.as_str()), (InstanceFault::Kill, "front-1"));
    assert!(kinds(&shop, "front-1").contains(&InstanceEventKind::Killed));
    assert!(kinds(&shop, "front-2").contains(&InstanceEventKind::Ready));
    let held = shop.session.wire().log().of_trace(outcome.steps[0].trace.trace_id);
    assert!(
        held.iter().any(|exchange| exchange.faults.iter().any(|fault| fault.action == "hold")),
        "{held:#?}"
    );
    assert_eq!(outcome.steps[0].faults.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_asked_to_end_finishes_what_is_held() {
    let shop = Shop::open().await;
    let outcome = shop.order(&format!("{}    expect: {{status: 201}}\n", instance("term", HELD))).await;
    assert_eq!(sound(&outcome).instance_fault.as_ref().unwrap().0, InstanceFault::Term);
    assert!(kinds(&shop, "front-1").contains(&InstanceEventKind::AskedToEnd));
    assert!(kinds(&shop, "front-2").contains(&InstanceEventKind::Ready));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_brings_a_new_instance_whatever_comes_then() {
    let shop = Shop::open().await;
    let outcome =
        shop.order(&format!("{}    expect: {{status: 201}}\n", instance("restart", ", then: leave"))).await;
    let (fault, ended) = sound(&outcome).instance_fault.clone().unwrap();
    assert_eq!((fault, ended.as_str()), (InstanceFault::Restart, "front-1"));
    assert_eq!(shop.session.instance(&"front".into()), Some("front-2".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_can_be_left_down() {
    let shop = Shop::open().await;
    let outcome =
        shop.order(&format!("{}    expect: {{status: none}}\n", instance("kill", ", then: leave"))).await;
    sound(&outcome);
    assert!(kinds(&shop, "front-2").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_when_nothing_comes_to_be_held() {
    let shop = Shop::open().await;
    let outcome = shop
        .order(&format!(
            "{}    expect: {{status: 201}}\n",
            instance("kill", ", held: {on: \"front -> back POST /nowhere\"}")
        ))
        .await;
    let failure = the_failure(&outcome);
    assert!(failure.undecided);
    assert_eq!(
        failure.message,
        "no exchange `front -> back POST /nowhere` came to be held within 5s, so nothing was done to `front`"
    );
    assert_eq!(outcome.steps[0].instance_fault, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_an_instance_running_is_undone_when_the_waits_are_over() {
    let shop = Shop::open().await;
    let text = order(&format!(
        "{}    expect: {{status: 201}}\n    wait-until:\n      - {{exchange: \"front -> back POST /stock\"}}\n",
        instance("pause", "")
    ));
    let outcome = shop.run(&text).await;
    assert!(outcome.is_sound(), "{outcome:#?}");
    let happened = kinds(&shop, "front-1");
    let at = |kind: &InstanceEventKind| happened.iter().position(|had| had == kind);
    assert!(at(&InstanceEventKind::Paused) < at(&InstanceEventKind::Resumed), "{happened:?}");
    assert_eq!(shop.session.instance(&"front".into()), Some("front-1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_when_the_flow_says_so() {
    let shop = Shop::open().await;
    let outcome =
        shop.order(&format!("{}    expect: {{status: 201}}\n", instance("pause", ", then: leave"))).await;
    sound(&outcome);
    assert!(!kinds(&shop, "front-1").contains(&InstanceEventKind::Resumed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_may_be_killed_once_the_request_was_answered() {
    let shop = Shop::open().await;
    let outcome =
        shop.order(&format!("{}    expect: {{status: 201}}\n", instance("kill", ", at: answered"))).await;
    sound(&outcome);
    assert!(kinds(&shop, "front-1").contains(&InstanceEventKind::Killed));
    assert!(kinds(&shop, "front-2").contains(&InstanceEventKind::Ready));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_runtime_cannot_do_is_told() {
    let shop = Shop::open().await;
    let outcome = shop.order(&format!("{}    expect: {{status: 201}}\n", instance("disconnect", ""))).await;
    assert_eq!(
        the_failure(&outcome).message,
        "could not disconnect `front`: could not disconnect an instance of `front` on the copies runtime: use another"
    );
}
