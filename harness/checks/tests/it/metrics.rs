//! `metrics` and `telemetry`.

use seaworthy_core::evidence::{EvidenceSet, Finality};
use seaworthy_core::exchange::Outcome;
use seaworthy_core::metric::MetricValue;
use seaworthy_core::span::Value;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed, judge, request};

/// Eight requests to orders, every fourth of them answered with 503, and one that broke off.
fn world() -> World {
    let mut world = World::plain();
    for number in 0..8 {
        let step = world.step();
        let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
        world.call(
            &gateway,
            request("gateway -> orders", "POST /orders"),
            if number % 4 == 0 { 503 } else { 201 },
        );
        world.answer(&gateway, 201);
    }
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    world.give_up(&orders);
    world.answer(&gateway, 504);
    world
}

fn spoil(evidence: &mut EvidenceSet, service: &str, status: i64, spoil: impl Fn(&mut u64, &mut f64)) {
    for point in &mut evidence.metrics {
        let of_status = point.attributes.values().any(|value| *value == Value::Int(status));
        if let (true, MetricValue::Histogram { count, sum: Some(sum), .. }) =
            (of_status && point.resource.service == *service, &mut point.value)
        {
            spoil(count, sum);
        }
    }
}

#[test]
fn counts_that_agree_with_the_wire_pass() {
    assert_passes("metrics", &world().finish());
}

#[test]
fn a_request_that_broke_off_may_be_counted_as_anything() {
    for status in [201, 503] {
        let mut evidence = world().finish();
        spoil(&mut evidence, "orders", status, |count, _| *count += 1);
        assert_passes("metrics", &evidence);
    }
}

#[test]
fn errors_that_are_not_counted_are_found() {
    let mut evidence = world().finish();
    let is_error = |value: &Value| *value == Value::Int(503);
    evidence
        .metrics
        .retain(|point| point.resource.service != "orders" || !point.attributes.values().any(is_error));
    assert_eq!(blamed("metrics", &evidence), ["metrics.count@orders"]);
    let report = judge("metrics", &evidence);
    assert!(report.findings[0].message.contains("5xx 0 instead of 2"), "{}", report.findings[0].message);
}

#[test]
fn requests_that_nobody_sent_are_found() {
    let mut evidence = world().finish();
    spoil(&mut evidence, "orders", 201, |count, _| *count += 2);
    assert_eq!(blamed("metrics", &evidence), ["metrics.count@orders"]);
}

#[test]
fn a_tolerance_that_is_set_is_kept_to() {
    let mut evidence = world().finish();
    evidence.system.checks.thresholds.count_tolerance = 0.5;
    spoil(&mut evidence, "orders", 201, |count, _| *count -= 2);
    assert_passes("metrics", &evidence);
    spoil(&mut evidence, "orders", 201, |count, _| *count -= 2);
    assert_eq!(blamed("metrics", &evidence), ["metrics.count@orders"]);
}

#[test]
fn milliseconds_that_are_said_to_be_seconds_are_found() {
    let mut evidence = world().finish();
    for status in [201, 503] {
        spoil(&mut evidence, "orders", status, |_, sum| *sum *= 1000.0);
    }
    assert_eq!(blamed("metrics", &evidence), ["metrics.unit@orders"]);
}

#[test]
fn milliseconds_that_are_said_to_be_milliseconds_are_fine() {
    let mut evidence = world().finish();
    for point in evidence.metrics.iter_mut().filter(|point| point.resource.service == "orders") {
        point.name = "http.server.duration".to_owned();
        point.unit = "ms".to_owned();
    }
    for status in [201, 503] {
        spoil(&mut evidence, "orders", status, |_, sum| *sum *= 1000.0);
    }
    assert_passes("metrics", &evidence);
}

#[test]
fn a_handler_that_is_much_faster_than_a_fast_wire_is_not_suspected() {
    let mut evidence = world().finish();
    for status in [201, 503] {
        spoil(&mut evidence, "orders", status, |_, sum| *sum /= 1000.0);
    }
    assert_passes("metrics", &evidence);
}

