//! A ledger in a folder of its own, and pacts to publish there.

use seaworthy_contracts::ledger::{
    Folder, PactDocument, ProviderVersion, Publication, Record, Recording, Timestamp,
};
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::outcome::{InteractionResult, Outcome};
use serde_json::{Value, json};

/// Minute `n` of a day.
pub(crate) fn at(minute: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_795_000_000_000 + minute * 60_000)
}

/// A pact of one interaction, which `what` tells from others.
pub(crate) fn pact(consumer: &str, provider: &str, what: &str) -> PactDocument {
    let document = json!({
        "consumer": {"name": consumer},
        "provider": {"name": provider},
        "interactions": [{
            "description": format!("a request for {what}"),
            "request": {"method": "GET", "path": format!("/{what}")},
            "response": {"status": 200},
        }],
        "metadata": {"pactSpecification": {"version": "2.0.0"}, "tool": {"version": "1"}},
    });
    PactDocument {
        name: format!("{consumer}-{provider}.json"),
        consumer: consumer.to_owned(),
        provider: provider.to_owned(),
        document,
    }
}

/// `publication("orders", "5", Some("main"), 7, vec![…])`
pub(crate) fn publication(
    consumer: &str,
    version: &str,
    branch: Option<&str>,
    minute: i64,
    pacts: Vec<PactDocument>,
) -> Publication {
    Publication {
        consumer: consumer.to_owned(),
        version: version.to_owned(),
        branch: branch.map(str::to_owned),
        tags: Vec::new(),
        build_url: None,
        pacts,
        at: at(minute),
    }
}

/// `record(Recording::Deployment, "payments", "2", 3)` in production.
pub(crate) fn record(what: Recording, service: &str, version: &str, minute: i64) -> Record {
    Record {
        what,
        service: service.to_owned(),
        version: version.to_owned(),
        environment: "production".to_owned(),
        at: at(minute),
    }
}

pub(crate) fn provider(name: &str, version: &str, branch: Option<&str>) -> ProviderVersion {
    ProviderVersion {
        provider: name.to_owned(),
        version: version.to_owned(),
        branch: branch.map(str::to_owned),
        build_url: Some("https://ci.test/7".to_owned()),
    }
}

/// What a verifier that finds this outcome everywhere would say.
pub(crate) fn results(contracts: &[&Contract], outcome: &Outcome) -> Vec<InteractionResult> {
    let of = |contract: &Contract| -> Vec<InteractionResult> {
        let result =
            |interaction: &std::sync::Arc<seaworthy_contracts::model::Interaction>| InteractionResult {
                consumers: vec![contract.consumer.clone()],
                provider: contract.provider.clone(),
                description: interaction.description.clone(),
                states: interaction.states.iter().map(|state| state.name.clone()).collect(),
                location: interaction.location.clone(),
                pending: interaction.pending,
                outcome: outcome.clone(),
                warnings: Vec::new(),
                request: None,
                trace: None,
                correlation_id: None,
                exchange: None,
                latency: None,
                notes: Vec::new(),
                test_name: None,
            };
        contract.interactions.iter().map(result).collect()
    };
    contracts.iter().flat_map(|contract| of(contract)).collect()
}

pub(crate) fn failed() -> Outcome {
    Outcome::RequestFailed { message: "connection refused".to_owned() }
}

/// A ledger in a fresh folder.
pub(crate) fn ledger() -> (tempfile::TempDir, Folder) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Folder::new(folder.path().join("ledger"));
    (folder, ledger)
}

/// All files of a folder with their text, by path within it.
pub(crate) fn files(root: &std::path::Path) -> Vec<(String, String)> {
    fn walk(root: &std::path::Path, folder: &std::path::Path, out: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                out.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(root, root, &mut out);
    out.sort();
    out
}

/// The pact's JSON, for a test that changes it.
pub(crate) fn interactions(pact: &mut PactDocument) -> &mut Vec<Value> {
    pact.document["interactions"].as_array_mut().unwrap()
}
