//! A shop of two services, small enough to see through: `front` takes orders and asks `back`; after its answer it
//! tells `back` of the order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as PathPart, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use seaworthy_core::context::TraceParent;
use seaworthy_core::evidence::{Purpose, StepFailure, StepRecord};
use seaworthy_core::ids::SpanId;
use seaworthy_core::span::{Resource, Span, SpanKind, SpanStatus};
use seaworthy_core::system::{Overrides, System};
use seaworthy_core::time::{Nanos, RunClock};
use seaworthy_telemetry::Store;
use tokio::time::timeout;

use super::copies::{Copies, Copy};
use crate::flow::{Flow, FlowOutcome, run_flow};
use crate::session::{Built, Session};

const SYSTEM: &str = r#"
version: 1
name: small
services:
  front:
    process: {command: [front, "${port.http}"]}
    ports: {http: http}
    health: {ready: /ready}
    telemetry: none
    calls: {back: BACK_URL}
  back:
    process: {command: [back, "${port.http}"]}
    ports: {http: http}
    health: {ready: /ready}
    telemetry: none
ingress: {front: {}}
vars: {sku: book}
facts: {shutdown: 5s}
"#;

/// Longer than any test takes; reaching it fails the test instead of hanging it.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct Here {
    copy: Copy,
    client: reqwest::Client,
    store: Arc<OnceLock<Store>>,
    orders: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
}

/// The shop, running.
pub(super) struct Shop {
    pub(super) session: Session,
}

impl Shop {
    pub(super) async fn open() -> Self {
        let system = System::parse(SYSTEM, Path::new("seaworthy.yaml"), &Overrides::default()).unwrap();
        let clock = RunClock::start();
        let store: Arc<OnceLock<Store>> = Arc::default();
        let (orders, shared) = (Arc::<AtomicU64>::default(), store.clone());
        let copies = Copies::new(clock, move |copy| {
            let client = super::super::request::client().unwrap();
            let (store, orders) = (shared.clone(), orders.clone());
            router(Here { copy, client, store, orders, asked: Arc::default() })
        });
        let started = Session::start(system, clock, Arc::new(copies), Built::default());
        let session = timeout(DEADLINE, started).await.unwrap().unwrap();
        let _ = store.set(session.store().clone());
        Self { session }
    }

    pub(super) async fn run(&self, text: &str) -> FlowOutcome {
        let flow = Flow::parse(text, "flows/f.yaml").unwrap();
        flow.check_against(self.session.system()).unwrap();
        let run = run_flow(&flow, &self.session, &flow.name, Purpose::Flow);
        timeout(DEADLINE, run).await.expect("a flow ends")
    }

    /// Runs a flow of one step, which begins with an order.
    pub(super) async fn order(&self, rest: &str) -> FlowOutcome {
        self.run(&order(rest)).await
    }
}

/// A flow of one step that orders.
pub(super) fn order(rest: &str) -> String {
    format!(
        "flow: f\nsteps:\n  - name: order\n    request: {{method: POST, path: /orders, json: {{sku: \"${{var.sku}}\"}}}}\n{rest}"
    )
}

/// All failures of all steps.
pub(super) fn failures(outcome: &FlowOutcome) -> Vec<&StepFailure> {
    outcome.steps.iter().flat_map(|step| &step.failures).collect()
}

/// The only failure of all steps.
pub(super) fn the_failure(outcome: &FlowOutcome) -> &StepFailure {
    match failures(outcome).as_slice() {
        [failure] => failure,
        failures => panic!("{failures:#?}"),
    }
}

/// The only step, in which nothing went wrong.
pub(super) fn sound(outcome: &FlowOutcome) -> &StepRecord {
    match outcome.steps.as_slice() {
        [step] if step.failures.is_empty() => step,
        steps => panic!("{steps:#?}"),
    }
}

