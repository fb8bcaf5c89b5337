//! What an answer must look like, and whether it does.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use seaworthy_core::time::{HumanDuration, for_people};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::text::{Scope, TextError};

/// What must be so of an answer. Without `status`, any status will do, but there must be an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// Which status: `201`, `[201, 503]`, `2xx`, or `none` when no answer must come (a reset).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusExpect>,
    /// Response headers with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// JSONPath (RFC 9535) into the body → what must be there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, JsonExpect>,
    /// How long the answer may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<HumanDuration>,
}

/// An answer as the client got it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Status; `None` when no whole answer came.
    pub status: Option<u16>,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it took.
    pub took: Duration,
    /// Why no whole answer came.
    pub broken: Option<String>,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// The body as JSON, if it is.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// What an answer is not, and where in `expect` that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON pointer below `expect`: `/status`, `/json/$.id`.
    pub pointer: String,
    /// Expected and actual, in one line.
    pub message: String,
}

impl Expect {
    /// Whether a client that gets no answer at all is what is wanted.
    pub fn wants_no_answer(&self) -> bool {
        matches!(self.status, Some(StatusExpect::NoAnswer))
    }

    /// What the answer is not. Empty: it is all that it must be.
    ///
    /// # Errors
    /// When a `${…}` in what is expected has no value.
    pub fn judge(&self, answer: &Answer, scope: &Scope) -> Result<Vec<Mismatch>, TextError> {
        let mut wrong = Vec::new();
        let mut say = |pointer: String, message: String| {
            wrong.push(Mismatch { pointer, message });
        };
        match (&self.status, answer.status) {
            (Some(StatusExpect::NoAnswer), None) => return Ok(wrong),
            (None, Some(_)) => {}
            (Some(wanted), Some(status)) if wanted.matches(status) => {}
            (wanted, Some(status)) => {
                let wanted = wanted.as_ref().map_or_else(|| "any".to_owned(), StatusExpect::to_string);
                say(
                    "/status".to_owned(),
                    format!("expected status {wanted}, got {status}{}", excerpt(&answer.body)),
                );
            }
            (wanted, None) => {
                let wanted = wanted.as_ref().map_or_else(String::new, |wanted| format!(" {wanted}"));
                let why = answer.broken.as_deref().unwrap_or("the connection broke");
                say("/status".to_owned(), format!("expected status{wanted}, got no answer: {why}"));
                return Ok(wrong);
            }
        }
        if let Some(within) = self.within
            && answer.took > within.0
        {
            say(
                "/within".to_owned(),
                format!("expected an answer within {within}, it took {}", for_people(answer.took)),
            );
        }
        for (name, value) in &self.headers {
            let wanted = scope.fill(value)?;
            let got = answer.header(name);
            if got != Some(wanted.as_str()) {
                let shown = |value: &str| seaworthy_core::secret::redact_header(name, value);
                let got = got.map_or_else(|| "has none".to_owned(), |got| format!("has `{}`", shown(got)));
                let wanted = shown(&wanted);
                say(
                    format!("/headers/{}", super::source::escape(name)),
                    format!("expected header `{name}: {wanted}`, the answer {got}"),
                );
            }
        }
        if !self.json.is_empty() {
            let Some(body) = answer.json() else {
                let got = excerpt(&answer.body);
                say("/json".to_owned(), format!("expected a JSON body, which this is not{got}"));
                return Ok(wrong);
            };
            for (path, expect) in &self.json {
                if let Some(message) = expect.judge(path, &body, scope)? {
                    say(format!("/json/{}", super::source::escape(path)), message);
                }
            }
        }
        Ok(wrong)
    }
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = seaworthy_core::secret::redact(&text).0;
    let mut shown: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > 200 {
        shown.push('…');
    }
    if shown.trim().is_empty() { String::new() } else { format!(": {shown}") }
}

/// Which status an answer must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusExpect {
    /// One of these.
    OneOf(Vec<u16>),
    /// A class: 2 for 200 to 299.
    Class(u8),
    /// No answer must come.
    NoAnswer,
}

impl StatusExpect {
    /// Whether this status will do.
    pub fn matches(&self, status: u16) -> bool {
        match self {
            StatusExpect::OneOf(statuses) => statuses.contains(&status),
            StatusExpect::Class(class) => status / 100 == u16::from(*class),
            StatusExpect::NoAnswer => false,
        }
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not a status: write `201`, `[201, 503]`, `2xx` or `none`",
                value.to_string().trim_matches('"')
            )
        };
        let status = |value: &Value| {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
            number.and_then(|number| u16::try_from(number).ok()).filter(|status| (100..600).contains(status))
        };
        if let Some(status) = status(value) {
            return Ok(StatusExpect::OneOf(vec![status]));
        }
        match value {
            Value::Array(items) if !items.is_empty() => {
                let statuses: Option<Vec<u16>> = items.iter().map(status).collect();
                Ok(StatusExpect::OneOf(statuses.ok_or_else(wrong)?))
            }
            Value::String(text) if text == "none" => Ok(StatusExpect::NoAnswer),
            Value::String(text) => match text.as_bytes() {
                [class @ b'1'..=b'5', b'x', b'x'] => Ok(StatusExpect::Class(class - b'0')),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for StatusExpect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatusExpect::OneOf(statuses) => {
                let texts: Vec<String> = statuses.iter().map(u16::to_string).collect();
                f.write_str(&texts.join(" or "))
            }
            StatusExpect::Class(class) => write!(f, "{class}xx"),
            StatusExpect::NoAnswer => f.write_str("none"),
        }
    }
}

