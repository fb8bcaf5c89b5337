//! What a contract pins, field by field: for whoever judges what a change would break, and for whom.
//!
//! Every interaction has at least one usage, of the whole answer (or message), so that operations without bodies are
//! not forgotten. Lists have one usage per field of their items, whatever their length.

use std::collections::BTreeMap;

use pact_models::bodies::OptionalBody;
use pact_models::matchingrules::{Category, MatchingRule, MatchingRuleCategory, MatchingRules, RuleList};
use seaworthy_core::usage::{Direction, Usage, UsedOperation};
use serde_json::Value;

use super::actual::plain_name;
use crate::model::{Contents, Contract, HttpRequest, HttpResponse, Interaction, MessageContents};

/// What a contract pins, in the order of its interactions.
///
/// A value is exact where the contract has it and no rule loosens it. Fields of gRPC messages are known only where the
/// file has them as JSON; otherwise the call alone is.
pub fn usages(contract: &Contract) -> Vec<Usage> {
    let mut all = Vec::new();
    for interaction in &contract.interactions {
        let mut pins = Pins::default();
        let operation = read(interaction, &mut pins);
        for ((direction, field, _), (value, exact)) in pins.0 {
            all.push(Usage {
                consumer: contract.consumer.clone(),
                provider: contract.provider.clone(),
                operation: operation.clone(),
                direction,
                field,
                value,
                exact,
                interaction: interaction.name(),
                location: interaction.location.clone(),
            });
        }
    }
    all
}

/// The name by which a message is known: its CloudEvents type in the metadata or in the contents, or what else says
/// where it belongs; `None` where nothing does.
pub(super) fn message_type(message: &MessageContents) -> Option<String> {
    let by_name = |wanted: &[&str]| {
        let mut found: Vec<(&String, &str)> = message
            .metadata
            .iter()
            .filter(|(name, _)| wanted.contains(&plain_name(name).as_str()))
            .filter_map(|(name, value)| Some((name, value.as_str()?)))
            .collect();
        found.sort_unstable();
        found.first().map(|(_, value)| (*value).to_owned())
    };
    let in_contents = || {
        let whole = json(&message.contents)?;
        // CloudEvents section 3.1: an event has both.
        whole.get("specversion")?;
        Some(whole.get("type")?.as_str()?.to_owned())
    };
    by_name(&["type"])
        .or_else(|| by_name(&super::actual::OTHER_TYPES))
        .or_else(in_contents)
        .or_else(|| by_name(&["routing-key", "routingkey", "topic", "destination"]))
}

fn read(interaction: &Interaction, pins: &mut Pins) -> UsedOperation {
    match &interaction.contents {
        Contents::Http { request, response } => {
            of_request(request, pins);
            of_response(response, pins);
            UsedOperation::Http {
                method: request.method.to_uppercase(),
                path: request.path.clone(),
                status: response.status,
            }
        }
        Contents::Message(message) => {
            of_message(message, Direction::Response, pins);
            let name = message_type(message).unwrap_or_else(|| interaction.description.clone());
            UsedOperation::Message { name }
        }
        Contents::SynchronousMessage { request, responses } => {
            of_message(request, Direction::Request, pins);
            pins.root(Direction::Response);
            responses.iter().for_each(|response| of_message(response, Direction::Response, pins));
            called(interaction)
        }
    }
}

/// What a call of gRPC calls, as pact-protobuf-plugin writes it: `service` is `Service/Method`, perhaps with a package.
pub(super) fn called(interaction: &Interaction) -> UsedOperation {
    let configured = interaction.plugin_configuration.get("protobuf");
    let named = configured.and_then(|protobuf| protobuf.get("service")).and_then(Value::as_str);
    match named.and_then(|named| named.trim_start_matches(['.', '/']).rsplit_once('/')) {
        Some((service, method)) => {
            UsedOperation::Rpc { service: service.to_owned(), method: method.to_owned() }
        }
        None => UsedOperation::Message { name: interaction.description.clone() },
    }
}

fn of_request(request: &HttpRequest, pins: &mut Pins) {
    if request.body.is_present() {
        pins.body(Direction::Request, &request.body, &request.matching_rules);
    }
    let rules = Rules::of(&request.matching_rules, Category::QUERY);
    for (name, values) in request.query.iter().flatten() {
        let values: Vec<Value> =
            values.iter().map(|value| value.clone().map_or(Value::Null, Value::String)).collect();
        let value = if let [one] = values.as_slice() { one.clone() } else { Value::Array(values) };
        pins.add(Direction::Request, format!("query:{name}"), Some(value), rules.is_exact(&["$", name]));
    }
    headers(Direction::Request, request.headers.as_ref(), &request.matching_rules, pins);
}

fn of_response(response: &HttpResponse, pins: &mut Pins) {
    pins.root(Direction::Response);
    pins.body(Direction::Response, &response.body, &response.matching_rules);
    headers(Direction::Response, response.headers.as_ref(), &response.matching_rules, pins);
}

fn of_message(message: &MessageContents, direction: Direction, pins: &mut Pins) {
    pins.root(direction);
    pins.body(direction, &message.contents, &message.matching_rules);
    let rules = Rules::of(&message.matching_rules, Category::METADATA);
    for (name, value) in &message.metadata {
        pins.add(
            direction,
            format!("header:{}", name.to_lowercase()),
            Some(value.clone()),
            rules.is_exact(&["$", name]),
        );
    }
}

