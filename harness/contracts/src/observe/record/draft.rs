//! Interactions on their way into a contract: each gets a name of its own, and none takes a secret with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use seaworthy_core::finding::Location;
use serde_json::{Map, Value, json};

use super::super::kind::is_secret;
use crate::model::{Contents, Interaction, MessageContents};

/// An interaction that has no name of its own yet.
pub(super) struct Draft {
    /// What it is, in words; perhaps the same as that of others.
    pub(super) description: String,
    /// The fields that its request has, by which it may be told from others.
    pub(super) fields: BTreeSet<String>,
    /// What whoever reads the file should know.
    pub(super) notes: Vec<String>,
    /// What passes.
    pub(super) contents: Contents,
    /// How many exchanges it was made from.
    pub(super) seen: u64,
}

impl Draft {
    /// Whether something in it is a secret still, or the mark of one.
    pub(super) fn holds_secret(&self) -> bool {
        let parts = match &self.contents {
            Contents::Http { request, response } => vec![request.to_json(), response.to_json()],
            Contents::Message(message) => vec![message.to_json()],
            Contents::SynchronousMessage { request, responses } => std::iter::once(request.to_json())
                .chain(responses.iter().map(MessageContents::to_json))
                .collect(),
        };
        let written =
            parts.iter().any(|part| is_secret(&format!("{part:#}")) || is_secret(&part.to_string()));
        written || is_secret(&self.description) || parts.iter().any(any_text_is_secret)
    }
}

fn any_text_is_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => is_secret(text),
        Value::Array(items) => items.iter().any(any_text_is_secret),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| is_secret(name) || any_text_is_secret(value))
        }
        _ => false,
    }
}

/// Gives each a description of its own: those with the same are told apart by the fields that not all of them have,
/// and where that does not do, by number.
pub(super) fn interactions(drafts: Vec<Draft>) -> Vec<Arc<Interaction>> {
    let mut alike: BTreeMap<String, Vec<&Draft>> = BTreeMap::new();
    for draft in &drafts {
        alike.entry(draft.description.clone()).or_default().push(draft);
    }
    let shared: BTreeMap<String, BTreeSet<String>> = alike
        .into_iter()
        .map(|(description, drafts)| {
            let mut fields = drafts.iter().map(|draft| draft.fields.clone());
            let first = fields.next().unwrap_or_default();
            (description, fields.fold(first, |all, each| all.intersection(&each).cloned().collect()))
        })
        .collect();
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    let mut named = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.into_iter().enumerate() {
        let shared = shared.get(&draft.description);
        let own: Vec<&str> = draft
            .fields
            .iter()
            .filter(|field| shared.is_none_or(|shared| !shared.contains(*field)))
            .map(String::as_str)
            .collect();
        let mut description = draft.description.clone();
        if !own.is_empty() {
            description += &format!(" (with {})", own.join(", "));
        }
        let count = taken.entry(description.clone()).or_default();
        *count += 1;
        if *count > 1 {
            description += &format!(" ({count})");
        }
        let mut comments = Map::new();
        if !draft.notes.is_empty() {
            comments.insert("text".to_owned(), json!(draft.notes));
        }
        named.push(Arc::new(Interaction {
            description,
            key: None,
            states: Vec::new(),
            pending: false,
            comments,
            transport: None,
            plugin_configuration: Map::new(),
            contents: draft.contents,
            location: Location { pointer: Some(format!("/interactions/{at}")), ..Location::default() },
        }));
    }
    named
}