impl Serialize for StatusExpect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            StatusExpect::OneOf(statuses) => match statuses.as_slice() {
                [status] => serializer.serialize_u16(*status),
                statuses => statuses.serialize(serializer),
            },
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for StatusExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for StatusExpect {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusExpect".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A status, several, a class (`2xx`), or `none` when no answer must come.",
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 100, "maximum": 599}},
                {"type": "string", "pattern": "^([1-5]xx|none)$"}
            ]
        })
    }
}

/// What a JSONPath must select. A value means that it selects at least one, and each equals the value.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonExpect {
    /// At least one is selected and each equals this (`{equals: …}`, or the value itself when it is no map).
    Equals(Value),
    /// At least one of those selected equals this.
    Any(Value),
    /// So many are selected.
    Count(u64),
    /// Something, or nothing, is selected.
    Exists(bool),
    /// At least one is selected and each is a text that this regular expression finds.
    Matches(String),
}

/// The keys of a [`JsonExpect`] that is written as a map.
const OPERATORS: [&str; 5] = ["equals", "any", "count", "exists", "matches"];

impl JsonExpect {
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::Object(map) = value else { return Ok(JsonExpect::Equals(value)) };
        let mut entries = map.into_iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else {
            return Err(format!("write one of `{}`, or `equals` for a whole object", OPERATORS.join("`, `")));
        };
        let wrong = |wanted: &str| format!("`{key}` needs {wanted}, not `{value}`");
        match key.as_str() {
            "equals" => Ok(JsonExpect::Equals(value)),
            "any" => Ok(JsonExpect::Any(value)),
            "count" => value.as_u64().map(JsonExpect::Count).ok_or_else(|| wrong("a whole number")),
            "exists" => value.as_bool().map(JsonExpect::Exists).ok_or_else(|| wrong("true or false")),
            "matches" => match &value {
                Value::String(pattern) => match regex::Regex::new(pattern) {
                    Ok(_) => Ok(JsonExpect::Matches(pattern.clone())),
                    Err(error) => Err(format!("`{pattern}` is not a regular expression: {error}")),
                },
                _ => Err(wrong("a regular expression")),
            },
            _ => {
                let hint = super::load::did_you_mean(&key, OPERATORS)
                    .unwrap_or_else(|| format!("write one of `{}`", OPERATORS.join("`, `")));
                Err(format!("`{key}` says nothing about a value; {hint}"))
            }
        }
    }

    fn to_value(&self) -> Value {
        match self {
            JsonExpect::Equals(value) if value.is_object() => serde_json::json!({ "equals": value }),
            JsonExpect::Equals(value) => value.clone(),
            JsonExpect::Any(value) => serde_json::json!({ "any": value }),
            JsonExpect::Count(count) => serde_json::json!({ "count": count }),
            JsonExpect::Exists(exists) => serde_json::json!({ "exists": exists }),
            JsonExpect::Matches(pattern) => serde_json::json!({ "matches": pattern }),
        }
    }

    fn judge(&self, path: &str, body: &Value, scope: &Scope) -> Result<Option<String>, TextError> {
        let path = match JsonPath::parse(&scope.fill(path)?) {
            Ok(path) => path,
            Err(error) => return Ok(Some(format!("`{path}` is not a JSONPath: {error}"))),
        };
        let found = path.query(body).all();
        let shown = || match found.as_slice() {
            [] => "nothing".to_owned(),
            [one] => short(one),
            many => format!(
                "{} values, the first {}",
                many.len(),
                many.first().map_or_else(String::new, |v| short(v))
            ),
        };
        Ok(match self {
            JsonExpect::Exists(true) if found.is_empty() => {
                Some(format!("expected `{path}` to select something"))
            }
            JsonExpect::Exists(false) if !found.is_empty() => {
                Some(format!("expected `{path}` to select nothing, it selected {}", shown()))
            }
            JsonExpect::Exists(_) => None,
            JsonExpect::Count(count) if found.len() as u64 != *count => {
                Some(format!("expected `{path}` to select {count}, it selected {}", found.len()))
            }
            JsonExpect::Count(_) => None,
            JsonExpect::Equals(value) => {
                let wanted = scope.fill_json(value)?;
                let holds = !found.is_empty() && found.iter().all(|have| same(have, &wanted));
                (!holds)
                    .then(|| format!("expected `{path}` to be {}, it selected {}", short(&wanted), shown()))
            }
            JsonExpect::Any(value) => {
                let wanted = scope.fill_json(value)?;
                let holds = found.iter().any(|have| same(have, &wanted));
                (!holds).then(|| {
                    format!("expected one of `{path}` to be {}, it selected {}", short(&wanted), shown())
                })
            }
            JsonExpect::Matches(pattern) => {
                // Was compiled once when the file was read.
                let finds = regex::Regex::new(pattern).ok();
                let fits = |have: &&Value| match (have, &finds) {
                    (Value::String(text), Some(regex)) => regex.is_match(text),
                    _ => false,
                };
                let holds = !found.is_empty() && found.iter().all(fits);
                (!holds).then(|| format!("expected `{path}` to match `{pattern}`, it selected {}", shown()))
            }
        })
    }
}

