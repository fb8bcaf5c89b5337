//! Provider states: set up before an interaction, taken back after it.

use std::collections::HashMap;
use std::time::Duration;

use pact_models::provider_states::ProviderState;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, Url};
use serde_json::{Value, json};

use super::exchange::{Failure, exchange};

/// What a state's answer may hold.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// What failures call the one who is asked.
const WHO: &str = "the state endpoint";

/// Who sets states up.
#[derive(Debug)]
pub(super) struct StateEndpoint {
    pub(super) url: Url,
    pub(super) timeout: Duration,
}

/// What is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    SetUp,
    TearDown,
}

impl StateEndpoint {
    /// Sets a state up, or takes it back. A JSON object in the answer is what the state gives.
    pub(super) async fn change(
        &self,
        client: &reqwest::Client,
        headers: &HeaderMap,
        consumer: &str,
        state: &ProviderState,
        action: Action,
    ) -> Result<HashMap<String, Value>, Failure> {
        let body = json!({
            "consumer": consumer,
            "state": state.name,
            "params": state.params,
            "action": match action {
                Action::SetUp => "setup",
                Action::TearDown => "teardown",
            },
        });
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.to_string().into());
        let answer = exchange(client, request, self.timeout, ANSWER_LIMIT, WHO).await?;
        if !answer.is_success() {
            let excerpt = answer.excerpt();
            let said = if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") };
            return Err(Failure::new(format!("{WHO} answered {}{said}", answer.status)));
        }
        // Other tools' endpoints answer with a word or with nothing; only an object gives values.
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}
