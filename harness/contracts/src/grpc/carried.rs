//! The descriptors that contracts carry, when contracts are merged: none is lost, and none is kept that nothing needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::descriptors::PLUGIN;
use crate::model::Interaction;

/// The plugins of two contracts' `metadata` as those of one: each once by its name, with what either configures. The
/// same whichever comes first.
pub(crate) fn merged(one: &Value, other: &Value) -> Option<Value> {
    let mut plugins: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for plugin in one.as_array()?.iter().chain(other.as_array()?) {
        let name = plugin.get("name")?.as_str()?;
        let into = plugins.entry(name).or_default();
        for (key, value) in plugin.as_object()? {
            match (into.get_mut(key), value) {
                (Some(Value::Object(into)), Value::Object(from)) => {
                    for (key, value) in from {
                        keep_greater(into, key, value);
                    }
                    into.sort_keys();
                }
                _ => keep_greater(into, key, value),
            }
        }
        into.sort_keys();
    }
    Some(plugins.into_values().map(Value::Object).collect())
}

fn keep_greater(into: &mut Map<String, Value>, key: &str, value: &Value) {
    let kept = into.entry(key).or_insert_with(|| value.clone());
    // As text, for JSON has no order of its own.
    let (value_text, kept_text) = (value.to_string(), kept.to_string());
    if value_text > kept_text {
        *kept = value.clone();
    }
}

/// Takes out of a contract's `metadata` the descriptors that none of its interactions names. A plugin that has none left
/// goes with them.
pub(crate) fn pruned<'a>(
    metadata: &mut Map<String, Value>,
    interactions: impl Iterator<Item = &'a Interaction>,
) {
    let named: BTreeSet<&str> = interactions
        .filter_map(|interaction| {
            interaction.plugin_configuration.get(PLUGIN)?.get("descriptorKey")?.as_str()
        })
        .collect();
    let Some(Value::Array(plugins)) = metadata.get_mut("plugins") else { return };
    plugins.retain_mut(|plugin| {
        if plugin.get("name").and_then(Value::as_str) != Some(PLUGIN) {
            return true;
        }
        let Some(Value::Object(sets)) = plugin.get_mut("configuration") else { return true };
        sets.retain(|key, set| set.get("protoDescriptors").is_none() || named.contains(key.as_str()));
        !sets.is_empty()
    });
    if plugins.is_empty() {
        metadata.remove("plugins");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{merged, pruned};

    fn plugins(keys: &[&str]) -> Value {
        let sets: serde_json::Map<String, Value> = keys
            .iter()
            .map(|key| ((*key).to_owned(), json!({ "protoDescriptors": "", "protoFile": "" })))
            .collect();
        json!([{ "configuration": sets, "name": "protobuf", "version": "0.6.5" }])
    }

    #[test]
    fn descriptors_of_both_contracts_are_kept_whichever_comes_first() {
        let both = merged(&plugins(&["a"]), &plugins(&["b"])).unwrap();
        assert_eq!(both, plugins(&["a", "b"]));
        assert_eq!(merged(&plugins(&["b"]), &plugins(&["a"])).unwrap().to_string(), both.to_string());
    }

    #[test]
    fn descriptors_that_nothing_names_go() {
        let mut metadata = serde_json::Map::from_iter([("plugins".to_owned(), plugins(&["a", "b"]))]);
        pruned(&mut metadata, std::iter::empty());
        assert!(metadata.is_empty());
    }
}
