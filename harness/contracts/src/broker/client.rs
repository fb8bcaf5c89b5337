//! Requests to a Pact Broker: with credentials, to its own host only, with limits on time and size.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use reqwest::{Method, Url};
use seaworthy_core::context::percent_decode;
use seaworthy_core::secret;
use serde_json::Value;

use super::error::BrokerError;
use crate::tls;

/// The largest answer that is read, in bytes; a pact may be [`LARGEST_PACT`].
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// The largest pact that is read, in bytes.
const LARGEST_PACT: usize = 256 * 1024 * 1024;
/// How much of what a broker says to an error is shown, in characters.
const SHOWN: usize = 600;

/// Credentials for a Pact Broker, and how long it may take.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// A bearer token (`PACT_BROKER_TOKEN`); goes before user and password.
    pub token: Option<String>,
    /// A user (`PACT_BROKER_USERNAME`).
    pub username: Option<String>,
    /// The user's password (`PACT_BROKER_PASSWORD`).
    pub password: Option<String>,
    /// How long one request may take, from connecting to the last byte of its answer.
    pub timeout: Duration,
}

impl Default for Access {
    fn default() -> Self {
        Self { token: None, username: None, password: None, timeout: Duration::from_secs(60) }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |value: &Option<String>| value.as_deref().map(secret::masked);
        formatter
            .debug_struct("Access")
            .field("token", &masked(&self.token))
            .field("username", &self.username)
            .field("password", &masked(&self.password))
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl Access {
    /// What the environment says: `PACT_BROKER_TOKEN`, `PACT_BROKER_USERNAME`, `PACT_BROKER_PASSWORD`.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            token: variable("PACT_BROKER_TOKEN"),
            username: variable("PACT_BROKER_USERNAME"),
            password: variable("PACT_BROKER_PASSWORD"),
            ..Self::default()
        }
    }
}

/// A client for one broker.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// An answer of 2xx.
pub(super) struct Answer {
    pub(super) url: String,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    /// The answer as JSON; `null` where it is empty.
    pub(super) fn json(&self) -> Result<Value, BrokerError> {
        if self.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.bytes).map_err(|error| BrokerError::Answer {
            url: self.url.clone(),
            reason: format!("it is not JSON: {error}"),
        })
    }
}

impl Client {
    pub(super) fn new(url: &str, access: &Access) -> Result<Self, BrokerError> {
        let wrong = |reason: String| BrokerError::Url { url: without_credentials(url), reason };
        let mut base = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("it must be http:// or https:// with a host".to_owned()));
        }
        let decode = percent_decode;
        let given = (!base.username().is_empty())
            .then(|| (decode(base.username()), decode(base.password().unwrap_or_default())));
        let from_access =
            access.username.clone().map(|user| (user, access.password.clone().unwrap_or_default()));
        let authorization = match (&given, &access.token, from_access) {
            // What stands in the URL was said for this broker.
            (Some((user, password)), ..) => Some(basic(user, password)),
            (None, Some(token), _) => Some(format!("Bearer {token}")),
            (None, None, Some((user, password))) => Some(basic(&user, &password)),
            _ => None,
        };
        let cleared = base.set_username("").and_then(|()| base.set_password(None));
        cleared.map_err(|()| wrong("its credentials could not be taken out".to_owned()))?;
        base.set_query(None);
        base.set_fragment(None);
        let http = tls::client_builder(tls::is_secure(&base))
            .timeout(access.timeout)
            .user_agent(concat!("seaworthy/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { http, base, authorization })
    }

    pub(super) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(super) async fn get(&self, url: &str) -> Result<Value, BrokerError> {
        self.send(Method::GET, url, None, LARGEST_ANSWER).await?.json()
    }

    /// The bytes of a pact.
    pub(super) async fn get_pact(&self, url: &str) -> Result<Answer, BrokerError> {
        self.send(Method::GET, url, None, LARGEST_PACT).await
    }

    /// `None` where the broker has no such thing.
    pub(super) async fn find(&self, url: &str) -> Result<Option<Value>, BrokerError> {
        match self.get(url).await {
            Ok(value) => Ok(Some(value)),
            Err(BrokerError::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn post(&self, url: &str, body: &Value) -> Result<Value, BrokerError> {
        self.send(Method::POST, url, Some(("application/json", body)), LARGEST_ANSWER).await?.json()
    }

    pub(super) async fn put(&self, url: &str, body: &Value) -> Result<Value, BrokerError> {
        self.send(Method::PUT, url, Some(("application/json", body)), LARGEST_ANSWER).await?.json()
    }

    pub(super) async fn patch(&self, url: &str, body: &Value) -> Result<Value, BrokerError> {
        let body = Some(("application/merge-patch+json", body));
        self.send(Method::PATCH, url, body, LARGEST_ANSWER).await?.json()
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<(&str, &Value)>,
        limit: usize,
    ) -> Result<Answer, BrokerError> {
        let shown = without_credentials(url);
        let failed = |reason: String| BrokerError::Request {
            method: method.to_string(),
            url: shown.clone(),
            reason: self.redacted(&reason),
        };
        let url = self.own(url)?;
        let mut request =
            self.http.request(method.clone(), url).header("accept", "application/hal+json, application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body.to_string());
        }
        let mut response = request.send().await.map_err(|error| failed(causes(&error.without_url())))?;
        let status = response.status();
        let location = response.headers().get("location").and_then(|value| value.to_str().ok());
        let location = location.map(without_credentials);
        let mut bytes = Vec::new();
        let limit = if status.is_success() { limit } else { limit.min(1024 * 1024) };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                    return Err(failed(format!("its answer is larger than {limit} bytes")));
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(failed(causes(&error.without_url()))),
            }
        }
        if status.is_success() {
            return Ok(Answer { url: shown, bytes });
        }
        let mut message = match (status.as_u16(), location) {
            (301..=308, Some(location)) => format!("it lies at {location}; name that URL"),
            (401, _) if self.authorization.is_none() => {
                "set PACT_BROKER_TOKEN, or PACT_BROKER_USERNAME and PACT_BROKER_PASSWORD".to_owned()
            }
            (401, _) => "the token, or user and password, are not accepted".to_owned(),
            (403, _) => "what the token or user may do does not include this".to_owned(),
            _ => String::new(),
        };
        let told = self.redacted(&said(&bytes));
        if !told.is_empty() {
            message = if message.is_empty() { told } else { format!("{message} ({told})") };
        }
        Err(BrokerError::Status { method: method.to_string(), url: shown, status: status.as_u16(), message })
    }

    /// The URL of a link, if it leads to this broker: credentials go nowhere else.
    fn own(&self, url: &str) -> Result<Url, BrokerError> {
        let wrong = |reason: String| BrokerError::Answer { url: without_credentials(url), reason };
        let mut parsed = self.base.join(url).map_err(|error| wrong(format!("its URL is none: {error}")))?;
        if parsed.origin() != self.base.origin() {
            return Err(wrong(format!(
                "the broker's link leads away from {}; if both are the same broker, set its base URL",
                self.base()
            )));
        }
        let cleared = parsed.set_username("").and_then(|()| parsed.set_password(None));
        cleared.map_err(|()| wrong("its credentials could not be taken out".to_owned()))?;
        Ok(parsed)
    }

    /// The text without this client's own secret, and without anything that looks like one.
    pub(super) fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some((_, own)) = self.authorization.as_deref().and_then(|value| value.split_once(' ')) {
            text = text.replace(own, &secret::masked(own));
        }
        secret::redact(&text).0.into_owned()
    }
}

