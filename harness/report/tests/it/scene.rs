//! Runs made up by hand: evidence, and the reports on it.

use std::path::Path;
use std::sync::Arc;

use seaworthy_core::context::TraceParent;
use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::exchange::{
    AppliedFault, Body, Exchange, Outcome, Protocol, ProviderSide, Request, Response,
};
use seaworthy_core::finding::{EvidenceRef, Finding, Location, Verdict};
use seaworthy_core::ids::{EdgeId, ExchangeId, SpanId, TraceId};
use seaworthy_core::report::{CheckReport, RunReport, Summary};
use seaworthy_core::span::{Resource, Span, SpanKind, SpanStatus};
use seaworthy_core::system::{Overrides, System};
use seaworthy_core::time::Nanos;

const SYSTEM: &str = r#"
version: 1
name: shop
services:
  gateway: {process: {command: [gateway, "${port.http}"]}, ports: {http: http}, calls: {orders: ORDERS_URL}}
  orders: {process: {command: [orders, "${port.http}"]}, ports: {http: http}, calls: {payments: PAYMENTS_URL, shipping: SHIPPING_URL}}
  payments: {process: {command: [payments, "${port.http}"]}, ports: {http: http}}
  shipping: {process: {command: [shipping, "${port.http}"]}, ports: {http: http}, telemetry: none}
ingress: {gateway: {}}
"#;

pub(crate) fn trace(number: u8) -> TraceId {
    TraceId::from_bytes([number; 16]).unwrap()
}

pub(crate) fn span_id(number: u64) -> SpanId {
    SpanId::from_bytes(number.to_be_bytes()).unwrap()
}

