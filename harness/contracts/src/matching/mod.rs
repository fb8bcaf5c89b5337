//! What came held against what was agreed: requests, responses and messages, by the rules of the specification.
//!
//! The comparing itself is `pact_matching`'s. Round it: nothing is cloned that need not be, nothing panics, the rule
//! that was applied is told, and the order of what differs is always the same.

mod framing;
mod guard;
mod report;
pub(crate) mod rule;
pub(crate) mod xml;

use std::collections::HashMap;

use futures_util::FutureExt;
use pact_matching::headers::match_headers;
use pact_matching::{
    BodyMatchResult, CoreMatchingContext, DiffConfig, HeaderMatchingContext, match_body,
    match_message_contents, match_message_metadata, match_method, match_path, match_query, match_status,
};
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::matchingrules::{Category, MatchingRuleCategory, MatchingRules};

use crate::document::query;
use crate::mismatch::{Mismatch, Part};
use crate::model::{HttpRequest, HttpResponse, MessageContents, Specification};
use report::Report;

/// Where a request that came differs from the one that was agreed; nothing where it does not. Nothing more may come
/// than was agreed, but for headers.
pub fn request(expected: &HttpRequest, actual: &HttpRequest, version: Specification) -> Vec<Mismatch> {
    guard::guarded(|| {
        let is_xml = is_xml(expected.content_type());
        let parts = [Category::PATH, Category::QUERY, Category::HEADER, Category::BODY];
        let rules = Rules::of(&expected.matching_rules, version, &parts, is_xml);
        let headers =
            HeaderMatchingContext::new(&rules.context(Category::HEADER, DiffConfig::NoUnexpectedKeys));
        let path = rules.context(Category::PATH, DiffConfig::NoUnexpectedKeys);
        let query = rules.context(Category::QUERY, DiffConfig::NoUnexpectedKeys);
        let mut report = Report::new(&rules);
        report.add(match_method(&expected.method, &actual.method).err());
        report.add(match_path(&expected.path, &actual.path, &path).err().unwrap_or_default());
        report.add(match_query(expected.query.clone(), actual.query.clone(), &query).into_values().flatten());
        report.add(in_headers(expected.headers.as_ref(), actual.headers.as_ref(), &headers));
        match beyond(&expected.body, &actual.body, is_xml) {
            Some(mismatch) => report.push(mismatch),
            None => {
                let body = rules.context(Category::BODY, DiffConfig::NoUnexpectedKeys);
                report.body(match_body(expected, actual, &body, &headers).now_or_never());
            }
        }
        report.finish(expected.headers.as_ref(), actual.headers.as_ref())
    })
}

/// Where a response that came differs from the one that was agreed; nothing where it does not. More may come than was
/// agreed: headers, fields of objects.
pub fn response(expected: &HttpResponse, actual: &HttpResponse, version: Specification) -> Vec<Mismatch> {
    guard::guarded(|| {
        let is_xml = is_xml(expected.content_type());
        let parts = [Category::STATUS, Category::HEADER, Category::BODY];
        let rules = Rules::of(&expected.matching_rules, version, &parts, is_xml);
        let headers =
            HeaderMatchingContext::new(&rules.context(Category::HEADER, DiffConfig::NoUnexpectedKeys));
        let status = rules.context(Category::STATUS, DiffConfig::AllowUnexpectedKeys);
        let mut report = Report::new(&rules);
        report.add(match_status(expected.status, actual.status, &status).err().unwrap_or_default());
        report.add(in_headers(expected.headers.as_ref(), actual.headers.as_ref(), &headers));
        match beyond(&expected.body, &actual.body, is_xml) {
            Some(mismatch) => report.push(mismatch),
            None => {
                let body = rules.context(Category::BODY, DiffConfig::AllowUnexpectedKeys);
                report.body(match_body(expected, actual, &body, &headers).now_or_never());
            }
        }
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
    guard::guarded(|| {
        let content_type = expected.message_content_type();
        let actual = framing::unframed(actual, content_type.as_ref());
        let actual = actual.as_ref();
        let is_xml = is_xml(content_type);
        let rules =
            Rules::of(&expected.matching_rules, version, &[Category::BODY, Category::METADATA], is_xml);
        let metadata = rules.context(Category::METADATA, DiffConfig::AllowUnexpectedKeys);
        let mut report = Report::new(&rules);
        report.add(match_message_metadata(expected, actual, &metadata).into_values().flatten());
        match beyond(&expected.contents, &actual.contents, is_xml) {
            Some(mismatch) => report.push(mismatch),
            None => {
                let contents = rules.context(Category::BODY, DiffConfig::AllowUnexpectedKeys);
                let result = match_message_contents(expected, actual, &contents).now_or_never();
                report.body(result.map(|result| match result {
                    Ok(()) => BodyMatchResult::Ok,
                    Err(found) => BodyMatchResult::BodyMismatches(HashMap::from([(String::new(), found)])),
                }));
            }
        }
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
pub(crate) struct Rules {
    categories: Vec<MatchingRuleCategory>,
    version: Specification,
}

impl Rules {
    /// The rules for these parts. V1 had none. What speaks of contents stands under `body` or `content`, by tool and
    /// version: here it is always `body`.
    fn of(rules: &MatchingRules, version: Specification, categories: &[Category], is_xml: bool) -> Self {
        let found = categories.iter().map(|category| {
            let mut found = MatchingRuleCategory::empty(category.clone());
            let other = (*category == Category::BODY).then_some(&Category::CONTENTS);
            for name in [Some(category), other].into_iter().flatten().filter(|_| version >= Specification::V2)
            {
                if let Some(rules) = rules.rules.get(name) {
                    found.add_rules(rules.clone());
                }
            }
            match category {
                Category::BODY if is_xml => xml::rewritten(&found),
                // Names of headers are the same in capitals and small letters.
                Category::HEADER => {
                    found.rules =
                        found.rules.into_iter().map(|(path, list)| (path.to_lower_case(), list)).collect();
                    found
                }
                _ => found,
            }
        });
        Self { categories: found.collect(), version }
    }

    fn category(&self, category: &Category) -> Option<&MatchingRuleCategory> {
        self.categories.iter().find(|rules| rules.name == *category)
    }

    fn context(&self, category: Category, config: DiffConfig) -> CoreMatchingContext {
        CoreMatchingContext {
            matchers: self
                .category(&category)
                .cloned()
                .unwrap_or_else(|| MatchingRuleCategory::empty(category)),
            config,
            matching_spec: self.version.as_pact(),
        }
    }
}

/// Why bodies cannot be compared, whatever the rules are.
fn beyond(expected: &OptionalBody, actual: &OptionalBody, is_xml: bool) -> Option<Mismatch> {
    let too_deep = |body: &OptionalBody| is_xml && body.value().is_some_and(|bytes| xml::is_too_deep(&bytes));
    let which = match (too_deep(expected), too_deep(actual)) {
        (false, false) => return None,
        (true, _) => "agreed",
        (false, true) => "that came",
    };
    Some(Mismatch {
        part: Part::Body,
        path: String::new(),
        expected: None,
        actual: None,
        message: format!(
            "the body {which} nests elements deeper than {} levels, and could not be compared",
            xml::DEPTH
        ),
        rule: None,
    })
}

fn is_xml(content_type: Option<ContentType>) -> bool {
    content_type.is_some_and(|content_type| content_type.is_xml())
}
