//! Pacts at an address: fetched over HTTP and read as files are.

use std::path::Path;
use std::time::Duration;

use super::{LIMIT, ReadError, parse};
use crate::model::Contract;
use crate::tls;

/// How long the address may take to send the whole pact.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Fetches a pact from `url` and reads it. `cacert` (PEM) is trusted besides the system's authorities.
///
/// # Errors
/// There is no answer of 2xx, it is larger than [`LIMIT`], or it is no pact.
pub async fn fetch(url: &str, cacert: Option<&Path>) -> Result<Contract, ReadError> {
    let shown = seaworthy_core::secret::redact(url).0.into_owned();
    let failed = |reason: String| ReadError::Unreachable { url: shown.clone(), reason };
    let address = reqwest::Url::parse(url).map_err(|error| failed(error.to_string()))?;
    let mut builder = tls::client_builder(tls::is_secure(&address)).timeout(TIMEOUT);
    if let Some(path) = cacert {
        let trusted = tls::certificates(path).map_err(|error| failed(error.to_string()))?;
        builder = builder.tls_certs_merge(trusted);
    }
    let client = builder.build().map_err(|error| failed(error.to_string()))?;
    let request = client.get(url).header("accept", "application/hal+json, application/json");
    let mut answer = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
    if !answer.status().is_success() {
        return Err(failed(format!("it answered {}", answer.status())));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failed(error.without_url().to_string()))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > LIMIT {
            return Err(ReadError::TooLarge { file: shown, bytes: bytes.len() as u64, limit: LIMIT });
        }
    }
    parse(&shown, &bytes)
}
