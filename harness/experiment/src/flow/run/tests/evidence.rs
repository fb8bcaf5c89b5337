//! Waits and what must be so of a trace.

use super::shop::{Shop, failures, order, sound, the_failure};

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_given_up_says_what_was_seen() {
    let shop = Shop::open().await;
    let outcome = shop
        .order("    wait-until:\n      - {exchange: \"front -> back POST /stock\", count: 2, succeeded: true, within: 100ms}\n")
        .await;
    let failure = the_failure(&outcome);
    let lines: Vec<&str> = failure.message.lines().collect();
    assert_eq!(
        lines[0],
        "expected 2 exchanges `front -> back POST /stock` that succeeded within 100ms, saw 1"
    );
    assert!(lines[1].contains("POST /stock → 200 in "), "{lines:?}");
    assert_eq!(failure.location.as_ref().unwrap().pointer.as_deref(), Some("/steps/0/wait-until/0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_asked_for_until_it_is_as_expected() {
    let shop = Shop::open().await;
    let outcome = shop
        .order(
            "    capture: {order: \"$.id\"}\n    wait-until:\n      - {poll: {request: {path: \"/orders/${capture.order}\"}, expect: {status: 200, json: {\"$.status\": DONE}}, every: 1ms}, within: 50s}\n",
        )
        .await;
    let step = sound(&outcome);
    let log = shop.session.wire().log().snapshot();
    let polls: Vec<_> = log.iter().filter(|exchange| exchange.path.starts_with("/orders/")).collect();
    assert_eq!(polls.len(), 3);
    for poll in polls {
        let trace = poll.trace.unwrap();
        assert!(!trace.sampled && trace.trace_id != step.trace.trace_id, "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_given_up_says_what_came_last() {
    let shop = Shop::open().await;
    let outcome = shop
        .order("    wait-until:\n      - {poll: {request: {path: /nowhere}, expect: {status: 200}, every: 10ms}, within: 200ms}\n")
        .await;
    assert_eq!(
        the_failure(&outcome).message,
        "`GET /nowhere` did not answer as expected within 200ms; the last time: expected status 200, got 404"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lost_its_trace_is_found_by_its_correlation_id() {
    let shop = Shop::open().await;
    let outcome = shop
        .run(
            "flow: f\nsteps:\n  - name: forget\n    request: {method: POST, path: /forgetful, headers: {x-correlation-id: kept-by-name}}\n    wait-until:\n      - {exchange: \"front -> back POST /events\", within: 50s}\n",
        )
        .await;
    sound(&outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_waited_for_and_judged() {
    let shop = Shop::open().await;
    let outcome = shop
        .order(
            r#"    wait-until:
      - {span: '{ name = "POST /orders" }', within: 50s}
    trace:
      - some: '{ resource.service.name = "front" && kind = server }'
      - none: '{ status = error }'
      - each: {of: '{ kind = server }', has: '{ span.http.route = "/orders" }'}
"#,
        )
        .await;
    sound(&outcome);
    let outcome = shop
        .order(
            r#"    wait-until:
      - {span: '{ name = "nothing" }', within: 50ms}
    trace:
      - some: '{ kind = consumer }'
      - none: '{ kind = server }'
      - each: {of: '{ kind = server }', has: '{ status = error }'}
      - each: {of: '{ kind = consumer }', has: '{ status = error }'}
"#,
        )
        .await;
    let told: Vec<(&str, bool)> =
        failures(&outcome).iter().map(|failure| (failure.message.as_str(), failure.undecided)).collect();
    assert_eq!(
        told,
        [
            (
                "expected a span `{ name = \"nothing\" }` within 50ms; none of the 1 spans that came is one",
                false
            ),
            ("expected a span `{ kind = consumer }`; none of the trace's 1 spans is one", false),
            ("expected no span `{ kind = server }`, there are 1: front `POST /orders`", false),
            (
                "expected each span `{ kind = server }` to be `{ status = error }`, 1 of 1 are not: front `POST /orders`",
                false
            ),
            ("`{ kind = consumer }` selects no span of the trace, so nothing can be said of each", true),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_a_trace_without_spans() {
    let shop = Shop::open().await;
    let outcome = shop
        .run("flow: f\nsteps:\n  - name: ready\n    request: {path: /ready}\n    trace:\n      - none: '{ status = error }'\n")
        .await;
    assert!(the_failure(&outcome).undecided);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_ends_every_wait() {
    let shop = Shop::open().await;
    let outcome = shop
        .run(
            "flow: f\nsteps:\n  - name: die\n    request: {method: POST, path: /die}\n    expect: {status: 202}\n    wait-until:\n      - {exchange: \"front -> back POST /events\", within: 10m}\n  - name: after\n    request: {path: /ready}\n",
        )
        .await;
    assert_eq!(outcome.steps.len(), 1, "the flow ends there: {outcome:#?}");
    let failure = the_failure(&outcome);
    assert!(!failure.undecided);
    assert_eq!(
        failure.message,
        "waiting ended early: `front` died in mid-flow: `front-1` ended by itself with exit code 101"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_have_deadlines_of_their_own() {
    let shop = Shop::open().await;
    let outcome = shop
        .run(&order(
            "    wait-until:\n      - {exchange: \"front -> back POST /nowhere\", within: 50ms}\n      - {exchange: \"front -> back POST /events\", within: 50s}\n      - {span: '{ name = \"x\" }', within: 60ms}\n",
        ))
        .await;
    let places: Vec<&str> = failures(&outcome)
        .iter()
        .map(|failure| failure.location.as_ref().unwrap().pointer.as_deref().unwrap())
        .collect();
    assert_eq!(places, ["/steps/0/wait-until/0", "/steps/0/wait-until/2"]);
}
