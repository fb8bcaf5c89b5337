//! The server that plays the provider.

use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::error::ConsumerError;
use super::pact::{Pact, Received};
use super::played::{Played, Report};
use super::playing;
use crate::model::Contents;

/// A server on 127.0.0.1 that answers as a pact declares.
///
/// End the test with [`MockProvider::finish`]: it is what writes the contract. When it is dropped without, and
/// something was not used or not declared, the drop panics with what `finish` would have said, unless the test is
/// panicking already; where all was well, nothing is said and nothing written.
#[derive(Debug)]
pub struct MockProvider {
    server: MockServer,
    pact: Pact,
    played: Arc<Played>,
    finished: bool,
}

impl MockProvider {
    pub(super) async fn start(pact: Pact) -> Result<MockProvider, ConsumerError> {
        let contract = pact.contract()?;
        playing::check_examples(&contract)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(ConsumerError::Server)?;
        // Wiremock would keep every request with its body; what matters of them is kept by `Played`.
        let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
        let played = Arc::new(Played::new(contract));
        let player = Player { played: Arc::clone(&played), base: server.uri() };
        Mock::given(any()).respond_with(player).mount(&server).await;
        Ok(MockProvider { server, pact, played, finished: false })
    }

    /// Where it listens: `http://127.0.0.1:49152`, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// As [`Pact::consume`], for a pact that has messages besides HTTP.
    ///
    /// # Errors
    ///
    /// As [`Pact::consume`].
    pub async fn consume<H, F, E>(&mut self, description: &str, handler: H) -> Result<(), ConsumerError>
    where
        H: FnOnce(Received) -> F,
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        self.pact.consume(description, handler).await
    }

    /// What would keep the contract from being written if the test ended now.
    pub fn report(&self) -> Option<Report> {
        self.pact.report(&self.played)
    }

    /// Checks that all was used and nothing else was asked for, then writes the contract into `folder`, or compares
    /// it with the file there: see [`Mode`](crate::write::Mode). Returns the file.
    ///
    /// # Errors
    ///
    /// [`ConsumerError::Unfulfilled`] with each unused interaction and each request that fitted none, beside the
    /// interaction nearest to it; what [`write::keep`](crate::write::keep) says.
    pub fn finish(mut self, folder: impl AsRef<Path>) -> Result<PathBuf, ConsumerError> {
        self.finished = true;
        self.pact.conclude(&self.played, folder.as_ref())
    }
}

impl Drop for MockProvider {
    fn drop(&mut self) {
        if self.finished || std::thread::panicking() {
            return;
        }
        if let Some(report) = self.report() {
            #[allow(clippy::panic, reason = "a test that ends without `finish` has no other way to be told")]
            {
                panic!(
                    "the mock of {} was dropped without `finish`, and its contract with {} is not kept\n{report}",
                    report.provider, report.consumer
                );
            }
        }
    }
}

/// Answers requests; runs on the server's own thread.
struct Player {
    played: Arc<Played>,
    base: String,
}

impl Respond for Player {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let actual = playing::request_of(request);
        match self.played.choose(&actual) {
            Ok(interaction) => match &interaction.contents {
                Contents::Http { response, .. } => match playing::response(response, &self.base) {
                    Ok(response) => response,
                    Err(message) => refusal(&format!(
                        "could not generate what \"{}\" answers: {message}",
                        interaction.name()
                    )),
                },
                _ => refusal("could not answer over HTTP with a message"),
            },
            Err(unmatched) => refusal(&unmatched.to_string()),
        }
    }
}

/// Not 404: a consumer may well rely on that.
fn refusal(message: &str) -> ResponseTemplate {
    ResponseTemplate::new(500).set_body_json(json!({ "error": message, "by": "the mock of seaworthy" }))
}
