//! `can-i-deploy`: the rows that decide, the answer, and why.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::system::suggest;

use super::{Answer, Picture, Question, Reason, Row, Ruling, State, hint};

/// Judges a question.
///
/// Where the ledger is a Pact Broker, which answers for itself, the worse of its answer and of what the rows say
/// stands.
pub fn can_i_deploy(picture: &Picture, question: &Question) -> Ruling {
    let rows = rows(picture, question);
    let mut reasons: Vec<Reason> = strangers(picture, question, &rows);
    reasons.extend(rows.iter().filter_map(|row| reason(picture, question, row)));
    reasons.extend(unpublished(picture, question));
    let mut notes = Vec::new();
    for (service, version) in &question.wanted {
        let named = rows.iter().any(|row| is_about(row, service, version));
        let doubted = reasons.iter().any(|reason| reason.service.as_ref() == Some(service));
        if !named && !doubted {
            notes.push(format!(
                "{service} {version} has no contract with anything in {}, so nothing speaks against it",
                question.environment
            ));
        }
    }
    if let Some((answer, told)) = &picture.own_answer {
        notes.extend(told.iter().map(|line| format!("the broker says: {line}")));
        let worst = reasons.iter().map(|reason| reason.answer).max().unwrap_or(Answer::Yes);
        if *answer > worst {
            reasons.push(Reason {
                rule: if *answer == Answer::No { "deploy.failed" } else { "deploy.not-verified" },
                answer: *answer,
                message: format!("the broker answers {answer}: {}", told.join(" ")),
                hint: "see the broker's matrix for the versions that it compared".to_owned(),
                row: None,
                service: question.wanted.keys().next().cloned(),
            });
        }
    }
    // What is known to fail is told first.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.answer));
    let answer = reasons.iter().map(|reason| reason.answer).max().unwrap_or(Answer::Yes);
    Ruling { question: question.clone(), answer, rows, reasons, notes }
}

fn is_about(row: &Row, service: &str, version: &str) -> bool {
    (row.consumer == service && row.consumer_version == version)
        || (row.provider == service && row.provider_version.as_deref() == Some(version))
}

/// What would be in the environment: the wanted versions in the place of what is deployed, what is released, and all
/// other services as they are.
fn afterwards<'p>(picture: &'p Picture, question: &'p Question) -> BTreeMap<&'p str, BTreeSet<&'p str>> {
    let mut after: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (service, versions) in &picture.released {
        after.entry(service).or_default().extend(versions.iter().map(String::as_str));
    }
    for (service, versions) in &picture.deployed {
        if !question.wanted.contains_key(service) {
            after.entry(service).or_default().extend(versions.iter().map(String::as_str));
        }
    }
    for (service, version) in &question.wanted {
        after.entry(service).or_default().insert(version);
    }
    after
}

fn rows(picture: &Picture, question: &Question) -> Vec<Row> {
    let after = afterwards(picture, question);
    let wanted =
        |service: &str, version: &str| question.wanted.get(service).is_some_and(|wanted| wanted == version);
    let mut rows = Vec::new();
    for (consumer, versions) in &after {
        for version in versions {
            for provider in picture.providers(consumer, version) {
                let there = after.get(provider);
                for provider_version in there.into_iter().flatten() {
                    if wanted(consumer, version) || wanted(provider, provider_version) {
                        rows.push(row(picture, consumer, version, provider, Some(provider_version)));
                    }
                }
                if there.is_none_or(BTreeSet::is_empty) && wanted(consumer, version) {
                    rows.push(row(picture, consumer, version, provider, None));
                }
            }
        }
    }
    rows
}

pub(super) fn row(
    picture: &Picture,
    consumer: &str,
    version: &str,
    provider: &str,
    provider_version: Option<&str>,
) -> Row {
    let known = provider_version.and_then(|each| picture.result(consumer, version, provider, each));
    let state = match (provider_version, known) {
        (None, _) => State::ProviderMissing,
        (_, None) => State::NotVerified,
        (_, Some(known)) if known.success => State::Verified,
        _ => State::Failed,
    };
    Row {
        consumer: consumer.to_owned(),
        consumer_version: version.to_owned(),
        provider: provider.to_owned(),
        provider_version: provider_version.map(str::to_owned),
        state,
        when: known.map(|known| known.when.clone()),
        build_url: known.and_then(|known| known.build_url.clone()),
    }
}