pub(crate) fn span(number: u64, parent: Option<u64>, service: &str, kind: SpanKind, name: &str) -> Span {
    let resource = Resource {
        service: service.into(),
        instance: Some(format!("{service}-1").into()),
        attributes: Default::default(),
    };
    Span {
        trace_id: trace(1),
        span_id: span_id(number),
        parent_id: parent.map(span_id),
        name: name.to_owned(),
        kind,
        start_unix: 1_000 + number,
        end_unix: 1_000 + number + 12_000_000,
        status: SpanStatus::Unset,
        attributes: Default::default(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Arc::new(resource),
        scope: "test".to_owned(),
        received: Nanos(0),
    }
}

pub(crate) fn exchange(number: u64, edge: &str, parent: Option<u64>, path: &str, status: u16) -> Exchange {
    let edge: EdgeId = edge.parse().unwrap();
    let response = Response {
        status,
        grpc_status: None,
        headers: Vec::new(),
        trailers: Vec::new(),
        body: Body::default(),
        first_byte: Nanos(number + 2_000_000),
        last_byte: Some(Nanos(number + 3_000_000)),
    };
    Exchange {
        id: ExchangeId(number),
        protocol: Protocol::Http1,
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: None,
        trace: parent.map(|parent| TraceParent {
            trace_id: trace(1),
            parent_id: span_id(parent),
            sampled: true,
        }),
        invalid_traceparent: None,
        correlation_id: Some("sw-checkout-order-1".to_owned()),
        baggage: Vec::new(),
        started: Nanos(number),
        ended: Some(Nanos(number + 3_000_000)),
        request: Request { headers: Vec::new(), body: Body::default() },
        response: Some(response.clone()),
        outcome: Outcome::Answered,
        provider: Some(ProviderSide {
            instance: Some(format!("{}-1", edge.provider).into()),
            started: Nanos(number),
            ended: Some(Nanos(number + 3_000_000)),
            response: Some(response),
            outcome: Outcome::Answered,
        }),
        faults: Vec::new(),
        edge,
    }
}

/// An order in which payments is called without context, and the call to shipping is aborted.
pub(crate) fn evidence() -> EvidenceSet {
    use SpanKind::{Client, Internal, Server};
    let system = System::parse(SYSTEM, Path::new("seaworthy.yaml"), &Overrides::default()).unwrap();
    let mut evidence = EvidenceSet::empty(system);
    let mut shipping = span(8, Some(4), "orders", Client, "POST shipping");
    shipping.status = SpanStatus::Error("503".to_owned());
    evidence.spans = vec![
        span(2, Some(1), "gateway", Server, "POST /api/v1/orders"),
        span(3, Some(2), "gateway", Client, "POST orders"),
        span(4, Some(3), "orders", Server, "POST /orders"),
        span(5, Some(4), "orders", Internal, "create order"),
        span(6, Some(4), "orders", Client, "POST payments"),
        shipping,
    ];
    let mut aborted = exchange(4, "orders -> shipping", Some(8), "/shipments", 503);
    aborted.provider = None;
    let action = "abort".to_owned();
    aborted.faults.push(AppliedFault { fault: "f1".into(), action, at: Nanos(5), until: Some(Nanos(6)) });
    evidence.exchanges = vec![
        exchange(1, "ingress -> gateway", Some(1), "/api/v1/orders", 201),
        exchange(2, "gateway -> orders", Some(3), "/orders", 201),
        exchange(3, "orders -> payments", None, "/payments", 201),
        aborted,
    ];
    evidence.index();
    evidence
}

/// An order with so many database spans that its tree must be folded.
pub(crate) fn long_evidence() -> EvidenceSet {
    let mut evidence = evidence();
    for number in 100..140 {
        evidence.spans.push(span(
            number,
            Some(4),
            "orders",
            SpanKind::Internal,
            &format!("statement {}", number - 99),
        ));
    }
    evidence.index();
    evidence
}

pub(crate) fn check(id: &str, verdict: Verdict, findings: Vec<Finding>) -> CheckReport {
    CheckReport { id: id.to_owned(), verdict, findings }
}

fn summary() -> Summary {
    Summary {
        flows: 19,
        exchanges: 1312,
        spans: 12_890,
        logs: 1204,
        metric_points: 95,
        faults_fired: 14,
        duration_ms: 8421,
        ..Summary::default()
    }
}

fn sound() -> Vec<CheckReport> {
    ["correlation", "auth", "golden-signals", "budgets", "idempotency", "saga"]
        .map(|id| check(id, Verdict::Pass, Vec::new()))
        .into()
}

fn lacking_fact() -> Finding {
    Finding::not_applicable("outbox", "nothing is declared of the events on `orders -> notifications`")
        .hint("add `facts: {events: {\"orders -> notifications\": {aggregate: \"GET /orders/{subject}\"}}}`")
}

pub(crate) fn passed() -> RunReport {
    let mut checks = sound();
    checks.push(check("outbox", Verdict::Skipped, vec![lacking_fact()]));
    let warning = Finding::warning("log-level", "debug records are exported in production configuration")
        .service(&"gateway".into())
        .hint("export from level INFO on");
    checks.push(check("logs", Verdict::Pass, vec![warning]));
    RunReport::new(checks, summary(), false)
}

pub(crate) fn untraced(flow: &str) -> Finding {
    let evidence = evidence();
    let exchange = evidence.exchange(ExchangeId(3)).unwrap();
    Finding::error(
        "trace-completeness",
        "`POST /payments` carries no `traceparent`, so what payments does is in no trace and the order's trace ends here",
    )
    .edge(&exchange.edge)
    .flow(flow)
    .evidence(EvidenceRef::exchange(exchange))
    .evidence(EvidenceRef::span(span_id(6), "orders client \"POST payments\""))
    .evidence(EvidenceRef::trace(trace(1)))
    .hint("put the current context into the headers of each request: `traceparent`, and `tracestate` where there is one")
}

pub(crate) fn failed() -> RunReport {
    let mut checks = sound();
    checks.push(check(
        "trace-completeness",
        Verdict::Fail,
        vec![untraced("checkout"), untraced("payment-slow"), untraced("payment-busy")],
    ));
    let step = Finding::error(
        "flow-expectation",
        "step `order`: expected status 201, got 503: {\"title\":\"\u{1b}[31mout of order\"}",
    )
    .flow("checkout")
    .location(Location {
        file: "fixtures/flows/checkout.yaml".to_owned(),
        line: 14,
        column: 22,
        pointer: None,
    })
    .evidence(EvidenceRef::trace(trace(1)));
    checks.push(check("flows", Verdict::Fail, vec![step]));
    let unfired = Finding::undecided("timeouts", "no call on the edge was slow enough to show a timeout")
        .edge(&EdgeId::new("orders", "shipping"))
        .hint("add a flow that stalls `orders -> shipping`");
    checks.push(check("timeouts", Verdict::Inconclusive, vec![unfired]));
    checks.push(check("outbox", Verdict::Skipped, vec![lacking_fact()]));
    let mut summary = summary();
    summary.dropped.insert("spans: refused, larger than 4 MiB".to_owned(), 12);
    RunReport::new(checks, summary, false)
}

pub(crate) fn inconclusive() -> RunReport {
    let mut checks = sound();
    let unfired = Finding::undecided(
        "retry-safety",
        "the fault on `orders -> payments POST /payments` never fired, so nothing is known of retries",
    )
    .edge(&EdgeId::new("orders", "payments"))
    .flow("payment-busy")
    .location(Location {
        file: "fixtures/flows/payment-busy.yaml".to_owned(),
        line: 15,
        column: 9,
        pointer: Some("/steps/0/faults/0".to_owned()),
    })
    .hint("see whether the flow reaches payments at all");
    checks.push(check("retry-safety", Verdict::Inconclusive, vec![unfired]));
    RunReport::new(checks, summary(), false)
}
