//! Where secrets are looked for in telemetry, and how they are replaced.

use std::collections::HashMap;

use seaworthy_core::ids::TraceId;
use seaworthy_core::log::LogRecord;
use seaworthy_core::metric::MetricPoint;
use seaworthy_core::secret::{Secret, SecretHit, fingerprint, redact, redact_header};
use seaworthy_core::span::{Attributes, Resource, Span, SpanStatus, Value};

/// The shortest text that counts as the secret that its key names, in characters: shorter ones say `yes` and `no`.
const SHORTEST: usize = 4;

/// The longest excerpt that a hit keeps, in characters.
const EXCERPT: usize = 200;

/// Keys under which OpenTelemetry's conventions record captured headers.
const HEADER_KEYS: [&str; 3] =
    ["http.request.header.", "http.response.header.", "rpc.grpc.request.metadata."];

/// Replaces secrets in the items of one batch. It remembers which keys name a secret, for a batch has few keys.
#[derive(Default)]
pub(super) struct Cleaner {
    named: HashMap<String, bool>,
}

impl Cleaner {
    /// Replaces what is secret in a span's attributes, events, links and status.
    pub(super) fn clean_span(&mut self, span: &mut Span) -> Vec<SecretHit> {
        let mut found = Vec::new();
        self.attributes(&mut span.attributes, "span attribute", &mut found);
        for event in &mut span.events {
            let place = format!("span event {} attribute", event.name);
            self.attributes(&mut event.attributes, &place, &mut found);
        }
        for link in &mut span.links {
            self.attributes(&mut link.attributes, "span link attribute", &mut found);
        }
        self.text("", &mut span.name, "span name", &mut found);
        if let SpanStatus::Error(message) = &mut span.status {
            self.text("", message, "span status", &mut found);
        }
        hits(found, &span.resource, Some(span.trace_id))
    }

    /// Replaces what is secret in a log record's body and attributes.
    pub(super) fn clean_log(&mut self, log: &mut LogRecord) -> Vec<SecretHit> {
        let mut found = Vec::new();
        self.value("", &mut log.body, "log body", &mut found);
        self.attributes(&mut log.attributes, "log attribute", &mut found);
        hits(found, &log.resource, log.trace_id)
    }

    /// Replaces what is secret in a metric point's attributes.
    pub(super) fn clean_point(&mut self, point: &mut MetricPoint) -> Vec<SecretHit> {
        let mut found = Vec::new();
        self.attributes(&mut point.attributes, "metric attribute", &mut found);
        hits(found, &point.resource, None)
    }

    /// Replaces what is secret in a resource's attributes: arguments of the command line, say.
    pub(super) fn clean_resource(&mut self, resource: &mut Resource) -> Vec<SecretHit> {
        let mut found = Vec::new();
        self.attributes(&mut resource.attributes, "resource attribute", &mut found);
        hits(found, resource, None)
    }

    fn attributes(&mut self, attributes: &mut Attributes, place: &str, found: &mut Vec<Found>) {
        for (key, value) in attributes {
            self.value(key, value, &format!("{place} {key}"), found);
        }
    }

    fn value(&mut self, key: &str, value: &mut Value, place: &str, found: &mut Vec<Found>) {
        match value {
            Value::String(text) => self.text(key, text, place, found),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(key, value, place, found)),
            Value::Map(values) => {
                for (key, value) in values {
                    self.value(key, value, &format!("{place}.{key}"), found);
                }
            }
            Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Bytes { .. } | Value::Empty => {}
        }
    }

    fn text(&mut self, key: &str, text: &mut String, place: &str, found: &mut Vec<Found>) {
        let Some((clean, secrets)) = self.without_secrets(key, text) else { return };
        let excerpt: String = clean.chars().take(EXCERPT).collect();
        let note = |secret| Found { secret, place: place.to_owned(), excerpt: excerpt.clone() };
        found.extend(secrets.into_iter().map(note));
        *text = clean;
    }

    /// The text without its secrets; `None` when it has none. A text that looks harmless may be one because of
    /// the key it stands under: `db.password`, or a captured `authorization` header.
    fn without_secrets(&mut self, key: &str, text: &str) -> Option<(String, Vec<Secret>)> {
        let (clean, secrets) = redact(text);
        if !secrets.is_empty() {
            return Some((clean.into_owned(), secrets));
        }
        if let Some(header) = HEADER_KEYS.iter().find_map(|prefix| key.strip_prefix(prefix)) {
            let clean = redact_header(&header.replace('_', "-"), text);
            let secret = Secret { kind: "header".to_owned(), fingerprint: fingerprint(text) };
            return (clean != text).then(|| (clean, vec![secret]));
        }
        if text.chars().count() < SHORTEST || !self.names_secret(key) {
            return None;
        }
        let secret = Secret { kind: "named".to_owned(), fingerprint: fingerprint(text) };
        Some((format!("[redacted {} {}]", secret.kind, secret.fingerprint), vec![secret]))
    }

    /// Whether a text that stands beside this key would be redacted for the key alone.
    fn names_secret(&mut self, key: &str) -> bool {
        if key.is_empty() {
            return false;
        }
        if let Some(known) = self.named.get(key) {
            return *known;
        }
        let named = redact(&format!("{key}=harmless")).1.iter().any(|secret| secret.kind == "named");
        self.named.insert(key.to_owned(), named);
        named
    }
}

struct Found {
    secret: Secret,
    place: String,
    excerpt: String,
}

fn hits(found: Vec<Found>, resource: &Resource, trace_id: Option<TraceId>) -> Vec<SecretHit> {
    let hit = |found: Found| SecretHit {
        secret: found.secret,
        place: found.place,
        service: resource.service.clone(),
        instance: resource.instance.clone(),
        trace_id,
        excerpt: found.excerpt,
    };
    found.into_iter().map(hit).collect()
}
