//! A small world in which evidence is written by hand: calls with the spans, logs and metrics that a healthy system
//! leaves, each of which a test can then spoil. Time is the world's own and moves only when told to, so that nothing here
//! depends on a clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seaworthy_core::completeness::Completeness;
use seaworthy_core::context::TraceParent;
use seaworthy_core::evidence::{EvidenceSet, Purpose, StepRecord};
use seaworthy_core::exchange::{
    AppliedFault, Body, Exchange, Outcome, Protocol, ProviderSide, Request, Response,
};
use seaworthy_core::fault::{FaultRecord, FaultRule};
use seaworthy_core::ids::{EdgeId, ExchangeId, InstanceId, ServiceName, SpanId, TraceId};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind};
use seaworthy_core::log::LogRecord;
use seaworthy_core::metric::{MetricPoint, MetricValue, Temporality};
use seaworthy_core::span::{Attributes, Resource, Span, SpanKind, SpanStatus, Value};
use seaworthy_core::time::Nanos;
use serde_json::json;

pub(crate) use crate::verdict::{assert_passes, assert_skipped, assert_undecided, blamed, judge, verdict};

/// How long a plain call takes.
const PLAIN: u64 = 10;

/// The evidence of a run that is being made up.
pub(crate) struct World {
    pub(crate) set: EvidenceSet,
    /// Milliseconds since the start of the run.
    pub(crate) now: u64,
    ids: u64,
    instances: BTreeMap<String, u32>,
}

/// Where a piece of work belongs: what a service hands on when it calls.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) correlation: String,
    /// The exchange by which the work came, but for a step itself.
    pub(crate) exchange: Option<ExchangeId>,
}

/// A request that is about to be sent.
pub(crate) struct Sending {
    edge: EdgeId,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    protocol: Protocol,
}

pub(crate) fn request(edge: &str, what: &str) -> Sending {
    let (method, path) = what.split_once(' ').unwrap();
    Sending {
        edge: edge.parse().unwrap(),
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: String::new(),
        protocol: Protocol::Http1,
    }
}

/// The delivery of a CloudEvent.
pub(crate) fn event(edge: &str, id: &str) -> Sending {
    request(edge, "POST /events")
        .header("ce-specversion", "1.0")
        .header("ce-id", id)
        .header("ce-type", "shop.order.created")
        .header("ce-subject", "o-1")
        .body(&format!("event {id}"))
}

impl Sending {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn grpc(mut self) -> Self {
        self.protocol = Protocol::Grpc;
        self
    }
}

impl World {
    /// A world of `gateway`, `orders`, `payments`, `shipping` and `mail`, one instance each, with these facts.
    pub(crate) fn new(facts: serde_json::Value) -> Self {
        let service = json!({"ports": {"http": "http"}, "health": {"live": "/live", "ready": "/ready"}, "logs": "json"});
        let services: serde_json::Map<String, serde_json::Value> =
            ["gateway", "orders", "payments", "shipping", "mail"]
                .map(|name| (name.to_owned(), service.clone()))
                .into_iter()
                .collect();
        let system = json!({"version": 1, "name": "made-up", "services": services, "facts": facts});
        let mut world = Self {
            set: EvidenceSet::empty(serde_json::from_value(system).unwrap()),
            now: 0,
            ids: 0,
            instances: BTreeMap::new(),
        };
        for name in ["gateway", "orders", "payments", "shipping", "mail"] {
            world.start(name);
        }
        world.now = 1000;
        world
    }

    /// A world in which nothing is declared.
    pub(crate) fn plain() -> Self {
        Self::new(json!({}))
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn span_id(&mut self) -> SpanId {
        SpanId::from_bytes(self.id().to_be_bytes()).unwrap()
    }

    pub(crate) fn trace_id(&mut self) -> TraceId {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.id().to_be_bytes());
        TraceId::from_bytes(bytes).unwrap()
    }

    pub(crate) fn at(&self) -> Nanos {
        Nanos(self.now * 1_000_000)
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += millis;
    }

    // Instances.

    pub(crate) fn instance(&self, service: &str) -> InstanceId {
        format!("{service}-{}", self.instances[service]).into()
    }

