//! The catalogue and its pages.

use std::collections::BTreeSet;

use seaworthy_core::check::run_check;
use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::finding::Verdict;

use crate::world::World;

/// Every rule id that the sources of the checks name.
fn rules_in_sources() -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            let constants =
                source.lines().filter_map(|line| line.strip_prefix("const ")?.split_once(": &str = \""));
            rules.extend(constants.map(|(_, rest)| rest.trim_end_matches("\";").to_owned()));
        }
    }
    rules
}

#[test]
fn every_rule_has_a_page_and_every_page_a_rule() {
    let pages: BTreeSet<String> = seaworthy_checks::pages().iter().map(|page| page.rule.to_owned()).collect();
    assert_eq!(pages, rules_in_sources());
    assert_eq!(pages.len(), seaworthy_checks::pages().len());
}

#[test]
fn every_page_says_what_why_how_and_what_to_do() {
    for page in seaworthy_checks::pages() {
        assert!(page.text.starts_with(&format!("# {}\n", page.rule)), "{}", page.rule);
        for part in ["\n## Why it matters\n", "\n## How it is judged\n", "\n## How to mend it\n"] {
            assert!(page.text.contains(part), "{} lacks {part}", page.rule);
        }
        assert!(page.summary().ends_with('.') && !page.summary().contains('#'), "{}", page.summary());
    }
}

#[test]
fn checks_and_pages_agree_on_the_names_of_checks() {
    let catalogue = seaworthy_checks::catalogue();
    let checks: BTreeSet<&str> = catalogue.iter().map(|check| check.id()).collect();
    let pages: BTreeSet<&str> = seaworthy_checks::pages().iter().map(|page| page.check).collect();
    assert_eq!(checks, pages);
    assert_eq!(checks.len(), catalogue.len(), "no id twice");
}

#[test]
fn a_check_is_explained_by_its_rules() {
    let page = seaworthy_checks::explain("retries").unwrap();
    for rule in ["retry.final-answer", "retry.no-backoff", "retry.amplification"] {
        assert!(page.text.contains(rule), "{}", page.text);
    }
    assert_eq!(seaworthy_checks::explain("retry.unheard-of"), None);
}

#[test]
fn nothing_at_all_is_never_green() {
    let system = serde_json::from_str(r#"{"version": 1, "name": "none", "services": {}}"#).unwrap();
    let evidence = EvidenceSet::empty(system);
    for check in seaworthy_checks::catalogue() {
        let report = run_check(check.as_ref(), &evidence);
        // That nothing was lost can be said of an empty run, too.
        if check.id() != "evidence" {
            assert_ne!(report.verdict, Verdict::Pass, "{} passes on nothing", check.id());
        }
        for finding in report.findings {
            assert!(seaworthy_checks::explain(&finding.rule).is_some(), "{} has no page", finding.rule);
            assert!(!finding.hint.is_empty(), "{} says nothing to do", finding.rule);
        }
    }
    assert!(World::plain().finish().exchanges.is_empty());
}
