//! What passes, in the words of a consumer's test: request, response, message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pact_models::path_exp::DocPath;
use serde_json::{Map, Value, json};

use super::pattern::{Pattern, Resolved, matchers};
use crate::document;
use crate::model::{HttpRequest, HttpResponse, MessageContents, Specification};

/// What all three have: values with rules and generators, put together as a contract's file has them, so that what
/// a test declares and what is read back from the file are the same.
#[derive(Debug, Default)]
struct Parts {
    fields: Map<String, Value>,
    rules: Map<String, Value>,
    generators: Map<String, Value>,
}

impl Parts {
    /// A single value whose rules stand directly under the category: path, status.
    fn single(&mut self, category: &str, value: Pattern) {
        let (example, own) = resolved(&value);
        if let Some(rules) = own.at_root() {
            self.rules.insert(category.into(), matchers(rules));
        }
        if let Some((_, generator)) = own.generators.first() {
            self.generators.insert(category.into(), generator.clone());
        }
        self.fields.insert(category.into(), example);
    }

    /// One more value under a name: `field` is where the values stand (`headers`), `category` where their rules do
    /// (`header`).
    fn named(&mut self, field: &str, category: &str, name: &str, value: Pattern) {
        let (example, own) = resolved(&value);
        if let Some(rules) = own.at_root() {
            insert_into(&mut self.rules, category, name, matchers(rules));
        }
        if let Some((_, generator)) = own.generators.first() {
            insert_into(&mut self.generators, category, name, generator.clone());
        }
        let before = self.fields.get(field).and_then(|group| group.get(name)).and_then(Value::as_array);
        let mut values = before.cloned().unwrap_or_default();
        values.push(Value::String(text_of(&example)));
        insert_into(&mut self.fields, field, name, values.into());
    }

    fn json(&mut self, field: &str, content_type: &str, body: Pattern) {
        let (example, own) = resolved(&body);
        if !own.rules.is_empty() {
            self.rules.insert("body".into(), own.rules_by_path());
        }
        if !own.generators.is_empty() {
            self.generators.insert("body".into(), own.generators_by_path());
        }
        let body = json!({ "content": example, "contentType": content_type, "encoded": false });
        self.fields.insert(field.into(), body);
    }

    fn bytes(&mut self, field: &str, content_type: &str, bytes: &[u8]) {
        let body = match std::str::from_utf8(bytes) {
            Ok(text) => json!({ "content": text, "contentType": content_type, "encoded": false }),
            Err(_) => {
                json!({ "content": BASE64.encode(bytes), "contentType": content_type, "encoded": "base64" })
            }
        };
        self.fields.insert(field.into(), body);
    }

    /// Only the kind of content counts.
    fn any_bytes(&mut self, field: &str, content_type: &str, example: &[u8]) {
        self.bytes(field, content_type, example);
        let rule = json!({ "match": "contentType", "value": content_type });
        self.rules.insert("body".into(), json!({ "$": matchers(&[rule]) }));
    }

    fn content_type_header(&mut self, content_type: &str) {
        let has_one = self
            .fields
            .get("headers")
            .and_then(Value::as_object)
            .is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")));
        if !has_one {
            self.named("headers", "header", "Content-Type", content_type.into());
        }
    }

    fn into_json(mut self) -> Value {
        if !self.rules.is_empty() {
            self.fields.insert("matchingRules".into(), self.rules.into());
        }
        if !self.generators.is_empty() {
            self.fields.insert("generators".into(), self.generators.into());
        }
        self.fields.into()
    }
}

impl Resolved {
    fn at_root(&self) -> Option<&[Value]> {
        self.rules.iter().find(|(path, _)| path.is_root()).map(|(_, rules)| rules.as_slice())
    }
}

