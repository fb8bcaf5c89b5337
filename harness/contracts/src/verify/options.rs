//! What is verified, and how.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::keys::StateKeys;
use super::synchronous::SynchronousCaller;

/// Who is asked.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name, as contracts have it. Contracts of other providers are left out.
    pub name: String,
    /// Where it answers: `http://127.0.0.1:8080`, with a base path if it has one.
    pub url: String,
    /// Where it gives out its messages: POST `{description, providerStates}` answers one. `None`: messages cannot be
    /// verified.
    pub message_url: Option<String>,
}

/// How it is asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many interactions run at the same time, from 1 (which 0 counts as); 32 by default.
    pub jobs: usize,
    /// Where provider states are set up: POST `{consumer, state, params, action}`. `None`: they are noted, not set up.
    pub states: Option<String>,
    /// Whether states are taken back afterwards, the last first.
    pub state_teardown: bool,
    /// Which states conflict.
    pub state_keys: StateKeys,
    /// Which interactions are run.
    pub filter: Filter,
    /// Only interactions of these names ([`crate::model::Interaction::name`]); `None`: all.
    pub only: Option<BTreeSet<String>>,
    /// Headers that each request to the provider carries, in place of what the contract says of them. State and message
    /// endpoints get them too.
    pub headers: Vec<(String, String)>,
    /// A path put before those of the contract, behind the one in the provider's URL.
    pub base_path: Option<String>,
    /// How long an answer may take, for each request; 5 seconds by default.
    pub request_timeout: Duration,
    /// Whether nothing more is started after the first interaction that fails and is not pending.
    pub exit_on_first_error: bool,
    /// How long an interaction may take, from the request's first byte to the answer's last. `None`: as long as the
    /// request may.
    pub max_latency: Option<Duration>,
    /// Certificates (PEM) that are trusted besides the system's.
    pub cacert: Option<PathBuf>,
    /// How many bytes of an answer are read; 16 MiB by default. A longer one is a failed request.
    pub body_limit: usize,
    /// The header that carries the correlation id; `X-Correlation-ID` by default.
    pub correlation_header: String,
    /// Who makes the calls of synchronous messages that do not go over the message endpoint (gRPC).
    pub synchronous: Option<Arc<dyn SynchronousCaller>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: 32,
            states: None,
            state_teardown: false,
            state_keys: StateKeys::default(),
            filter: Filter::default(),
            only: None,
            headers: Vec::new(),
            base_path: None,
            request_timeout: Duration::from_secs(5),
            exit_on_first_error: false,
            max_latency: None,
            cacert: None,
            body_limit: 16 * 1024 * 1024,
            correlation_header: "X-Correlation-ID".to_owned(),
            synchronous: None,
        }
    }
}

/// Which interactions are run: those that all of it lets through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A regular expression that the description has.
    pub description: Option<String>,
    /// A regular expression that the name of one of the states has.
    pub state: Option<String>,
    /// Those without states; with `state`, those besides.
    pub no_state: bool,
    /// The consumers whose contracts count; empty: all.
    pub consumers: Vec<String>,
}
