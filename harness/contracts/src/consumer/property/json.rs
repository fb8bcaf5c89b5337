//! JSON that an example with its matching rules allows.
//!
//! It follows what the matching does: the rule of the best path holds; rules of type reach down; where there is none,
//! the value itself; objects may have more fields than agreed (what a provider sends may, what is sent to it not).

use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, RuleList, RuleLogic};
use pact_models::path_exp::DocPath;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::{Map, Number, Value};

use super::Cases;
use super::text::{self, Place};

/// How many items more than the least are tried.
const MORE_ITEMS: usize = 4;

/// What the walk through an example carries.
pub(super) struct Walk<'a> {
    pub(super) rules: &'a MatchingRuleCategory,
    pub(super) cases: &'a Cases,
    pub(super) place: Place,
}

impl Walk<'_> {
    /// The best rule for a path.
    fn rules_at(&self, path: &DocPath) -> RuleList {
        let path = path.to_vec();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        self.rules.select_best_matcher(&path)
    }

    /// All values that may stand at a path where `example` does. Shrinks towards the example.
    pub(super) fn values(&self, path: &DocPath, example: &Value) -> BoxedStrategy<Value> {
        let rules = self.rules_at(path);
        match example {
            Value::Object(fields) => self.objects(path, fields, &rules),
            Value::Array(items) => self.arrays(path, items, &rules),
            _ if rules.is_empty() => Just(example.clone()).boxed(),
            _ => self.leaves(path, example, rules),
        }
    }

    fn leaves(&self, path: &DocPath, example: &Value, rules: RuleList) -> BoxedStrategy<Value> {
        let mut options = vec![Just(example.clone()).boxed()];
        options.extend(rules.rules.iter().filter_map(|rule| self.leaf(rule, example)));
        if options.len() == 1 {
            return options.remove(0);
        }
        // One rule alone is generated exactly; of several, each is tried and those that keep them all stay. The same
        // for expressions: what the matching's engine makes of them decides.
        let (path, example) = (path.clone(), example.clone());
        let fallback = example.clone();
        Union::new(options)
            .prop_map(
                move |value| {
                    if allowed(&path, &rules, &example, &value) { value } else { fallback.clone() }
                },
            )
            .boxed()
    }

    /// What one rule allows in place of a value that is neither object nor array; `None` for the example alone.
    fn leaf(&self, rule: &MatchingRule, example: &Value) -> Option<BoxedStrategy<Value>> {
        let place = self.place;
        let of_text = |strategy: BoxedStrategy<String>| Some(strategy.prop_map(Value::from).boxed());
        match (rule, example) {
            (MatchingRule::Regex(expression), Value::String(_)) => {
                of_text(text::matching(expression, place)?)
            }
            (MatchingRule::Include(part), Value::String(_)) => of_text(text::including(part, place)),
            (MatchingRule::Semver, _) => of_text(text::versions()),
            (MatchingRule::Date(format), _) => of_text(text::moments(or(format, "yyyy-MM-dd"))?),
            (MatchingRule::Time(format), _) => of_text(text::moments(or(format, "HH:mm:ss"))?),
            (MatchingRule::Timestamp(format), _) => {
                of_text(text::moments(or(format, "yyyy-MM-dd'T'HH:mm:ssXXX"))?)
            }
            // Header values are texts, whatever the rule says.
            (_, Value::String(_)) if place == Place::Header => match rule {
                MatchingRule::Integer => of_text(self.integers().prop_map(|value| value.to_string()).boxed()),
                rule if rule.is_type_matcher() => of_text(text::any_text(place)),
                _ => None,
            },
            (MatchingRule::Integer, _) => Some(self.integers()),
            (MatchingRule::Decimal, _) => Some(self.decimals()),
            (MatchingRule::Number, _) => Some(prop_oneof![self.integers(), self.decimals()].boxed()),
            (MatchingRule::Boolean, Value::Bool(_)) => Some(any::<bool>().prop_map(Value::Bool).boxed()),
            (MatchingRule::NotEmpty, Value::String(_)) => of_text(
                text::any_text(place)
                    .prop_map(|text| if text.is_empty() { "x".into() } else { text })
                    .boxed(),
            ),
            (MatchingRule::NotEmpty, _) => None,
            (rule, example) if rule.is_type_matcher() => match example {
                Value::String(_) => of_text(text::any_text(place)),
                Value::Number(_) => Some(prop_oneof![2 => self.integers(), 1 => self.decimals()].boxed()),
                Value::Bool(_) => Some(any::<bool>().prop_map(Value::Bool).boxed()),
                _ => None,
            },
            _ => None,
        }
    }

    fn integers(&self) -> BoxedStrategy<Value> {
        let range = self.cases.integers.clone();
        let edges: Vec<i64> = [0, 1, -1, i64::from(i32::MAX), i64::from(i32::MAX) + 1, i64::from(i32::MIN)]
            .into_iter()
            .chain([i64::from(u32::MAX), i64::from(u32::MAX) + 1, 1 << 53, (1 << 53) + 1, i64::MIN, i64::MAX])
            .filter(|edge| range.contains(edge))
            .collect();
        let any = range.prop_map(Value::from).boxed();
        if edges.is_empty() {
            any
        } else {
            prop_oneof![prop::sample::select(edges).prop_map(Value::from), any].boxed()
        }
    }

    fn decimals(&self) -> BoxedStrategy<Value> {
        let (least, greatest) = (*self.cases.integers.start() as f64, *self.cases.integers.end() as f64);
        let edges: Vec<f64> = [0.0, 0.1, -0.5, 1.0, 1e-7, 1e15]
            .into_iter()
            .filter(|edge| (least..=greatest).contains(edge))
            .collect();
        // Bounded: the range of all of i64 would give almost nothing below 10^17.
        let any = (least.max(-1e6)..=greatest.min(1e6).max(least.max(-1e6))).boxed();
        let any = if edges.is_empty() { any } else { prop_oneof![prop::sample::select(edges), any].boxed() };
        any.prop_map(|value| Number::from_f64(value).map_or(Value::Null, Value::Number)).boxed()
    }

    fn objects(&self, path: &DocPath, fields: &Map<String, Value>, rules: &RuleList) -> BoxedStrategy<Value> {
        let has = |wanted: fn(&MatchingRule) -> bool| rules.rules.iter().any(wanted);
        if !rules.cascaded && has(|rule| matches!(rule, MatchingRule::Values | MatchingRule::EachValue(_))) {
            return self.entries(path, fields, rules);
        }
        // The whole object has to be equal, or its keys are restricted: the fields vary, the set of them does not.
        let closed = !rules.cascaded
            && has(|rule| {
                !rule.is_type_matcher() && !matches!(rule, MatchingRule::NotEmpty | MatchingRule::EachKey(_))
            });
        if closed {
            return Just(Value::Object(fields.clone())).boxed();
        }
        let restricted = has(|rule| matches!(rule, MatchingRule::EachKey(_)));
        let names: Vec<String> = fields.keys().cloned().collect();
        let each: Vec<_> =
            fields.iter().map(|(name, value)| self.values(&field(path, name), value)).collect();
        let more = if self.cases.unknown_fields && !restricted && self.place == Place::Json {
            prop_oneof![3 => Just(None), 1 => unknown_field().prop_map(Some)].boxed()
        } else {
            Just(None).boxed()
        };
        // Objects have no order; that it differs is worth a try.
        (each, more, prop_oneof![3 => Just(false), 1 => Just(true)])
            .prop_map(move |(values, more, reversed)| {
                let mut fields: Vec<(String, Value)> = names.iter().cloned().zip(values).collect();
                fields.extend(more.filter(|(name, _): &(String, Value)| !names.contains(name)));
                if reversed {
                    fields.reverse();
                }
                Value::Object(fields.into_iter().collect())
            })
            .boxed()
    }

    /// An object of which the values count, whatever their keys are.
    fn entries(&self, path: &DocPath, fields: &Map<String, Value>, rules: &RuleList) -> BoxedStrategy<Value> {
        let example = Value::Object(fields.clone());
        let Some((name, value)) = fields.iter().next() else { return Just(example).boxed() };
        let key_rules: Vec<&MatchingRule> = rules
            .rules
            .iter()
            .filter_map(|rule| match rule {
                MatchingRule::EachKey(definition) => Some(definition),
                _ => None,
            })
            .flat_map(|definition| definition.rules.iter().filter_map(|rule| rule.as_ref().left()))
            .collect();
        let keys = match key_rules.as_slice() {
            [] => text::matching("[a-z][a-z0-9_-]{0,8}", Place::Json),
            [MatchingRule::Regex(expression)] => text::matching(expression, Place::Json),
            _ => None,
        };
        let Some(keys) = keys else { return Just(example).boxed() };
        let expected = key_rules.first().map(|rule| RuleList::new((*rule).clone()));
        let (at, known) = (path.clone(), name.clone());
        let keys = keys.prop_map(move |key| match &expected {
            Some(rules) if !allowed(&at, rules, &known.as_str().into(), &key.as_str().into()) => {
                known.clone()
            }
            _ => key,
        });
        // Rules of a single kind for each value stand with `eachValue` itself, others below `.*`.
        let each_value = rules.rules.iter().find_map(|rule| match rule {
            MatchingRule::EachValue(definition) => Some(definition),
            _ => None,
        });
        let values = match each_value {
            Some(definition) => {
                let own = definition.rules.iter().filter_map(|rule| rule.as_ref().left().cloned()).collect();
                let list = RuleList { rules: own, rule_logic: RuleLogic::And, cascaded: false };
                let mut rules = MatchingRuleCategory::empty("body");
                let mut star = path.clone();
                star.push_star();
                rules.rules.insert(star, list);
                Walk { rules: &rules, ..*self }.values(&field(path, name), value)
            }
            None => self.values(&field(path, name), value),
        };
        let generated = vec((keys, values), 0..=MORE_ITEMS)
            .prop_map(|entries| Value::Object(entries.into_iter().collect()));
        prop_oneof![Just(example), generated].boxed()
    }

    fn arrays(&self, path: &DocPath, items: &[Value], rules: &RuleList) -> BoxedStrategy<Value> {
        let Some(first) = items.first() else { return Just(Value::Array(Vec::new())).boxed() };
        let at = |index: usize| {
            let mut at = path.clone();
            at.push_index(index);
            at
        };
        // Each item where it stands: the length is agreed.
        let as_agreed = || {
            let each: Vec<_> =
                items.iter().enumerate().map(|(index, item)| self.values(&at(index), item)).collect();
            each.prop_map(Value::Array).boxed()
        };
        let mut lengths = (0, MORE_ITEMS + items.len());
        for rule in &rules.rules {
            match rule {
                MatchingRule::ArrayContains(variants) if rules.rules.len() == 1 && !rules.cascaded => {
                    return self.containing(items, variants);
                }
                MatchingRule::MinType(min) if !rules.cascaded => lengths = (*min, min + MORE_ITEMS),
                MatchingRule::MaxType(max) if !rules.cascaded => lengths = (0, (*max).min(lengths.1)),
                MatchingRule::MinMaxType(min, max) if !rules.cascaded => {
                    lengths = (*min, (*max).min(min + MORE_ITEMS));
                }
                MatchingRule::NotEmpty => lengths.0 = lengths.0.max(1),
                rule if rule.is_type_matcher() => {}
                _ => return Just(Value::Array(items.to_vec())).boxed(),
            }
        }
        if rules.is_empty() || lengths.0 > lengths.1 {
            return as_agreed();
        }
        // Items beyond the example's are held against its first. Where the examples differ, only their own places
        // are sure.
        if items.iter().any(|item| item != first) {
            return as_agreed();
        }
        let any_length = vec(self.values(&at(0), first), lengths.0..=lengths.1).prop_map(Value::Array);
        prop_oneof![as_agreed(), any_length].boxed()
    }

    /// Each variant somewhere, others between.
    fn containing(
        &self,
        items: &[Value],
        variants: &[(
            usize,
            MatchingRuleCategory,
            std::collections::HashMap<DocPath, pact_models::generators::Generator>,
        )],
    ) -> BoxedStrategy<Value> {
        let each: Vec<_> = variants
            .iter()
            .filter_map(|(index, rules, _)| {
                let item = items.get(*index)?;
                Some(Walk { rules, ..*self }.values(&DocPath::root(), item))
            })
            .collect();
        if each.len() < variants.len() || variants.is_empty() {
            return Just(Value::Array(items.to_vec())).boxed();
        }
        let others =
            prop_oneof![Just(Value::Null), Just(Value::from("another")), Just(serde_json::json!({}))];
        let generated = (each, vec(others, 0..3))
            .prop_map(|(mut items, others)| {
                items.extend(others);
                items
            })
            .prop_shuffle()
            .prop_map(Value::Array);
        prop_oneof![Just(Value::Array(items.to_vec())), generated].boxed()
    }
}

/// What the matching itself says of a value.
fn allowed(path: &DocPath, rules: &RuleList, expected: &Value, actual: &Value) -> bool {
    pact_matching::matchingrules::match_values(path, rules, expected, actual).is_ok()
}

fn field(path: &DocPath, name: &str) -> DocPath {
    let mut at = path.clone();
    at.push_field(name);
    at
}

fn or<'a>(format: &'a str, default: &'a str) -> &'a str {
    if format.is_empty() { default } else { format }
}

/// A field that nobody agreed on. Its name is no word that a consumer may know.
fn unknown_field() -> impl Strategy<Value = (String, Value)> {
    let values = prop_oneof![
        Just(Value::Null),
        Just(Value::from(1)),
        Just(Value::from("unknown")),
        Just(serde_json::json!([])),
        Just(serde_json::json!({ "nested": [true] })),
    ];
    (0_u8..10, values).prop_map(|(number, value)| (format!("unknownField{number}"), value))
}
