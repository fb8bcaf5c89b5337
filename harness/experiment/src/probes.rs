//! Requests of the harness's own: does a protected route refuse strangers, and does what events speak of exist?

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use seaworthy_core::context::{EXPERIMENT_BAGGAGE, TraceParent};
use seaworthy_core::evidence::{Purpose, StepRecord};
use seaworthy_core::ids::{EdgeId, ExchangeId, PROBE};

use crate::session::Session;

/// How long one such request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
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
    async fn send(self, session: &Session) {
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
