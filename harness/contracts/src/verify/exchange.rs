//! One request and its answer: sent with a limit on time, read with a limit on size.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::headers::parse_header;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};

use crate::model::{HttpRequest, HttpResponse};

/// Headers that belong to the connection and the message's length. The client sets them for what it really sends.
const OF_THE_CLIENT: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// From the first byte sent to the last byte read.
    pub(super) latency: Duration,
}

/// Why nothing whole came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Failure {
    /// Nobody was there, or nobody said anything: the next request will hardly do better.
    pub(super) is_silence: bool,
    /// Whether it was the time that ran out.
    pub(super) is_timeout: bool,
    /// It was not asked, for it has never answered.
    pub(super) is_given_up: bool,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(message: String) -> Self {
        Self { message, ..Self::default() }
    }
}

/// Sends it and reads the answer. `who` is what failures call the one who is asked.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: Request,
    timeout: Duration,
    limit: usize,
    who: &str,
) -> Result<Answer, Failure> {
    let started = Instant::now();
    let whole = async {
        let mut response = client.execute(request).await.map_err(|error| failure(&error, who))?;
        let too_long = |so_far: &str| {
            Failure::new(format!("{who} answered {so_far} bytes, more than the {limit} that are read"))
        };
        let announced = response.content_length().unwrap_or_default();
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(too_long(&announced.to_string()));
        }
        let mut body = BytesMut::new();
        loop {
            let broken_off = |error| Failure::new(format!("{who} broke off its answer: {}", deepest(&error)));
            let chunk = response.chunk().await.map_err(broken_off)?;
            let Some(chunk) = chunk else { break };
            if body.len() + chunk.len() > limit {
                return Err(too_long(&format!("at least {}", body.len() + chunk.len())));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer {
            status: response.status().as_u16(),
            headers,
            body: body.freeze(),
            latency: started.elapsed(),
        })
    };
    match tokio::time::timeout(timeout, whole).await {
        Ok(result) => result,
        Err(_) => Err(Failure {
            is_silence: true,
            is_timeout: true,
            ..Failure::new(format!("{who} did not answer within {timeout:?}"))
        }),
    }
}

fn failure(error: &reqwest::Error, who: &str) -> Failure {
    let message = if error.is_connect() {
        format!("{who} could not be reached: {}", deepest(error))
    } else {
        format!("{who} did not answer the request: {}", deepest(error))
    };
    Failure { is_silence: error.is_connect(), is_timeout: error.is_timeout(), ..Failure::new(message) }
}

/// The innermost reason, which is the one that says something.
fn deepest(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The request of an interaction, as it goes to this provider.
///
/// `ours` goes where the contract says nothing of it; `instead` goes in place of what the contract says.
pub(super) fn request(
    base: &Url,
    http: &HttpRequest,
    ours: &HeaderMap,
    instead: &HeaderMap,
) -> Result<Request, String> {
    let method = Method::from_bytes(http.method.as_bytes())
        .map_err(|_| format!("the request's method `{}` could not be sent", http.method))?;
    let mut url = base.clone();
    url.set_path(&joined(base.path(), &http.path));
    url.set_query(query(http).as_deref());
    let mut request = Request::new(method, url);
    let headers = request.headers_mut();
    // The same order in every run, whatever the map's.
    let mut stated: Vec<_> = http.headers.iter().flatten().collect();
    stated.sort();
    for (name, values) in stated {
        if OF_THE_CLIENT.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            continue;
        }
        let unsendable = |_| format!("the request's header `{name}` could not be sent");
        // One line, as the consumer wrote it: not every provider puts several together again.
        let separator = if name.eq_ignore_ascii_case("cookie") { "; " } else { ", " };
        let value = HeaderValue::from_bytes(values.join(separator).as_bytes()).map_err(|_| unsendable(()))?;
        headers.append(HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable(()))?, value);
    }
    for (name, value) in ours {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in instead {
        headers.insert(name.clone(), value.clone());
    }
    let body = match &http.body {
        OptionalBody::Present(bytes, _, _) => Some(bytes.clone()),
        OptionalBody::Null => Some(Bytes::from_static(b"null")),
        OptionalBody::Empty | OptionalBody::Missing => None,
    };
    *request.body_mut() = body.map(Into::into);
    Ok(request)
}

/// A base path with a path behind it; the contract's `/` adds nothing to a base path.
fn joined(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let path = path.trim_start_matches('/');
    match (base, path) {
        ("", path) => format!("/{path}"),
        (base, "") => base.to_owned(),
        (base, path) => format!("{base}/{path}"),
    }
}

/// The query as it goes over the wire: names in order, so that every run sends the same.
fn query(http: &HttpRequest) -> Option<String> {
    let query = http.query.as_ref().filter(|query| !query.is_empty())?;
    let mut names: Vec<&String> = query.keys().collect();
    names.sort_unstable();
    let mut text = String::new();
    for name in names {
        for value in &query[name] {
            if !text.is_empty() {
                text.push('&');
            }
            percent_encode(name, &mut text);
            if let Some(value) = value {
                text.push('=');
                percent_encode(value, &mut text);
            }
        }
    }
    Some(text)
}

/// RFC 3986, section 2.3: everything but the unreserved characters is encoded.
fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // A String takes whatever is written to it.
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
}