    pub(crate) fn happened(&mut self, service: &str, kind: InstanceEventKind) {
        let instance = self.instance(service);
        self.set.instances.push(InstanceEvent { at: self.at(), service: service.into(), instance, kind });
    }

    /// Starts the next instance of a service.
    pub(crate) fn start(&mut self, service: &str) {
        *self.instances.entry(service.to_owned()).or_default() += 1;
        self.happened(service, InstanceEventKind::Started { pid: None, container: None });
        self.happened(service, InstanceEventKind::Ready);
    }

    pub(crate) fn kill(&mut self, service: &str) {
        self.happened(service, InstanceEventKind::Killed);
        self.happened(service, InstanceEventKind::Exited { code: None, signal: Some(9), expected: true });
    }

    pub(crate) fn stop(&mut self, service: &str) {
        self.happened(service, InstanceEventKind::AskedToEnd);
        self.now += PLAIN;
        self.happened(service, InstanceEventKind::Exited { code: Some(0), signal: None, expected: true });
    }

    // Steps.

    /// Begins a step of a flow.
    pub(crate) fn step(&mut self) -> Context {
        self.step_for(Purpose::Flow)
    }

    pub(crate) fn step_for(&mut self, purpose: Purpose) -> Context {
        let (trace_id, parent_id) = (self.trace_id(), self.span_id());
        let correlation = format!("c-{}", self.ids);
        self.set.steps.push(StepRecord {
            flow: "checkout".to_owned(),
            experiment: "checkout".to_owned(),
            step: "order".to_owned(),
            purpose,
            trace: TraceParent { trace_id, parent_id, sampled: true },
            correlation_id: correlation.clone(),
            started: self.at(),
            ended: self.at(),
            status: Some(201),
            faults: Vec::new(),
            instance_fault: None,
            failures: Vec::new(),
        });
        self.set
            .completeness
            .insert(trace_id, Completeness { trace_id, gaps: Vec::new(), owed: 0, waived: Vec::new() });
        Context { trace: trace_id, span: parent_id, correlation, exchange: None }
    }

    pub(crate) fn last_step(&mut self) -> &mut StepRecord {
        self.set.steps.last_mut().unwrap()
    }

    // Calls.

    /// Sends a request in this context and leaves it in the provider's hands.
    pub(crate) fn open(&mut self, context: &Context, sending: Sending) -> Context {
        let client = if sending.edge.is_internal() {
            let name = sending.edge.consumer.to_string();
            self.span(&name, SpanKind::Client, context.trace, Some(context.span), &context.correlation)
        } else {
            context.span
        };
        self.open_under(context, client, sending)
    }

    /// Sends a request under a span that is there already.
    pub(crate) fn open_under(&mut self, context: &Context, parent: SpanId, sending: Sending) -> Context {
        self.now += 1;
        let id = ExchangeId(self.id());
        let mut headers = sending.headers;
        headers.push(("x-correlation-id".to_owned(), context.correlation.clone()));
        if headers.iter().any(|(name, _)| name == "ce-id") {
            headers.push(("ce-correlationid".to_owned(), context.correlation.clone()));
        }
        let provider = sending.edge.provider.to_string();
        let exchange = Exchange {
            id,
            edge: sending.edge,
            protocol: sending.protocol,
            method: sending.method,
            path: sending.path,
            query: None,
            trace: Some(TraceParent { trace_id: context.trace, parent_id: parent, sampled: true }),
            invalid_traceparent: None,
            correlation_id: Some(context.correlation.clone()),
            baggage: Vec::new(),
            started: self.at(),
            ended: None,
            request: Request { headers, body: body(&sending.body) },
            response: None,
            outcome: Outcome::InFlight,
            provider: Some(ProviderSide {
                instance: Some(self.instance(&provider)),
                started: self.at(),
                ended: None,
                response: None,
                outcome: Outcome::InFlight,
            }),
            faults: Vec::new(),
        };
        self.set.exchanges.push(exchange);
        let span = self.span(&provider, SpanKind::Server, context.trace, Some(parent), &context.correlation);
        self.log(&provider, context.trace, span, &context.correlation);
        Context { trace: context.trace, span, correlation: context.correlation.clone(), exchange: Some(id) }
    }

