//! XML: rules as the specification means them, and documents that are too deep to be walked.
//!
//! `pact_matching` names elements by their path alone, so that the elements of a list all have one path; and it holds a
//! regex on an element against the element's name. The specification's cases want a rule at `a[*].b` to mean `a.b`,
//! and a regex on an element to be held against its text. So the rules are rewritten, not the documents.

use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, RuleList};
use pact_models::path_exp::{DocPath, PathToken};

/// How deep elements may be nested. Comparing takes stack with each level.
pub(crate) const DEPTH: usize = 256;

/// The rules for a body that is XML.
pub(super) fn rewritten(rules: &MatchingRuleCategory) -> MatchingRuleCategory {
    let mut out = MatchingRuleCategory::empty(rules.name.clone());
    let mut paths: Vec<(&DocPath, &RuleList)> = rules.rules.iter().collect();
    // Two paths may become one: which comes first must not depend on a map.
    paths.sort_by_key(|(path, _)| path.to_string());
    for (path, list) in paths {
        for tokens in without_indices(path.tokens()) {
            let (of_element, of_text) = split(list, &tokens);
            add(&mut out, tokens.clone(), of_element);
            let mut text = tokens;
            text.push(PathToken::Field("#text".to_owned()));
            add(&mut out, text, of_text);
        }
    }
    out
}

/// `a[*].b` is `a.b`. An attribute right after the brackets may be the list's children's as well: `a[*]['@b']` is
/// `a.@b` and `a.*.@b`.
fn without_indices(tokens: &[PathToken]) -> Vec<Vec<PathToken>> {
    let is_index = |token: &PathToken| matches!(token, PathToken::StarIndex | PathToken::Index(_));
    let plain: Vec<PathToken> = tokens.iter().filter(|token| !is_index(token)).cloned().collect();
    let mut paths = vec![plain];
    if let [before @ .., PathToken::StarIndex, PathToken::Field(attribute)] = tokens
        && attribute.starts_with('@')
    {
        let mut children: Vec<PathToken> = before.iter().filter(|token| !is_index(token)).cloned().collect();
        children.extend([PathToken::Star, PathToken::Field(attribute.clone())]);
        paths.push(children);
    }
    paths
}

/// Parts the rules at a path into those for the element itself and those for its text.
fn split(list: &RuleList, tokens: &[PathToken]) -> (RuleList, RuleList) {
    let on_element = match tokens.last() {
        Some(PathToken::Field(name)) => !name.starts_with('@') && !name.starts_with('#'),
        Some(PathToken::Root | PathToken::Star) => true,
        _ => false,
    };
    let (mut of_element, mut of_text) = (list.clone(), RuleList::empty(list.rule_logic));
    if on_element {
        (of_text.rules, of_element.rules) = list.rules.iter().cloned().partition(is_of_values);
    }
    (of_element, of_text)
}

/// Rules that speak of a value, which an element does not have.
fn is_of_values(rule: &MatchingRule) -> bool {
    matches!(
        rule,
        MatchingRule::Regex(_)
            | MatchingRule::Include(_)
            | MatchingRule::Date(_)
            | MatchingRule::Time(_)
            | MatchingRule::Timestamp(_)
            | MatchingRule::Number
            | MatchingRule::Integer
            | MatchingRule::Decimal
            | MatchingRule::Boolean
            | MatchingRule::Semver
    )
}

fn add(rules: &mut MatchingRuleCategory, tokens: Vec<PathToken>, list: RuleList) {
    if list.rules.is_empty() {
        return;
    }
    let path = DocPath::from_tokens(tokens);
    let known = rules.rules.entry(path).or_insert_with(|| RuleList::empty(list.rule_logic));
    for rule in list.rules {
        if !known.rules.contains(&rule) {
            known.rules.push(rule);
        }
    }
}

/// Whether a text nests elements deeper than [`DEPTH`]. Of a text that is no XML this says nothing of use.
pub(crate) fn is_too_deep(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[start + 1..];
        rest = match rest {
            [b'!', b'-', b'-', after @ ..] => behind(after, b"-->"),
            [b'!', b'[', after @ ..] => behind(after, b"]]>"),
            [b'?', after @ ..] => behind(after, b"?>"),
            [b'/', after @ ..] => {
                depth = depth.saturating_sub(1);
                behind(after, b">")
            }
            tag => {
                let (closed, after) = tag_end(tag);
                depth += usize::from(!closed);
                after
            }
        };
        if depth > DEPTH {
            return true;
        }
    }
    false
}

fn behind<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    text.windows(end.len()).position(|window| window == end).map_or(&[], |at| &text[at + end.len()..])
}

/// Where a tag ends, and whether it closes itself. What is quoted does not count.
fn tag_end(tag: &[u8]) -> (bool, &[u8]) {
    let mut quote = None;
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'>') => return (at > 0 && tag[at - 1] == b'/', &tag[at + 1..]),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    (true, &[])
}

#[cfg(test)]
mod tests {
    use pact_models::matchingrules::RuleLogic;
    use proptest::prelude::*;

    use super::*;

    fn rules(entries: &[(&'static str, MatchingRule)]) -> MatchingRuleCategory {
        let mut rules = MatchingRuleCategory::empty("body");
        for (path, rule) in entries {
            rules.add_rule(DocPath::new_unwrap(path), rule.clone(), RuleLogic::And);
        }
        rules
    }

    fn regex() -> MatchingRule {
        MatchingRule::Regex("a".to_owned())
    }

    #[test]
    fn brackets_go_and_what_speaks_of_values_goes_to_the_text() {
        let before = rules(&[
            ("$.a[*].b", MatchingRule::Type),
            ("$.a[*].c", regex()),
            ("$.a[1]['@id']", regex()),
            ("$.a['#text']", regex()),
        ]);
        let after = rules(&[
            ("$.a.b", MatchingRule::Type),
            ("$.a.c['#text']", regex()),
            ("$.a['@id']", regex()),
            ("$.a['#text']", regex()),
        ]);
        assert_eq!(rewritten(&before), after);
    }

    #[test]
    fn an_attribute_after_brackets_is_the_elements_or_its_childrens() {
        let after = rewritten(&rules(&[("$.a[*]['@id']", regex())]));
        assert_eq!(after, rules(&[("$.a['@id']", regex()), ("$.a.*['@id']", regex())]));
    }

    #[test]
    fn depth_is_counted_without_what_only_looks_like_elements() {
        let deep = "<a b=\"/>\">".repeat(DEPTH + 1);
        assert!(is_too_deep(deep.as_bytes()));
        let flat = "<a><!-- <b> --><![CDATA[<b><b>]]><?x <b> ?><b c='>'/></a>".repeat(DEPTH + 1);
        assert!(!is_too_deep(flat.as_bytes()));
    }

    proptest! {
        #[test]
        fn the_depth_of_a_document_is_what_it_was_built_with(depth in 1_usize..600, leaf in "[<>/\"' a-z]{0,20}") {
            let text = format!("{}<!--{}-->{}", "<x>".repeat(depth), leaf, "</x>".repeat(depth));
            prop_assert_eq!(is_too_deep(text.as_bytes()), depth > DEPTH);
        }

        #[test]
        fn any_bytes_have_some_depth(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            is_too_deep(&bytes);
        }
    }
}
