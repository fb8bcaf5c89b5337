//! What people read: the messages and hints of one finding of each kind, as snapshots.

use seaworthy_core::completeness::{End, Gap};
use seaworthy_core::evidence::{EvidenceSet, Purpose, StepFailure};
use seaworthy_core::exchange::Outcome;
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::finding::{Effect, Location};
use seaworthy_core::instance::InstanceEventKind;
use seaworthy_core::log::{OutputLine, Stream};
use seaworthy_core::metric::MetricValue;
use seaworthy_core::secret::{Secret, SecretHit};
use seaworthy_core::span::SpanKind;
use seaworthy_core::time::Nanos;
use serde_json::json;

use crate::world::{Context, World, event, judge, request, service};

/// All that the checks say of this evidence, each finding in three or more lines.
fn said(evidence: &EvidenceSet, checks: &[&str]) -> String {
    let mut text = String::new();
    for check in checks {
        let report = judge(check, evidence);
        text += &format!("{check}: {:?}\n", report.verdict);
        for finding in report.findings {
            let effect = match finding.effect {
                Effect::Violation => format!("{:?}", finding.severity),
                effect => format!("{effect:?}"),
            };
            text += &format!(
                "  {effect} {}\n    {}\n    hint: {}\n",
                finding.fingerprint(),
                finding.message,
                finding.hint
            );
            for piece in finding.evidence {
                text += &format!("    {} {}: {}\n", piece.kind, piece.id, piece.text);
            }
        }
    }
    text
}

fn work(world: &mut World) -> Context {
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.call(&gateway, request("gateway -> orders", "POST /orders"), 201);
    world.answer(&gateway, 201);
    orders
}

#[test]
fn nothing_declared_and_nothing_seen() {
    let checks: Vec<String> =
        seaworthy_checks::catalogue().iter().map(|check| check.id().to_owned()).collect();
    let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
    insta::assert_snapshot!(said(&World::plain().finish(), &checks));
}

#[test]
fn contexts_and_ids_that_get_lost() {
    let mut world = World::new(json!({"correlation": {}}));
    let orders = work(&mut world);
    let lost = world.call(&orders, request("orders -> payments", "POST /payments"), 201);
    world.exchange(&lost).trace = None;
    let invalid = world.call(&orders, request("orders -> shipping", "POST /x"), 201);
    let exchange = world.exchange(&invalid);
    (exchange.trace, exchange.invalid_traceparent) = (None, Some("zzz".to_owned()));
    let trace = world.trace_id();
    let root = world.span("orders", SpanKind::Internal, trace, None, "");
    let own = Context { trace, span: root, ..orders.clone() };
    world.call(&own, request("orders -> mail", "POST /mail"), 201);
    let told = world.call(&orders, event("orders -> mail", "e-1"), 200);
    let exchange = world.exchange(&told);
    exchange.correlation_id = Some("other".to_owned());
    exchange.request.headers.retain(|(name, _)| name != "ce-correlationid");
    let step = world.step();
    let silent = world.call(&step, request("ingress -> gateway", "GET /"), 200);
    world.exchange(&silent).provider.as_mut().unwrap().response.as_mut().unwrap().headers.clear();
    world.span_of(silent.span).attributes.clear();
    world.set.logs.iter_mut().for_each(|log| log.attributes.clear());
    insta::assert_snapshot!(said(&world.finish(), &["trace-context", "correlation"]));
}

#[test]
fn traces_with_gaps() {
    let mut world = World::plain();
    let orders = work(&mut world);
    let (exchange, edge) =
        (orders.exchange.unwrap(), "gateway -> orders".parse::<seaworthy_core::ids::EdgeId>().unwrap());
    let (span, parent, other) = (world.span_id(), world.span_id(), world.trace_id());
    let missing = |end, started_anew| Gap::MissingSpan {
        exchange,
        edge: edge.clone(),
        end,
        service: service(if end == End::Sender { "gateway" } else { "orders" }),
        instance: None,
        owed: 1,
        came: 0,
        started_anew,
    };
    world.set.completeness.get_mut(&orders.trace).unwrap().gaps = vec![
        missing(End::Sender, None),
        missing(End::Receiver, None),
        missing(End::Receiver, Some((other, span))),
        Gap::MissingParent { span, parent, service: service("orders") },
        Gap::NoExchange { span, service: service("gateway"), edge: edge.clone() },
        Gap::InFlight { exchange, edge: edge.clone() },
    ];
    insta::assert_snapshot!(said(&world.finish(), &["trace-completeness"]));
}

