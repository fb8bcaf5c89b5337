//! A value together with what may stand in its place: the example and the matching rules of a contract in one.

use pact_models::path_exp::DocPath;
use serde_json::{Map, Value, json};

/// A value together with what may stand in its place.
///
/// A plain value (`"o-1"`, `100`, `json!(…)`) means exactly that value. The functions of this module say what else
/// may come; [`json_pattern!`](crate::json_pattern) puts both together:
///
/// ```
/// use seaworthy_contracts::consumer::pattern::*;
/// use seaworthy_contracts::json_pattern;
///
/// let order = json_pattern!({
///     "id": uuid(),
///     "currency": "EUR",
///     "items": each_like(json_pattern!({ "sku": regex("[a-z]+-\\d+", "mug-1"), "amount": integer(2) })),
/// });
/// assert_eq!(order.example()["items"][0]["sku"], "mug-1");
/// ```
///
/// A rule of type ([`like`], [`each_like`]) reaches down to everything below it that has no rule of its own, as the
/// Pact specification has it; [`equals`] takes a value out of that again.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Value(Value),
    Object(Vec<(String, Pattern)>),
    Array(Vec<Pattern>),
    /// `rules` hold here, as the file has them (`{"match": "type"}`).
    Ruled {
        rules: Vec<Value>,
        inner: Box<Pattern>,
    },
    Generated {
        generator: Value,
        inner: Box<Pattern>,
    },
    /// An array of `min` or more, each like `inner`.
    Each {
        inner: Box<Pattern>,
        min: usize,
        max: Option<usize>,
    },
    /// An array that holds at least one item for each of these.
    Containing(Vec<Pattern>),
    /// An object with any keys; `key_rules` hold for each of them.
    Entries {
        key: String,
        key_rules: Vec<Value>,
        value: Box<Pattern>,
    },
}

/// What a pattern says, as a contract writes it.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Rules by path, each as the file has it.
    pub(crate) rules: Vec<(DocPath, Vec<Value>)>,
    /// Generators by path.
    pub(crate) generators: Vec<(DocPath, Value)>,
}

impl Pattern {
    /// The value that stands in the contract, and that the mock serves.
    pub fn example(&self) -> Value {
        self.resolve(&DocPath::root(), &mut Resolved::default())
    }

    /// Lets a value be generated each time the interaction is played, instead of the example. `generator` is what
    /// the file has: `json!({"type": "RandomInt", "min": 1, "max": 9})`.
    pub fn generated(self, generator: Value) -> Pattern {
        Pattern(Node::Generated { generator, inner: Box::new(self) })
    }

    /// An object with these fields. Unknown fields are allowed in what comes, unless it is a request.
    pub fn object(fields: Vec<(String, Pattern)>) -> Pattern {
        Pattern(Node::Object(fields))
    }

    /// An array with exactly these items.
    pub fn array(items: Vec<Pattern>) -> Pattern {
        Pattern(Node::Array(items))
    }

    fn ruled(rule: Value, example: impl Into<Pattern>) -> Pattern {
        Pattern(Node::Ruled { rules: vec![rule], inner: Box::new(example.into()) })
    }

