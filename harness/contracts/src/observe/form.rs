//! The form of a request or a response: what is left of it when values that no rule loosens are only examples.
//!
//! A consumer's test sends one amount, and the consumer any. What its requests have in common with the contract is
//! their form: operation, parameters, fields and types. The same goes for what such a request is answered.

use std::collections::HashMap;

use pact_models::bodies::OptionalBody;
use pact_models::matchingrules::{Category, MatchingRule, MatchingRuleCategory, MatchingRules, RuleLogic};
use pact_models::path_exp::DocPath;

use super::route::Route;
use crate::model::{HttpRequest, HttpResponse, Specification};

/// The request with its values as examples.
pub(super) fn of_request(request: &HttpRequest) -> HttpRequest {
    let mut form = request.clone();
    let rules = &mut form.matching_rules;
    if !has_rules(rules, Category::PATH)
        && let Some(pattern) = Route::of(&request.path).pattern()
    {
        rules.add_category(Category::PATH).add_rule(
            DocPath::empty(),
            MatchingRule::Regex(pattern),
            RuleLogic::And,
        );
    }
    let names = request.query.iter().flat_map(HashMap::keys);
    by_type(rules.add_category(Category::QUERY), names);
    headers_and_body(rules, request.headers.as_ref(), &request.body);
    form
}

/// The response with its values as examples. Its status stays.
pub(super) fn of_response(response: &HttpResponse) -> HttpResponse {
    let mut form = response.clone();
    headers_and_body(&mut form.matching_rules, response.headers.as_ref(), &response.body);
    form
}

/// The version by whose rules forms are compared: the first ones had none.
pub(super) fn version(of: Specification) -> Specification {
    of.max(Specification::V3)
}

/// Method and path, with the rules for the path, and nothing else.
pub(super) fn operation(form: &HttpRequest) -> HttpRequest {
    let mut matching_rules = MatchingRules::default();
    if let Some(rules) = form.matching_rules.rules_for_category(Category::PATH) {
        matching_rules.add_rules(Category::PATH, rules);
    }
    HttpRequest {
        method: form.method.clone(),
        path: form.path.clone(),
        matching_rules,
        ..HttpRequest::default()
    }
}

fn has_rules(rules: &MatchingRules, category: Category) -> bool {
    rules.rules_for_category(category).is_some_and(|rules| rules.is_not_empty())
}

fn headers_and_body(
    rules: &mut MatchingRules,
    headers: Option<&HashMap<String, Vec<String>>>,
    body: &OptionalBody,
) {
    // What a body is, is no example.
    let telling = |name: &&String| !["content-type", "accept"].contains(&name.to_lowercase().as_str());
    let names = headers.into_iter().flat_map(HashMap::keys).filter(telling);
    by_type(rules.add_category(Category::HEADER), names);
    let of_body = rules.add_category(Category::BODY);
    if body.is_present() && !of_body.rules.contains_key(&DocPath::root()) {
        of_body.add_rule(DocPath::root(), MatchingRule::Type, RuleLogic::And);
    }
}

/// Adds the rule for any value to the names that have no rule.
fn by_type<'n>(rules: &mut MatchingRuleCategory, names: impl Iterator<Item = &'n String>) {
    for name in names {
        let has_one = rules
            .rules
            .keys()
            .any(|path| path.first_field().is_some_and(|field| field.eq_ignore_ascii_case(name)));
        if !has_one {
            let mut path = DocPath::root();
            path.push_field(name.clone());
            rules.add_rule(path, MatchingRule::Type, RuleLogic::And);
        }
    }
}