#[test]
fn grpc_is_held_against_grpc() {
    let mut world = World::plain();
    for status in [0, 0, 9] {
        let step = world.step();
        let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
        world.call(&gateway, request("gateway -> orders", "POST /shop.Orders/Make").grpc(), status);
        world.answer(&gateway, 201);
    }
    let mut evidence = world.finish();
    let mut ok = evidence.metrics.iter().find(|point| point.resource.service == "orders").unwrap().clone();
    ok.name = "rpc.server.call.duration".to_owned();
    let mut refused = ok.clone();
    evidence.metrics.retain(|point| point.resource.service != "orders");
    for (point, status, counted) in [(&mut ok, "OK", 2), (&mut refused, "FAILED_PRECONDITION", 1)] {
        point.attributes = [("rpc.response.status_code".to_owned(), status.into())].into();
        if let MetricValue::Histogram { count, .. } = &mut point.value {
            *count = counted;
        }
    }
    evidence.metrics.push(ok);
    assert_eq!(blamed("metrics", &evidence), ["metrics.count@orders"]);
    evidence.metrics.push(refused);
    assert_passes("metrics", &evidence);
}

#[test]
fn an_instance_that_was_killed_owes_no_counts() {
    let mut world = world();
    world.kill("orders");
    world.start("orders");
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    world.call(&gateway, request("gateway -> orders", "POST /orders"), 201);
    world.answer(&gateway, 201);
    let evidence = world.finish();
    assert!(evidence.metrics.iter().all(|point| point.resource.instance != Some("orders-1".into())));
    assert_passes("metrics", &evidence);
    assert_passes("telemetry", &evidence);
}

#[test]
fn a_service_of_which_every_instance_was_killed_is_undecided() {
    let mut world = world();
    world.kill("orders");
    assert_undecided("metrics", &world.finish());
}

#[test]
fn totals_of_services_that_still_run_are_undecided() {
    let mut evidence = world().finish();
    evidence.finality = Finality::Provisional;
    assert_undecided("metrics", &evidence);
}

#[test]
fn services_that_export_other_metrics_only_are_skipped() {
    let mut evidence = world().finish();
    evidence.metrics.iter_mut().for_each(|point| point.name = "queue.depth".to_owned());
    assert_skipped("metrics", &evidence, "http.server.request.duration");
}

#[test]
fn services_that_speak_in_all_signals_pass() {
    assert_passes("telemetry", &world().finish());
}

#[test]
fn a_service_that_is_silent_in_one_signal_is_named_with_it() {
    for signal in ["span", "log record", "metric"] {
        let mut evidence = world().finish();
        match signal {
            "span" => evidence.spans.retain(|span| span.resource.service != "orders"),
            "log record" => evidence.logs.retain(|log| log.resource.service != "orders"),
            _ => evidence.metrics.retain(|point| point.resource.service != "orders"),
        }
        assert_eq!(blamed("telemetry", &evidence), ["telemetry.silent@orders"]);
        assert!(judge("telemetry", &evidence).findings[0].message.contains(signal));
    }
}

#[test]
fn one_silent_instance_among_others_is_named() {
    let mut world = world();
    world.stop("orders");
    world.start("orders");
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    world.call(&gateway, request("gateway -> orders", "POST /orders"), 201);
    world.answer(&gateway, 201);
    // The world exports for the last instance of each service only.
    assert_eq!(blamed("telemetry", &world.finish()), ["telemetry.silent@orders"]);
}

#[test]
fn a_service_that_served_nothing_owes_nothing() {
    let mut world = World::plain();
    let step = world.step();
    let call = world.open(&step, request("ingress -> gateway", "GET /"));
    world.break_off(&call, Outcome::Reset, Outcome::Reset);
    assert_undecided("telemetry", &world.finish());
}

#[test]
fn a_system_without_telemetry_is_skipped() {
    let mut evidence = world().finish();
    for service in evidence.system.services.values_mut() {
        service.telemetry = seaworthy_core::system::TelemetryMode::None;
    }
    assert_skipped("telemetry", &evidence, "telemetry: none");
}