#[test]
fn what_services_say_of_themselves() {
    let mut world =
        World::new(json!({"protected": [{"edge": "ingress -> gateway", "route": "POST /orders"}]}));
    for _ in 0..4 {
        work(&mut world);
    }
    let step = world.step_for(Purpose::AuthProbe { credentials: "no token".to_owned() });
    world.call(&step, request("ingress -> gateway", "POST /orders"), 201);
    let instance = world.instance("orders");
    world.set.output = vec![OutputLine {
        service: service("orders"),
        instance,
        stream: Stream::Stdout,
        at: Nanos(0),
        text: "2026-01-01 INFO up".to_owned(),
        truncated: false,
    }];
    world.set.secrets = vec![SecretHit {
        secret: Secret { kind: "jwt".to_owned(), fingerprint: "0a1b2c3d".to_owned() },
        place: "log body".to_owned(),
        service: service("gateway"),
        instance: None,
        trace_id: Some(step.trace),
        excerpt: "authorization: Bearer [redacted jwt 0a1b2c3d]".to_owned(),
    }];
    for service in ["orders", "mail"] {
        let span = world.span(service, SpanKind::Internal, step.trace, None, "");
        let attributes = &mut world.span_of(span).attributes;
        attributes.insert("db.system.name".to_owned(), "postgresql".into());
        attributes.insert("db.namespace".to_owned(), "orders".into());
        attributes.insert("server.address".to_owned(), "db".into());
        attributes.insert("server.port".to_owned(), 5432.into());
    }
    world.set.logs.retain(|log| log.resource.service != "orders");
    let mut evidence = world.finish();
    for point in &mut evidence.metrics {
        if let MetricValue::Histogram { count, sum: Some(sum), .. } = &mut point.value {
            match point.resource.service.as_str() {
                "orders" => *sum *= 1000.0,
                _ => *count -= 1,
            }
        }
    }
    insta::assert_snapshot!(said(
        &evidence,
        &["auth", "logs", "secrets", "telemetry", "metrics", "database"]
    ));
}

#[test]
fn work_that_is_half_done_or_done_twice() {
    let mut world = World::new(json!({"sagas": [{"name": "order", "owner": "orders", "steps": [
        {"forward": "orders -> payments POST /pay", "undo": "orders -> payments POST /unpay"},
        {"forward": "orders -> shipping POST /ship", "undo": "orders -> shipping POST /unship"},
        {"forward": "orders -> payments POST /capture"}
    ]}]}));
    let calls: [&[(&str, &str, u16)]; 3] = [
        &[("payments", "pay", 201), ("shipping", "ship", 422)],
        &[
            ("payments", "pay", 201),
            ("shipping", "ship", 201),
            ("payments", "unpay", 200),
            ("shipping", "unship", 200),
        ],
        &[("payments", "pay", 201)],
    ];
    for calls in calls {
        let orders = work(&mut world);
        for (provider, what, status) in calls {
            world.call(&orders, request(&format!("orders -> {provider}"), &format!("POST /{what}")), *status);
        }
    }
    let orders = work(&mut world);
    for id in ["p-1", "p-2"] {
        let call = world.open(&orders, request("orders -> payments", "POST /refund").key("k").body("10"));
        world.answer_with(&call, 201, id);
    }
    let producer =
        world.span("orders", SpanKind::Producer, orders.trace, Some(orders.span), &orders.correlation);
    let mut told = orders.clone();
    for _ in 0..2 {
        told = world.open_under(&orders, producer, event("orders -> mail", "e-1"));
        world.call(&told, request("mail -> shipping", "POST /mail").body("hello"), 202);
        world.answer(&told, 200);
    }
    world.aborted(&orders, event("orders -> mail", "e-2"), 503);
    world.step_for(Purpose::Audit { event: told.exchange.unwrap(), subject: "o-1".to_owned() });
    world.last_step().status = Some(404);
    insta::assert_snapshot!(said(&world.finish(), &["saga", "outbox", "idempotency"]));
}

