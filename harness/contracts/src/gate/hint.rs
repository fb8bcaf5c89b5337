//! What would make a row a yes.

use super::{Picture, Question, Row, State};

/// What to do about a row that is not verified.
pub(super) fn of_row(picture: &Picture, question: &Question, row: &Row) -> String {
    let Row { consumer, consumer_version, provider, .. } = row;
    let provider_version = row.provider_version.as_deref().unwrap_or_default();
    let mut ways = Vec::new();
    let other_provider = picture.newest_provider(consumer, consumer_version, provider);
    let other_consumer = picture.newest_consumer(consumer, provider, provider_version);
    let wanted = |service: &String, version: &str| {
        question.wanted.get(service).is_some_and(|wanted| wanted == version)
    };
    match row.state {
        State::Verified => {}
        State::ProviderMissing => match other_provider {
            Some(version) => ways.push(format!("deploy {provider} {version} first: it keeps the pact")),
            None => ways.push(format!(
                "verify a version of {provider} against {consumer} {consumer_version} and deploy that first"
            )),
        },
        State::NotVerified => ways.push(verify(question, row)),
        State::Failed => ways.push(format!("mend {provider} or {consumer}, and verify the new version")),
    }
    if row.state != State::ProviderMissing {
        if let Some(version) = other_provider {
            ways.push(if wanted(provider, provider_version) {
                format!(
                    "the newest version of {provider} that keeps {consumer} {consumer_version} is {version}"
                )
            } else {
                format!("deploy {provider} {version} first: it keeps {consumer} {consumer_version}")
            });
        }
        if let Some(version) = other_consumer {
            ways.push(if wanted(consumer, consumer_version) {
                format!(
                    "the newest version of {consumer} that {provider} {provider_version} keeps is {version}"
                )
            } else {
                format!("deploy {consumer} {version} first: {provider} {provider_version} keeps it")
            });
        }
    }
    ways.join("; or ")
}

/// The command that would find out.
fn verify(question: &Question, row: &Row) -> String {
    let Row { consumer, consumer_version, provider, .. } = row;
    let version = row.provider_version.as_deref().unwrap_or_default();
    let ledger =
        if question.ledger.is_empty() { "contracts/ledger".to_owned() } else { word(&question.ledger) };
    format!(
        "verify {provider} {version} against {consumer} {consumer_version} (run: seaworthy contracts verify --provider \
         {} --url URL --ledger {ledger} --consumer {} --publish --provider-version {})",
        word(provider),
        word(consumer),
        word(version),
    )
}

/// A word as a shell takes it.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
