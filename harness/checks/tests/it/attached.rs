//! Systems that run already: what is not seen is said, and what follows from not seeing it is not held against them.

use std::collections::BTreeMap;

use seaworthy_core::completeness::{End, Gap};
use seaworthy_core::evidence::{EvidenceSet, Finality, StepFailure};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::finding::{Finding, Location, Verdict};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::{Call, RunKind};

use crate::world::{Context, World, assert_passes, assert_skipped, blamed, judge, request, service};

/// An order that goes through gateway, orders and payments.
fn world() -> (World, Context) {
    let mut world = World::plain();
    let calls =
        |target: &str, variable: &str| BTreeMap::from([(target.to_owned(), Call::Env(variable.to_owned()))]);
    let services = &mut world.set.system.services;
    services.get_mut(&service("gateway")).unwrap().calls = calls("orders", "ORDERS_URL");
    services.get_mut(&service("orders")).unwrap().calls = calls("payments", "PAYMENTS_URL");
    let step = world.step();
    let gateway = world.open(&step, request("ingress -> gateway", "POST /orders"));
    let orders = world.open(&gateway, request("gateway -> orders", "POST /orders"));
    world.call(&orders, request("orders -> payments", "POST /payments"), 201);
    world.answer(&orders, 201);
    world.answer(&gateway, 201);
    (world, orders)
}

/// The same on services that ran before: nobody knows their instances, and they go on.
fn attached(world: World) -> EvidenceSet {
    let mut evidence = world.finish();
    evidence.system.on = RunKind::Attach;
    evidence.finality = Finality::Provisional;
    evidence.instances.clear();
    evidence.output.clear();
    for exchange in &mut evidence.exchanges {
        if let Some(provider) = &mut exchange.provider {
            provider.instance = None;
        }
    }
    evidence.index();
    evidence
}

fn without(mut evidence: EvidenceSet, edge: &str) -> EvidenceSet {
    let edge: EdgeId = edge.parse().unwrap();
    evidence.exchanges.retain(|exchange| exchange.edge != edge);
    evidence.index();
    evidence
}

fn only_finding(check: &str, evidence: &EvidenceSet) -> Finding {
    let mut report = judge(check, evidence);
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    report.findings.remove(0)
}

fn missing_span(world: &mut World, of: &Context) {
    let gap = Gap::MissingSpan {
        exchange: of.exchange.unwrap(),
        edge: "gateway -> orders".parse().unwrap(),
        end: End::Receiver,
        service: service("orders"),
        instance: None,
        owed: 1,
        came: 0,
        started_anew: None,
    };
    world.set.completeness.get_mut(&of.trace).unwrap().gaps.push(gap);
}

#[test]
fn all_that_passes_the_harness_is_judged_as_ever() {
    let evidence = attached(world().0);
    for check in ["attach", "trace-completeness", "trace-context", "telemetry", "flows", "correlation"] {
        assert_passes(check, &evidence);
    }
    for check in ["metrics", "shutdown", "logs"] {
        assert_skipped(check, &evidence, "run on `process` or `docker`");
    }
    assert_skipped("instances", &evidence, "process");
}

#[test]
fn an_edge_that_nobody_uses_is_named_with_what_to_configure() {
    let mut evidence = without(attached(world().0), "orders -> payments");
    let edge: EdgeId = "orders -> payments".parse().unwrap();
    evidence.system.attach.edges.insert(edge, "127.0.0.1:7402".parse().unwrap());
    let finding = only_finding("attach", &evidence);
    assert_eq!(finding.fingerprint(), "attach.edge-unused@orders->payments");
    let told = "tell `orders` to call http://127.0.0.1:7402 (its variable PAYMENTS_URL)";
    assert!(finding.hint.contains(told), "{}", finding.hint);
    assert_eq!(judge("attach", &evidence).verdict, Verdict::Inconclusive);
    // On a run that the harness started the same is not its business.
    evidence.system.on = RunKind::Process;
    assert_skipped("attach", &evidence, "--on attach");
}