fn headers(
    direction: Direction,
    headers: Option<&std::collections::HashMap<String, Vec<String>>>,
    rules: &MatchingRules,
    pins: &mut Pins,
) {
    let rules = Rules::of(rules, Category::HEADER);
    for (name, values) in headers.into_iter().flatten() {
        // Names in rules are written as people like.
        let exact = [name.clone(), name.to_lowercase()].iter().all(|name| rules.is_exact(&["$", name]));
        let value = Value::String(values.join(", "));
        pins.add(direction, format!("header:{}", name.to_lowercase()), Some(value), exact);
    }
}

fn json(body: &OptionalBody) -> Option<Value> {
    serde_json::from_slice(&body.value()?).ok()
}

/// What is pinned, once each, in a fixed order: direction, field, value; the third part of the key tells values of
/// one field apart.
#[derive(Default)]
struct Pins(BTreeMap<(Direction, String, String), (Option<Value>, bool)>);

impl Pins {
    fn root(&mut self, direction: Direction) {
        if !self.0.keys().any(|(of, field, _)| *of == direction && field.is_empty()) {
            self.add(direction, String::new(), None, false);
        }
    }

    fn add(&mut self, direction: Direction, field: String, value: Option<Value>, exact: bool) {
        // Of values that are only examples, one says as much as many, if they are of one type.
        let told_apart = match &value {
            Some(value) if exact => value.to_string(),
            Some(Value::Null) => "null".to_owned(),
            Some(Value::Bool(_)) => "boolean".to_owned(),
            Some(Value::Number(_)) => "number".to_owned(),
            Some(Value::String(_)) => "string".to_owned(),
            Some(_) => "list".to_owned(),
            None => String::new(),
        };
        self.0.entry((direction, field, told_apart)).or_insert((value, exact));
    }

    fn body(&mut self, direction: Direction, body: &OptionalBody, rules: &MatchingRules) {
        let rules = Rules::of(rules, Category::BODY);
        match json(body) {
            Some(whole) => {
                let mut path = vec!["$".to_owned()];
                self.value(direction, &whole, &mut String::new(), &mut path, &rules);
            }
            None => self.root(direction),
        }
    }

    fn value(
        &mut self,
        direction: Direction,
        value: &Value,
        field: &mut String,
        path: &mut Vec<String>,
        rules: &Rules,
    ) {
        let here: Vec<&str> = path.iter().map(String::as_str).collect();
        let list = rules.best(&here);
        let (length, depth) = (field.len(), path.len());
        match value {
            Value::Array(items) => {
                self.add(direction, field.clone(), None, items.is_empty() && list.is_empty());
                let variants = list.rules.iter().find_map(|rule| match rule {
                    MatchingRule::ArrayContains(variants) if !list.cascaded => Some(variants),
                    _ => None,
                });
                field.push_str("/*");
                for (at, item) in items.iter().enumerate() {
                    let own = variants.and_then(|variants| variants.iter().find(|(index, ..)| *index == at));
                    match own {
                        // Each variant has rules of its own, as if it stood alone.
                        Some((_, category, _)) => {
                            let rules = Rules(Some(category.clone()));
                            self.value(direction, item, field, &mut vec!["$".to_owned()], &rules);
                        }
                        None => {
                            path.push(at.to_string());
                            self.value(direction, item, field, path, rules);
                            path.truncate(depth);
                        }
                    }
                }
            }
            Value::Object(fields) => {
                self.add(direction, field.clone(), None, fields.is_empty() && list.is_empty());
                let any_name = !list.cascaded && list.rules.iter().any(ignores_names);
                for (name, value) in fields {
                    let shown =
                        if any_name { "*".to_owned() } else { name.replace('~', "~0").replace('/', "~1") };
                    field.push('/');
                    field.push_str(&shown);
                    path.push(name.clone());
                    self.value(direction, value, field, path, rules);
                    field.truncate(length);
                    path.truncate(depth);
                }
            }
            plain => self.add(direction, field.clone(), Some(plain.clone()), pins_value(&list)),
        }
        field.truncate(length);
    }
}

/// Whether it is the values of an object's fields that count, and not their names.
fn ignores_names(rule: &MatchingRule) -> bool {
    matches!(rule, MatchingRule::Values | MatchingRule::EachKey(_) | MatchingRule::EachValue(_))
}

/// Whether these rules leave the value as it stands in the example.
fn pins_value(list: &RuleList) -> bool {
    list.rules.iter().all(|rule| match rule {
        MatchingRule::Equality | MatchingRule::Null => true,
        // They say something of what is around this value, not of the value.
        MatchingRule::Values | MatchingRule::EachKey(_) | MatchingRule::ArrayContains(_) => list.cascaded,
        _ => false,
    })
}

/// The rules of one category.
struct Rules(Option<MatchingRuleCategory>);

impl Rules {
    fn of(rules: &MatchingRules, category: Category) -> Self {
        // Messages of version 3 name their body `contents` in some tools.
        let own = rules.rules_for_category(category.clone()).filter(MatchingRuleCategory::is_not_empty);
        let other = || rules.rules_for_category(Category::CONTENTS).filter(|_| category == Category::BODY);
        Self(own.or_else(other).map(|mut rules| {
            rules.name = Category::BODY;
            rules
        }))
    }

    /// The rules that hold at a path: the most specific that cover it or what it stands in.
    fn best(&self, path: &[&str]) -> RuleList {
        self.0.as_ref().map(|rules| rules.select_best_matcher(path)).unwrap_or_default()
    }

    /// For headers, parameters and metadata: rules are kept under `name` or under `$.name`.
    fn is_exact(&self, path: &[&str]) -> bool {
        pins_value(&self.best(path)) && path.get(1..).is_none_or(|short| pins_value(&self.best(short)))
    }
}