    /// An exchange that nobody serves and the harness alone has seen.
    pub(crate) fn open_unserved(&mut self, context: &Context, sending: Sending) -> Context {
        self.instances.insert(sending.edge.provider.to_string(), 1);
        let provider = sending.edge.provider.to_string();
        let sent = self.open_under(context, context.span, sending);
        self.instances.remove(&provider);
        self.never_arrived(&sent);
        sent
    }

    /// The provider answers, after the time of a plain call.
    pub(crate) fn answer(&mut self, call: &Context, status: u16) {
        self.answer_with(call, status, &format!("answer {status}"));
    }

    pub(crate) fn answer_with(&mut self, call: &Context, status: u16, text: &str) {
        self.now += PLAIN;
        let (now, correlation) = (self.at(), call.correlation.clone());
        let exchange = self.exchange(call);
        let is_grpc = exchange.protocol == Protocol::Grpc;
        let response = Response {
            status: if is_grpc { 200 } else { status },
            grpc_status: is_grpc.then_some(status),
            headers: vec![("x-correlation-id".to_owned(), correlation)],
            trailers: Vec::new(),
            body: body(text),
            first_byte: now,
            last_byte: Some(now),
        };
        exchange.response = Some(response.clone());
        exchange.outcome = Outcome::Answered;
        exchange.ended = Some(now);
        let provider = exchange.provider.as_mut().unwrap();
        provider.response = Some(response);
        provider.outcome = Outcome::Answered;
        provider.ended = Some(now);
    }

    /// A call from beginning to end.
    pub(crate) fn call(&mut self, context: &Context, sending: Sending, status: u16) -> Context {
        let call = self.open(context, sending);
        self.answer(&call, status);
        call
    }

    /// A call that a fault of the harness answers before it reaches the provider.
    pub(crate) fn aborted(&mut self, context: &Context, sending: Sending, status: u16) -> ExchangeId {
        let call = self.open(context, sending);
        self.answer(&call, status);
        self.never_arrived(&call);
        let at = self.at();
        let exchange = self.exchange(&call);
        exchange.faults.push(AppliedFault {
            fault: "f-1".into(),
            action: "abort".to_owned(),
            at,
            until: None,
        });
        exchange.id
    }

    /// Takes back that a request reached its provider, with what the provider said of it.
    pub(crate) fn never_arrived(&mut self, call: &Context) {
        self.exchange(call).provider = None;
        self.set.spans.retain(|span| span.span_id != call.span);
        self.set.logs.retain(|log| log.span_id != Some(call.span));
    }

    /// The provider has answered, and the answer is lost on its way.
    pub(crate) fn lose_answer(&mut self, call: &Context) {
        let exchange = self.exchange(call);
        exchange.response = None;
        exchange.outcome = Outcome::Reset;
    }

    /// The consumer gives up, and the provider notices.
    pub(crate) fn give_up(&mut self, call: &Context) {
        self.break_off(call, Outcome::Cancelled, Outcome::Cancelled);
    }

    /// The exchange ends without an answer on either side.
    pub(crate) fn break_off(&mut self, call: &Context, consumer: Outcome, provider: Outcome) {
        let now = self.at();
        let exchange = self.exchange(call);
        exchange.outcome = consumer;
        exchange.ended = Some(now);
        let side = exchange.provider.as_mut().unwrap();
        side.outcome = provider;
        side.ended = Some(now);
    }

    pub(crate) fn exchange(&mut self, call: &Context) -> &mut Exchange {
        let id = call.exchange.unwrap();
        self.set.exchanges.iter_mut().find(|exchange| exchange.id == id).unwrap()
    }

    // What services say.

    pub(crate) fn resource(&self, service: &str) -> Arc<Resource> {
        Arc::new(Resource {
            service: service.into(),
            instance: Some(self.instance(service)),
            attributes: Attributes::new(),
        })
    }

