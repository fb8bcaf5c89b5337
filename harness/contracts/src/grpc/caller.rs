//! Plays the gRPC interactions of contracts against a running provider.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use reqwest::Url;
use seaworthy_core::secret::redact;

use super::call::{Call, service_of};
use super::descriptors::{PLUGIN, Pools, descriptors};
use super::error::GrpcError;
use super::grpcurl;
use super::wire::{self, Broken, Limits};
use crate::generate::StateValues;
use crate::mismatch::Mismatch;
use crate::model::{Contents, Contract, Interaction, MessageContents};
use crate::outcome::Outcome;
use crate::tls::{self, CertificatesError};
use crate::verify::{self, Called, Reached, SynchronousCaller};

/// Plays the gRPC interactions of contracts against a running provider. All calls share its connection.
#[derive(Debug)]
pub struct Caller {
    base: Url,
    client: reqwest::Client,
    /// With the contract's source.
    pools: Vec<(String, Pools)>,
}

/// Why a provider's gRPC interactions cannot be played at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallerError {
    /// Something is wrong in a contract.
    #[error(transparent)]
    Contract(#[from] GrpcError),
    /// The provider's address is none.
    #[error("could not use `{url}` as the address of a gRPC provider: {reason}")]
    Address {
        /// What was given, without user and password.
        url: String,
        /// Why.
        reason: String,
    },
    /// The file with certificates cannot be read.
    #[error("could not read the certificates of {}: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No client could be made.
    #[error("could not make a client for gRPC")]
    Client(#[source] reqwest::Error),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// The judgement.
    pub outcome: Outcome,
    /// From the request's first byte to the answer's last; `None` where no answer came.
    pub latency: Option<Duration>,
    /// The call as a line for the shell (`grpcurl …`), secrets redacted.
    pub request: Option<String>,
    /// How far the call came.
    pub reached: Reached,
}

/// What a call carries besides what its contract says, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Carried<'a> {
    /// What provider states gave, by name.
    pub values: &'a StateValues,
    /// `traceparent`, a correlation id, … Where the contract states one of them itself, the contract's stands.
    pub headers: &'a [(String, String)],
    /// How long the answer may take. The provider is told, as `grpc-timeout`.
    pub timeout: Duration,
    /// How many bytes of messages are read.
    pub body_limit: usize,
}

/// Checks each gRPC call and each protobuf message of the contracts, as [`Caller::new`] does; nothing is called.
///
/// # Errors
/// Descriptors cannot be read, or an interaction does not fit them.
pub fn validate(contracts: &[Contract]) -> Result<(), GrpcError> {
    checked(contracts).map(drop)
}

/// Whether there is anything for a [`Caller`] to do: a gRPC call that it plays, or a protobuf message that it compares.
pub fn any(contracts: &[Contract]) -> bool {
    let mut interactions = contracts.iter().flat_map(|contract| &contract.interactions);
    interactions.any(|interaction| match interaction.contents {
        Contents::SynchronousMessage { .. } => service_of(interaction).is_some(),
        Contents::Message(_) => interaction.plugin_configuration.contains_key(PLUGIN),
        Contents::Http { .. } => false,
    })
}

/// The descriptors of each contract, with its source.
fn checked(contracts: &[Contract]) -> Result<Vec<(String, Pools)>, GrpcError> {
    let mut checked = Vec::with_capacity(contracts.len());
    for contract in contracts {
        let pools = descriptors(contract)?;
        for interaction in &contract.interactions {
            pools.call(interaction)?;
            pools.message(interaction)?;
        }
        checked.push((contract.source.clone(), pools));
    }
    Ok(checked)
}

/// An address as it may be shown, though it be none: without user and password.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.find("://").map_or(("", url), |end| url.split_at(end + 3));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    redact(&format!("{scheme}{host}{path}")).0.into_owned()
}