fn basic(user: &str, password: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {encoded}")
}

/// An URL as it may be shown.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    secret::redact(&format!("{scheme}://{host}{path}")).0.into_owned()
}

/// The error with what it comes from.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// What a broker says to an error: `error`, `errors`, `notices`, in any of the forms that they have been in use.
fn said(bytes: &[u8]) -> String {
    let mut texts = Vec::new();
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => {
            for key in ["error", "errors", "notices", "title", "detail"] {
                if let Some(value) = value.get(key) {
                    collect("", value, &mut texts);
                }
            }
        }
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            // A page for a browser says nothing to a reader of a terminal.
            if !text.trim_start().starts_with('<') {
                texts.push(text.trim().to_owned());
            }
        }
    }
    let text = texts.join("; ");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

fn collect(name: &str, value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if name.is_empty() => texts.push(text.clone()),
        Value::String(text) => texts.push(format!("{name} {text}")),
        Value::Array(items) => items.iter().for_each(|item| collect(name, item, texts)),
        Value::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "message" | "text" | "detail" | "title" => collect(name, value, texts),
                    "type" | "status" | "level" | "reference" | "instance" | "_links" => {}
                    key => collect(key, value, texts),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_the_url_are_used_and_never_shown() {
        let client = Client::new("https://ann:p%40ss@broker.test/x/?a#b", &Access::default()).unwrap();
        assert_eq!(client.base(), "https://broker.test/x");
        assert_eq!(client.authorization, Some(basic("ann", "p@ss")));
        assert!(!format!("{client:?}").contains("p%40ss"));
        assert_eq!(without_credentials("http://ann:secret@host:1/p@q"), "http://host:1/p@q");
        let error = Client::new("https://ann:hunter2@", &Access::default()).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let access = Access { token: Some("tok-123".to_owned()), ..Access::default() };
        assert!(!format!("{access:?}").contains("tok-123"));
    }

    #[test]
    fn a_link_to_another_host_is_not_followed() {
        let client = Client::new("https://broker.test/", &Access::default()).unwrap();
        assert!(client.own("/pacts").is_ok() && client.own("https://broker.test/pacts").is_ok());
        for foreign in ["https://evil.test/pacts", "http://broker.test/", "https://broker.test:444/"] {
            assert!(client.own(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn what_a_broker_says_is_understood_in_all_its_forms() {
        for (body, expected) in [
            (
                r#"{"errors":{"pacticipantVersionNumber":["is missing"]}}"#,
                "pacticipantVersionNumber is missing",
            ),
            (r#"{"errors":["Pacticipant X not found"]}"#, "Pacticipant X not found"),
            (r#"{"error":{"message":"boom","reference":"1"}}"#, "boom"),
            (
                r#"{"notices":[{"type":"error","text":"Cannot change the content"}]}"#,
                "Cannot change the content",
            ),
            ("<html>no</html>", ""),
            ("plain", "plain"),
        ] {
            assert_eq!(said(body.as_bytes()), expected);
        }
    }
}