    /// The example; rules and generators go to `into`, by path.
    pub(crate) fn resolve(&self, path: &DocPath, into: &mut Resolved) -> Value {
        match &self.0 {
            Node::Value(value) => value.clone(),
            Node::Object(fields) => fields
                .iter()
                .map(|(name, pattern)| (name.clone(), pattern.resolve(&field(path, name), into)))
                .collect::<Map<_, _>>()
                .into(),
            Node::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, pattern)| {
                    let mut at = path.clone();
                    at.push_index(index);
                    pattern.resolve(&at, into)
                })
                .collect(),
            Node::Ruled { rules, inner } => {
                into.add_rules(path, rules);
                inner.resolve(path, into)
            }
            Node::Generated { generator, inner } => {
                into.generators.push((path.clone(), generator.clone()));
                inner.resolve(path, into)
            }
            Node::Each { inner, min, max } => {
                let mut rule = json!({ "match": "type", "min": min });
                if let (Some(max), Some(rule)) = (max, rule.as_object_mut()) {
                    rule.insert("max".into(), json!(max));
                }
                into.add_rules(path, &[rule]);
                let mut at = path.clone();
                at.push_star_index();
                let item = inner.resolve(&at, into);
                // Where none is agreed as well (min 0), the contract still shows what an item looks like.
                vec![item; (*min).max(1).min(max.unwrap_or(usize::MAX))].into()
            }
            Node::Containing(variants) => {
                let (rules, items): (Vec<Value>, Vec<Value>) = variants
                    .iter()
                    .enumerate()
                    .map(|(index, pattern)| {
                        let mut own = Resolved::default();
                        let item = pattern.resolve(&DocPath::root(), &mut own);
                        if own.rules.is_empty() {
                            own.add_rules(&DocPath::root(), &[json!({ "match": "equality" })]);
                        }
                        let mut variant = json!({ "index": index, "rules": own.rules_by_path() });
                        if let (false, Some(variant)) = (own.generators.is_empty(), variant.as_object_mut()) {
                            variant.insert("generators".into(), own.generators_by_path());
                        }
                        (variant, item)
                    })
                    .unzip();
                into.add_rules(path, &[json!({ "match": "arrayContains", "variants": rules })]);
                items.into()
            }
            Node::Entries { key, key_rules, value } => {
                let mut rules = Vec::new();
                if !key_rules.is_empty() {
                    rules.push(json!({ "match": "eachKey", "value": key, "rules": key_rules }));
                }
                // `values` and rules below `.*`, not `eachValue`: that one knows nothing below the value itself.
                rules.push(json!({ "match": "values" }));
                into.add_rules(path, &rules);
                let mut at = path.clone();
                at.push_star();
                json!({ key: value.resolve(&at, into) })
            }
        }
    }
}

fn field(path: &DocPath, name: &str) -> DocPath {
    let mut at = path.clone();
    at.push_field(name);
    at
}

impl Resolved {
    fn add_rules(&mut self, path: &DocPath, rules: &[Value]) {
        match self.rules.iter_mut().find(|(at, _)| at == path) {
            Some((_, list)) => list.extend_from_slice(rules),
            None => self.rules.push((path.clone(), rules.to_vec())),
        }
    }

    /// `{"$.a": {"combine": "AND", "matchers": […]}}`
    pub(crate) fn rules_by_path(&self) -> Value {
        self.rules
            .iter()
            .map(|(path, rules)| (path.to_string(), matchers(rules)))
            .collect::<Map<_, _>>()
            .into()
    }