impl Caller {
    /// For the provider at `url`: `http://127.0.0.1:50051` is HTTP/2 without TLS, `https://…` with. `cacert` (PEM) is
    /// trusted besides the system's. Each gRPC interaction of the contracts is checked here, so that what is wrong in
    /// a file is told before anything is called.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub fn new(url: &str, contracts: &[Contract], cacert: Option<&Path>) -> Result<Caller, CallerError> {
        let address = |reason: String| CallerError::Address { url: shown(url), reason };
        let base = Url::parse(url).map_err(|error| address(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(address("it is not `http://HOST:PORT` or `https://HOST:PORT`".to_owned()));
        }
        let mut builder = tls::client_builder(tls::is_secure(&base)).http2_prior_knowledge();
        if let Some(path) = cacert {
            let trusted = tls::certificates(path)
                .map_err(|CertificatesError { path, reason }| CallerError::Certificates { path, reason })?;
            builder = builder.tls_certs_merge(trusted);
        }
        let client = builder.build().map_err(CallerError::Client)?;
        Ok(Caller { base, client, pools: checked(contracts)? })
    }

    /// Whether this interaction is a gRPC call.
    pub fn plays(&self, interaction: &Interaction) -> bool {
        service_of(interaction).is_some()
    }

    /// Makes the call of an interaction and judges the answer.
    pub async fn play(&self, interaction: &Interaction, carried: Carried<'_>) -> Played {
        let undecided = |message: String| Played {
            outcome: Outcome::Undecided { message },
            latency: None,
            request: None,
            reached: Reached::Nobody,
        };
        let call = match self.call_of(interaction) {
            Ok(Some(call)) => call,
            Ok(None) => return undecided("it is no gRPC call, and nobody plays it".to_owned()),
            Err(error) => return undecided(format!("{error}; {}", error.hint())),
        };
        let outgoing = match call.request(carried.values) {
            Ok(outgoing) => outgoing,
            Err(error) => return undecided(error.to_string()),
        };
        let added = carried.headers.iter().filter(|(name, _)| !outgoing.states(name));
        let shown: Vec<(String, String)> = outgoing.metadata.iter().chain(added).cloned().collect();
        let target = grpcurl::Target::at(&self.base);
        let request = Some(grpcurl::line(&target, &call.path(), &outgoing.json, &shown));
        let limits = Limits { timeout: carried.timeout, body: carried.body_limit };
        match wire::send(&self.client, &self.base, &call, &outgoing, carried.headers, limits).await {
            Err(Broken { message, reached }) => {
                Played { outcome: Outcome::RequestFailed { message }, latency: None, request, reached }
            }
            Ok((answer, latency)) => {
                let mismatches = call.compare(&answer);
                let outcome = if mismatches.is_empty() {
                    Outcome::Verified
                } else {
                    Outcome::Mismatched { mismatches }
                };
                Played { outcome, latency: Some(latency), request, reached: Reached::Provider }
            }
        }
    }

    fn call_of(&self, interaction: &Interaction) -> Result<Option<Call>, GrpcError> {
        match self.pools_of(interaction) {
            Some(pools) => pools.call(interaction),
            None => Pools::default().call(interaction),
        }
    }

    fn pools_of(&self, interaction: &Interaction) -> Option<&Pools> {
        let mut having = self.pools.iter().filter(|(_, pools)| pools.have(interaction));
        let first = having.next()?;
        // An interaction that stands in several contracts is the same in each, so any that has its descriptors serves.
        let own = |(source, _): &&(String, Pools)| *source == interaction.location.file;
        Some(&std::iter::once(first).chain(having).find(own).unwrap_or(first).1)
    }
}

impl SynchronousCaller for Caller {
    fn calls(&self, interaction: &Interaction) -> bool {
        self.plays(interaction)
    }

    fn call<'a>(&'a self, call: verify::Call<'a>) -> Pin<Box<dyn Future<Output = Called> + Send + 'a>> {
        Box::pin(async move {
            let carried = Carried {
                values: call.values,
                headers: call.headers,
                timeout: call.timeout,
                body_limit: call.body_limit,
            };
            let Played { outcome, latency, request, reached } = self.play(call.interaction, carried).await;
            Called { outcome, latency, request, reached }
        })
    }

    fn compare(&self, interaction: &Interaction, came: &MessageContents) -> Option<Vec<Mismatch>> {
        let message = self.pools_of(interaction)?.message(interaction).ok()??;
        Some(message.compare(came))
    }
}
