//! A pact's content, apart from who published it: one text for all pacts that agree on the same.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The deterministic text of a pact, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The first 40 hex digits of the text's SHA-256.
    pub hash: String,
    /// The text: keys sorted, interactions sorted, and of the metadata only the specification.
    pub text: String,
}

/// Whether it is a content's name.
pub fn is_hash(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of a content's text.
pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

impl Content {
    /// The content of a pact file. The order of interactions, and which tool wrote it, do not make another content.
    pub fn of(pact: &Value) -> Self {
        let mut out = Map::new();
        for (key, value) in pact.as_object().into_iter().flatten() {
            let value = match (key.as_str(), value) {
                ("interactions" | "messages", Value::Array(items)) => {
                    let mut items: Vec<Value> = items.iter().map(sorted).collect();
                    items.sort_by_cached_key(Value::to_string);
                    Value::Array(items)
                }
                ("metadata", Value::Object(metadata)) => Value::Object(specification(metadata)),
                // A broker adds these to what it gives out.
                ("_links" | "createdAt", _) => continue,
                (_, value) => sorted(value),
            };
            out.insert(key.clone(), value);
        }
        out.sort_keys();
        // Values always serialise.
        let mut text = serde_json::to_string_pretty(&Value::Object(out)).unwrap_or_default();
        text.push('\n');
        Self { hash: hash(&text), text }
    }
}

/// What of the metadata has meaning: the version of the specification (three spellings have been in use), and what
/// plugins need to read the file.
fn specification(metadata: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, value) in metadata {
        if matches!(
            key.as_str(),
            "pactSpecification" | "pact-specification" | "pactSpecificationVersion" | "plugins"
        ) {
            kept.insert(key.clone(), sorted(value));
        }
    }
    kept.sort_keys();
    kept
}

fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    value.sort_all_objects();
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pact(interactions: Value, metadata: Value) -> Value {
        json!({"consumer": {"name": "orders"}, "provider": {"name": "payments"},
               "interactions": interactions, "metadata": metadata})
    }

    #[test]
    fn order_and_tool_do_not_matter_but_what_is_agreed_does() {
        let a = json!({"description": "a", "request": {"method": "GET", "path": "/a"}});
        let b = json!({"description": "b", "request": {"path": "/b", "method": "GET"}});
        let specification = json!({"pactSpecification": {"version": "2.0"}});
        let one = Content::of(&pact(json!([a, b]), specification.clone()));
        let mut told = specification.clone();
        told["pactRust"] = json!({"models": "1.3"});
        assert_eq!(Content::of(&pact(json!([b, a]), told)), one);
        assert_ne!(Content::of(&pact(json!([a]), specification)).hash, one.hash);
        assert!(is_hash(&one.hash), "{}", one.hash);
        assert_eq!(hash(&one.text), one.hash);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_text_is_its_own_content(interactions in prop::collection::vec(any_json(), 0..4)) {
            let once = Content::of(&pact(Value::from(interactions), json!({})));
            let again = Content::of(&serde_json::from_str(&once.text).unwrap());
            prop_assert_eq!(again, once);
        }
    }
}
