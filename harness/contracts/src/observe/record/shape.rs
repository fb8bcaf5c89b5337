//! Which bodies have the same shape: the same fields with values of the same types, whatever the values.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::kind::Kind;

/// The shape of a value, as text. Lists of any length have the same shape as long as their items have; the order of
/// fields does not matter, and neither do fields whose names are ids.
pub(super) fn of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(items) => {
            let items: BTreeSet<String> = items.iter().map(of).collect();
            format!("[{}]", items.into_iter().collect::<Vec<_>>().join("|"))
        }
        Value::Object(fields) if is_map(fields.keys()) => {
            let values: BTreeSet<String> = fields.values().map(of).collect();
            format!("{{*: {}}}", values.into_iter().collect::<Vec<_>>().join("|"))
        }
        Value::Object(fields) => {
            let fields: BTreeSet<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", of(value))).collect();
            format!("{{{}}}", fields.into_iter().collect::<Vec<_>>().join(", "))
        }
    }
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
    }
}
