//! A message as it came, and what the log and the fault rules want to know of it.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use seaworthy_core::context::TraceParent;
use seaworthy_core::exchange::Protocol;
use seaworthy_core::ids::EdgeId;

use crate::fault::matching::RequestFacts;
use crate::log::record::{Asked, RawHeaders};
use crate::proxy::forward::{baggage, traceparent};

/// The header that is recorded with a message that the broker gives out again.
const REDELIVERED: &str = "redelivered";
/// The method under which a message is recorded.
const METHOD: &str = "SEND";

/// A body that no consumer can read: neither UTF-8 nor, therefore, JSON.
const POISON: &[u8] = b"\xff\xfe\x00poison\xc3\x28";

/// A message with its head read.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
    path: String,
    /// The headers that HTTP could have, for the fault rules.
    headers: HeaderMap,
    /// All of them, for the log.
    recorded: RawHeaders,
    trace: Option<TraceParent>,
    invalid_traceparent: Option<String>,
    correlation_id: Option<String>,
    baggage: Option<String>,
}

impl Message {
    /// Reads the head of a message. `correlation_headers` are those that carry a correlation id, the most trusted first;
    /// the property `correlation-id` is trusted least.
    pub(super) fn read(
        routing_key: ShortString,
        properties: BasicProperties,
        body: Vec<u8>,
        redelivered: bool,
        correlation_headers: &[String],
    ) -> Self {
        let pairs = pairs(&properties, redelivered);
        let mut headers = HeaderMap::new();
        for (name, value) in &pairs {
            let value = HeaderValue::from_bytes(value);
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
                headers.append(name, value);
            }
        }
        let (trace, invalid_traceparent) = traceparent(&headers);
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let declared = correlation_headers.iter().find_map(|name| text(name));
        let correlation = declared.or_else(|| properties.correlation_id().as_ref().map(ShortString::as_str));
        Self {
            path: format!("/{routing_key}"),
            trace,
            invalid_traceparent,
            correlation_id: correlation.map(|id| id.chars().take(256).collect()),
            baggage: baggage(&headers),
            recorded: recorded(&pairs),
            headers,
            routing_key,
            properties,
            body,
        }
    }

    /// The body that goes out.
    pub(super) fn sent_body(&self, is_poisoned: bool) -> &[u8] {
        if is_poisoned { POISON } else { &self.body }
    }

    /// What a fault rule looks at.
    pub(super) fn facts<'m>(&'m self, edge: &'m EdgeId) -> RequestFacts<'m> {
        let mut facts =
            RequestFacts::new(edge, METHOD, &self.path, &self.headers).with_baggage(self.baggage.as_deref());
        facts.trace_id = self.trace.map(|trace| trace.trace_id);
        facts.correlation_id = self.correlation_id.as_deref();
        facts
    }

    /// What the log writes down.
    pub(super) fn asked(&self, edge: &EdgeId) -> Asked {
        Asked {
            edge: edge.clone(),
            protocol: Protocol::Message,
            method: METHOD.to_owned(),
            path: self.path.clone(),
            query: None,
            trace: self.trace,
            invalid_traceparent: self.invalid_traceparent.clone(),
            correlation_id: self.correlation_id.clone(),
            baggage: self.baggage.clone(),
            headers: self.recorded.clone(),
        }
    }

    /// What it is about. Messages about the same keep their order whatever is done to one of them; one that says
    /// nothing of the kind has no such ties.
    pub(super) fn subject(&self) -> Option<Cow<'_, str>> {
        let named = ["ce-partitionkey", "ce-subject"].into_iter();
        let named = named.filter_map(|name| self.headers.get(name)?.to_str().ok()).next();
        named
            .map(Cow::Borrowed)
            .or_else(|| Some(Cow::Owned(self.trace?.trace_id.to_string())))
            .or_else(|| self.correlation_id.as_deref().map(Cow::Borrowed))
    }
}

/// The properties as we may send them, and whether something had to go: the broker refuses a `user-id` other than that
/// of whoever is connected.
pub(super) fn sendable(properties: BasicProperties, user: &str) -> (BasicProperties, bool) {
    if properties.user_id().as_ref().is_none_or(|named| named.as_str() == user) {
        return (properties, false);
    }
    let mut kept = BasicProperties::default();
    macro_rules! keep {
        ($($get:ident => $with:ident),*) => {
            $(if let Some(value) = properties.$get() {
                kept = kept.$with(value.clone());
            })*
        };
    }
    keep!(
        content_type => with_content_type, content_encoding => with_content_encoding, headers => with_headers,
        delivery_mode => with_delivery_mode, priority => with_priority, correlation_id => with_correlation_id,
        reply_to => with_reply_to, expiration => with_expiration, message_id => with_message_id,
        timestamp => with_timestamp, kind => with_type, app_id => with_app_id, cluster_id => with_cluster_id
    );
    (kept, true)
}

type Pairs = Vec<(Cow<'static, str>, Vec<u8>)>;

/// The headers of a message, and its properties as if they were headers, unless there is a header of that name.
fn pairs(properties: &BasicProperties, redelivered: bool) -> Pairs {
    let table = properties.headers().as_ref().map(FieldTable::inner);
    let mut pairs: Pairs =
        table.into_iter().flatten().map(|(name, value)| (header_name(name.as_str()), bytes(value))).collect();
    let of_properties = [
        ("content-type", properties.content_type()),
        ("content-encoding", properties.content_encoding()),
        ("message-id", properties.message_id()),
        ("correlation-id", properties.correlation_id()),
        ("type", properties.kind()),
        ("app-id", properties.app_id()),
    ];
    for (name, value) in of_properties {
        if let Some(value) = value
            && !pairs.iter().any(|(have, _)| have == name)
        {
            pairs.push((name.into(), value.as_str().into()));
        }
    }
    if redelivered {
        pairs.push((REDELIVERED.into(), b"true".to_vec()));
    }
    pairs
}

fn recorded(pairs: &Pairs) -> RawHeaders {
    let size = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    RawHeaders::of_pairs(pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())), pairs.len(), size)
}

