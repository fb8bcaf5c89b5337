//! What came held against what was agreed: requests, responses and messages, by the rules of the specification.
//!
//! The comparing itself is `pact_matching`'s. Round it: nothing is cloned that need not be, nothing panics, the rule
//! that was applied is told, and the order of what differs is always the same.

mod guard;
mod report;
mod rule;

use std::collections::HashMap;

use futures_util::FutureExt;
use pact_matching::headers::match_headers;
use pact_matching::{
    BodyMatchResult, CoreMatchingContext, DiffConfig, HeaderMatchingContext, match_body,
    match_message_contents, match_message_metadata, match_method, match_path, match_query, match_status,
};
use pact_models::matchingrules::{Category, MatchingRuleCategory, MatchingRules};

use crate::document::query;
use crate::mismatch::{Mismatch, Part};
use crate::model::{HttpRequest, HttpResponse, MessageContents, Specification};
use report::Report;

/// Where a request that came differs from the one that was agreed; nothing where it does not. Nothing more may come
/// than was agreed, but for headers.
pub fn request(expected: &HttpRequest, actual: &HttpRequest, version: Specification) -> Vec<Mismatch> {
    guard::guarded(Part::Body, || {
        let rules = Rules::of(&expected.matching_rules, version);
        let headers =
            HeaderMatchingContext::new(&rules.context(Category::HEADER, DiffConfig::NoUnexpectedKeys));
        let path = rules.context(Category::PATH, DiffConfig::NoUnexpectedKeys);
        let query = rules.context(Category::QUERY, DiffConfig::NoUnexpectedKeys);
        let body = rules.context(Category::BODY, DiffConfig::NoUnexpectedKeys);
        let mut report = Report::default();
        report.add(match_method(&expected.method, &actual.method).err(), &rules);
        report.add(match_path(&expected.path, &actual.path, &path).err().unwrap_or_default(), &rules);
        let differences = match_query(expected.query.clone(), actual.query.clone(), &query);
        report.add(differences.into_values().flatten(), &rules);
        report.add(in_headers(expected.headers.as_ref(), actual.headers.as_ref(), &headers), &rules);
        report.body(match_body(expected, actual, &body, &headers).now_or_never(), &rules);
        report.finish(expected.headers.as_ref(), actual.headers.as_ref())
    })
}

/// Where a response that came differs from the one that was agreed; nothing where it does not. More may come than was
/// agreed: headers, fields of objects.
pub fn response(expected: &HttpResponse, actual: &HttpResponse, version: Specification) -> Vec<Mismatch> {
    guard::guarded(Part::Body, || {
        let rules = Rules::of(&expected.matching_rules, version);
        let headers =
            HeaderMatchingContext::new(&rules.context(Category::HEADER, DiffConfig::NoUnexpectedKeys));
        let status = rules.context(Category::STATUS, DiffConfig::AllowUnexpectedKeys);
        let body = rules.context(Category::BODY, DiffConfig::AllowUnexpectedKeys);
        let mut report = Report::default();
        report.add(match_status(expected.status, actual.status, &status).err().unwrap_or_default(), &rules);
        report.add(in_headers(expected.headers.as_ref(), actual.headers.as_ref(), &headers), &rules);
        report.body(match_body(expected, actual, &body, &headers).now_or_never(), &rules);
        report.finish(expected.headers.as_ref(), actual.headers.as_ref())
    })
}

/// Where a message that came differs from the one that was agreed, in contents or metadata; nothing where it does
/// not. More may come than was agreed.
pub fn message(
    expected: &MessageContents,
    actual: &MessageContents,
    version: Specification,
) -> Vec<Mismatch> {
    guard::guarded(Part::Body, || {
        let rules = Rules::of(&expected.matching_rules, version);
        let contents = rules.context(Category::CONTENTS, DiffConfig::AllowUnexpectedKeys);
        let metadata = rules.context(Category::METADATA, DiffConfig::AllowUnexpectedKeys);
        let mut report = Report::default();
        let result = match match_message_contents(expected, actual, &contents).now_or_never() {
            Some(Ok(())) => Some(BodyMatchResult::Ok),
            Some(Err(mismatches)) => {
                Some(BodyMatchResult::BodyMismatches(HashMap::from([(String::new(), mismatches)])))
            }
            None => None,
        };
        report.body(result, &rules);
        let differences = match_message_metadata(expected, actual, &metadata);
        report.add(differences.into_values().flatten(), &rules);
        report.finish(None, None)
    })
}

/// Where a query string that came differs from the one that was agreed, compared as V1 has it: as a whole, in order,
/// percent-decoded; `None` where it does not.
pub fn query_text(expected: Option<&str>, actual: Option<&str>) -> Option<Mismatch> {
    let decoded = |query: Option<&str>| query::decode(query.unwrap_or_default());
    (decoded(expected) != decoded(actual)).then(|| Mismatch {
        part: Part::Query,
        path: String::new(),
        expected: expected.map(str::to_owned),
        actual: actual.map(str::to_owned),
        message: format!(
            "expected the query '{}' but was '{}'",
            expected.unwrap_or_default(),
            actual.unwrap_or_default()
        ),
        rule: None,
    })
}

type Headers = HashMap<String, Vec<String>>;

fn in_headers(
    expected: Option<&Headers>,
    actual: Option<&Headers>,
    context: &HeaderMatchingContext,
) -> Vec<pact_matching::Mismatch> {
    match_headers(expected.cloned(), actual.cloned(), context).into_values().flatten().collect()
}

/// The rules of one request, response or message, by part.
pub(crate) struct Rules<'a> {
    rules: &'a MatchingRules,
    version: Specification,
}

impl<'a> Rules<'a> {
    fn of(rules: &'a MatchingRules, version: Specification) -> Self {
        Self { rules, version }
    }

    /// The rules for a part. V1 had none. Those for a message's contents stand under `content` or `body`, by tool.
    fn category(&self, category: Category) -> MatchingRuleCategory {
        if self.version < Specification::V2 {
            return MatchingRuleCategory::empty(category);
        }
        let mut found = MatchingRuleCategory::empty(Category::BODY);
        let names = match category {
            Category::CONTENTS => [Category::CONTENTS, Category::BODY].as_slice(),
            ref category => std::slice::from_ref(category),
        };
        for name in names {
            if let Some(rules) = self.rules.rules.get(name) {
                found.add_rules(rules.clone());
            }
        }
        found.name = if category == Category::CONTENTS { Category::BODY } else { category };
        found
    }

    fn context(&self, category: Category, config: DiffConfig) -> CoreMatchingContext {
        CoreMatchingContext {
            matchers: self.category(category),
            config,
            matching_spec: self.version.as_pact(),
        }
    }
}