fn resolved(pattern: &Pattern) -> (Value, Resolved) {
    let mut own = Resolved::default();
    let example = pattern.resolve(&DocPath::root(), &mut own);
    (example, own)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Puts a value into the group of that name, which is made where there is none.
fn insert_into(fields: &mut Map<String, Value>, group: &str, name: &str, value: Value) {
    if let Value::Object(members) = fields.entry(group).or_insert_with(|| json!({})) {
        members.insert(name.into(), value);
    }
}

macro_rules! methods {
    ($($name:ident $method:literal),*) => {$(
        #[doc = concat!("`", $method, "` on a path: text, or a pattern such as `regex(…)`.")]
        pub fn $name(self, path: impl Into<Pattern>) -> Request {
            self.method($method, path)
        }
    )*};
}

/// What the consumer sends. Without a method it is `GET /`.
#[derive(Debug, Default)]
pub struct Request(Parts);

impl Request {
    methods!(
        get "GET", head "HEAD", post "POST", put "PUT", patch "PATCH", delete "DELETE", options "OPTIONS"
    );

    /// Any method on a path.
    pub fn method(mut self, method: &str, path: impl Into<Pattern>) -> Request {
        self.0.fields.insert("method".into(), method.into());
        self.0.single("path", path.into());
        self
    }

    /// A parameter of the query. Called again with the same name it adds a value. A request with other parameters
    /// than the declared ones does not match.
    pub fn query(mut self, name: &str, value: impl Into<Pattern>) -> Request {
        self.0.named("query", "query", name, value.into());
        self
    }

    /// A header that must be sent; others may be.
    pub fn header(mut self, name: &str, value: impl Into<Pattern>) -> Request {
        self.0.named("headers", "header", name, value.into());
        self
    }

    /// A JSON body; with `Content-Type: application/json` unless a header said otherwise before.
    pub fn json(mut self, body: impl Into<Pattern>) -> Request {
        self.0.content_type_header("application/json");
        self.0.json("body", "application/json", body.into());
        self
    }

    /// A body that must be sent exactly so.
    pub fn body(mut self, content_type: &str, bytes: impl AsRef<[u8]>) -> Request {
        self.0.content_type_header(content_type);
        self.0.bytes("body", content_type, bytes.as_ref());
        self
    }

    /// A body of which only the kind counts (an image, say): its first bytes must be of that content type.
    pub fn body_of_type(mut self, content_type: &str, example: impl AsRef<[u8]>) -> Request {
        self.0.content_type_header(content_type);
        self.0.any_bytes("body", content_type, example.as_ref());
        self
    }

    pub(super) fn build(self) -> Result<HttpRequest, String> {
        document::request(&self.0.into_json(), Specification::V4).map_err(|fault| fault.reason)
    }
}

/// What the provider answers. Without a status it is 200.
#[derive(Debug, Default)]
pub struct Response(Parts);

impl Response {
    /// The status: 100 to 599.
    pub fn status(mut self, status: u16) -> Response {
        self.0.single("status", status.into());
        self
    }

    /// Any status of a class counts: `info` (1xx), `success` (2xx), `redirect`, `clientError`, `serverError`,
    /// `error` (4xx and 5xx), `nonError`. `example` is what the mock answers.
    pub fn status_of_class(mut self, class: &str, example: u16) -> Response {
        self.0.fields.insert("status".into(), example.into());
        let rule = json!({ "match": "statusCode", "status": class });
        self.0.rules.insert("status".into(), matchers(&[rule]));
        self
    }

    /// A header that must come; others may.
    pub fn header(mut self, name: &str, value: impl Into<Pattern>) -> Response {
        self.0.named("headers", "header", name, value.into());
        self
    }

    /// A JSON body; with `Content-Type: application/json` unless a header said otherwise before.
    pub fn json(mut self, body: impl Into<Pattern>) -> Response {
        self.0.content_type_header("application/json");
        self.0.json("body", "application/json", body.into());
        self
    }

    /// A body that must come exactly so.
    pub fn body(mut self, content_type: &str, bytes: impl AsRef<[u8]>) -> Response {
        self.0.content_type_header(content_type);
        self.0.bytes("body", content_type, bytes.as_ref());
        self
    }

    /// A body of which only the kind counts: its first bytes must be of that content type.
    pub fn body_of_type(mut self, content_type: &str, example: impl AsRef<[u8]>) -> Response {
        self.0.content_type_header(content_type);
        self.0.any_bytes("body", content_type, example.as_ref());
        self
    }

    pub(super) fn build(mut self) -> Result<HttpResponse, String> {
        self.0.fields.entry("status").or_insert_with(|| 200.into());
        document::response(&self.0.into_json(), Specification::V4).map_err(|fault| fault.reason)
    }
}

/// What a message holds.
#[derive(Debug, Default)]
pub(super) struct Message(Parts);

impl Message {
    pub(super) fn metadata(&mut self, name: &str, value: Pattern) {
        let (example, own) = resolved(&value);
        if let Some(rules) = own.at_root() {
            insert_into(&mut self.0.rules, "metadata", name, matchers(rules));
        }
        if let Some((_, generator)) = own.generators.first() {
            insert_into(&mut self.0.generators, "metadata", name, generator.clone());
        }
        insert_into(&mut self.0.fields, "metadata", name, example);
    }

    fn content_type_metadata(&mut self, content_type: &str) {
        let declared =
            self.0.fields.get("metadata").is_some_and(|metadata| metadata.get("contentType").is_some());
        if !declared {
            insert_into(&mut self.0.fields, "metadata", "contentType", content_type.into());
        }
    }

    pub(super) fn json(&mut self, contents: Pattern) {
        self.content_type_metadata("application/json");
        self.0.json("contents", "application/json", contents);
    }

    pub(super) fn bytes(&mut self, content_type: &str, bytes: &[u8]) {
        self.content_type_metadata(content_type);
        self.0.bytes("contents", content_type, bytes);
    }

    pub(super) fn build(self) -> Result<MessageContents, String> {
        document::message(&self.0.into_json(), Specification::V4).map_err(|fault| fault.reason)
    }
}
