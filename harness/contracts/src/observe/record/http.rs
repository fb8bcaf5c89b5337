//! Requests with their responses, as interactions.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::{ContentType, JSON};
use pact_models::generators::Generators;
use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, MatchingRules, RuleLogic};
use pact_models::path_exp::DocPath;
use seaworthy_core::exchange::{Exchange, Headers, Response, header};
use serde_json::Value;

use super::super::actual::{self, Query};
use super::super::route::{Asked, Route, operations};
use super::body::{Side, general};
use super::draft::Draft;
use super::{head, shape};
use crate::model::{Contents, HttpRequest, HttpResponse};

/// What one exchange says, read.
struct Seen<'x> {
    exchange: &'x Exchange,
    response: &'x Response,
    query: Query,
    sent: Option<Value>,
    received: Option<Value>,
}

impl<'x> Seen<'x> {
    fn read(exchange: &'x Exchange, response: &'x Response) -> Self {
        let body = |headers: &Headers, text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty() && actual::may_be_json(headers))?;
            actual::json(text)
        };
        Self {
            exchange,
            response,
            query: actual::query(exchange).unwrap_or_default(),
            sent: body(&exchange.request.headers, &exchange.request.body.text),
            received: body(&response.headers, &response.body.text),
        }
    }

    fn key(&self, route: &Route) -> Key {
        Key {
            template: route.template(),
            method: self.exchange.method.clone(),
            query: self.query.keys().cloned().collect(),
            sent_type: media_type(&self.exchange.request.headers),
            sent: self.sent.as_ref().map(shape::of).map(|shape| (shape.len(), shape)).unwrap_or_default(),
            status: self.response.status,
            received_type: media_type(&self.response.headers),
            received: self.received.as_ref().map(kind_of).unwrap_or_default(),
        }
    }
}

/// What makes one interaction. In the order in which they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    template: String,
    method: String,
    query: BTreeSet<String>,
    sent_type: String,
    /// Its length, then the shape: who sends least comes first.
    sent: (usize, String),
    status: u16,
    received_type: String,
    received: &'static str,
}

impl Key {
    /// What is asked, without what is answered.
    fn asked(&self) -> (&str, &str, &BTreeSet<String>, &str, &str) {
        (&self.template, &self.method, &self.query, &self.sent_type, &self.sent.1)
    }

    fn description(&self) -> String {
        let names: Vec<&str> = self.query.iter().map(String::as_str).collect();
        let query = if names.is_empty() { String::new() } else { format!("?{}", names.join("&")) };
        format!("{} {}{query} is answered {}", self.method, self.template, self.status)
    }
}

