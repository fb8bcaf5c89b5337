//! Headers and query parameters that were seen, generalised.

use std::collections::{BTreeMap, HashMap};

use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, RuleLogic};
use pact_models::path_exp::DocPath;
use seaworthy_core::exchange::Headers;

use super::super::actual::Query;
use super::super::kind::{Kind, is_secret, names_secret, neutral};
use super::super::route::Route;

/// Headers that say nothing of what is agreed: they belong to the connection, to whoever carries the request, to this
/// one request, or to the trace. Those that end with `*` are prefixes.
const PASSING: [&str; 40] = [
    "accept-encoding",
    "accept-language",
    "age",
    "b3",
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "grpc-timeout",
    "host",
    "if-*",
    "keep-alive",
    "last-modified",
    "max-forwards",
    "message-id",
    "priority",
    "proxy-*",
    "redelivered",
    "referer",
    "request-id",
    "sec-*",
    "server",
    "server-timing",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "x-amzn-*",
    "x-b3-*",
    "x-envoy-*",
    "x-forwarded-*",
    "x-request-*",
];

/// Whether a header is none of the contract's business, or must not be in it.
fn is_left_out(name: &str) -> bool {
    let passing = PASSING.iter().any(|passing| match passing.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *passing,
    });
    let is_whole_secret = seaworthy_core::secret::redact_header(name, "x") != "x";
    let is_of_trace = ["correlation", "trace", "baggage"].iter().any(|part| name.contains(part));
    passing || is_of_trace || is_whole_secret || names_secret(name)
}

/// The headers that all of these have, with the rules by which their values are like each other.
pub(super) fn headers(all: &[&Headers]) -> (HashMap<String, Vec<String>>, MatchingRuleCategory) {
    let mut rules = MatchingRuleCategory::empty("header");
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for headers in all {
        let mut of_one: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, value) in *headers {
            of_one.entry(name.to_ascii_lowercase()).or_default().push(value);
        }
        for (name, parts) in of_one {
            values.entry(name).or_default().push(parts.join(", "));
        }
    }
    values.retain(|name, values| values.len() == all.len() && !is_left_out(name));
    let mut agreed = HashMap::new();
    for (name, values) in values {
        let texts = || values.iter().map(String::as_str);
        let (Some(least), kind) = (texts().min(), Kind::of_all(texts())) else { continue };
        if kind == Some(Kind::Secret) || values.iter().any(|value| is_secret(value)) {
            continue;
        }
        let same = texts().all(|value| value == least);
        let (example, rule) = match name.as_str() {
            // Whoever takes anything says nothing.
            "accept" if least == "*/*" => continue,
            "content-type" if is_multipart(least) => (
                "multipart/form-data; boundary=x".to_owned(),
                Some(MatchingRule::Regex("^multipart/form-data".to_owned())),
            ),
            "accept" | "content-type" if same => (least.to_owned(), None),
            "location" | "content-location" => location(texts()),
            _ => match kind {
                Some(kind) => (kind.example(), Some(MatchingRule::Regex(kind.whole_pattern()))),
                None => (texts().map(neutral).min().unwrap_or_default(), Some(MatchingRule::Type)),
            },
        };
        if let Some(rule) = rule {
            rules.add_rule(field(&name), rule, RuleLogic::And);
        }
        agreed.insert(name, vec![example]);
    }
    (agreed, rules)
}

fn is_multipart(content_type: &str) -> bool {
    content_type.to_ascii_lowercase().starts_with("multipart/form-data")
}

/// Where something is: the host is not agreed, the path is, with its ids taken out.
fn location<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> (String, Option<MatchingRule>) {
    let path = |text: &'t str| match text.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
        None => text.starts_with('/').then_some(text),
    };
    let routes: Option<Vec<Route>> = texts.clone().map(|text| path(text).map(Route::of)).collect();
    let first = routes.as_ref().and_then(|routes| routes.first());
    match (first, &routes) {
        (Some(first), Some(routes)) if routes.iter().all(|route| route == first) => {
            let path = first.pattern().unwrap_or_else(|| format!("^{}$", regex::escape(&first.example())));
            let pattern = format!("^(https?://[^/]+)?{}", path.trim_start_matches('^'));
            (first.example(), Some(MatchingRule::Regex(pattern)))
        }
        _ => (texts.map(neutral).min().unwrap_or_default(), Some(MatchingRule::Type)),
    }
}

/// The query that all of these have (they have the same parameters), with its rules.
pub(super) fn query(all: &[&Query]) -> (Query, MatchingRuleCategory) {
    let mut rules = MatchingRuleCategory::empty("query");
    let mut agreed = Query::new();
    for name in all.first().into_iter().flat_map(|query| query.keys()) {
        let of_all: Vec<&Vec<Option<String>>> = all.iter().filter_map(|query| query.get(name)).collect();
        let values: Vec<&str> =
            of_all.iter().flat_map(|values| values.iter()).flatten().map(String::as_str).collect();
        if values.is_empty() {
            agreed.insert(name.clone(), vec![None]);
            continue;
        }
        let kind = if names_secret(name) { Some(Kind::Secret) } else { Kind::of_all(values.iter().copied()) };
        let (example, rule) = match kind {
            Some(kind) => (kind.example(), MatchingRule::Regex(kind.whole_pattern())),
            None => (values.iter().map(|value| neutral(value)).min().unwrap_or_default(), MatchingRule::Type),
        };
        rules.add_rule(field(name), rule, RuleLogic::And);
        agreed.insert(name.clone(), vec![Some(example)]);
    }
    (agreed, rules)
}

fn field(name: &str) -> DocPath {
    let mut path = DocPath::root();
    path.push_field(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_all_have_and_what_is_no_passing_matter_is_agreed() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLWhlcmU";
        let of = |extra: &[(&str, &str)]| -> Headers {
            let common = [
                ("Content-Type", "application/json"),
                ("traceparent", "00-7d74dbaeb2790ae6afabba15dde35ddd-659be83d98f4b957-01"),
                ("x-correlation-id", "c-1"),
                ("date", "Fri, 20 Nov 2026 18:46:41 GMT"),
                ("authorization", "Bearer [redacted header f5868e00]"),
                ("set-cookie", "session=1"),
                ("x-session-token", "abc"),
                ("x-note", jwt),
                ("accept", "*/*"),
                ("x-tenant", "north"),
            ];
            common
                .iter()
                .chain(extra)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let one = of(&[("location", "http://127.0.0.1:4711/orders/o-17"), ("x-seen", "1")]);
        let two = of(&[("location", "/orders/o-4")]);
        let (agreed, rules) = headers(&[&one, &two]);
        let mut names: Vec<(&str, &str)> =
            agreed.iter().map(|(name, values)| (name.as_str(), values[0].as_str())).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [("content-type", "application/json"), ("location", "/orders/o-1"), ("x-tenant", "north")]
        );
        let pattern = rules.rules.get(&field("location")).unwrap().rules[0].clone();
        let MatchingRule::Regex(pattern) = pattern else { panic!("{pattern:?}") };
        let pattern = regex::Regex::new(&pattern).unwrap();
        assert!(pattern.is_match("https://shop/orders/o-99") && !pattern.is_match("/orders/o-99/items"));
    }
}
