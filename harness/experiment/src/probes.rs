//! Requests of the harness's own: does a protected route refuse strangers, does what events speak of exist, and does a
//! service know how it is?

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use seaworthy_core::context::{EXPERIMENT_BAGGAGE, TraceParent};
use seaworthy_core::evidence::{Health, Purpose, StepRecord};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule};
use seaworthy_core::ids::{EdgeId, ExchangeId, PROBE, ServiceName};

use crate::session::Session;

/// How long one such request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a service may take to notice that what it needs is cut. Health checks look every few seconds in practice.
const READY_SHOWS: Duration = Duration::from_secs(6);
/// How long it may take to be ready again afterwards.
const READY_AGAIN: Duration = Duration::from_secs(10);
/// How often its liveness is asked while the edge is cut.
const LIVE_ASKED: usize = 3;
/// Between two such questions.
const HEALTH_PACE: Duration = Duration::from_millis(100);
/// How many of them are made at once.
const AT_ONCE: usize = 8;
/// How many events are looked after, at most.
const MOST_AUDITS: usize = 1000;
/// The credentials that a stranger has: none, a token that nobody signed.
const STRANGERS: [(&str, Option<&str>); 2] =
    [("no token", None), ("a token that is not valid", Some("Bearer not-a-token"))];

/// Asks every protected route without and with invalid credentials. `auth` judges the answers.
pub async fn ask_as_stranger(session: &Session) {
    let protected = &session.system().facts.protected;
    let mut asking = Vec::new();
    for protected in protected {
        for (credentials, authorization) in STRANGERS {
            let method = protected.route.method.clone().unwrap_or_else(|| "GET".to_owned());
            let path = protected.route.path.fill(|_| "seaworthy-probe".to_owned());
            let request = Own {
                flow: "auth-probe",
                step: format!("{method} {path} with {credentials}"),
                purpose: Purpose::AuthProbe { credentials: credentials.to_owned() },
                edge: protected.edge.clone(),
                method,
                path,
                authorization,
                trace: TraceParent::random(),
            };
            asking.push(request.send(session));
        }
    }
    stream::iter(asking).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}

/// Cuts each edge that a service's readiness is declared to depend on, and asks the service how it is: until it is not
/// ready any more, then whether it lives, and, with the edge whole again, until it is ready once more. `health` judges
/// the answers. Edges of different services are cut at the same time, for each looks at its own.
pub async fn cut_what_readiness_needs(session: &Session) {
    let mut of_service: BTreeMap<ServiceName, Vec<EdgeId>> = BTreeMap::new();
    for declared in &session.system().facts.readiness {
        for edge in session.system().edges_like(declared) {
            of_service.entry(edge.consumer.clone()).or_default().push(edge);
        }
    }
    // One whose readiness depends on that of another here is asked when nothing is cut but its own.
    let depends = |edges: &[EdgeId]| edges.iter().any(|edge| of_service.contains_key(&edge.provider));
    let (dependent, alone): (Vec<_>, Vec<_>) = of_service.iter().partition(|(_, edges)| depends(edges));
    let ask = |(service, edges): (&ServiceName, &Vec<EdgeId>)| {
        let (service, edges) = (service.clone(), edges.clone());
        async move {
            for edge in edges {
                cut_and_ask(session, &service, edge).await;
            }
        }
    };
    join_all(alone.into_iter().map(ask)).await;
    for service in dependent {
        ask(service).await;
    }
}

async fn cut_and_ask(session: &Session, service: &ServiceName, edge: EdgeId) {
    let Some(health) = session.system().services.get(service).map(|service| &service.health) else { return };
    let (Some(ready), Some(probe)) = (health.ready.clone(), session.probe_edge(service)) else { return };
    let ask = |asked: Health, path: String, cut: bool| Own {
        flow: "health-probe",
        step: format!("GET {path} of {service} with {edge} {}", if cut { "cut" } else { "whole again" }),
        purpose: Purpose::HealthProbe { edge: edge.clone(), asked, cut },
        edge: probe.clone(),
        method: "GET".to_owned(),
        path,
        authorization: None,
        // Asked again and again: such traces are nobody's interest.
        trace: TraceParent { sampled: false, ..TraceParent::random() },
    };
    // One that is not ready before anything is cut shows nothing by not being ready then.
    if !ask(Health::Ready, ready.clone(), false).send(session).await.is_some_and(is_ready) {
        return;
    }
    let matcher = FaultMatcher { edge: Some(edge.clone()), ..FaultMatcher::default() };
    let rule = FaultRule::new(format!("health-probe.{edge}").as_str(), matcher, FaultAction::Refuse);
    let lease = match session.wire().install(FaultRule { must_fire: false, ..rule }) {
        Ok(lease) => lease,
        Err(error) => {
            tracing::warn!(%edge, %error, "could not cut it, so nobody is asked");
            return;
        }
    };
    until(READY_SHOWS, || async {
        ask(Health::Ready, ready.clone(), true).send(session).await.is_some_and(not_ready)
    })
    .await;
    if let Some(live) = &health.live {
        for _ in 0..LIVE_ASKED {
            ask(Health::Live, live.clone(), true).send(session).await;
        }
    }
    drop(lease);
    until(READY_AGAIN, || async {
        ask(Health::Ready, ready.clone(), false).send(session).await.is_some_and(is_ready)
    })
    .await;
}

