//! The server that plays the provider.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::error::ConsumerError;
use super::pact::{Pact, Received};
use super::played::{Played, Report};
use super::playing;
use crate::matching;
use crate::model::{Contents, Contract, HttpResponse, Interaction};

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
        let played = Arc::new(Played::new(contract));
        let server = start(Arc::clone(&played), None).await?;
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
    pub async fn consume<H, E>(&mut self, description: &str, handler: H) -> Result<(), ConsumerError>
    where
        H: AsyncFnOnce(Received) -> Result<(), E>,
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

async fn start(played: Arc<Played>, variant: Option<Arc<Variant>>) -> Result<MockServer, ConsumerError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(ConsumerError::Server)?;
    // Wiremock would keep every request with its body; what matters of them is kept by `Played`.
    let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
    let player = Player { played, base: server.uri(), variant };
    Mock::given(any()).respond_with(player).mount(&server).await;
    Ok(server)
}

/// Answers requests; runs on the server's own thread.
struct Player {
    played: Arc<Played>,
    base: String,
    variant: Option<Arc<Variant>>,
}

impl Player {
    fn play(&self, request: &Request) -> Result<ResponseTemplate, String> {
        let actual = playing::request_of(request);
        if let Some(variant) = &self.variant
            && let Contents::Http { request, .. } = &variant.interaction.contents
            && matching::request(request, &actual, self.played.contract().specification).is_empty()
        {
            let mut state = variant.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.served += 1;
            return playing::response(&state.response, &self.base);
        }
        let interaction = self.played.choose(&actual).map_err(|unmatched| unmatched.to_string())?;
        match &interaction.contents {
            Contents::Http { response, .. } => playing::response(response, &self.base).map_err(|message| {
                format!("could not generate what \"{}\" answers: {message}", interaction.name())
            }),
            _ => Err("could not answer over HTTP with a message".to_owned()),
        }
    }
}

impl Respond for Player {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.play(request).unwrap_or_else(|message| refusal(&message))
    }
}

/// One interaction with an answer that changes.
#[derive(Debug)]
struct Variant {
    interaction: Arc<Interaction>,
    state: Mutex<VariantState>,
}

#[derive(Debug, Default)]
struct VariantState {
    response: HttpResponse,
    served: u64,
}

/// A mock that answers one interaction with what it is given, and the others as declared.
#[derive(Debug)]
pub(super) struct VariantServer {
    server: MockServer,
    variant: Arc<Variant>,
    played: Arc<Played>,
}

impl VariantServer {
    pub(super) async fn start(
        contract: &Contract,
        interaction: &Arc<Interaction>,
    ) -> Result<VariantServer, ConsumerError> {
        playing::check_examples(contract)?;
        let interaction = Arc::clone(interaction);
        let variant = Arc::new(Variant { interaction, state: Mutex::default() });
        let played = Arc::new(Played::new(contract.clone()));
        let server = start(Arc::clone(&played), Some(Arc::clone(&variant))).await?;
        Ok(VariantServer { server, variant, played })
    }

    pub(super) fn url(&self) -> String {
        self.server.uri()
    }

    /// The answer from now on.
    pub(super) fn serve(&self, response: HttpResponse) {
        let mut state = self.variant.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = VariantState { response, served: 0 };
    }

    /// What was asked instead, where nobody has asked since the last [`VariantServer::serve`].
    pub(super) fn unasked(&self) -> Option<String> {
        let state = self.variant.state.lock().unwrap_or_else(PoisonError::into_inner);
        let others = self.played.unmatched().iter().map(|unmatched| format!("\n  {unmatched}")).collect();
        (state.served == 0).then_some(others)
    }
}

/// Not 404: a consumer may well rely on that.
fn refusal(message: &str) -> ResponseTemplate {
    ResponseTemplate::new(500).set_body_json(json!({ "error": message, "by": "the mock of seaworthy" }))
}
