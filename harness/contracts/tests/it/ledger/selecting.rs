//! Which pacts a provider verifies: selectors, pending, work in progress.

use proptest::prelude::*;
use seaworthy_contracts::ledger::{Folder, Ledger, Recording, Selection, Selector, selector};
use seaworthy_contracts::outcome::Outcome;

use super::scene::{at, failed, ledger, pact, provider, publication, record, results};

/// Orders 1 and 2 on main, 3 on `feat`, 4 on no branch; search 1 on master. Each agrees on something else.
fn ledger_of_many() -> (tempfile::TempDir, Folder) {
    let (keep, ledger) = ledger();
    for (version, branch) in [("1", Some("main")), ("2", Some("main")), ("3", Some("feat")), ("4", None)] {
        let minute = version.parse().unwrap();
        let pacts = vec![pact("orders", "payments", version), pact("orders", "inventory", "stock")];
        let mut one = publication("orders", version, branch, minute, pacts);
        if version < "3" {
            one.tags.push("prod".to_owned());
        }
        ledger.publish(&one).unwrap();
    }
    ledger
        .publish(&publication("search", "1", Some("master"), 9, vec![pact("search", "payments", "s")]))
        .unwrap();
    ledger.record(&record(Recording::Deployment, "orders", "1", 10)).unwrap();
    ledger.record(&record(Recording::Release, "orders", "3", 11)).unwrap();
    (keep, ledger)
}

fn selection(selectors: &[&str]) -> Selection {
    Selection {
        provider: "payments".to_owned(),
        selectors: selectors.iter().map(|text| Selector::parse(text).unwrap()).collect(),
        ..Selection::default()
    }
}

/// `orders 2`, `search 1`, …; a star for pending ones.
fn selected(ledger: &Folder, selection: &Selection) -> Vec<String> {
    let chosen = selector::select(&ledger.facts().unwrap(), selection).unwrap();
    let mut names: Vec<String> = chosen
        .iter()
        .map(|each| format!("{} {}{}", each.consumer, each.version, if each.pending { "*" } else { "" }))
        .collect();
    names.sort();
    names
}