/// Why a row keeps the answer from being yes.
fn reason(picture: &Picture, question: &Question, row: &Row) -> Option<Reason> {
    let Row { consumer, consumer_version, provider, .. } = row;
    let provider_version = row.provider_version.as_deref().unwrap_or_default();
    let environment = &question.environment;
    let (rule, message) = match row.state {
        State::Verified => return None,
        State::Failed => (
            "deploy.failed",
            format!(
                "{provider} {provider_version} does not keep what {consumer} {consumer_version} relies on"
            ),
        ),
        State::NotVerified => (
            "deploy.not-verified",
            format!("{provider} {provider_version} was never verified against {consumer} {consumer_version}"),
        ),
        State::ProviderMissing => (
            "deploy.provider-missing",
            format!(
                "{consumer} {consumer_version} relies on {provider}, of which no version is recorded in {environment}"
            ),
        ),
    };
    Some(Reason {
        rule,
        answer: row.state.answer(),
        message,
        hint: hint::of_row(picture, question, row),
        row: Some(row.clone()),
        service: None,
    })
}

/// Versions of which no pact was published although other versions of the service have some: what they rely on is not
/// known, so neither they nor their providers can be said to be safe.
fn unpublished(picture: &Picture, question: &Question) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (consumer, versions) in afterwards(picture, question) {
        let relied_on: BTreeSet<&str> = picture.ever_relied_on(consumer).collect();
        let asked_about = |service: &str| question.wanted.contains_key(service);
        if relied_on.is_empty() || !(asked_about(consumer) || relied_on.iter().any(|each| asked_about(each)))
        {
            continue;
        }
        for version in
            versions.into_iter().filter(|version| picture.providers(consumer, version).next().is_none())
        {
            let providers = relied_on.iter().copied().collect::<Vec<_>>().join(", ");
            reasons.push(Reason {
                rule: "deploy.not-verified",
                answer: Answer::Unknown,
                message: format!(
                    "no pact of {consumer} {version} was published, and other versions of it rely on {providers}"
                ),
                hint: format!(
                    "publish what it relies on: `seaworthy publish --pact DIR --consumer-version {version}`"
                ),
                row: None,
                service: Some(consumer.to_owned()),
            });
        }
    }
    reasons
}

/// Services, versions and environments that the ledger has never heard of.
fn strangers(picture: &Picture, question: &Question, rows: &[Row]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let environment = &question.environment;
    if !picture.environments.contains(environment) && !picture.environments.is_empty() {
        let known = picture.environments.iter().map(String::as_str);
        reasons.push(stranger(
            "deploy.unknown-environment",
            None,
            format!("the ledger knows no environment `{environment}`, so nothing is known to be there"),
            meant(environment, known, "environments"),
        ));
    } else if picture.environments.is_empty() {
        reasons.push(stranger(
            "deploy.unknown-environment",
            None,
            format!("the ledger knows no environment yet, so nothing is known to be in `{environment}`"),
            format!(
                "say what is there: `seaworthy record-deployment --service SERVICE --version VERSION --env {environment}`"
            ),
        ));
    }
    for (service, version) in &question.wanted {
        let Some(versions) = picture.versions.get(service) else {
            reasons.push(stranger(
                "deploy.unknown-service",
                Some(service),
                format!("the ledger has never heard of {service}"),
                format!(
                    "{}; publish its pacts (`seaworthy publish`) or results (`seaworthy contracts verify --publish`), \
                     or record a deployment of it",
                    meant(service, picture.versions.keys().map(String::as_str), "services")
                ),
            ));
            continue;
        };
        if !versions.contains(version) && !rows.iter().any(|row| is_about(row, service, version)) {
            reasons.push(stranger(
                "deploy.unknown-version",
                Some(service),
                format!("the ledger has never heard of version {version} of {service}"),
                format!(
                    "{}; publish the pacts or results of {version} before asking",
                    there_are(versions.iter().rev().map(String::as_str), "versions")
                ),
            ));
        }
    }
    reasons
}

fn stranger(rule: &'static str, service: Option<&String>, message: String, hint: String) -> Reason {
    Reason { rule, answer: Answer::Unknown, message, hint, row: None, service: service.cloned() }
}

/// What may have been meant, or what there is.
fn meant<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone, what: &str) -> String {
    match suggest::closest(word, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => there_are(known, what),
    }
}

/// What there is. Versions are so alike that none is more likely to have been meant.
fn there_are<'k>(known: impl Iterator<Item = &'k str> + Clone, what: &str) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = known.clone().take(SHOWN).collect();
    match (shown.len(), known.count()) {
        (0, _) => format!("it knows no {what}"),
        (some, count) if count > some => format!("it knows {count} {what}, {} among them", shown.join(", ")),
        _ => format!("it knows the {what} {}", shown.join(", ")),
    }
}
