//! What is deployed and released where, as a broker records it.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::system::suggest;
use serde_json::{Value, json};

use super::{Broker, BrokerError, hal};
use crate::ledger::{Record, Recording};

/// Versions of services that are in an environment.
pub(super) type Present = BTreeMap<String, BTreeSet<String>>;

/// The relations of an environment to what is there, each with the names that it has been known by, the name of what
/// it embeds, and the field that ends it.
const DEPLOYED: (&[&str], &str, &str) = (
    &["pb:currently-deployed-deployed-versions", "pb:currently-deployed-versions"],
    "deployedVersions",
    "currentlyDeployed",
);
const RELEASED: (&[&str], &str, &str) = (
    &["pb:currently-supported-released-versions", "pb:currently-supported-versions"],
    "releasedVersions",
    "currentlySupported",
);

impl Broker {
    /// Records what happened in an environment (`pb:record-deployment`, `pb:record-release` of the version; what is
    /// there at the environment itself).
    ///
    /// # Errors
    /// The broker cannot be reached or refuses, or does not know service, version or environment.
    pub async fn record(&self, record: &Record) -> Result<Vec<String>, BrokerError> {
        let Record { service, version, environment, .. } = record;
        let (relation, done) = match record.what {
            Recording::Deployment => ("pb:record-deployment", "deployed"),
            Recording::Release => ("pb:record-release", "released"),
            Recording::Undeployment => return self.undeploy(record).await,
        };
        let index = self.index().await?;
        let link = self.link(&index, "pb:pacticipant-version")?;
        let link = hal::expand(link, &[("pacticipant", service), ("version", version)]);
        let Some(resource) = self.client.find(&link).await? else {
            return Err(BrokerError::Unknown {
                what: format!("version {version} of {service} at {}", self.url()),
                hint: "publish its pacts or its results first".to_owned(),
            });
        };
        let Some(link) = hal::named(&resource, relation, environment) else {
            let known = hal::links(&resource, relation).filter_map(|link| hal::text(link, &["name"]));
            return Err(self.unknown_environment(environment, known));
        };
        self.client.post(link, &json!({})).await?;
        Ok(vec![format!("{service} {version} is {done} in {environment}")])
    }

    fn unknown_environment<'k>(&self, name: &str, known: impl Iterator<Item = &'k str>) -> BrokerError {
        let known: Vec<&str> = known.collect();
        let hint = match suggest::closest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "it has no environment; create one first".to_owned(),
            None => format!("it has {}", known.join(", ")),
        };
        BrokerError::Unknown { what: format!("an environment `{name}` at {}", self.url()), hint }
    }

    async fn undeploy(&self, record: &Record) -> Result<Vec<String>, BrokerError> {
        let Record { service, version, environment, .. } = record;
        let index = self.index().await?;
        let (names, found) = self.environment(&index, environment).await?;
        let Some(resource) = found else {
            return Err(self.unknown_environment(environment, names.iter().map(String::as_str)));
        };
        let mut lines = Vec::new();
        let mut others = Vec::new();
        for (relations, embedded, field) in [DEPLOYED, RELEASED] {
            let Some(link) = relations.iter().find_map(|relation| hal::link(&resource, relation)) else {
                continue;
            };
            let there = self.client.get(&hal::with_query(link, &[("pacticipant", service)])).await?;
            for each in hal::embedded(&there, embedded) {
                let (name, number) = identity(each);
                if name.is_some_and(|name| name != service) {
                    continue;
                }
                if number != Some(version) {
                    others.extend(number.map(str::to_owned));
                    continue;
                }
                self.client.patch(self.link(each, "self")?, &json!({ field: false })).await?;
                let what = embedded.trim_end_matches("Versions");
                lines.push(format!("{service} {version} is no longer {what} in {environment}"));
            }
        }
        if lines.is_empty() {
            let hint = match others.is_empty() {
                true => "no version of it is there".to_owned(),
                false => format!("{} is there", others.join(", ")),
            };
            return Err(BrokerError::Unknown { what: format!("{service} {version} in {environment}"), hint });
        }
        Ok(lines)
    }

    /// The names of all environments, and the one that is asked for.
    pub(super) async fn environment(
        &self,
        index: &Value,
        name: &str,
    ) -> Result<(BTreeSet<String>, Option<Value>), BrokerError> {
        let list = self.client.get(self.link(index, "pb:environments")?).await?;
        let embedded = hal::embedded(&list, "environments");
        let in_links = hal::links(&list, "pb:environments").filter_map(|link| hal::text(link, &["name"]));
        let in_list = embedded.iter().filter_map(|each| hal::text(each, &["name"]));
        let names = in_links.chain(in_list).map(str::to_owned).collect();
        let found = hal::named(&list, "pb:environments", name).or_else(|| {
            let found = embedded.iter().find(|each| hal::text(each, &["name"]) == Some(name));
            hal::link(found?, "self")
        });
        let resource = match found {
            Some(link) => Some(self.client.get(link).await?),
            None => None,
        };
        Ok((names, resource))
    }

    /// What is deployed, and what is released, in an environment.
    pub(super) async fn present(&self, environment: &Value) -> Result<(Present, Present), BrokerError> {
        let mut both = Vec::new();
        for (relations, embedded, _) in [DEPLOYED, RELEASED] {
            let mut present = Present::new();
            let link = relations.iter().find_map(|relation| hal::link(environment, relation));
            if let Some(link) = link {
                let there = self.client.get(link).await?;
                for each in hal::embedded(&there, embedded) {
                    if let (Some(name), Some(number)) = identity(each) {
                        present.entry(name.to_owned()).or_default().insert(number.to_owned());
                    }
                }
            }
            both.push(present);
        }
        let released = both.pop().unwrap_or_default();
        Ok((both.pop().unwrap_or_default(), released))
    }
}

/// Service and version of what is deployed or released.
fn identity(resource: &Value) -> (Option<&str>, Option<&str>) {
    (
        hal::text(resource, &["_embedded", "pacticipant", "name"])
            .or_else(|| hal::text(resource, &["pacticipant", "name"])),
        hal::text(resource, &["_embedded", "version", "number"])
            .or_else(|| hal::text(resource, &["version", "number"])),
    )
}