#[test]
fn every_selector_selects_what_the_broker_would() {
    let (_keep, ledger) = ledger_of_many();
    for (selector, expected) in [
        (r#"{"mainBranch": true}"#, &["orders 2", "search 1"][..]),
        (r#"{"branch": "feat"}"#, &["orders 3"]),
        (r#"{"branch": "feat", "fallbackBranch": "master"}"#, &["orders 3", "search 1"]),
        (r#"{"branch": "none"}"#, &[]),
        (r#"{"matchingBranch": true}"#, &["orders 3"]),
        (r#"{"tag": "prod"}"#, &["orders 1", "orders 2"]),
        (r#"{"tag": "prod", "latest": true}"#, &["orders 2"]),
        (r#"{"tag": "none", "latest": true, "fallbackTag": "prod"}"#, &["orders 2"]),
        (r#"{"latest": true}"#, &["orders 4", "search 1"]),
        (r#"{"latest": true, "consumer": "search"}"#, &["search 1"]),
        (r#"{"deployed": true}"#, &["orders 1"]),
        (r#"{"released": true}"#, &["orders 3"]),
        (r#"{"deployedOrReleased": true}"#, &["orders 1", "orders 3"]),
        (r#"{"environment": "production"}"#, &["orders 1", "orders 3"]),
        (r#"{"deployed": true, "environment": "production"}"#, &["orders 1"]),
        (r#"{"deployed": true, "environment": "test"}"#, &[]),
    ] {
        let mut selection = selection(&[selector]);
        selection.provider_branch = Some("feat".to_owned());
        assert_eq!(selected(&ledger, &selection), expected, "{selector}");
    }
    // Nothing said: the latest, and what is deployed or released.
    assert_eq!(selected(&ledger, &selection(&[])), ["orders 1", "orders 3", "orders 4", "search 1"]);
}

#[test]
fn a_selector_that_means_nothing_is_refused() {
    for (text, says) in [
        ("{}", "selects nothing"),
        (r#"{"consumer": "orders"}"#, "selects nothing"),
        (r#"{"brunch": "main"}"#, "unknown field `brunch`"),
        (r#"{"mainBranch": false}"#, "either true or left out"),
        (r#"{"mainBranch": true, "tag": "x"}"#, "several ways"),
        (r#"{"fallbackBranch": "x"}"#, "needs `branch`"),
        (r#"{"tag": "a", "fallbackTag": "x"}"#, "needs `tag` and `latest`"),
        ("main", "expected value"),
    ] {
        let error = Selector::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    let (_keep, ledger) = ledger_of_many();
    let matching = selection(&[r#"{"matchingBranch": true}"#]);
    let error = selector::select(&ledger.facts().unwrap(), &matching).unwrap_err().to_string();
    assert!(error.contains("needs the provider's branch"), "{error}");
}

proptest! {
    #[test]
    fn no_selector_makes_it_panic(text in ".{0,40}", key in "[a-zA-Z]{1,18}|mainBranch|latest|branch|environment|deployedOrReleased", value in "true|false|null|1|\"x\"") {
        let _ = Selector::parse(&text);
        if let Ok(selector) = Selector::parse(&format!("{{\"{key}\": {value}}}")) {
            // What is read is written as the broker reads it.
            prop_assert_eq!(Selector::parse(&serde_json::to_string(&selector).unwrap()).unwrap(), selector);
        }
    }
}

#[test]
fn the_main_branch_may_have_another_name() {
    let (_keep, ledger) = ledger_of_many();
    let file = ledger.root().join("services/orders/service.json");
    std::fs::write(file, r#"{"schema_version": "1.0", "service": "orders", "main_branch": "feat"}"#).unwrap();
    assert_eq!(selected(&ledger, &selection(&[r#"{"mainBranch": true}"#])), ["orders 3", "search 1"]);
}

async fn verify(ledger: &Folder, selectors: &[&str], version: &str, branch: &str, outcome: &Outcome) {
    let ledger = Ledger::Folder(ledger.clone());
    let pacts = ledger.pacts_for_verification(&selection(selectors)).await.unwrap();
    assert!(!pacts.is_empty());
    let contracts: Vec<_> = pacts.iter().map(|pact| &pact.contract).collect();
    let results = results(&contracts, outcome);
    ledger
        .publish_results(&pacts, &results, &provider("payments", version, Some(branch)), at(20))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_content_is_pending_until_the_providers_branch_has_kept_it_once() {
    let (_keep, ledger) = ledger_of_many();
    let mut all = selection(&[r#"{"mainBranch": true}"#]);
    all.include_pending = true;
    all.provider_branch = Some("main".to_owned());
    assert_eq!(selected(&ledger, &all), ["orders 2*", "search 1*"]);
    verify(&ledger, &[r#"{"mainBranch": true}"#], "7", "main", &failed()).await;
    assert_eq!(selected(&ledger, &all), ["orders 2*", "search 1*"]);
    verify(&ledger, &[r#"{"branch": "main"}"#], "8", "main", &Outcome::Verified).await;
    assert_eq!(selected(&ledger, &all), ["orders 2", "search 1*"]);
    // Once kept, failing later fails.
    verify(&ledger, &[r#"{"branch": "main"}"#], "9", "main", &failed()).await;
    assert_eq!(selected(&ledger, &all), ["orders 2", "search 1*"]);
    verify(&ledger, &[r#"{"branch": "main"}"#], "8", "main", &failed()).await;
    assert_eq!(selected(&ledger, &all), ["orders 2", "search 1*"]);
    // For another branch it still is; and nobody asks unless told to.
    all.provider_branch = Some("rewrite".to_owned());
    assert_eq!(selected(&ledger, &all), ["orders 2*", "search 1*"]);
    all.include_pending = false;
    assert_eq!(selected(&ledger, &all), ["orders 2", "search 1"]);
}

#[tokio::test]
async fn work_in_progress_is_what_branches_end_in_and_nobody_kept() {
    let (_keep, ledger) = ledger_of_many();
    let mut all = selection(&[r#"{"branch": "main"}"#]);
    all.provider_branch = Some("main".to_owned());
    all.wip_since = Some(at(0));
    assert_eq!(selected(&ledger, &all), ["orders 2", "orders 3*", "search 1*"]);
    // Too old.
    all.wip_since = Some(at(4));
    assert_eq!(selected(&ledger, &all), ["orders 2", "search 1*"]);
    // Kept.
    verify(&ledger, &[r#"{"branch": "master"}"#], "8", "main", &Outcome::Verified).await;
    assert_eq!(selected(&ledger, &all), ["orders 2"]);
}

#[tokio::test]
async fn a_pending_pact_marks_its_interactions_and_says_why() {
    let (_keep, ledger) = ledger_of_many();
    let mut all = selection(&[r#"{"latest": true, "consumer": "search"}"#]);
    all.include_pending = true;
    all.provider_branch = Some("main".to_owned());
    let pacts = Ledger::Folder(ledger).pacts_for_verification(&all).await.unwrap();
    assert!(pacts[0].pending && !pacts[0].contract.interactions[0].pending);
    assert!(pacts[0].marked().interactions[0].pending);
    assert_eq!(pacts[0].contract.consumer_version.as_deref(), Some("1"));
    assert_eq!(
        pacts[0].notices,
        [
            "latest version (1)",
            "pending: no version of the provider's branch `main` has ever verified it, so failing does not fail the run",
        ]
    );
}