#[test]
fn a_service_that_exports_to_somewhere_else_is_named_with_what_to_configure() {
    let mut evidence = attached(world().0);
    evidence.system.attach.receiver = Some("127.0.0.1:4318".parse().unwrap());
    evidence.spans.retain(|span| span.resource.service.as_str() != "orders");
    evidence.logs.retain(|log| log.resource.service.as_str() != "orders");
    evidence.metrics.retain(|point| point.resource.service.as_str() != "orders");
    evidence.index();
    let finding = only_finding("attach", &evidence);
    assert_eq!(finding.fingerprint(), "attach.no-telemetry@orders");
    let told = "set OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 in `orders`";
    assert!(finding.hint.contains(told), "{}", finding.hint);
    // The same is no second finding against it.
    assert_eq!(blamed("telemetry", &evidence), [""; 0]);
    assert_eq!(judge("telemetry", &evidence).verdict, Verdict::Inconclusive);
}

#[test]
fn what_is_absent_counts_only_where_all_is_seen() {
    let (mut world, orders) = world();
    missing_span(&mut world, &orders);
    let evidence = attached(world);
    let finding = only_finding("trace-completeness", &evidence);
    assert!(finding.is_violation() && finding.message.contains("(provisional"), "{}", finding.message);
    let finding = only_finding("trace-completeness", &without(evidence, "orders -> payments"));
    assert!(!finding.is_violation(), "{}", finding.message);
    assert!(finding.hint.contains("`attach`"), "{}", finding.hint);
}

#[test]
fn what_was_seen_counts_however_little_is_seen() {
    let (mut world, orders) = world();
    world.exchange(&orders).trace = None;
    let evidence = without(attached(world), "orders -> payments");
    assert_eq!(blamed("trace-context", &evidence), ["trace.context-lost@gateway->orders"]);
}

#[test]
fn a_flow_is_not_blamed_for_what_it_could_not_see() {
    let failure = |pointer: &str| StepFailure {
        message: format!("{pointer} does not hold"),
        location: Some(Location { file: "f.yaml".into(), line: 3, column: 1, pointer: Some(pointer.into()) }),
        undecided: false,
    };
    for (pointer, rule) in [
        ("/steps/0/trace/0", "flow.undecided"),
        ("/steps/0/wait-until/0", "flow.undecided"),
        ("/steps/0/expect/status", "flow.expectation"),
    ] {
        let (mut world, _) = world();
        world.last_step().failures.push(failure(pointer));
        let all_seen = attached(world);
        assert_eq!(only_finding("flows", &all_seen).rule, "flow.expectation");
        assert_eq!(only_finding("flows", &without(all_seen, "orders -> payments")).rule, rule, "{pointer}");
    }
    // An answer that a fault was to change, which passed it by.
    let (mut world, _) = world();
    let edge = Some("orders -> payments".parse().unwrap());
    let matcher = FaultMatcher { edge, ..FaultMatcher::default() };
    let since = world.at();
    world.fault(FaultRule::new("f-1", matcher, FaultAction::Reset { when: When::Before }), since, 0);
    world.last_step().faults.push("f-1".into());
    world.last_step().failures.push(failure("/steps/0/expect/status"));
    let evidence = without(attached(world), "orders -> payments");
    assert_eq!(only_finding("flows", &evidence).rule, "flow.undecided");
}

#[test]
fn a_database_edge_that_was_cut_and_nobody_noticed_is_one_that_nobody_uses() {
    let (mut world, _) = world();
    let services = &mut world.set.system.services;
    let tcp = seaworthy_core::system::PortProtocol::Tcp.into();
    services.get_mut(&service("mail")).unwrap().ports = BTreeMap::from([("sql".to_owned(), tcp)]);
    services.get_mut(&service("orders")).unwrap().calls.insert("mail".to_owned(), Call::Env("DB".to_owned()));
    let edge: EdgeId = "orders -> mail".parse().unwrap();
    let matcher = seaworthy_core::fault::FaultMatcher { edge: Some(edge), ..Default::default() };
    let rule =
        seaworthy_core::fault::FaultRule::new("cut", matcher, seaworthy_core::fault::FaultAction::Refuse);
    let since = world.at();
    world.fault(rule, since, 0);
    let finding = only_finding("attach", &attached(world));
    assert_eq!(finding.rule, "attach.edge-unused");
    assert_eq!(finding.edge.unwrap().to_string(), "orders -> mail");
}