/// The name in lower case; CloudEvents attributes as HTTP has them (`ce-`), whichever prefix the AMQP binding of
/// CloudEvents 1.0 gave them (section 3.1.3: `cloudEvents_` or `cloudEvents:`).
fn header_name(name: &str) -> Cow<'static, str> {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("cloudevents:").or_else(|| name.strip_prefix("cloudevents_")) {
        Some(attribute) => format!("ce-{attribute}").into(),
        None => name.into(),
    }
}

/// A header's value as text: strings as they are, all else as JSON has it.
fn bytes(value: &AMQPValue) -> Vec<u8> {
    match value {
        AMQPValue::LongString(text) => text.as_bytes().to_vec(),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::ByteArray(bytes) => bytes.as_slice().to_vec(),
        other => json(other).to_string().into_bytes(),
    }
}

fn json(value: &AMQPValue) -> serde_json::Value {
    use serde_json::Value;
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Timestamp(value) => (*value).into(),
        AMQPValue::Float(value) => f64::from(*value).into(),
        AMQPValue::Double(value) => (*value).into(),
        AMQPValue::DecimalValue(value) => {
            (f64::from(value.value) / 10f64.powi(i32::from(value.scale))).into()
        }
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(table) => {
            Value::Object(table.into_iter().map(|(name, value)| (name.to_string(), json(value))).collect())
        }
        AMQPValue::Void => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_core::exchange::header;
    use seaworthy_core::ids::ExchangeId;
    use seaworthy_core::time::Nanos;

    fn message(headers: &[(&str, AMQPValue)], properties: BasicProperties) -> Message {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        let declared = ["x-correlation-id".to_owned()];
        Message::read("order.placed".into(), properties.with_headers(table), Vec::new(), true, &declared)
    }

    fn text(value: &str) -> AMQPValue {
        AMQPValue::LongString(value.into())
    }

    #[test]
    fn headers_and_properties_are_recorded_as_those_of_a_request() {
        let mut table = FieldTable::default();
        table.insert("count".into(), AMQPValue::LongLongInt(2));
        let death = AMQPValue::FieldArray(vec![AMQPValue::FieldTable(table)].into());
        let traceparent = TraceParent::random();
        let message = message(
            &[
                ("Traceparent", text(&traceparent.to_string())),
                ("cloudEvents:id", text("e-1")),
                ("cloudEvents_subject", text("order-7")),
                ("x-death", death),
                ("tries", AMQPValue::LongInt(3)),
                ("baggage", text("a=b")),
                ("type", text("of the header")),
            ],
            BasicProperties::default()
                .with_content_type("application/json".into())
                .with_correlation_id("c-1".into())
                .with_type("of the property".into()),
        );
        let raw =
            crate::log::record::Raw::new(message.asked(&EdgeId::new("orders", "mail")), Nanos::default());
        let exchange = raw.exchange(ExchangeId(1));
        assert_eq!((&*exchange.method, &*exchange.path), ("SEND", "/order.placed"));
        assert_eq!(exchange.trace, Some(traceparent));
        assert_eq!(exchange.correlation_id.as_deref(), Some("c-1"));
        assert_eq!(exchange.baggage, [("a".to_owned(), "b".to_owned())]);
        assert_eq!(
            (exchange.cloud_event("id"), message.subject().as_deref()),
            (Some("e-1"), Some("order-7"))
        );
        for (name, value) in [
            ("x-death", r#"[{"count":2}]"#),
            ("tries", "3"),
            ("content-type", "application/json"),
            ("correlation-id", "c-1"),
            ("type", "of the header"),
            ("redelivered", "true"),
        ] {
            assert_eq!(header(&exchange.request.headers, name), Some(value));
        }
    }

    #[test]
    fn a_user_id_is_left_out_unless_it_is_ours_and_nothing_else_is() {
        let ours = || {
            BasicProperties::default()
                .with_content_type("a".into())
                .with_content_encoding("b".into())
                .with_headers(FieldTable::default())
                .with_delivery_mode(2)
                .with_priority(3)
                .with_correlation_id("c".into())
                .with_reply_to("d".into())
                .with_expiration("4000".into())
                .with_message_id("e".into())
                .with_timestamp(5)
                .with_type("f".into())
                .with_app_id("g".into())
                .with_cluster_id("h".into())
        };
        assert_eq!(sendable(ours(), "tap"), (ours(), false));
        assert_eq!(
            sendable(ours().with_user_id("tap".into()), "tap"),
            (ours().with_user_id("tap".into()), false)
        );
        assert_eq!(sendable(ours().with_user_id("orders".into()), "tap"), (ours(), true));
    }

    #[test]
    fn the_declared_header_tells_the_correlation_id_before_the_property_does() {
        let properties = BasicProperties::default().with_correlation_id("c-1".into());
        let message = message(&[("X-Correlation-ID", text("c-2"))], properties);
        assert_eq!(message.correlation_id.as_deref(), Some("c-2"));
        assert_eq!(message.subject().as_deref(), Some("c-2"), "nothing else says what it is about");
    }
}
