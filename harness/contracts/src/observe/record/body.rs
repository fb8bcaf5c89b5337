//! JSON bodies that were seen, generalised: one example with the rules by which the others are like it.

use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, RuleLogic};
use pact_models::path_exp::{DocPath, PathToken};
use serde_json::{Map, Number, Value};

use super::super::kind::{Kind, is_secret, names_secret, neutral};
use super::shape::{self, is_map};

/// What a body is agreed to be like.
#[derive(Debug, Clone)]
pub(super) struct General {
    /// An example, the same whatever the order in which bodies were seen.
    pub(super) example: Value,
    /// By which rules others are like it.
    pub(super) rules: MatchingRuleCategory,
}

/// Who says what a body has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Whoever relies on it: fields that were sometimes absent or null are left out, for nobody can rely on them.
    Received,
    /// Whoever makes it: all of it counts.
    Sent,
}

/// What these bodies have in common; `None` where they have nothing.
pub(super) fn general(bodies: &[&Value], side: Side) -> Option<General> {
    let mut rules = MatchingRuleCategory::empty("body");
    rules.add_rule(DocPath::root(), MatchingRule::Type, RuleLogic::And);
    let mut walk = Walk { rules, side };
    let example = walk.value(bodies, &Place { path: Some(DocPath::root()), secret: false })?;
    Some(General { example, rules: walk.rules })
}

struct Walk {
    rules: MatchingRuleCategory,
    side: Side,
}

/// Where in the body.
struct Place {
    /// `None` where the path has a name in it that path expressions cannot say; the rule of the root holds there.
    path: Option<DocPath>,
    /// Whether a name above says that this is a secret.
    secret: bool,
}

impl Place {
    fn below(&self, token: PathToken, secret: bool) -> Self {
        let is_speakable = match &token {
            PathToken::Field(name) => shape::is_speakable(name),
            _ => true,
        };
        let path = self.path.clone().filter(|_| is_speakable).map(|mut path| {
            path.push(token);
            path
        });
        Self { path, secret: self.secret || secret }
    }
}

impl Walk {
    fn rule(&mut self, place: &Place, rule: MatchingRule) {
        if let Some(path) = &place.path {
            self.rules.rules.remove(path);
            self.rules.add_rule(path.clone(), rule, RuleLogic::And);
        }
    }

    fn value(&mut self, values: &[&Value], place: &Place) -> Option<Value> {
        match values.first()? {
            Value::Null => {
                (self.side == Side::Sent && values.iter().all(|value| value.is_null())).then_some(Value::Null)
            }
            Value::Bool(_) => truth(values),
            Value::Number(_) => number(values, place),
            Value::String(_) => self.text(values, place),
            Value::Array(_) => self.list(values, place),
            Value::Object(_) => self.object(values, place),
        }
    }

    fn text(&mut self, values: &[&Value], place: &Place) -> Option<Value> {
        let all: Option<Vec<&str>> = values.iter().map(|value| value.as_str()).collect();
        let all = all?;
        let kind = if place.secret { Some(Kind::Secret) } else { Kind::of_all(all.iter().copied()) };
        let example = match kind {
            Some(kind) => {
                self.rule(place, MatchingRule::Regex(kind.whole_pattern()));
                kind.example()
            }
            None => all.iter().map(|text| neutral(text)).min()?,
        };
        Some(Value::String(example))
    }

    /// Whether one of these can stand for all. Nothing more may be sent than is agreed, so there all must have one shape.
    fn are_alike(&self, values: &[&Value]) -> bool {
        self.side == Side::Received || shape::of_all(values.iter().copied()).len() <= 1
    }

    fn list(&mut self, values: &[&Value], place: &Place) -> Option<Value> {
        let all: Option<Vec<&Vec<Value>>> = values.iter().map(|value| value.as_array()).collect();
        let all = all?;
        let items: Vec<&Value> = all.iter().flat_map(|items| items.iter()).collect();
        let before = self.rules.clone();
        let like = if self.are_alike(&items) { items.as_slice() } else { &[] };
        let item = self.value(like, &place.below(PathToken::StarIndex, false));
        Some(match item {
            Some(item) => {
                // A list that was seen empty may be empty.
                let least = usize::from(all.iter().all(|items| !items.is_empty()));
                self.rule(place, MatchingRule::MinType(least));
                Value::Array(vec![item])
            }
            // Nothing is known of its items, or nothing that holds for all of them: any list will do.
            None => {
                self.rules = before;
                self.rule(place, MatchingRule::Type);
                Value::Array(Vec::new())
            }
        })
    }