fn is_ready(status: u16) -> bool {
    (200..300).contains(&status)
}

fn not_ready(status: u16) -> bool {
    !is_ready(status)
}

/// Asks again and again until it holds, for at most this long.
async fn until<F: Future<Output = bool>>(within: Duration, mut holds: impl FnMut() -> F) {
    let asking = async {
        let mut pace = tokio::time::interval(HEALTH_PACE);
        loop {
            pace.tick().await;
            if holds().await {
                return;
            }
        }
    };
    // That it never held is in the steps, for the check to judge.
    let _ = tokio::time::timeout(within, asking).await;
}

/// Asks the producer of each event for the aggregate that it speaks of, where the system file says how.
/// `outbox` judges the answers.
pub async fn audit_events(session: &Session) {
    let mut audits: BTreeMap<(EdgeId, String), ExchangeId> = BTreeMap::new();
    for exchange in session.wire().log().snapshot() {
        let declared =
            session.system().facts.events.iter().find(|(edge, _)| exchange.edge.is_covered_by(edge));
        let subject = exchange.cloud_event("subject");
        if let (Some((edge, events)), Some(subject)) = (declared, subject)
            && events.aggregate.is_some()
            && exchange.done_by_provider()
            && audits.len() < MOST_AUDITS
        {
            audits.entry((edge.clone(), subject.to_owned())).or_insert(exchange.id);
        }
    }
    let mut asking = Vec::new();
    for ((edge, subject), event) in audits {
        let declared = session.system().facts.events.get(&edge);
        let Some(route) = declared.and_then(|events| events.aggregate.as_ref()) else { continue };
        let probe = session.probe_edge(&edge.consumer);
        let path = route.path.fill(|_| percent_encode(&subject));
        let request = Own {
            flow: "event-audit",
            step: format!("GET {path}"),
            purpose: Purpose::Audit { event, subject },
            edge: probe.unwrap_or_else(|| EdgeId::new(PROBE, edge.consumer.clone())),
            method: route.method.clone().unwrap_or_else(|| "GET".to_owned()),
            path,
            authorization: None,
            trace: TraceParent::random(),
        };
        asking.push(request.send(session));
    }
    stream::iter(asking).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}

/// A request of the harness's own.
struct Own {
    flow: &'static str,
    step: String,
    purpose: Purpose,
    edge: EdgeId,
    method: String,
    path: String,
    authorization: Option<&'static str>,
    trace: TraceParent,
}

impl Own {
    /// Sends it, records how it went, and says with which status it was answered.
    async fn send(self, session: &Session) -> Option<u16> {
        let started = session.clock().now();
        let correlation_id = format!("sw-{}-{}", self.flow, self.trace.parent_id);
        let status = self.status(session, &correlation_id).await;
        session.record(StepRecord {
            flow: self.flow.to_owned(),
            experiment: self.flow.to_owned(),
            step: self.step,
            purpose: self.purpose,
            trace: self.trace,
            correlation_id,
            started,
            ended: session.clock().now(),
            status,
            faults: Vec::new(),
            instance_fault: None,
            failures: Vec::new(),
        });
        status
    }

    async fn status(&self, session: &Session, correlation_id: &str) -> Option<u16> {
        let address = session.address(&self.edge)?;
        let method = reqwest::Method::from_bytes(self.method.as_bytes()).ok()?;
        let mut request = session
            .client()
            .request(method, format!("http://{address}{}", self.path))
            .timeout(TIMEOUT)
            .header("traceparent", self.trace.to_string())
            .header("baggage", format!("{EXPERIMENT_BAGGAGE}={}", self.flow));
        let correlation = session.system().facts.correlation.clone().unwrap_or_default();
        for header in &correlation.headers {
            request = request.header(header, correlation_id);
        }
        if let Some(authorization) = self.authorization {
            request = request.header("authorization", authorization);
        }
        request.send().await.ok().map(|answer| answer.status().as_u16())
    }
}

/// Encodes what may not stand in a path segment.
fn percent_encode(segment: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    segment
        .bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
