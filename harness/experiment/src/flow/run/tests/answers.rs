//! Requests, answers, and what is kept of them.

use seaworthy_core::exchange::header;

use super::shop::{Shop, failures, order, sound, the_failure};

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_goes_through() {
    let shop = Shop::open().await;
    let outcome = shop
        .run(
            r#"
flow: f
vars: {path: orders}
steps:
  - name: order
    request: {method: POST, path: "/${var.path}", query: {a b: "1&2"}, headers: {baggage: mine=1}, json: {sku: "${var.sku}"}}
    expect:
      status: 201
      headers: {X-Correlation-ID: "${correlation_id}"}
      json: {"$.status": CONFIRMED, "$.items[0].price": 5, "$.items[?@.sku=='book']": {count: 1}, "$.id": {matches: "^ord_"}, "$.x": {exists: false}}
      within: 30s
    capture: {order: "$.id", location: {header: Location}}
    wait-until:
      - {exchange: "front -> back POST /events", succeeded: true, status: 202, within: 30s}
  - name: read
    request: {path: "${capture.location}"}
    expect: {status: 2xx, json: {"$.id": "${capture.order}"}}
"#,
        )
        .await;
    assert!(outcome.is_sound(), "{outcome:#?}");
    assert_eq!(shop.session.steps(), outcome.steps, "what was run is recorded");
    let [order, read] = outcome.steps.as_slice() else { panic!("{outcome:#?}") };
    assert_ne!(order.trace.trace_id, read.trace.trace_id, "each step has a trace of its own");
    assert!(order.correlation_id.starts_with("sw-f-order-") && order.correlation_id.len() <= 128);
    let exchanges = shop.session.wire().log().of_trace(order.trace.trace_id);
    let edges: Vec<String> = exchanges.iter().map(|exchange| exchange.edge.to_string()).collect();
    assert_eq!(edges, ["ingress -> front", "front -> back", "front -> back"]);
    let first = &exchanges[0];
    assert_eq!(first.query.as_deref(), Some("a+b=1%262"));
    assert_eq!(first.trace, Some(order.trace));
    assert_eq!(first.correlation_id.as_ref(), Some(&order.correlation_id));
    assert_eq!(header(&first.request.headers, "baggage"), Some("mine=1,seaworthy.experiment=f"));
    assert_eq!(header(&first.request.headers, "content-type"), Some("application/json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_expected_is_told_with_its_place() {
    let shop = Shop::open().await;
    let outcome = shop
        .order("    expect: {status: [200, 503], headers: {x-none: y}, json: {\"$.status\": CANCELLED}}\n")
        .await;
    let told: Vec<(&str, usize)> = failures(&outcome)
        .iter()
        .map(|failure| (failure.message.as_str(), failure.location.as_ref().unwrap().line))
        .collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].0.starts_with("expected status 200 or 503, got 201: {\"id\":"), "{told:#?}");
    assert_eq!(told[1].0, "expected header `x-none: y`, the answer has none");
    assert_eq!(told[2].0, "expected `$.status` to be \"CANCELLED\", it selected \"CONFIRMED\"");
    assert!(told.iter().all(|(_, line)| *line == 5), "{told:#?}");
    assert_eq!(outcome.steps[0].status, Some(201));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correlation_id_of_the_flow_is_used() {
    let shop = Shop::open().await;
    let text = order("    expect: {status: 201, headers: {x-correlation-id: mine}}\n")
        .replace("json:", "headers: {x-correlation-id: mine}, json:");
    let outcome = shop.run(&text).await;
    assert_eq!(sound(&outcome).correlation_id, "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_capture_failed_ends_the_flow() {
    let shop = Shop::open().await;
    let text = order("    capture: {x: \"$.nothing\"}\n")
        + "  - name: read\n    request: {path: \"/orders/${capture.x}\"}\n  - name: last\n    request: {path: /ready}\n";
    let outcome = shop.run(&text).await;
    let [order, read] = outcome.steps.as_slice() else { panic!("{outcome:#?}") };
    assert_eq!(order.failures[0].message, "the answer has nothing to keep as `x`");
    assert_eq!(read.failures[0].message, "was not sent: `${capture.x}` has no value");
    assert!(read.failures[0].undecided && !order.failures[0].undecided);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_can_be_what_is_expected() {
    let shop = Shop::open().await;
    let reset = "    faults:\n      - {on: \"ingress -> front\", action: {kind: reset}}\n";
    let outcome = shop.order(&format!("{reset}    expect: {{status: none}}\n")).await;
    assert_eq!(sound(&outcome).status, None);
    let outcome = shop.order(&format!("{reset}    expect: {{status: 201}}\n")).await;
    assert!(
        the_failure(&outcome).message.starts_with("expected status 201, got no answer: "),
        "{outcome:#?}"
    );
    let outcome = shop.order("    expect: {status: none}\n").await;
    assert!(the_failure(&outcome).message.starts_with("expected status none, got 201"), "{outcome:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_hangs_up() {
    let shop = Shop::open().await;
    let text = order(
        "    faults:\n      - {on: \"front -> back POST /stock\", action: {kind: stall, for: 50s}}\n    expect: {status: none}\n",
    )
    .replace("json:", "timeout: 100ms, json:");
    let outcome = shop.run(&text).await;
    assert_eq!(sound(&outcome).status, None);
    let exchanges = shop.session.wire().log().of_trace(outcome.steps[0].trace.trace_id);
    assert_eq!(exchanges[0].outcome, seaworthy_core::exchange::Outcome::Cancelled, "{exchanges:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_cut_off() {
    let shop = Shop::open().await;
    let outcome =
        shop.run("flow: f\nsteps:\n  - name: large\n    request: {path: /large}\n    expect: {json: {\"$.a\": 1}}\n").await;
    assert_eq!(outcome.steps[0].status, Some(200));
    assert!(the_failure(&outcome).message.starts_with("expected a JSON body, which this is not: xxx"));
}
