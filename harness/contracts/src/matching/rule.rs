//! Matching rules in words.

use pact_models::HttpStatus;
use pact_models::matchingrules::{MatchingRule, RuleList, RuleLogic};

/// The rules that apply to one place, as one text; `None` where there are none.
pub(crate) fn describe(rules: &RuleList) -> Option<String> {
    let joint = if rules.rule_logic == RuleLogic::Or { " or " } else { " and " };
    let texts: Vec<String> = rules.rules.iter().map(one).collect();
    (!texts.is_empty()).then(|| texts.join(joint))
}

fn one(rule: &MatchingRule) -> String {
    match rule {
        MatchingRule::Regex(regex) => format!("regex \"{regex}\""),
        MatchingRule::MinType(min) => format!("type, at least {min}"),
        MatchingRule::MaxType(max) => format!("type, at most {max}"),
        MatchingRule::MinMaxType(min, max) => format!("type, {min} to {max}"),
        MatchingRule::Timestamp(format) => with("datetime", format),
        MatchingRule::Time(format) => with("time", format),
        MatchingRule::Date(format) => with("date", format),
        MatchingRule::Include(text) => with("include", text),
        MatchingRule::ContentType(kind) => with("contentType", kind),
        MatchingRule::ArrayContains(variants) => format!("arrayContains, {} variants", variants.len()),
        MatchingRule::StatusCode(status) => format!("statusCode {}", status_name(status)),
        MatchingRule::NotEmpty => "notEmpty".to_owned(),
        MatchingRule::EachKey(_) => "eachKey".to_owned(),
        MatchingRule::EachValue(_) => "eachValue".to_owned(),
        other => other.name(),
    }
}

fn with(name: &str, value: &str) -> String {
    if value.is_empty() { name.to_owned() } else { format!("{name} \"{value}\"") }
}

fn status_name(status: &HttpStatus) -> String {
    match status.to_json() {
        serde_json::Value::String(name) => name,
        codes => codes.to_string(),
    }
}