impl Answer {
    /// Whether the status is one of the 200s.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What `Content-Type` says.
    pub(super) fn content_type(&self) -> Option<ContentType> {
        let value = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        ContentType::parse(value).ok()
    }

    /// The body with its type; one of no bytes is empty.
    pub(super) fn take_body(&mut self) -> OptionalBody {
        let body = std::mem::take(&mut self.body);
        if body.is_empty() {
            OptionalBody::Empty
        } else {
            OptionalBody::Present(body, self.content_type(), None)
        }
    }

    /// The answer as contracts describe one.
    pub(super) fn into_response(mut self) -> HttpResponse {
        let mut headers: HashMap<String, Vec<String>> = HashMap::with_capacity(self.headers.keys_len());
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers.entry(name.as_str().to_owned()).or_default().extend(parse_header(name.as_str(), &value));
        }
        let body = self.take_body();
        HttpResponse { status: self.status, headers: Some(headers), body, ..HttpResponse::default() }
    }

    /// How it begins, for people.
    pub(super) fn excerpt(&self) -> String {
        // What is a secret can be told only before it is cut in two.
        let start = &self.body[..self.body.len().min(EXCERPT_LOOKED_AT)];
        let start = String::from_utf8_lossy(start);
        let clean = seaworthy_core::secret::redact(&start).0;
        clean[..clean.floor_char_boundary(EXCERPT)].trim().to_owned()
    }
}

/// So many bytes of an answer are shown.
const EXCERPT: usize = 200;
/// So many are looked through for secrets.
const EXCERPT_LOOKED_AT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(base: &str, http: &HttpRequest) -> Request {
        request(&Url::parse(base).unwrap(), http, &HeaderMap::new(), &HeaderMap::new()).unwrap()
    }

    #[test]
    fn paths_go_behind_the_base_path() {
        for (base, path, whole) in [
            ("http://h", "/a", "http://h/a"),
            ("http://h/", "/", "http://h/"),
            ("http://h/v1", "/a", "http://h/v1/a"),
            ("http://h/v1/", "/a/", "http://h/v1/a/"),
            ("http://h/v1", "/", "http://h/v1"),
            ("http://h", "/a b/%20/ü?", "http://h/a%20b/%20/%C3%BC%3F"),
            ("http://h", "", "http://h/"),
        ] {
            let http = HttpRequest { path: path.to_owned(), ..HttpRequest::default() };
            assert_eq!(sent(base, &http).url().as_str(), whole);
        }
    }

    #[test]
    fn a_query_goes_in_the_order_of_its_names_and_encoded() {
        let values = |values: &[Option<&str>]| values.iter().map(|value| value.map(str::to_owned)).collect();
        let query = HashMap::from([
            ("b".to_owned(), values(&[Some("2"), None, Some("")])),
            ("a&".to_owned(), values(&[Some("é+ 1")])),
        ]);
        let http = HttpRequest { query: Some(query), ..HttpRequest::default() };
        assert_eq!(sent("http://h", &http).url().as_str(), "http://h/?a%26=%C3%A9%2B%201&b=2&b&b=");
    }

    #[test]
    fn the_contracts_headers_stand_before_ours_and_behind_those_asked_for() {
        let http = HttpRequest {
            headers: Some(HashMap::from([
                ("Traceparent".to_owned(), vec!["contract".to_owned()]),
                ("Authorization".to_owned(), vec!["contract".to_owned()]),
                ("Accept".to_owned(), vec!["a/b".to_owned(), "c/d".to_owned()]),
                ("Content-Length".to_owned(), vec!["9999".to_owned()]),
            ])),
            ..HttpRequest::default()
        };
        let header = |value| HeaderValue::from_static(value);
        let ours = HeaderMap::from_iter([
            (HeaderName::from_static("traceparent"), header("ours")),
            (HeaderName::from_static("x-correlation-id"), header("ours")),
        ]);
        let instead = HeaderMap::from_iter([(HeaderName::from_static("authorization"), header("asked for"))]);
        let request = request(&Url::parse("http://h").unwrap(), &http, &ours, &instead).unwrap();
        let value = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value("traceparent"), Some("contract"));
        assert_eq!(value("x-correlation-id"), Some("ours"));
        assert_eq!(value("authorization"), Some("asked for"));
        assert_eq!(value("accept"), Some("a/b, c/d"));
        assert_eq!(value("content-length"), None);
    }

    proptest! {
        #[test]
        fn no_request_of_a_contract_makes_it_panic(
            method in ".{0,8}", path in ".{0,30}", name in ".{0,8}", value in ".{0,8}", header in ".{0,8}",
        ) {
            let http = HttpRequest {
                method,
                path,
                query: Some(HashMap::from([(name.clone(), vec![Some(value.clone())])])),
                headers: Some(HashMap::from([(header, vec![value])])),
                ..HttpRequest::default()
            };
            let base = Url::parse("http://127.0.0.1:1/base").unwrap();
            if let Ok(request) = request(&base, &http, &HeaderMap::new(), &HeaderMap::new()) {
                prop_assert!(request.url().path().starts_with("/base"), "{}", request.url());
                prop_assert_eq!(request.url().host_str(), Some("127.0.0.1"));
            }
        }
    }
}