/// Equal as JSON means it: `1` and `1.0` are one number, and keys have no order.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// The value for a message: secrets by fingerprint, cut to a length.
fn short(value: &Value) -> String {
    let text = value.to_string();
    let text = seaworthy_core::secret::redact(&text).0;
    if text.chars().count() <= 120 {
        text.into_owned()
    } else {
        text.chars().take(119).chain(['…']).collect()
    }
}

impl Serialize for JsonExpect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for JsonExpect {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonExpect".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A value that each selected one must equal, or one operator.",
            "anyOf": [
                {"not": {"type": "object"}},
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": false,
                    "properties": {
                        "equals": true,
                        "any": true,
                        "count": {"type": "integer", "minimum": 0},
                        "exists": {"type": "boolean"},
                        "matches": {"type": "string", "format": "regex"}
                    }
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn told(expect: Value, body: &Value) -> Vec<String> {
        let expect: Expect = serde_json::from_value(expect).unwrap();
        let answer = Answer { status: Some(200), body: body.to_string().into_bytes(), ..Answer::default() };
        let mismatches = expect.judge(&answer, &Scope::default()).unwrap();
        mismatches.into_iter().map(|mismatch| mismatch.message).collect()
    }

    #[test]
    fn each_operator_says_yes_and_no() {
        let body = json!({"a": [1, 2.0, "x"], "o": {"k": 1, "l": null}, "s": "ord_7"});
        for (path, holds, fails) in [
            ("$.o", json!({"equals": {"l": null, "k": 1.0}}), json!({"equals": {"k": 1}})),
            ("$.a[1]", json!(2), json!("2")),
            ("$.a[*]", json!({"any": "x"}), json!({"any": 3})),
            ("$.a[*]", json!({"count": 3}), json!({"count": 2})),
            ("$.s", json!({"exists": true}), json!({"exists": false})),
            ("$.t", json!({"exists": false}), json!({"exists": true})),
            ("$.s", json!({"matches": "^ord_[0-9]$"}), json!({"matches": "^pay_"})),
            ("$.a[0]", json!(1), json!({"matches": "1"})),
            ("$.t", json!({"count": 0}), json!(null)),
        ] {
            assert_eq!(told(json!({"json": {path: holds}}), &body), Vec::<String>::new(), "{path} {holds}");
            assert_eq!(told(json!({"json": {path: fails}}), &body).len(), 1, "{path} {fails}");
        }
    }

    #[test]
    fn a_message_gives_no_secret_away() {
        let body = json!({"password": "correct-horse"});
        let messages = told(json!({"status": 201, "json": {"$": 1}}), &body);
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|message| !message.contains("correct-horse")), "{messages:#?}");
    }

    #[test]
    fn a_late_answer_is_told() {
        let expect = Expect { within: Some(HumanDuration::millis(100)), ..Expect::default() };
        let mut answer = Answer { status: Some(204), took: Duration::from_millis(100), ..Answer::default() };
        assert_eq!(expect.judge(&answer, &Scope::default()).unwrap(), []);
        answer.took = Duration::from_millis(130);
        let told = expect.judge(&answer, &Scope::default()).unwrap();
        assert_eq!(told[0].message, "expected an answer within 100ms, it took 130 ms");
    }

    #[test]
    fn a_status_is_read_in_each_form() {
        let read = |value: Value| serde_json::from_value::<StatusExpect>(value).ok();
        assert_eq!(read(json!(201)), Some(StatusExpect::OneOf(vec![201])));
        assert_eq!(read(json!("201")), Some(StatusExpect::OneOf(vec![201])));
        assert_eq!(read(json!([201, 503])), Some(StatusExpect::OneOf(vec![201, 503])));
        assert_eq!(read(json!("4xx")), Some(StatusExpect::Class(4)));
        assert_eq!(read(json!("none")), Some(StatusExpect::NoAnswer));
        for wrong in
            [json!(99), json!(600), json!([]), json!([1]), json!("6xx"), json!("é"), json!(true), json!({})]
        {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_class_is_a_hundred_statuses(status in 100u16..600, class in 1u8..=5) {
            let says = StatusExpect::Class(class).matches(status);
            prop_assert_eq!(says, (u16::from(class) * 100..u16::from(class) * 100 + 100).contains(&status));
        }
    }
}
