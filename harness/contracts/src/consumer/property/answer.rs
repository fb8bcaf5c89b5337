//! Responses and messages that a contract allows, as strategies.

use std::collections::{BTreeMap, HashMap};

use pact_models::HttpStatus;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::Generators;
use pact_models::matchingrules::{Category, MatchingRule, MatchingRuleCategory, MatchingRules};
use pact_models::path_exp::DocPath;
use proptest::prelude::*;
use serde_json::Value;

use super::Cases;
use super::json::Walk;
use super::text::Place;
use crate::matching;
use crate::model::{HttpResponse, MessageContents, Specification};

/// All responses that are allowed where `agreed` is. Shrinks towards it.
pub(super) fn responses(
    agreed: &HttpResponse,
    specification: Specification,
    cases: &Cases,
) -> BoxedStrategy<HttpResponse> {
    let plain = HttpResponse {
        matching_rules: MatchingRules::default(),
        generators: Generators::default(),
        ..agreed.clone()
    };
    let rules = &agreed.matching_rules;
    let bodies = bodies(&agreed.body, agreed.content_type(), rules, specification, cases);
    (statuses(agreed), headers(agreed, specification, cases), bodies)
        .prop_map(move |(status, headers, body)| HttpResponse { status, headers, body, ..plain.clone() })
        .boxed()
}

/// All messages that are allowed where `agreed` is. Shrinks towards it.
pub(super) fn messages(
    agreed: &MessageContents,
    specification: Specification,
    cases: &Cases,
) -> BoxedStrategy<MessageContents> {
    let plain = MessageContents {
        matching_rules: MatchingRules::default(),
        generators: Generators::default(),
        ..agreed.clone()
    };
    let rules = &agreed.matching_rules;
    let contents = bodies(&agreed.contents, agreed.message_content_type(), rules, specification, cases);
    // In order: the same seed must draw for the same name in each run.
    let metadata: BTreeMap<&String, &Value> = agreed.metadata.iter().collect();
    let names: Vec<String> = metadata.keys().copied().cloned().collect();
    let values: Vec<_> = metadata
        .into_iter()
        .map(|(name, value)| match rules_of(rules, &Category::METADATA, name) {
            // What says how the contents are to be read cannot change without them.
            Some(own) if !is_content_type(name) => {
                Walk { rules: &own, cases, place: Place::Json }.values(&DocPath::root(), value)
            }
            _ => Just(value.clone()).boxed(),
        })
        .collect();
    (values, contents)
        .prop_map(move |(values, contents)| MessageContents {
            metadata: names.iter().cloned().zip(values).collect(),
            contents,
            ..plain.clone()
        })
        .boxed()
}

fn is_content_type(name: &str) -> bool {
    name.replace('-', "").eq_ignore_ascii_case("contenttype")
}

fn statuses(agreed: &HttpResponse) -> BoxedStrategy<u16> {
    let rule = agreed
        .matching_rules
        .rules
        .get(&Category::STATUS)
        .into_iter()
        .flat_map(|category| category.rules.values().flat_map(|list| &list.rules))
        .find_map(|rule| match rule {
            MatchingRule::StatusCode(status) => Some(status),
            _ => None,
        });
    // 204, 205 and 304 have no body, and 1xx is no answer: left out.
    let class: Vec<u16> = match rule {
        None | Some(HttpStatus::Information) => Vec::new(),
        Some(HttpStatus::Success) => vec![200, 201, 202, 203],
        Some(HttpStatus::Redirect) => vec![300, 303, 308],
        Some(HttpStatus::ClientError) => vec![400, 404, 409, 410, 418, 422, 429],
        Some(HttpStatus::ServerError) => vec![500, 501, 502, 503, 504],
        Some(HttpStatus::NonError) => vec![200, 201, 202, 300],
        Some(HttpStatus::Error) => vec![400, 404, 409, 422, 500, 503],
        Some(HttpStatus::StatusCodes(codes)) => {
            codes.iter().copied().filter(|code| (200..=999).contains(code)).collect()
        }
    };
    if class.is_empty() {
        return Just(agreed.status).boxed();
    }
    prop_oneof![Just(agreed.status), prop::sample::select(class)].boxed()
}