/// The kind of a JSON value: two responses of different kinds have nothing in common.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The content type without parameters.
fn media_type(headers: &Headers) -> String {
    let whole = header(headers, "content-type").unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The interactions that these exchanges between one consumer and one provider are.
pub(super) fn interactions(exchanges: &[(&Exchange, &Response)]) -> Vec<Draft> {
    let seen: Vec<Seen<'_>> =
        exchanges.iter().map(|(exchange, response)| Seen::read(exchange, response)).collect();
    let asked: Vec<Asked<'_>> = seen
        .iter()
        .map(|seen| {
            let shape = |value: &Option<Value>| value.as_ref().map(shape::of).unwrap_or_default();
            let query: BTreeSet<&String> = seen.query.keys().collect();
            Asked {
                method: &seen.exchange.method,
                path: &seen.exchange.path,
                shape: format!(
                    "{query:?} {} {} {}",
                    shape(&seen.sent),
                    seen.response.status,
                    shape(&seen.received)
                ),
            }
        })
        .collect();
    let routes = operations(&asked);
    let mut groups: BTreeMap<Key, (&Route, Vec<&Seen<'_>>)> = BTreeMap::new();
    for (seen, route) in seen.iter().zip(&routes) {
        groups.entry(seen.key(route)).or_insert_with(|| (route, Vec::new())).1.push(seen);
    }
    let mut statuses: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
    for key in groups.keys() {
        statuses.entry(key.asked()).or_default().insert(key.status);
    }
    let drafts = groups.iter().map(|(key, (route, seen))| {
        let all = statuses.get(&key.asked()).into_iter().flatten();
        let others: BTreeSet<u16> = all.copied().filter(|status| *status != key.status).collect();
        draft(key, route, seen, &others)
    });
    drafts.collect()
}

fn draft(key: &Key, route: &Route, seen: &[&Seen<'_>], otherwise: &BTreeSet<u16>) -> Draft {
    let request = request(key, route, seen);
    let response = response(key, seen);
    let mut notes = Vec::new();
    if !otherwise.is_empty() {
        let statuses: Vec<String> = otherwise.iter().map(u16::to_string).collect();
        notes.push(format!(
            "The same request was also answered {}: name the provider state that makes the difference.",
            statuses.join(" and ")
        ));
    }
    let fields = match seen.first().and_then(|seen| seen.sent.as_ref()) {
        Some(Value::Object(fields)) => fields.keys().cloned().collect(),
        _ => BTreeSet::new(),
    };
    Draft {
        description: key.description(),
        fields,
        notes,
        contents: Contents::Http { request: Box::new(request), response: Box::new(response) },
        seen: seen.len() as u64,
    }
}

fn request(key: &Key, route: &Route, seen: &[&Seen<'_>]) -> HttpRequest {
    let mut rules = MatchingRules::default();
    if let Some(pattern) = route.pattern() {
        let mut path = MatchingRuleCategory::empty("path");
        path.add_rule(DocPath::empty(), MatchingRule::Regex(pattern), RuleLogic::And);
        rules.add_rules("path", path);
    }
    let headers: Vec<&Headers> = seen.iter().map(|seen| &seen.exchange.request.headers).collect();
    let (headers, header_rules) = head::headers(&headers);
    rules.add_rules("header", header_rules);
    let queries: Vec<&Query> = seen.iter().map(|seen| &seen.query).collect();
    let (query, query_rules) = head::query(&queries);
    rules.add_rules("query", query_rules);
    let bodies: Option<Vec<&Value>> = seen.iter().map(|seen| seen.sent.as_ref()).collect();
    let body = body(bodies, Side::Sent, &key.sent_type, &mut rules);
    HttpRequest {
        method: key.method.clone(),
        path: route.example(),
        query: (!query.is_empty()).then_some(query),
        headers: (!headers.is_empty()).then_some(headers),
        body,
        matching_rules: rules,
        generators: Generators::default(),
    }
}

fn response(key: &Key, seen: &[&Seen<'_>]) -> HttpResponse {
    let mut rules = MatchingRules::default();
    let headers: Vec<&Headers> = seen.iter().map(|seen| &seen.response.headers).collect();
    let (headers, header_rules) = head::headers(&headers);
    rules.add_rules("header", header_rules);
    let bodies: Option<Vec<&Value>> = seen.iter().map(|seen| seen.received.as_ref()).collect();
    let body = body(bodies, Side::Received, &key.received_type, &mut rules);
    HttpResponse {
        status: key.status,
        headers: (!headers.is_empty()).then_some(headers),
        body,
        matching_rules: rules,
        generators: Generators::default(),
    }
}

/// The body that all of them have in common. Of one that is not JSON only the content type is agreed, which stands
/// among the headers.
pub(super) fn body(
    bodies: Option<Vec<&Value>>,
    side: Side,
    media_type: &str,
    rules: &mut MatchingRules,
) -> OptionalBody {
    let Some(general) = bodies.and_then(|bodies| general(&bodies, side)) else {
        return OptionalBody::Missing;
    };
    rules.add_rules("body", general.rules);
    let kind = ContentType::parse(media_type).unwrap_or_else(|_| JSON.clone());
    OptionalBody::Present(Bytes::from(general.example.to_string()), Some(kind), None)
}
