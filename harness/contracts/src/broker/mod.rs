//! A Pact Broker (or PactFlow) as a ledger, through its HTTP API: HAL resources, found by their links from the index
//! on. Only the matrix has no link and is asked for at its documented path.

mod client;
mod environment;
mod error;
mod hal;
mod matrix;
mod pacts;

use serde_json::Value;

pub use client::Access;
use client::Client;
pub use error::BrokerError;

/// A Pact Broker.
#[derive(Debug, Clone)]
pub struct Broker {
    client: Client,
}

/// Where a broker takes the result of verifying a pact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PactLink {
    /// The pact.
    pub pact: String,
    /// Its `pb:publish-verification-results`, where the broker gives that.
    pub publish: Option<String>,
}

impl Broker {
    /// The broker at this URL. Nothing is asked yet. Credentials in the URL go before those of `access`.
    ///
    /// # Errors
    /// It is no URL.
    pub fn new(url: &str, access: &Access) -> Result<Self, BrokerError> {
        Ok(Self { client: Client::new(url, access)? })
    }

    /// Its URL, without credentials.
    pub fn url(&self) -> &str {
        self.client.base()
    }

    async fn index(&self) -> Result<Value, BrokerError> {
        let index = self.client.get(self.client.base()).await?;
        if index.get("_links").is_none() {
            return Err(BrokerError::Answer {
                url: self.client.base().to_owned(),
                reason: "it has no `_links`, so it is no Pact Broker".to_owned(),
            });
        }
        Ok(index)
    }

    /// The address of a relation of a resource.
    fn link<'h>(&self, resource: &'h Value, relation: &str) -> Result<&'h str, BrokerError> {
        hal::link(resource, relation).ok_or_else(|| self.no_link(resource, relation))
    }

    fn no_link(&self, resource: &Value, relation: &str) -> BrokerError {
        let url = hal::link(resource, "self").unwrap_or(self.client.base());
        BrokerError::NoLink {
            url: client::without_credentials(url),
            relation: relation.to_owned(),
            hint: "the broker is too old for this, or the user may not do it".to_owned(),
        }
    }
}
