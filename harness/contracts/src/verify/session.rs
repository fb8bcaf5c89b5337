//! What all interactions of one verification share: the client, the addresses, the headers.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use seaworthy_core::context::TraceParent;
use seaworthy_core::ids::TraceId;
use seaworthy_core::secret::redact;

use super::error::VerifyError;
use super::options::{Options, Provider};
use super::patience::Patience;
use super::states::StateEndpoint;
use super::synchronous::SynchronousCaller;
use crate::tls;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What all interactions share.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: reqwest::Client,
    pub(super) provider: Peer,
    pub(super) messages: Option<Peer>,
    pub(super) states: Option<StateEndpoint>,
    pub(super) states_patience: Patience,
    pub(super) state_teardown: bool,
    /// Headers that were asked for.
    pub(super) instead: HeaderMap,
    correlation_header: HeaderName,
    pub(super) timeout: Duration,
    pub(super) max_latency: Option<Duration>,
    pub(super) body_limit: usize,
    pub(super) synchronous: Option<Arc<dyn SynchronousCaller>>,
}

/// One who is asked.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) url: Url,
    /// What failures call it.
    pub(super) who: String,
    pub(super) patience: Patience,
}

impl Session {
    pub(super) fn new(provider: &Provider, options: &Options) -> Result<Self, VerifyError> {
        let mut base = address("provider's URL", &provider.url)?;
        if let Some(path) = &options.base_path {
            let path = format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/'));
            base.set_path(&path);
        }
        let messages = provider.message_url.as_ref().map(|url| address("message URL", url)).transpose()?;
        let states = options.states.as_ref().map(|url| address("states URL", url)).transpose()?;
        let mut instead = HeaderMap::new();
        for (name, value) in &options.headers {
            let wrong = |why: String| VerifyError::Header { name: name.clone(), why };
            let header =
                HeaderName::from_bytes(name.trim().as_bytes()).map_err(|error| wrong(error.to_string()))?;
            let value =
                HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|error| wrong(error.to_string()))?;
            instead.append(header, value);
        }
        let correlation_header =
            HeaderName::from_bytes(options.correlation_header.as_bytes()).map_err(|error| {
                VerifyError::Header { name: options.correlation_header.clone(), why: error.to_string() }
            })?;
        let secure =
            [Some(&base), messages.as_ref(), states.as_ref()].into_iter().flatten().any(tls::is_secure);
        Ok(Self {
            client: client(options, secure)?,
            provider: Peer::new(format!("the provider at {}", origin(&base)), base),
            messages: messages.map(|url| Peer::new(format!("the message endpoint at {}", origin(&url)), url)),
            states: states.map(|url| StateEndpoint { url, timeout: options.request_timeout }),
            states_patience: Patience::default(),
            state_teardown: options.state_teardown,
            instead,
            correlation_header,
            timeout: options.request_timeout,
            max_latency: options.max_latency,
            body_limit: options.body_limit,
            synchronous: options.synchronous.clone(),
        })
    }

    /// A fresh trace and a fresh correlation id, as headers.
    pub(super) fn fresh_ids(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(2);
        let ids = [
            (&TRACEPARENT, TraceParent::random().to_string()),
            (&self.correlation_header, uuid::Uuid::new_v4().to_string()),
        ];
        for (name, value) in ids {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name.clone(), value);
            }
        }
        headers
    }

    /// The trace and the correlation id that a request with these headers belongs to.
    pub(super) fn ids(&self, headers: &HeaderMap) -> (Option<TraceId>, Option<String>) {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let parent: Option<TraceParent> = text(&TRACEPARENT).and_then(|text| text.parse().ok());
        (parent.map(|parent| parent.trace_id), text(&self.correlation_header).map(str::to_owned))
    }
}

impl Peer {
    fn new(who: String, url: Url) -> Self {
        Self { url, who, patience: Patience::default() }
    }
}

/// Scheme, host and port: what a person needs to see who it is, and no password.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn address(what: &'static str, url: &str) -> Result<Url, VerifyError> {
    let wrong = |why: String| VerifyError::Address { what, url: redact(url).0.into_owned(), why };
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong(format!("its scheme is `{}`, not http or https", parsed.scheme())));
    }
    Ok(parsed)
}

/// Keeps as many connections as there are jobs, and one more each for states.
fn client(options: &Options, secure: bool) -> Result<reqwest::Client, VerifyError> {
    let mut builder = tls::client_builder(secure)
        .pool_max_idle_per_host(options.jobs.max(1).saturating_mul(2))
        .connect_timeout(options.request_timeout);
    if let Some(path) = &options.cacert {
        let trusted = tls::certificates(path).map_err(|error| VerifyError::Unreadable {
            file: path.display().to_string(),
            why: error.reason,
        })?;
        builder = builder.tls_certs_merge(trusted);
    }
    builder.build().map_err(|error| {
        VerifyError::Client(
            std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        )
    })
}
