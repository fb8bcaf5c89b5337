//! Events, as asynchronous messages.

use std::collections::BTreeMap;

use pact_models::generators::Generators;
use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, MatchingRules, RuleLogic};
use pact_models::path_exp::DocPath;
use seaworthy_core::exchange::{Headers, header};
use serde_json::Value;

use super::super::actual::{self, plain_name};
use super::super::sighting::Event;
use super::body::Side;
use super::draft::Draft;
use super::{head, http};
use crate::model::{Contents, MessageContents};

/// CloudEvents attributes that are the same for all events of a type, and by which a consumer tells them.
const TELLING: [&str; 3] = ["specversion", "type", "source"];

/// The interactions that these events from one publisher to one subscriber are: one for each type. Fields that an
/// event of the type did not have are left out.
pub(super) fn interactions(events: &[&Event<'_>]) -> Vec<Draft> {
    let mut groups: BTreeMap<(&str, bool), Vec<&Event<'_>>> = BTreeMap::new();
    for event in events {
        groups.entry((&event.kind, event.structured)).or_default().push(event);
    }
    groups.into_iter().map(|((kind, structured), events)| draft(kind, structured, &events)).collect()
}

fn draft(kind: &str, structured: bool, events: &[&Event<'_>]) -> Draft {
    let mut rules = MatchingRules::default();
    let all: Vec<&Headers> = events.iter().map(|event| &event.exchange.request.headers).collect();
    let metadata = metadata(kind, structured, &all, &mut rules);
    let bodies: Vec<Option<Value>> = events.iter().map(|event| actual::json(event.body)).collect();
    let whole: Option<Vec<&Value>> = bodies.iter().map(Option::as_ref).collect();
    let media_type = "application/json";
    let contents = http::body(whole.clone(), Side::Received, media_type, &mut rules);
    if structured {
        let mut exact = MatchingRuleCategory::empty("body");
        for name in TELLING {
            let mut values = whole.iter().flatten().map(|body| body.get(name));
            let first = values.next().flatten();
            if first.is_some() && values.all(|value| value == first) {
                let mut path = DocPath::root();
                path.push_field(name);
                exact.add_rule(path, MatchingRule::Equality, RuleLogic::And);
            }
        }
        for path in exact.rules.keys() {
            rules.add_category("body").rules.remove(path);
        }
        rules.add_rules("body", exact);
    }
    Draft {
        description: format!("a {kind} event"),
        fields: Default::default(),
        notes: Vec::new(),
        contents: Contents::Message(Box::new(MessageContents {
            contents,
            metadata,
            matching_rules: rules,
            generators: Generators::default(),
        })),
        seen: events.len() as u64,
    }
}

/// The content type, and in binary mode the attributes that all of them have; ids and times by rule. What belongs to
/// the trace is left out.
fn metadata(
    kind: &str,
    structured: bool,
    all: &[&Headers],
    rules: &mut MatchingRules,
) -> std::collections::HashMap<String, Value> {
    let (agreed, header_rules) = head::headers(all);
    let mut of_metadata = MatchingRuleCategory::empty("metadata");
    let mut metadata = std::collections::HashMap::new();
    for (name, values) in agreed {
        let attribute = name.strip_prefix("ce-").filter(|_| !structured);
        let Some(value) = values.into_iter().next() else { continue };
        match attribute {
            None if plain_name(&name) == "content-type" => {
                metadata.insert("contentType".to_owned(), Value::String(value));
            }
            None => {}
            Some(attribute) => {
                let mut path = DocPath::root();
                path.push_field(&name);
                let texts = || all.iter().filter_map(|headers| header(headers, &name));
                let first = texts().next();
                match first.filter(|first| TELLING.contains(&attribute) && texts().all(|text| text == *first))
                {
                    Some(first) => drop(metadata.insert(name.clone(), Value::String(first.to_owned()))),
                    None => {
                        let mut key = DocPath::root();
                        key.push_field(&name);
                        for rule in header_rules.rules.get(&key).into_iter().flat_map(|list| &list.rules) {
                            of_metadata.add_rule(path.clone(), rule.clone(), RuleLogic::And);
                        }
                        metadata.insert(name.clone(), Value::String(value));
                    }
                }
            }
        }
    }
    let is_cloud_event = structured || metadata.contains_key("ce-type");
    if !is_cloud_event {
        metadata.insert("type".to_owned(), Value::String(kind.to_owned()));
    }
    rules.add_rules("metadata", of_metadata);
    metadata
}