fn router(here: Here) -> Router {
    let ready = |State(here): State<Here>| async move {
        if here.copy.is_ending() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let router = Router::new().route("/ready", get(ready));
    let router = if here.copy.launch.service == "front" {
        router
            .route("/orders", post(take_order))
            .route("/orders/{id}", get(read_order))
            .route("/large", get(async || Body::from(vec![b'x'; 5 * 1024 * 1024])))
            .route("/die", post(async |State(here): State<Here>| die(&here)))
            .route("/forgetful", post(async |State(here): State<Here>| forget(&here).await))
    } else {
        router.route("/stock", post(async || "{}")).route("/events", post(async || StatusCode::ACCEPTED))
    };
    router.with_state(here)
}

/// Asks `back` for stock; whether it said yes.
async fn ask_back(here: &Here, path: &str, headers: &HeaderMap) -> bool {
    let mut request = here.client.post(format!("{}{path}", here.copy.launch.env["BACK_URL"]));
    for name in ["traceparent", "x-correlation-id", "baggage"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value.as_bytes());
        }
    }
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

async fn take_order(State(here): State<Here>, headers: HeaderMap, body: Bytes) -> Response {
    let order: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    if order["sku"] != "book" {
        return (StatusCode::CONFLICT, "{\"title\":\"no such thing\"}").into_response();
    }
    if !ask_back(&here, "/stock", &headers).await {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let id = format!("ord_{}", here.orders.fetch_add(1, Ordering::Relaxed) + 1);
    add_span(&here, &headers);
    let correlation = headers.get("x-correlation-id").cloned();
    let later = (here.clone(), headers.clone());
    tokio::spawn(async move { ask_back(&later.0, "/events", &later.1).await });
    let body = serde_json::json!({"id": id, "status": "CONFIRMED", "items": [{"sku": "book", "price": 5.0}]});
    let mut answer =
        (StatusCode::CREATED, [("location", format!("http://elsewhere/orders/{id}"))], body.to_string())
            .into_response();
    if let Some(correlation) = correlation {
        answer.headers_mut().insert("x-correlation-id", correlation);
    }
    answer
}

/// Answers `PENDING` twice, then `DONE`.
async fn read_order(State(here): State<Here>, PathPart(id): PathPart<String>) -> String {
    let status = if here.asked.fetch_add(1, Ordering::Relaxed) < 2 { "PENDING" } else { "DONE" };
    serde_json::json!({"id": id, "status": status}).to_string()
}

/// Ends by itself once the answer is out.
fn die(here: &Here) -> StatusCode {
    let copy = here.copy.clone();
    std::thread::spawn(move || copy.die(Some(101), None));
    StatusCode::ACCEPTED
}

/// Tells `back`, keeping neither trace nor baggage but the correlation id that every forgetful call has.
async fn forget(here: &Here) -> StatusCode {
    let mut headers = HeaderMap::new();
    headers.insert("x-correlation-id", "kept-by-name".parse().unwrap());
    let told = ask_back(here, "/events", &headers).await;
    if told { StatusCode::OK } else { StatusCode::BAD_GATEWAY }
}

/// What `front` would export: one SERVER span.
fn add_span(here: &Here, headers: &HeaderMap) {
    let parent =
        headers.get("traceparent").and_then(|value| value.to_str().ok()?.parse::<TraceParent>().ok());
    let (Some(store), Some(parent)) = (here.store.get(), parent) else { return };
    let attributes = BTreeMap::from([("service.name".to_owned(), "front".into())]);
    let resource = Resource { service: "front".into(), instance: None, attributes };
    store.add_spans(vec![Span {
        trace_id: parent.trace_id,
        span_id: SpanId::random(),
        parent_id: Some(parent.parent_id),
        name: "POST /orders".to_owned(),
        kind: SpanKind::Server,
        start_unix: 1,
        end_unix: 2,
        status: SpanStatus::Unset,
        attributes: BTreeMap::from([("http.route".to_owned(), "/orders".into())]),
        events: Vec::new(),
        links: Vec::new(),
        resource: Arc::new(resource),
        scope: String::new(),
        received: Nanos(0),
    }]);
}