#[test]
fn how_failures_are_taken() {
    let mut world = World::new(json!({
        "retries": {"least-delay": "100ms", "max-attempts": 2},
        "budgets": {"orders -> payments": "1s", "gateway -> orders": "4s"},
        "breakers": {"orders -> payments": {"window": 2, "open": "1s", "trials": 1}}
    }));
    let since = world.at();
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    for _ in 0..2 {
        let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
        for status in [503, 400, 503] {
            world.aborted(&orders, request("orders -> payments", "POST /payments"), status);
        }
        world.answer(&orders, 503);
    }
    world.answer(&gateway, 503);
    let orders = work(&mut world);
    for _ in 0..6 {
        world.aborted(&orders, request("orders -> payments", "GET /payments"), 503);
    }
    let matcher =
        FaultMatcher { edge: Some("orders -> payments".parse().unwrap()), ..FaultMatcher::default() };
    let action = FaultAction::Abort {
        status: Some(503),
        grpc_status: None,
        headers: Default::default(),
        when: When::Before,
    };
    world.fault(FaultRule::new("f-1", matcher, action), since, 12);
    world.wait(2000);
    work(&mut world);
    let stalled = world.step();
    let gateway = world.open(&stalled, request("ingress -> gateway", "POST /other"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /other"));
    let shipping = world.open(&orders, request("orders -> shipping", "POST /slow"));
    world.wait(50);
    world.give_up(&orders);
    world.answer(&gateway, 504);
    world.answer(&shipping, 200);
    let evidence = world.finish();
    let mut slow = evidence.clone();
    slow.exchanges.iter_mut().filter(|one| one.edge.provider == "payments").take(1).for_each(|one| {
        one.ended = Some(Nanos(one.started.0 + 3_000_000_000));
    });
    let text = said(&evidence, &["retries", "breaker", "timeouts"]) + &said(&slow, &["timeouts"]);
    insta::assert_snapshot!(text);
}

#[test]
fn how_processes_end_and_what_the_harness_says_of_its_own_work() {
    let mut world = World::new(json!({"shutdown": "1s"}));
    let step = world.step();
    let location = Location { file: "flows/a.yaml".to_owned(), line: 7, column: 5, pointer: None };
    for undecided in [false, true] {
        let message = if undecided { "the selector matched nothing" } else { "status 500, expected 201" };
        let failure =
            StepFailure { message: message.to_owned(), location: Some(location.clone()), undecided };
        world.last_step().failures.push(failure);
    }
    let call = world.open(&step, request("ingress -> gateway", "GET /"));
    world.happened("gateway", InstanceEventKind::AskedToEnd);
    world.wait(2000);
    world.break_off(&call, Outcome::Reset, Outcome::Reset);
    world.happened("gateway", InstanceEventKind::Exited { code: Some(1), signal: None, expected: true });
    world.happened("mail", InstanceEventKind::Exited { code: None, signal: Some(6), expected: false });
    world.step_for(Purpose::Control);
    let failure =
        StepFailure { message: "status 503, expected 201".to_owned(), location: None, undecided: false };
    world.last_step().failures.push(failure);
    let rule = FaultRule::new("f-1", FaultMatcher::default(), FaultAction::Reset { when: When::After });
    world.fault(rule, Nanos(0), 0);
    world.set.faults[0].lapsed = true;
    world.set.losses.push(seaworthy_core::evidence::Loss {
        what: "spans".to_owned(),
        why: "store full".to_owned(),
        count: 12,
        service: Some(service("orders")),
        harmful: true,
    });
    insta::assert_snapshot!(said(
        &world.finish(),
        &["shutdown", "instances", "flows", "controls", "faults", "evidence"]
    ));
}