    pub(crate) fn span(
        &mut self,
        service: &str,
        kind: SpanKind,
        trace_id: TraceId,
        parent_id: Option<SpanId>,
        correlation: &str,
    ) -> SpanId {
        let span_id = self.span_id();
        self.set.spans.push(Span {
            trace_id,
            span_id,
            parent_id,
            name: format!("{} work", kind.as_str()),
            kind,
            start_unix: self.at().0,
            end_unix: self.at().0,
            status: SpanStatus::Unset,
            attributes: Attributes::from([("correlation_id".to_owned(), correlation.into())]),
            events: Vec::new(),
            links: Vec::new(),
            resource: self.resource(service),
            scope: String::new(),
            received: self.at(),
        });
        span_id
    }

    pub(crate) fn span_of(&mut self, span: SpanId) -> &mut Span {
        self.set.spans.iter_mut().find(|one| one.span_id == span).unwrap()
    }

    fn log(&mut self, service: &str, trace: TraceId, span: SpanId, correlation: &str) {
        self.set.logs.push(LogRecord {
            time_unix: self.at().0,
            severity: 9,
            severity_text: "INFO".to_owned(),
            body: Value::from("request handled"),
            attributes: Attributes::from([("correlation_id".to_owned(), correlation.into())]),
            trace_id: Some(trace),
            span_id: Some(span),
            event_name: String::new(),
            resource: self.resource(service),
            received: self.at(),
        });
    }

    /// A rule that stood from then until now.
    pub(crate) fn fault(&mut self, rule: FaultRule, since: Nanos, fired: u64) {
        let record = FaultRecord { rule, installed: since, removed: Some(self.at()), fired, lapsed: false };
        self.set.faults.push(record);
    }

    /// Ends the run in order: every instance that still runs is stopped and has exported what it counted.
    pub(crate) fn finish(mut self) -> EvidenceSet {
        self.now += 100;
        for (service, number) in self.instances.clone() {
            let instance: InstanceId = format!("{service}-{number}").into();
            let ended = |event: &InstanceEvent| {
                event.instance == instance && matches!(event.kind, InstanceEventKind::Exited { .. })
            };
            if !self.set.instances.iter().any(ended) {
                self.stop(&service);
            }
            self.export_metrics(&service, &instance);
        }
        let end = self.at();
        self.set.steps.iter_mut().for_each(|step| step.ended = end);
        self.set.index();
        self.set
    }

    /// The histogram that a healthy instance exports: each answered request once, with its duration in seconds.
    fn export_metrics(&mut self, service: &str, instance: &InstanceId) {
        let mut series: BTreeMap<u16, (u64, f64)> = BTreeMap::new();
        for provider in self.set.exchanges.iter().filter_map(|exchange| exchange.provider.as_ref()) {
            let (Some(response), Some(ended)) = (&provider.response, provider.ended) else { continue };
            if provider.instance.as_ref() == Some(instance) {
                let (count, sum) = series.entry(response.status).or_default();
                *count += 1;
                *sum += ended.since(provider.started).as_secs_f64() * 0.9;
            }
        }
        let resource = Arc::new(Resource {
            service: service.into(),
            instance: Some(instance.clone()),
            attributes: Attributes::new(),
        });
        for (status, (count, sum)) in series {
            self.set.metrics.push(MetricPoint {
                name: "http.server.request.duration".to_owned(),
                unit: "s".to_owned(),
                attributes: Attributes::from([(
                    "http.response.status_code".to_owned(),
                    Value::Int(i64::from(status)),
                )]),
                start_unix: 0,
                time_unix: 0,
                value: MetricValue::Histogram {
                    count,
                    sum: Some(sum),
                    bounds: Vec::new(),
                    buckets: Vec::new(),
                    min: None,
                    max: None,
                    temporality: Temporality::Cumulative,
                },
                resource: resource.clone(),
                received: Nanos(0),
            });
        }
    }
}

/// A body whose digest is its text, so that equal texts are equal bodies.
pub(crate) fn body(text: &str) -> Body {
    Body { bytes: text.len() as u64, digest: text.to_owned(), text: Some(text.to_owned()), truncated: false }
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn service(name: &str) -> ServiceName {
    name.into()
}
