//! Which bodies have the same shape: the same fields with values of the same types, whatever the values.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::kind::Kind;

/// The shape of a value, as text. Lists of any length have the same shape as long as their items have; the order of
/// fields does not matter, and neither do names that are ids, where all that they name has one shape.
pub(super) fn of(value: &Value) -> String {
    within(value, true)
}

/// The shapes that these values have.
pub(super) fn of_all<'v>(values: impl IntoIterator<Item = &'v Value>) -> BTreeSet<String> {
    values.into_iter().map(of).collect()
}

/// Below a name that no path can say there is no rule for names, so they matter there.
fn within(value: &Value, speakable: bool) -> String {
    let joined = |shapes: BTreeSet<String>, by: &str| shapes.into_iter().collect::<Vec<_>>().join(by);
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(items) => {
            format!("[{}]", joined(items.iter().map(|item| within(item, speakable)).collect(), "|"))
        }
        Value::Object(fields) => {
            // Each only once: bodies may be deep.
            let shapes: Vec<String> =
                fields.iter().map(|(name, value)| within(value, speakable && is_speakable(name))).collect();
            let distinct: BTreeSet<&String> = shapes.iter().collect();
            if let (true, [one]) = (speakable && is_map(fields.keys()), Vec::from_iter(distinct).as_slice()) {
                return format!("{{*: {one}}}");
            }
            let named = fields.keys().zip(&shapes).map(|(name, shape)| format!("{name}: {shape}"));
            format!("{{{}}}", joined(named.collect(), ", "))
        }
    }
}

/// Whether a path expression can have this name in it: there is no way to write a quote, and some names would be taken
/// for something else.
pub(super) fn is_speakable(name: &str) -> bool {
    !name.is_empty() && name != "*" && !name.contains(['\'', '\\'])
}

/// Whether fields are not named but numbered: all their names are ids.
pub(super) fn is_map<'n>(names: impl IntoIterator<Item = &'n String>) -> bool {
    let mut names = names.into_iter().peekable();
    names.peek().is_some() && names.all(|name| Kind::of(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_lengths_and_order_do_not_matter_and_fields_do() {
        let shape = of(&json!({"id": "o-1", "items": [{"sku": "book", "quantity": 1}]}));
        assert_eq!(shape, "{id: string, items: [{quantity: number, sku: string}]}");
        let other =
            json!({"items": [{"quantity": 7, "sku": "mug"}, {"sku": "pen", "quantity": 2}], "id": "o-2"});
        assert_eq!(of(&other), shape);
        assert_ne!(of(&json!({"id": "o-1", "items": [{"sku": "book"}]})), shape);
    }

    #[test]
    fn fields_that_are_named_by_ids_are_not_told_apart() {
        assert_eq!(of(&json!({"o-1": 1})), of(&json!({"o-2": 3, "o-3": 4})));
        assert_ne!(of(&json!({})), of(&json!({"o-1": 1})));
        assert_eq!(of(&json!({"o-1": 1, "o-2": "x"})), "{o-1: number, o-2: string}");
    }

    #[test]
    fn a_deep_body_takes_no_longer_than_it_is_long() {
        let deep = (0..100).fold(json!(1), |inner, _| json!({"o-1": inner, "o-2": "x"}));
        assert_eq!(of(&deep).matches("o-1").count(), 100);
    }
}
