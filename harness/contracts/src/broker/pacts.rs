//! Pacts to and from a broker, and what came of verifying them.

use base64::Engine;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::{Broker, BrokerError, PactLink, hal};
use crate::ledger::{
    LedgerError, PactToVerify, ProviderVersion, Publication, PublishHandle, Selection, Selector, Summary,
};

/// How many pacts are fetched at once.
const AT_ONCE: usize = 8;
/// How many pacts one provider may have to verify.
const MOST_PACTS: usize = 10_000;

impl Broker {
    /// Publishes the pacts of a version of a consumer (`pb:publish-contracts`); gives the broker's notices.
    ///
    /// # Errors
    /// The broker cannot be reached or refuses.
    pub async fn publish(&self, publication: &Publication) -> Result<Vec<String>, BrokerError> {
        let index = self.index().await?;
        let link = self.link(&index, "pb:publish-contracts")?;
        let contracts: Vec<Value> = publication
            .pacts
            .iter()
            .map(|pact| {
                let content = pact.document.to_string();
                json!({
                    "consumerName": pact.consumer,
                    "providerName": pact.provider,
                    "specification": "pact",
                    "contentType": "application/json",
                    "content": base64::engine::general_purpose::STANDARD.encode(content),
                })
            })
            .collect();
        let mut body = json!({
            "pacticipantName": publication.consumer,
            "pacticipantVersionNumber": publication.version,
            "contracts": contracts,
        });
        if let Some(branch) = &publication.branch {
            body["branch"] = json!(branch);
        }
        if !publication.tags.is_empty() {
            body["tags"] = json!(publication.tags);
        }
        if let Some(url) = &publication.build_url {
            body["buildUrl"] = json!(url);
        }
        Ok(self.notices(&self.client.post(link, &body).await?))
    }

    /// What the broker wants people to read.
    fn notices(&self, answer: &Value) -> Vec<String> {
        let notices = answer.get("notices").or_else(|| answer.get("logs")).and_then(Value::as_array);
        let texts = notices.into_iter().flatten().filter_map(|notice| {
            let level = notice.get("type").or_else(|| notice.get("level")).and_then(Value::as_str);
            let text = notice.get("text").or_else(|| notice.get("message")).and_then(Value::as_str)?;
            (level != Some("debug")).then(|| self.client.redacted(text))
        });
        texts.collect()
    }

    /// The pacts that a provider is to verify (`pb:provider-pacts-for-verification`), each with its notices.
    ///
    /// # Errors
    /// The broker cannot be reached or refuses, or what it gives is no pact.
    pub async fn pacts_for_verification(
        &self,
        selection: &Selection,
    ) -> Result<Vec<PactToVerify>, LedgerError> {
        let index = self.index().await?;
        let link = hal::link(&index, "pb:provider-pacts-for-verification")
            .or_else(|| hal::link(&index, "beta:provider-pacts-for-verification"))
            .ok_or_else(|| self.no_link(&index, "pb:provider-pacts-for-verification"))?;
        let link = hal::expand(link, &[("provider", &selection.provider)]);
        let usual = Selector::usual();
        let selectors = if selection.selectors.is_empty() { &usual } else { &selection.selectors };
        let mut body = json!({
            "consumerVersionSelectors": selectors,
            "includePendingStatus": selection.include_pending,
        });
        if let Some(branch) = &selection.provider_branch {
            body["providerVersionBranch"] = json!(branch);
        }
        if let Some(since) = selection.wip_since {
            body["includeWipPactsSince"] = json!(since.to_string());
        }
        let answer = self.client.post(&link, &body).await?;
        let listed = hal::embedded(&answer, "pacts");
        if listed.len() > MOST_PACTS {
            let reason = format!("it lists {} pacts, more than {MOST_PACTS}", listed.len());
            return Err(BrokerError::Answer { url: link, reason }.into());
        }
        let mut pacts = Vec::new();
        for some in listed.chunks(AT_ONCE) {
            pacts.extend(try_join_all(some.iter().map(|pact| self.fetch(pact))).await?);
        }
        Ok(pacts)
    }

    async fn fetch(&self, listed: &Value) -> Result<PactToVerify, LedgerError> {
        let url = self.link(listed, "self")?;
        let answer = self.client.get_pact(url).await?;
        let mut contract = crate::ledger::parse_pact(&answer.url, &answer.bytes)?;
        let resource = answer.json()?;
        let consumer_version = hal::links(&resource, "pb:consumer-version").next();
        contract.consumer_version =
            consumer_version.and_then(|link| link.get("name")?.as_str()).map(str::to_owned);
        // It belongs to the resource, not to the pact.
        contract.metadata.shift_remove("_links");
        let properties = listed.get("verificationProperties").cloned().unwrap_or_default();
        let is = |name: &str| properties.get(name).and_then(Value::as_bool).unwrap_or_default();
        let notices = properties.get("notices").and_then(Value::as_array);
        let notices = notices.into_iter().flatten().filter(|notice| {
            notice.get("when").and_then(Value::as_str).is_none_or(|when| when == "before_verification")
        });
        let notices = notices.filter_map(|notice| notice.get("text")?.as_str());
        Ok(PactToVerify {
            notices: notices.map(|text| self.client.redacted(text)).collect(),
            pending: is("pending") || is("wip"),
            wip: is("wip"),
            handle: PublishHandle::Broker(PactLink {
                pact: answer.url,
                publish: hal::link(&resource, "pb:publish-verification-results").map(str::to_owned),
            }),
            contract,
        })
    }

    /// Makes the version of the provider, and its branch, known (`pb:pacticipant-branch-version`), where a branch is
    /// given.
    ///
    /// # Errors
    /// The broker cannot be reached, cannot do it or refuses.
    pub async fn record_branch(&self, provider: &ProviderVersion) -> Result<(), BrokerError> {
        let Some(branch) = &provider.branch else { return Ok(()) };
        let index = self.index().await?;
        let link = self.link(&index, "pb:pacticipant-branch-version")?;
        let parameters =
            [("pacticipant", &*provider.provider), ("branch", branch), ("version", &provider.version)];
        self.client.put(&hal::expand(link, &parameters), &json!({})).await.map(drop)
    }

    /// Publishes what came of verifying a pact (its `pb:publish-verification-results`).
    ///
    /// # Errors
    /// The broker gave no such link, cannot be reached or refuses.
    pub async fn publish_result(
        &self,
        link: &PactLink,
        provider: &ProviderVersion,
        summary: &Summary,
    ) -> Result<Vec<String>, BrokerError> {
        let Some(publish) = &link.publish else {
            return Err(BrokerError::NoLink {
                url: link.pact.clone(),
                relation: "pb:publish-verification-results".to_owned(),
                hint: "the broker is too old for this, or the user may not do it".to_owned(),
            });
        };
        let mut body = json!({
            "success": summary.success,
            "providerApplicationVersion": provider.version,
            "verifiedBy": {"implementation": "seaworthy", "version": env!("CARGO_PKG_VERSION")},
            "testResults": {
                "verified": summary.verified,
                "failed": summary.failed,
                "failures": summary.failures,
            },
        });
        if let Some(url) = &provider.build_url {
            body["buildUrl"] = json!(url);
        }
        Ok(self.notices(&self.client.post(publish, &body).await?))
    }
}
