//! Where secrets are looked for in telemetry, and how they are replaced.

use seaworthy_core::ids::TraceId;
use seaworthy_core::log::LogRecord;
use seaworthy_core::secret::{Secret, SecretHit, redact, redact_header};
use seaworthy_core::span::{Attributes, Resource, Span, SpanStatus, Value};

/// The longest excerpt that a hit keeps, in characters.
const EXCERPT: usize = 200;

/// Keys under which OpenTelemetry's conventions record captured headers.
const HEADER_KEYS: [&str; 3] =
    ["http.request.header.", "http.response.header.", "rpc.grpc.request.metadata."];

/// Replaces what is secret in a span's attributes, events, links and status.
pub(super) fn clean_span(span: &mut Span) -> Vec<SecretHit> {
    let mut found = Vec::new();
    clean_attributes(&mut span.attributes, "span attribute", &mut found);
    for event in &mut span.events {
        let place = format!("span event {} attribute", event.name);
        clean_attributes(&mut event.attributes, &place, &mut found);
    }
    for link in &mut span.links {
        clean_attributes(&mut link.attributes, "span link attribute", &mut found);
    }
    clean_text("", &mut span.name, "span name", &mut found);
    if let SpanStatus::Error(message) = &mut span.status {
        clean_text("", message, "span status", &mut found);
    }
    hits(found, &span.resource, Some(span.trace_id))
}

/// Replaces what is secret in a log record's body and attributes.
pub(super) fn clean_log(log: &mut LogRecord) -> Vec<SecretHit> {
    let mut found = Vec::new();
    clean_value("", &mut log.body, "log body", &mut found);
    clean_attributes(&mut log.attributes, "log attribute", &mut found);
    hits(found, &log.resource, log.trace_id)
}

/// Replaces what is secret in a resource's attributes: arguments of the command line, say.
pub(super) fn clean_resource(resource: &mut Resource) -> Vec<SecretHit> {
    let mut found = Vec::new();
    clean_attributes(&mut resource.attributes, "resource attribute", &mut found);
    hits(found, resource, None)
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

fn clean_attributes(attributes: &mut Attributes, place: &str, found: &mut Vec<Found>) {
    for (key, value) in attributes {
        clean_value(key, value, &format!("{place} {key}"), found);
    }
}

fn clean_value(key: &str, value: &mut Value, place: &str, found: &mut Vec<Found>) {
    match value {
        Value::String(text) => clean_text(key, text, place, found),
        Value::Array(values) => values.iter_mut().for_each(|value| clean_value(key, value, place, found)),
        Value::Map(values) => {
            for (key, value) in values {
                clean_value(key, value, &format!("{place}.{key}"), found);
            }
        }
        Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Bytes { .. } | Value::Empty => {}
    }
}

fn clean_text(key: &str, text: &mut String, place: &str, found: &mut Vec<Found>) {
    let (clean, secrets) = clean_under(key, text);
    if secrets.is_empty() {
        return;
    }
    let excerpt: String = clean.chars().take(EXCERPT).collect();
    let note = |secret| Found { secret, place: place.to_owned(), excerpt: excerpt.clone() };
    found.extend(secrets.into_iter().map(note));
    *text = clean;
}

/// The text without its secrets. A text that looks harmless may be one because of the key it stands under:
/// `db.password`, or a captured `authorization` header.
fn clean_under(key: &str, text: &str) -> (String, Vec<Secret>) {
    let (clean, mut secrets) = redact(text);
    if !secrets.is_empty() || key.is_empty() {
        return (clean.into_owned(), secrets);
    }
    if let Some(header) = HEADER_KEYS.iter().find_map(|prefix| key.strip_prefix(prefix)) {
        let clean = redact_header(&header.replace('_', "-"), text);
        if clean != text {
            let fingerprint = seaworthy_core::secret::fingerprint(text);
            secrets.push(Secret { kind: "header".to_owned(), fingerprint });
        }
        return (clean, secrets);
    }
    let Ok(quoted) = serde_json::to_string(text) else { return (clean.into_owned(), secrets) };
    let named = redact(&format!("{key}={quoted}")).1;
    match named.into_iter().find(|secret| secret.kind == "named") {
        Some(secret) => (format!("[redacted {} {}]", secret.kind, secret.fingerprint), vec![secret]),
        None => (clean.into_owned(), secrets),
    }
}