    fn object(&mut self, values: &[&Value], place: &Place) -> Option<Value> {
        let all: Option<Vec<&Map<String, Value>>> = values.iter().map(|value| value.as_object()).collect();
        let all = all?;
        let names = || all.iter().flat_map(|fields| fields.keys());
        let values: Vec<&Value> = all.iter().flat_map(|fields| fields.values()).collect();
        if place.path.is_some() && is_map(names()) && self.are_alike(&values) {
            return self.map(&all, &values, place);
        }
        let mut names: Vec<&String> = names().collect();
        names.sort();
        names.dedup();
        let mut fields = Map::new();
        for name in names {
            let of_all: Option<Vec<&Value>> = all.iter().map(|fields| fields.get(name)).collect();
            let Some(of_all) = of_all.filter(|_| !is_secret(name)) else { continue };
            let below = place.below(PathToken::Field(name.clone()), names_secret(name));
            if let Some(value) = self.value(&of_all, &below) {
                fields.insert(name.clone(), value);
            }
        }
        Some(Value::Object(fields))
    }

    /// Fields that are named by ids: any names will do.
    fn map(&mut self, all: &[&Map<String, Value>], values: &[&Value], place: &Place) -> Option<Value> {
        let kind = Kind::of_all(all.iter().flat_map(|fields| fields.keys()).map(String::as_str))?;
        let before = self.rules.clone();
        self.rule(place, MatchingRule::Values);
        let below = place.below(PathToken::Star, kind == Kind::Secret);
        self.rule(&below, MatchingRule::Type);
        let Some(value) = self.value(values, &below) else {
            self.rules = before;
            return Some(Value::Object(Map::new()));
        };
        Some(Value::Object(Map::from_iter([(kind.example(), value)])))
    }
}

fn truth(values: &[&Value]) -> Option<Value> {
    let all: Option<Vec<bool>> = values.iter().map(|value| value.as_bool()).collect();
    Some(Value::Bool(all?.into_iter().min()?))
}

fn number(values: &[&Value], place: &Place) -> Option<Value> {
    let all: Option<Vec<&Number>> = values.iter().map(|value| value.as_number()).collect();
    let all = all?;
    if place.secret {
        return Some(Value::from(0));
    }
    let least = all.into_iter().min_by(|one, other| {
        let (a, b) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
        a.total_cmp(&b).then_with(|| one.to_string().cmp(&other.to_string()))
    })?;
    Some(Value::Number(least.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(general: &General) -> Vec<String> {
        let mut all: Vec<String> = general
            .rules
            .rules
            .iter()
            .map(|(path, rules)| {
                let rules: Vec<String> = rules.rules.iter().map(|rule| rule.to_json().to_string()).collect();
                format!("{path} {}", rules.join(" "))
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn values_are_agreed_by_type_ids_by_their_look_and_lists_by_their_items() {
        let first =
            json!({"id": "ord_7a8b", "amount": 25, "status": "OPEN", "items": [{"sku": "mug", "n": 1}]});
        let second = json!({
            "id": "ord_1c2d", "amount": 10, "status": "DONE",
            "items": [{"sku": "pen", "n": 2, "note": "blue"}, {"sku": "book", "n": 3}], "paid": true
        });
        for bodies in [[&first, &second], [&second, &first]] {
            let general = general(&bodies, Side::Received).unwrap();
            assert_eq!(
                general.example,
                json!({"amount": 10, "id": "ord_1", "items": [{"n": 1, "sku": "book"}], "status": "DONE"})
            );
            assert_eq!(
                rules(&general),
                [
                    r#"$ {"match":"type"}"#,
                    r#"$.id {"match":"regex","regex":"^ord_[0-9A-Za-z-]+$"}"#,
                    r#"$.items {"match":"type","min":1}"#,
                ]
            );
        }
    }

    #[test]
    fn nobody_relies_on_what_was_sometimes_null_of_another_type_or_not_there() {
        let bodies = [
            json!({"a": null, "b": 1, "c": [], "d": [1, "x"], "e": {"f": 1}}),
            json!({"a": "x", "b": "y", "c": [], "d": [], "e": {}}),
        ];
        let general = general(&bodies.iter().collect::<Vec<_>>(), Side::Received).unwrap();
        assert_eq!(general.example, json!({"c": [], "d": [], "e": {}}));
    }

    #[test]
    fn names_that_are_ids_and_names_that_no_path_can_say() {
        let body = json!({"stock": {"sku-1": {"n": 1}, "sku-2": {"n": 2}}, "it's": {"id": "o-1"}});
        let general = general(&[&body], Side::Received).unwrap();
        assert_eq!(general.example, json!({"it's": {"id": "o-1"}, "stock": {"sku-1": {"n": 1}}}));
        assert_eq!(
            rules(&general),
            [r#"$ {"match":"type"}"#, r#"$.stock {"match":"values"}"#, r#"$.stock.* {"match":"type"}"#]
        );
    }

    #[test]
    fn what_is_named_a_secret_gets_an_example_whatever_it_is() {
        let body = json!({"password": "[redacted named 0a1b2c3d]", "tokens": ["a", "b"], "token": {"pin": 1234, "of": "x"}});
        let general = general(&[&body], Side::Sent).unwrap();
        assert_eq!(general.example["password"], "***");
        assert_eq!(general.example["token"], json!({"of": "***", "pin": 0}));
    }
}
