//! Servers that stand in for a provider, its states, its messages and a broker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::headers::parse_header;
use seaworthy_contracts::document::{self, query};
use seaworthy_contracts::matching;
use seaworthy_contracts::model::{
    Contents, Contract, HttpRequest, HttpResponse, MessageContents, Specification,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::fixtures::bytes;

/// The most that a request to a double may hold, in bytes.
const LIMIT: usize = 16 * 1024 * 1024;

/// A server on a free port, until it is dropped.
#[derive(Debug)]
pub(crate) struct Double {
    /// Where it listens, without a slash at the end.
    pub url: String,
    /// What it was asked, in order.
    pub seen: Arc<Mutex<Vec<HttpRequest>>>,
    serving: JoinHandle<()>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Double {
    async fn serve(answer: impl Fn(&str, &HttpRequest) -> HttpResponse + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<HttpRequest>>> = Arc::default();
        let (own, noted, answer) = (url.clone(), Arc::clone(&seen), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (own, noted, answer) = (own.clone(), Arc::clone(&noted), Arc::clone(&answer));
            async move {
                let request = request_of(request).await;
                let response = answer(&own, &request);
                noted.lock().unwrap().push(request);
                written(response)
            }
        });
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, serving }
    }

    /// A provider that gives the responses of these interactions to their requests, and 500 to any other.
    pub(crate) async fn provider(
        interactions: Vec<(HttpRequest, HttpResponse)>,
        version: Specification,
    ) -> Self {
        Self::serve(move |_, actual| {
            let fits = |(expected, _): &&(HttpRequest, HttpResponse)| {
                matching::request(expected, actual, version).is_empty()
            };
            interactions.iter().find(fits).map_or(status(500), |(_, response)| response.clone())
        })
        .await
    }

    /// A state endpoint that answers with a status.
    pub(crate) async fn states(answer: u16) -> Self {
        Self::serve(move |_, _| status(answer)).await
    }

    /// A provider's messages by description.
    pub(crate) async fn messages(messages: HashMap<String, MessageContents>) -> Self {
        Self::serve(move |_, request| {
            let asked: Value =
                serde_json::from_slice(&request.body.value().unwrap_or_default()).unwrap_or_default();
            let Some(message) = asked["description"].as_str().and_then(|name| messages.get(name)) else {
                return status(404);
            };
            let mut headers = HashMap::new();
            if let Some(content_type) = message.message_content_type() {
                headers.insert("Content-Type".to_owned(), vec![content_type.to_string()]);
            }
            let metadata = json!(message.metadata).to_string();
            headers.insert("Pact-Message-Metadata".to_owned(), vec![BASE64.encode(metadata)]);
            HttpResponse { headers: Some(headers), body: message.contents.clone(), ..HttpResponse::default() }
        })
        .await
    }

    /// A Pact Broker with one pact. A fixture says how it answers; its addresses become this server's.
    pub(crate) async fn broker(fixture: &str, pact: &Contract) -> Self {
        let answers = document::parse(fixture, &bytes(fixture)).unwrap();
        let path = format!("/pacts/provider/{}/consumer/{}", pact.provider, pact.consumer);
        let pact = document::to_json(pact);
        Self::serve(move |own, request| {
            if request.method == "GET" && request.path == path {
                let mut pact = pact.clone();
                let href = format!("{own}{path}/verification-results");
                pact["_links"] = json!({ "pb:publish-verification-results": { "href": href } });
                return json_response(&pact.to_string());
            }
            let answer = answers.interactions.iter().find_map(|interaction| match &interaction.contents {
                Contents::Http { request: known, response }
                    if known.method == request.method && known.path == request.path =>
                {
                    Some(response)
                }
                _ => None,
            });
            let Some(answer) = answer else { return status(404) };
            let text = String::from_utf8(answer.body.value().unwrap_or_default().to_vec()).unwrap();
            HttpResponse {
                status: answer.status,
                ..json_response(&text.replace("http://localhost:9876", own))
            }
        })
        .await
    }

    /// The JSON bodies of what it was asked with POST at paths that end so.
    pub(crate) fn posted(&self, end: &str) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        let posted = seen.iter().filter(|request| request.method == "POST" && request.path.ends_with(end));
        posted
            .map(|request| serde_json::from_slice(&request.body.value().unwrap_or_default()).unwrap())
            .collect()
    }
}

fn status(status: u16) -> HttpResponse {
    HttpResponse { status, ..HttpResponse::default() }
}

fn json_response(text: &str) -> HttpResponse {
    HttpResponse {
        headers: Some([("Content-Type".to_owned(), vec!["application/hal+json".to_owned()])].into()),
        body: OptionalBody::Present(text.to_owned().into(), None, None),
        ..HttpResponse::default()
    }
}

async fn request_of(request: Request) -> HttpRequest {
    let (head, body) = request.into_parts();
    let mut headers: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in &head.headers {
        let values = parse_header(name.as_str(), value.to_str().unwrap());
        headers.entry(name.to_string()).or_default().extend(values);
    }
    let content_type =
        headers.get("content-type").and_then(|values| ContentType::parse(values[0].as_str()).ok());
    let body = axum::body::to_bytes(body, LIMIT).await.unwrap();
    HttpRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().and_then(query::parse),
        headers: Some(headers),
        body: if body.is_empty() {
            OptionalBody::Missing
        } else {
            OptionalBody::Present(body, content_type, None)
        },
        ..HttpRequest::default()
    }
}

fn written(response: HttpResponse) -> Response {
    let mut written = Response::builder().status(response.status);
    for (name, values) in response.headers.iter().flatten() {
        for value in values {
            written = written.header(name, value);
        }
    }
    written.body(Body::from(response.body.value().unwrap_or_default())).unwrap()
}
