//! Which matching rules hold at a place in a message.

use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, MatchingRules, RuleList};
use pact_models::path_exp::DocPath;

use super::path::Path;
use super::value::shortened;

/// How deep a rule's path may reach. Messages nest at most 100 deep; the weight of a path doubles with each step.
const DEEPEST: usize = 50;

/// The rules of one message.
#[derive(Debug, Default)]
pub(super) struct Rules<'a> {
    /// By path, in the order of their texts, so that a tie is always decided the same way.
    lists: Vec<(DocPath, RuleList)>,
    /// Those that hold besides, where these were added for the items of one field.
    outer: Option<&'a Rules<'a>>,
}

/// The rules that hold at one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) list: &'a RuleList,
    /// Whether they were written for this place, not for one above it.
    pub(super) direct: bool,
    weight: u128,
}

impl Rules<'_> {
    /// The rules that a message's contents have, in the category `body`, as the plugin writes it, or `contents`.
    ///
    /// # Errors
    /// When a path reaches deeper than messages do.
    pub(super) fn of(rules: &MatchingRules) -> Result<Rules<'static>, String> {
        let mut lists = Vec::new();
        for category in ["body", "contents"] {
            if let Some(category) = rules.rules_for_category(category) {
                lists.extend(category.rules);
            }
        }
        Rules::from_lists(lists)
    }

    /// The rules of one variant of an `arrayContains`; their paths begin at the item.
    pub(super) fn of_variant(category: &MatchingRuleCategory) -> Result<Rules<'static>, String> {
        Rules::from_lists(category.rules.iter().map(|(path, list)| (path.clone(), list.clone())).collect())
    }

    fn from_lists(mut lists: Vec<(DocPath, RuleList)>) -> Result<Rules<'static>, String> {
        if let Some((path, _)) = lists.iter().find(|(path, _)| path.len() > DEEPEST) {
            return Err(format!(
                "the path of a matching rule, `{}`, has more than {DEEPEST} steps",
                shortened(path.to_string())
            ));
        }
        lists.sort_by_cached_key(|(path, _)| path.to_string());
        Ok(Rules { lists, outer: None })
    }

    /// The best rules for a place: the most exact path wins, as in `pact_models`.
    pub(super) fn best(&self, path: &Path) -> Option<Found<'_>> {
        let fragments: Vec<&str> = path.fragments().iter().map(String::as_str).collect();
        self.best_of(&fragments)
    }

    /// The rules that were written for just this place.
    pub(super) fn direct(&self, path: &Path) -> Option<&RuleList> {
        self.best(path).filter(|found| found.direct).map(|found| found.list)
    }

    fn best_of(&self, fragments: &[&str]) -> Option<Found<'_>> {
        let mut best = self.outer.and_then(|outer| outer.best_of(fragments));
        for (path, list) in &self.lists {
            let (weight, length) = path.path_weight(fragments);
            // At most 2^50 * 50.
            let weight = weight as u128 * length as u128;
            if weight > best.map_or(0, |best| best.weight) {
                best = Some(Found { list, direct: length == fragments.len(), weight });
            }
        }
        best
    }

    /// All of them, those of outer places last.
    pub(super) fn all(&self) -> Vec<(DocPath, RuleList)> {
        let mut all = self.lists.clone();
        let outer = self.outer.map(Rules::all).unwrap_or_default();
        all.extend(outer);
        all
    }

    /// These rules with more of them for the items below `path`.
    pub(super) fn with_items<'b>(&'b self, path: &Path, list: RuleList) -> Rules<'b> {
        let mut items = DocPath::root();
        for fragment in path.fragments().iter().skip(1) {
            match fragment.parse() {
                Ok(index) => items.push_index(index),
                Err(_) => items.push_field(fragment.as_str()),
            };
        }
        items.push_star();
        Rules { lists: vec![(items, list)], outer: Some(self) }
    }
}

/// Whether the rule speaks of a collection as a whole or of all that is in it, so that its items are not the example's.
pub(super) fn speaks_of_items(rule: &MatchingRule) -> bool {
    matches!(
        rule,
        MatchingRule::Values
            | MatchingRule::EachValue(_)
            | MatchingRule::EachKey(_)
            | MatchingRule::ArrayContains(_)
    )
}
