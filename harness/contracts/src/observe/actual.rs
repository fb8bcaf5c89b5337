//! What was seen, in the words of `pact_models`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::Generators;
use pact_models::matchingrules::MatchingRules;
use regex::Regex;
use seaworthy_core::exchange::{Exchange, Headers, Response, header};
use serde_json::Value;

use super::sighting::Event;
use crate::document::query;
use crate::model::{HttpRequest, HttpResponse, MessageContents};

/// A query as parameters with their values, decoded.
pub(super) type Query = HashMap<String, Vec<Option<String>>>;

/// A redaction that took the place of something that was no string.
static BARE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([:\[,]\s*)(\[redacted [a-z-]+ [0-9a-f]{8}\])").ok());

/// The JSON that a body is, if it is any. Redaction may have left something that is none; that is mended.
pub(super) fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&mended(text)?).ok())
}

fn mended(text: &str) -> Option<Cow<'_, str>> {
    Some(BARE.as_ref()?.replace_all(text, "$1\"$2\""))
}

/// Whether this content type is JSON, or there is none to say that it is not.
pub(super) fn may_be_json(headers: &Headers) -> bool {
    match header(headers, "content-type") {
        Some(kind) => ContentType::parse(kind).is_ok_and(|kind| kind.is_json()),
        None => true,
    }
}

pub(super) fn query(exchange: &Exchange) -> Option<Query> {
    exchange.query.as_deref().and_then(query::parse)
}

fn headers(headers: &Headers) -> Option<HashMap<String, Vec<String>>> {
    let mut all: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in headers {
        all.entry(name.to_ascii_lowercase()).or_default().push(value.clone());
    }
    (!all.is_empty()).then_some(all)
}

fn body(text: &str, headers: &Headers) -> OptionalBody {
    if text.is_empty() {
        return OptionalBody::Missing;
    }
    let kind = header(headers, "content-type").and_then(|kind| ContentType::parse(kind).ok());
    let kind = kind.or_else(|| json(text).map(|_| pact_models::content_types::JSON.clone()));
    let is_broken = kind.as_ref().is_some_and(ContentType::is_json)
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err();
    let text = mended(text).filter(|_| is_broken).unwrap_or(Cow::Borrowed(text));
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    OptionalBody::Present(bytes, kind, None)
}

/// The request that a consumer sent.
pub(super) fn request(exchange: &Exchange) -> HttpRequest {
    HttpRequest {
        method: exchange.method.clone(),
        path: exchange.path.clone(),
        query: query(exchange),
        headers: headers(&exchange.request.headers),
        body: body(exchange.request.body.text.as_deref().unwrap_or_default(), &exchange.request.headers),
        matching_rules: MatchingRules::default(),
        generators: Generators::default(),
    }
}

/// The response that it got.
pub(super) fn response(response: &Response) -> HttpResponse {
    HttpResponse {
        status: response.status,
        headers: headers(&response.headers),
        body: body(response.body.text.as_deref().unwrap_or_default(), &response.headers),
        matching_rules: MatchingRules::default(),
        generators: Generators::default(),
    }
}

/// The message that an event is. Its metadata are its headers, under the names that `wanted` has for them: names are
/// compared without regard to case, `_` is as good as `-`, and `contentType` is `content-type`.
pub(super) fn message(event: &Event<'_>, wanted: &HashMap<String, Value>) -> MessageContents {
    let headers = &event.exchange.request.headers;
    let metadata = wanted.iter().filter_map(|(name, wanted)| {
        let value = attribute(event, headers, name)?;
        // Headers are text; where the contract has a number or a boolean, the text is read as one.
        let value = match (wanted, serde_json::from_str::<Value>(&value)) {
            (Value::Number(_), Ok(number @ Value::Number(_))) => number,
            (Value::Bool(_), Ok(truth @ Value::Bool(_))) => truth,
            _ => Value::String(value),
        };
        Some((name.clone(), value))
    });
    MessageContents {
        metadata: metadata.collect(),
        contents: body(event.body, headers),
        matching_rules: MatchingRules::default(),
        generators: Generators::default(),
    }
}

/// The name of a message's metadata without what tells only where it comes from: `type` for `ce-type`, `ce_type`,
/// `cloudEvents:type` and `Type`.
pub(super) fn plain_name(name: &str) -> String {
    let plain = name.to_ascii_lowercase().replace([':', '_'], "-");
    let short = plain.strip_prefix("cloudevents-").or_else(|| plain.strip_prefix("ce-"));
    match short.unwrap_or(&plain) {
        "contenttype" | "datacontenttype" => "content-type".to_owned(),
        short => short.to_owned(),
    }
}

/// Names that authors of contracts have for the type of a message besides `type`.
pub(super) const OTHER_TYPES: [&str; 4] = ["event-type", "eventtype", "message-type", "messagetype"];

/// The value of a message's metadata by the name that a contract has for it.
fn attribute(event: &Event<'_>, headers: &Headers, name: &str) -> Option<String> {
    let short = plain_name(name);
    let of_header = || {
        let exact = header(headers, &name.to_ascii_lowercase().replace([':', '_'], "-"));
        let found = exact.or_else(|| header(headers, &format!("ce-{short}")));
        found.or_else(|| header(headers, &short)).map(str::to_owned)
    };
    match short.as_str() {
        "type" => return Some(event.kind.clone()),
        short if OTHER_TYPES.contains(&short) => return of_header().or_else(|| Some(event.kind.clone())),
        "destination" | "topic" | "routing-key" | "routingkey" => {
            return of_header().or_else(|| Some(event.exchange.path.trim_start_matches('/').to_owned()));
        }
        _ => {}
    }
    of_header().or_else(|| {
        let whole: Value = event.structured.then(|| json(event.body)).flatten()?;
        Some(whole.get(&short)?.as_str()?.to_owned())
    })
}
