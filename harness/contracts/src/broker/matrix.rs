//! The matrix of a broker, as the gate needs it.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use serde_json::Value;

use super::{Broker, BrokerError, hal};
use crate::gate::{Answer, Outcome, Picture, Question};
use crate::ledger::Timestamp;

/// How many questions are asked at once.
const AT_ONCE: usize = 8;
/// How many rows are asked for: the newest.
const ROWS: &str = "1000";

impl Broker {
    /// What the gate must know: what is in the environment; for each version that is wanted or there, its row of the
    /// matrix; and the broker's own answer (`/matrix?…&environment=…`), where it knows all that was asked for.
    ///
    /// # Errors
    /// The broker cannot be reached or refuses.
    pub async fn picture(&self, question: &Question) -> Result<Picture, BrokerError> {
        let index = self.index().await?;
        let (names, environment) = self.environment(&index, &question.environment).await?;
        let mut picture = Picture { environments: names, ..Picture::default() };
        if let Some(environment) = &environment {
            (picture.deployed, picture.released) = self.present(environment).await?;
        }
        let mut all_known = environment.is_some();
        let mut versions: BTreeSet<(String, String)> = BTreeSet::new();
        for (service, version) in &question.wanted {
            let of_service = [("pacticipant", &**service)];
            let link = self.link(&index, "pb:pacticipant")?;
            if self.client.find(&hal::expand(link, &of_service)).await?.is_none() {
                all_known = false;
                continue;
            }
            let known = picture.versions.entry(service.clone()).or_default();
            let link = self.link(&index, "pb:pacticipant-version")?;
            let of_version = [("pacticipant", &**service), ("version", version)];
            if self.client.find(&hal::expand(link, &of_version)).await?.is_some() {
                known.push(version.clone());
                versions.insert((service.clone(), version.clone()));
            } else {
                all_known = false;
            }
        }
        for (service, there) in picture.deployed.iter().chain(&picture.released) {
            versions.extend(there.iter().map(|version| (service.clone(), version.clone())));
        }
        let versions: Vec<_> = versions.into_iter().collect();
        for some in versions.chunks(AT_ONCE) {
            let asked = some.iter().map(|(service, version)| self.rows_of(service, version));
            for matrix in try_join_all(asked).await? {
                add_rows(&matrix, &mut picture);
            }
        }
        if all_known {
            let matrix = self.client.get(&self.gate_url(question)).await?;
            add_rows(&matrix, &mut picture);
            picture.own_answer = self.own_answer(&matrix);
        }
        for versions in picture.versions.values_mut() {
            // Rows come newest first.
            versions.reverse();
        }
        Ok(picture)
    }

    /// All rows in which a version takes part.
    async fn rows_of(&self, service: &str, version: &str) -> Result<Value, BrokerError> {
        let url = format!("{}/matrix", self.url());
        let query =
            [("q[][pacticipant]", service), ("q[][version]", version), ("latestby", "cvpv"), ("limit", ROWS)];
        self.client.get(&hal::with_query(&url, &query)).await
    }

    /// The question as the broker's own clients ask it.
    fn gate_url(&self, question: &Question) -> String {
        let latest_by = if question.wanted.len() == 1 { "cvp" } else { "cvpv" };
        let mut query: Vec<(&str, &str)> = Vec::new();
        for (service, version) in &question.wanted {
            query.extend([("q[][pacticipant]", &**service), ("q[][version]", version)]);
        }
        query.extend([("latestby", latest_by), ("environment", &*question.environment), ("limit", ROWS)]);
        hal::with_query(&format!("{}/matrix", self.url()), &query)
    }

    fn own_answer(&self, matrix: &Value) -> Option<(Answer, Vec<String>)> {
        let answer = match matrix.get("summary")?.get("deployable")? {
            Value::Bool(true) => Answer::Yes,
            Value::Bool(false) => Answer::No,
            _ => Answer::Unknown,
        };
        let notices = matrix.get("notices").and_then(Value::as_array);
        let mut told: Vec<String> = notices
            .into_iter()
            .flatten()
            .filter_map(|notice| notice.get("text")?.as_str())
            .map(|text| self.client.redacted(text))
            .collect();
        if told.is_empty() {
            let reason = hal::text(matrix, &["summary", "reason"]).unwrap_or_default();
            told.extend(reason.lines().map(|line| self.client.redacted(line)));
        }
        Some((answer, told))
    }
}

fn add_rows(matrix: &Value, picture: &mut Picture) {
    for row in matrix.get("matrix").and_then(Value::as_array).into_iter().flatten() {
        let (Some(consumer), Some(version), Some(provider)) = (
            hal::text(row, &["consumer", "name"]),
            hal::text(row, &["consumer", "version", "number"]),
            hal::text(row, &["provider", "name"]),
        ) else {
            continue;
        };
        know(picture, consumer, version);
        let agreements = picture.agreements.entry((consumer.to_owned(), version.to_owned()));
        agreements.or_default().insert(provider.to_owned());
        let Some(provider_version) = hal::text(row, &["provider", "version", "number"]) else {
            picture.versions.entry(provider.to_owned()).or_default();
            continue;
        };
        know(picture, provider, provider_version);
        let result = row.get("verificationResult");
        let Some(success) = result.and_then(|result| result.get("success")?.as_bool()) else { continue };
        let when = result.and_then(|result| result.get("verifiedAt")?.as_str()).unwrap_or_default();
        let outcome = Outcome {
            success,
            when: when.parse::<Timestamp>().map_or(when.to_owned(), Timestamp::short),
            build_url: None,
        };
        let pair =
            (consumer.to_owned(), version.to_owned(), provider.to_owned(), provider_version.to_owned());
        picture.results.insert(pair, outcome);
    }
}

fn know(picture: &mut Picture, service: &str, version: &str) {
    let known = picture.versions.entry(service.to_owned()).or_default();
    if !known.iter().any(|each| each == version) {
        known.push(version.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_row() -> impl Strategy<Value = Value> {
        let side = || {
            prop_oneof![
                Just(Value::Null),
                Just(json!({"name": 5, "version": []})),
                Just(json!({"name": "a", "version": null})),
                Just(json!({"name": "a", "version": {"number": "1"}})),
            ]
        };
        let result = prop_oneof![
            Just(Value::Null),
            Just(json!("yes")),
            Just(json!({"success": null})),
            Just(json!({"success": true, "verifiedAt": 7})),
            Just(json!({"success": false, "verifiedAt": "once"})),
        ];
        (side(), side(), result).prop_map(|(consumer, provider, result)| {
            json!({"consumer": consumer, "provider": provider, "verificationResult": result})
        })
    }

    proptest! {
        #[test]
        fn rows_of_any_form_are_read_or_left_out(rows in prop::collection::vec(any_row(), 0..6)) {
            let mut picture = Picture::default();
            add_rows(&json!({"matrix": rows}), &mut picture);
            for (consumer, version, provider, provider_version) in picture.results.keys() {
                prop_assert!(picture.versions[consumer].contains(version));
                prop_assert!(picture.versions[provider].contains(provider_version));
            }
        }
    }
}