type Headers = Option<HashMap<String, Vec<String>>>;

fn headers(agreed: &HttpResponse, specification: Specification, cases: &Cases) -> BoxedStrategy<Headers> {
    let agreed_headers = agreed.headers.clone();
    let mut names = Vec::new();
    let mut values = Vec::new();
    // In order: the same seed must draw for the same header in each run.
    let ordered: BTreeMap<&String, &Vec<String>> = agreed_headers.iter().flatten().collect();
    for (name, agreed_values) in ordered {
        let own = rules_of(&agreed.matching_rules, &Category::HEADER, name);
        let example = Value::from(agreed_values.first().cloned().unwrap_or_default());
        let strategy = match own {
            _ if agreed_values.len() != 1 => Just(agreed_values.clone()).boxed(),
            Some(own) if !is_content_type(name) => Walk { rules: &own, cases, place: Place::Header }
                .values(&DocPath::root(), &example)
                .prop_map(|value| vec![value.as_str().unwrap_or_default().to_owned()])
                .boxed(),
            // Other ways to write the same, as far as the matching takes them for the same.
            _ => {
                let mut same = vec![agreed_values.clone()];
                let value = &agreed_values[0];
                for other in [format!("{value};charset=utf-8"), format!("{value}; charset=UTF-8")] {
                    let mut changed = agreed.clone();
                    if let Some(headers) = &mut changed.headers {
                        headers.insert(name.clone(), vec![other.clone()]);
                    }
                    if is_content_type(name)
                        && !value.contains(';')
                        && matching::response(agreed, &changed, specification).is_empty()
                    {
                        same.push(vec![other]);
                    }
                }
                prop::sample::select(same).boxed()
            }
        };
        names.push(name.clone());
        values.push(strategy);
    }
    let more = if cases.unknown_fields {
        prop_oneof![3 => Just(false), 1 => Just(true)].boxed()
    } else {
        Just(false).boxed()
    };
    (values, more)
        .prop_map(move |(values, more)| {
            let mut headers: HashMap<String, Vec<String>> = names.iter().cloned().zip(values).collect();
            if more {
                headers.insert("X-Unknown-Header".into(), vec!["1".into()]);
            }
            (agreed_headers.is_some() || more).then_some(headers)
        })
        .boxed()
}

/// The rules for one name (a header, a piece of metadata), as a category in which they stand at the root.
fn rules_of(rules: &MatchingRules, category: &Category, name: &str) -> Option<MatchingRuleCategory> {
    let category = rules.rules.get(category)?;
    let (_, list) = category
        .rules
        .iter()
        .find(|(path, _)| path.last_field().is_some_and(|known| known.eq_ignore_ascii_case(name)))?;
    let mut own = MatchingRuleCategory::empty("body");
    own.rules.insert(DocPath::root(), list.clone());
    Some(own)
}

fn bodies(
    agreed: &OptionalBody,
    content_type: Option<ContentType>,
    rules: &MatchingRules,
    specification: Specification,
    cases: &Cases,
) -> BoxedStrategy<OptionalBody> {
    let OptionalBody::Present(bytes, own_type, hint) = agreed else { return Just(agreed.clone()).boxed() };
    let json = serde_json::from_slice::<Value>(bytes).ok();
    let Some(json) = json.filter(|_| content_type.is_none_or(|content_type| content_type.is_json())) else {
        return Just(agreed.clone()).boxed();
    };
    let mut all = MatchingRuleCategory::empty("body");
    // V1 has no rules; V3 and V4 have two names for those of a message's contents.
    if specification >= Specification::V2 {
        for category in [Category::BODY, Category::CONTENTS] {
            if let Some(own) = rules.rules.get(&category) {
                all.add_rules(own.clone());
            }
        }
    }
    let (own_type, hint) = (own_type.clone(), *hint);
    let values = Walk { rules: &all, cases, place: Place::Json }.values(&DocPath::root(), &json);
    (values, prop_oneof![3 => Just(false), 1 => Just(true)])
        .prop_map(move |(value, pretty)| {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            OptionalBody::Present(text.into(), own_type.clone(), hint)
        })
        .boxed()
}
