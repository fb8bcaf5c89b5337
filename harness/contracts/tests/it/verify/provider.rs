//! A provider in this process that answers as a test wants and remembers what it was asked.

use std::future::Future;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// What it was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// It goes when it is dropped.
pub(super) struct Served {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Served {
    /// What it was asked so far, in the order in which requests came in.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves every path with one closure.
pub(super) async fn serve<F, A>(answer: F) -> Served
where
    F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
    A: Future<Output: IntoResponse> + Send + 'static,
{
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let log = Arc::clone(&asked);
    let handler = async move |request: Request| -> Response {
        let (parts, body) = request.into_parts();
        let one = Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        };
        log.lock().unwrap().push(one.clone());
        answer(one).await.into_response()
    };
    let router = Router::new().fallback(move |request: Request| {
        let handler = handler.clone();
        async move { handler(request).await }
    });
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Served { url, asked, task }
}

/// Answers 200 to everything.
pub(super) async fn fine() -> Served {
    serve(async |_| StatusCode::OK).await
}

/// An answer with a body of JSON.
pub(super) fn json(status: u16, body: &serde_json::Value) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// An address at which nobody listens, and nobody can as long as the socket is kept.
pub(super) fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}