    /// `{"$.a": {"type": …}}`
    pub(crate) fn generators_by_path(&self) -> Value {
        self.generators
            .iter()
            .map(|(path, generator)| (path.to_string(), generator.clone()))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// A list of rules as the file has it.
pub(crate) fn matchers(rules: &[Value]) -> Value {
    json!({ "combine": "AND", "matchers": rules })
}

macro_rules! plain_values {
    ($($type:ty),*) => {$(
        impl From<$type> for Pattern {
            fn from(value: $type) -> Pattern {
                Pattern(Node::Value(Value::from(value)))
            }
        }
    )*};
}
plain_values!(Value, &str, String, bool, i32, i64, u16, u32, u64, usize, f64);

/// JSON's `null`, and nothing else.
impl From<()> for Pattern {
    fn from((): ()) -> Pattern {
        Pattern(Node::Value(Value::Null))
    }
}

impl From<&String> for Pattern {
    fn from(value: &String) -> Pattern {
        Pattern::from(value.as_str())
    }
}

impl<P: Into<Pattern>> From<Vec<P>> for Pattern {
    fn from(items: Vec<P>) -> Pattern {
        Pattern::array(items.into_iter().map(Into::into).collect())
    }
}

/// Any value of the example's type. Reaches down: in an object, each field by its type, in an array, each item.
pub fn like(example: impl Into<Pattern>) -> Pattern {
    Pattern::ruled(json!({ "match": "type" }), example)
}

/// Exactly this value, also below [`like`] and [`each_like`].
pub fn equals(value: impl Into<Pattern>) -> Pattern {
    Pattern::ruled(json!({ "match": "equality" }), value)
}

/// Any number without a fraction.
pub fn integer(example: i64) -> Pattern {
    Pattern::ruled(json!({ "match": "integer" }), example)
}

/// Any number written with a fraction (`1.0`, never `1`).
pub fn decimal(example: f64) -> Pattern {
    Pattern::ruled(json!({ "match": "decimal" }), example)
}

/// Any number.
pub fn number(example: impl Into<Pattern>) -> Pattern {
    Pattern::ruled(json!({ "match": "number" }), example)
}

/// `true` or `false`.
pub fn boolean(example: bool) -> Pattern {
    Pattern::ruled(json!({ "match": "boolean" }), example)
}

/// Text in which the regular expression is found. Anchor it (`^…$`) where the whole text is meant.
pub fn regex(expression: &str, example: &str) -> Pattern {
    Pattern::ruled(json!({ "match": "regex", "regex": expression }), example)
}

/// One of a few words: `one_of(["authorized", "declined"])`. The first is the example; what is special in a regular
/// expression stands for itself.
pub fn one_of<const N: usize>(words: [&str; N]) -> Pattern {
    let alternatives: Vec<String> = words.iter().map(|word| ::regex::escape(word)).collect();
    regex(&format!("^({})$", alternatives.join("|")), words.first().copied().unwrap_or_default())
}

/// The same as [`regex`], by the name that older Pact tools have for it.
pub fn term(expression: &str, example: &str) -> Pattern {
    regex(expression, example)
}

/// Text that contains `part`.
pub fn include(part: &str, example: &str) -> Pattern {
    Pattern::ruled(json!({ "match": "include", "value": part }), example)
}

/// A UUID in its usual form, in lower or upper case.
pub fn uuid() -> Pattern {
    regex(
        "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        "0f1d7a52-6c3b-4f0e-9a44-5b7de2c81f30",
    )
}

/// A date; the format is written as Java's `DateTimeFormatter` does (`yyyy-MM-dd`).
pub fn date(format: &str, example: &str) -> Pattern {
    Pattern::ruled(json!({ "match": "date", "format": format }), example)
}

/// A time of day; the format as for [`date`] (`HH:mm:ss`).
pub fn time(format: &str, example: &str) -> Pattern {
    Pattern::ruled(json!({ "match": "time", "format": format }), example)
}

/// A date with a time of day; the format as for [`date`] (`yyyy-MM-dd'T'HH:mm:ssXXX`).
pub fn datetime(format: &str, example: &str) -> Pattern {
    Pattern::ruled(json!({ "match": "datetime", "format": format }), example)
}

/// A version as semver.org has it.
pub fn semver(example: &str) -> Pattern {
    Pattern::ruled(json!({ "match": "semver" }), example)
}

/// JSON's `null`.
pub fn null() -> Pattern {
    Pattern::ruled(json!({ "match": "null" }), Value::Null)
}

/// A value of the example's type that is not empty: text, an array, an object.
pub fn not_empty(example: impl Into<Pattern>) -> Pattern {
    Pattern::ruled(json!({ "match": "notEmpty" }), example)
}

/// An array of one or more, each like `item`.
pub fn each_like(item: impl Into<Pattern>) -> Pattern {
    each_like_within(item, 1, None)
}

/// An array of `min` to `max` items (`None`: any number), each like `item`.
pub fn each_like_within(item: impl Into<Pattern>, min: usize, max: impl Into<Option<usize>>) -> Pattern {
    Pattern(Node::Each { inner: Box::new(item.into()), min, max: max.into() })
}

/// An array in which there is an item for each of these patterns, in any order, beside others.
pub fn array_containing(items: Vec<Pattern>) -> Pattern {
    Pattern(Node::Containing(items))
}

/// An object with any keys, each value like `value`; the contract shows `key` as the example.
pub fn each_value(key: &str, value: impl Into<Pattern>) -> Pattern {
    Pattern(Node::Entries { key: key.into(), key_rules: Vec::new(), value: Box::new(value.into()) })
}

/// An object whose keys all match `key` (`regex("^[a-z]+-\\d+$", "mug-1")`) and whose values are all like `value`.
pub fn each_key(key: Pattern, value: impl Into<Pattern>) -> Pattern {
    let mut own = Resolved::default();
    let example = key.resolve(&DocPath::root(), &mut own);
    let key = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
    let key_rules = own.rules.into_iter().flat_map(|(_, rules)| rules).collect();
    Pattern(Node::Entries { key, key_rules, value: Box::new(value.into()) })
}

/// A value that the provider knows: `from_provider_state("/orders/${id}", "/orders/o-1")`. The expression's
/// variables come from what the provider's state handler answers; without a provider, the example stands.
pub fn from_provider_state(expression: &str, example: impl Into<Pattern>) -> Pattern {
    let example = example.into();
    let data_type = match example.example() {
        Value::Bool(_) => "BOOLEAN",
        Value::Number(number) if number.is_f64() => "DECIMAL",
        Value::Number(_) => "INTEGER",
        Value::String(_) => "STRING",
        _ => "RAW",
    };
    like(example)
        .generated(json!({ "type": "ProviderState", "expression": expression, "dataType": data_type }))
}

/// JSON with patterns in it.
///
/// ```
/// use seaworthy_contracts::{consumer::pattern::*, json_pattern};
///
/// let payment = json_pattern!({
///     "id": uuid(),
///     "amount": { "value": integer(100), "currency": "EUR" },
///     "tries": [1, 2],
///     "note": null,
/// });
/// assert_eq!(payment.example()["amount"]["value"], 100);
/// ```
#[macro_export]
macro_rules! json_pattern {
    (@fields $into:ident) => {};
    (@fields $into:ident $key:tt : null $(, $($rest:tt)*)?) => {
        $into.extend([(($key).to_string(), $crate::json_pattern!(null))]);
        $crate::json_pattern!(@fields $into $($($rest)*)?);
    };
    (@fields $into:ident $key:tt : { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $into.extend([(($key).to_string(), $crate::json_pattern!({ $($inner)* }))]);
        $crate::json_pattern!(@fields $into $($($rest)*)?);
    };
    (@fields $into:ident $key:tt : [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $into.extend([(($key).to_string(), $crate::json_pattern!([ $($inner)* ]))]);
        $crate::json_pattern!(@fields $into $($($rest)*)?);
    };
    (@fields $into:ident $key:tt : $value:expr $(, $($rest:tt)*)?) => {
        $into.extend([(($key).to_string(), $crate::consumer::pattern::Pattern::from($value))]);
        $crate::json_pattern!(@fields $into $($($rest)*)?);
    };
    (@items $into:ident) => {};
    (@items $into:ident null $(, $($rest:tt)*)?) => {
        $into.extend([$crate::json_pattern!(null)]);
        $crate::json_pattern!(@items $into $($($rest)*)?);
    };
    (@items $into:ident { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $into.extend([$crate::json_pattern!({ $($inner)* })]);
        $crate::json_pattern!(@items $into $($($rest)*)?);
    };
    (@items $into:ident [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $into.extend([$crate::json_pattern!([ $($inner)* ])]);
        $crate::json_pattern!(@items $into $($($rest)*)?);
    };
    (@items $into:ident $value:expr $(, $($rest:tt)*)?) => {
        $into.extend([$crate::consumer::pattern::Pattern::from($value)]);
        $crate::json_pattern!(@items $into $($($rest)*)?);
    };
    (null) => {
        $crate::consumer::pattern::Pattern::from(())
    };
    ({}) => {
        $crate::consumer::pattern::Pattern::object(::std::vec::Vec::new())
    };
    ([]) => {
        $crate::consumer::pattern::Pattern::array(::std::vec::Vec::new())
    };
    ({ $($fields:tt)+ }) => {{
        let mut fields = ::std::vec::Vec::<(::std::string::String, $crate::consumer::pattern::Pattern)>::new();
        $crate::json_pattern!(@fields fields $($fields)+);
        $crate::consumer::pattern::Pattern::object(fields)
    }};
    ([ $($items:tt)+ ]) => {{
        let mut items = ::std::vec::Vec::<$crate::consumer::pattern::Pattern>::new();
        $crate::json_pattern!(@items items $($items)+);
        $crate::consumer::pattern::Pattern::array(items)
    }};
    ($value:expr) => {
        $crate::consumer::pattern::Pattern::from($value)
    };
}
