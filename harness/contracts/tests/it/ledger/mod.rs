//! The ledger in a folder: what is written, what is read, what is refused.

pub(crate) mod scene;
mod selecting;

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use scene::{at, failed, files, interactions, ledger, pact, provider, publication, record, results};
use seaworthy_contracts::broker::Access;
use seaworthy_contracts::gate::{Answer, Question, can_i_deploy};
use seaworthy_contracts::ledger::{Folder, Ledger, LedgerError, Published, Recording, Selection, pacts};
use seaworthy_contracts::outcome::Outcome;

fn selection(name: &str) -> Selection {
    Selection { provider: name.to_owned(), ..Selection::default() }
}

async fn verify(ledger: &Folder, service: &str, version: &str, outcome: &Outcome) -> Vec<String> {
    let ledger = Ledger::Folder(ledger.clone());
    let to_verify = ledger.pacts_for_verification(&selection(service)).await.unwrap();
    let contracts: Vec<_> = to_verify.iter().map(|pact| &pact.contract).collect();
    let results = results(&contracts, outcome);
    ledger
        .publish_results(&to_verify, &results, &provider(service, version, Some("main")), at(50))
        .await
        .unwrap()
        .lines
}

async fn ask(ledger: &Folder, service: &str, version: &str) -> Answer {
    let question = Question {
        wanted: [(service.to_owned(), version.to_owned())].into(),
        environment: "production".to_owned(),
        ledger: String::new(),
    };
    let picture = Ledger::Folder(ledger.clone()).picture(&question).await.unwrap();
    can_i_deploy(&picture, &question).answer
}

#[tokio::test]
async fn what_is_published_verified_and_deployed_is_plain_files_with_one_fact_each() {
    let (_keep, ledger) = ledger();
    let mut first = publication("orders", "5", Some("feat/x"), 1, vec![pact("orders", "payments", "a")]);
    first.tags.push("v5".to_owned());
    ledger.publish(&first).unwrap();
    verify(&ledger, "payments", "2.1.0", &Outcome::Verified).await;
    ledger.record(&record(Recording::Deployment, "payments", "2.1.0", 60)).unwrap();
    ledger.record(&record(Recording::Release, "orders", "5", 61)).unwrap();
    let all: Vec<String> =
        files(ledger.root()).into_iter().map(|(name, text)| format!("{name}\n{text}")).collect();
    insta::assert_snapshot!(all.join("\n"));
    assert_eq!(ask(&ledger, "orders", "5").await, Answer::Yes);
}

#[tokio::test]
async fn the_same_again_changes_no_file_and_the_order_of_writing_does_not_matter() {
    let (_keep, ledger) = ledger();
    let (_other, other) = scene::ledger();
    let one = publication("orders", "5", Some("main"), 1, vec![pact("orders", "payments", "a")]);
    let two = publication("search", "1", None, 2, vec![pact("search", "payments", "b")]);
    let there = record(Recording::Deployment, "payments", "2", 3);
    ledger.publish(&one).unwrap();
    ledger.publish(&two).unwrap();
    ledger.record(&there).unwrap();
    let before = files(ledger.root());
    ledger.publish(&publication("orders", "5", Some("main"), 9, one.pacts.clone())).unwrap();
    ledger.record(&record(Recording::Deployment, "payments", "2", 9)).unwrap();
    assert_eq!(files(ledger.root()), before);
    other.record(&there).unwrap();
    other.publish(&two).unwrap();
    other.publish(&one).unwrap();
    assert_eq!(files(other.root()), before);
}

#[tokio::test]
async fn a_pact_that_agrees_on_the_same_needs_no_new_verification() {
    let (_keep, ledger) = ledger();
    ledger.publish(&publication("orders", "5", None, 1, vec![pact("orders", "payments", "a")])).unwrap();
    verify(&ledger, "payments", "2", &Outcome::Verified).await;
    ledger.record(&record(Recording::Deployment, "payments", "2", 3)).unwrap();
    let mut same = pact("orders", "payments", "a");
    same.document["metadata"]["tool"]["version"] = "2".into();
    ledger.publish(&publication("orders", "6", None, 4, vec![same])).unwrap();
    assert_eq!(ask(&ledger, "orders", "6").await, Answer::Yes);
    ledger.publish(&publication("orders", "7", None, 5, vec![pact("orders", "payments", "b")])).unwrap();
    assert_eq!(ask(&ledger, "orders", "7").await, Answer::Unknown);
    verify(&ledger, "payments", "2", &failed()).await;
    assert_eq!(ask(&ledger, "orders", "7").await, Answer::No);
}

#[test]
fn a_version_keeps_the_pact_that_it_was_published_with() {
    let (_keep, ledger) = ledger();
    ledger.publish(&publication("orders", "5", None, 1, vec![pact("orders", "payments", "a")])).unwrap();
    let before = files(ledger.root());
    let error = ledger
        .publish(&publication("orders", "5", None, 2, vec![pact("orders", "payments", "b")]))
        .unwrap_err();
    assert!(error.to_string().contains("publish it under a new version"), "{error}");
    let facts = |all: Vec<(String, String)>| {
        all.into_iter().filter(|(name, _)| !name.starts_with("pacts/")).collect::<Vec<_>>()
    };
    assert_eq!(facts(files(ledger.root())), facts(before));
}

#[test]
fn a_deployment_takes_the_place_of_the_one_before_and_a_release_does_not() {
    let (_keep, ledger) = ledger();
    ledger.record(&record(Recording::Deployment, "payments", "1", 1)).unwrap();
    let line = ledger.record(&record(Recording::Deployment, "payments", "2", 2)).unwrap();
    assert_eq!(line, "payments 2 is deployed in production, in place of 1");
    ledger.record(&record(Recording::Release, "app", "1", 3)).unwrap();
    ledger.record(&record(Recording::Release, "app", "2", 4)).unwrap();
    let there = &ledger.facts().unwrap().environments["production"];
    assert_eq!(there.deployed["payments"].0, "2");
    assert_eq!(there.released["app"].keys().collect::<Vec<_>>(), ["1", "2"]);
    let error = ledger.record(&record(Recording::Undeployment, "payments", "1", 5)).unwrap_err();
    assert!(error.to_string().contains("2 is deployed there"), "{error}");
    ledger.record(&record(Recording::Undeployment, "payments", "2", 6)).unwrap();
    ledger.record(&record(Recording::Undeployment, "app", "1", 7)).unwrap();
    let there = &ledger.facts().unwrap().environments["production"];
    assert!(there.deployed.is_empty());
    assert_eq!(there.released["app"].keys().collect::<Vec<_>>(), ["2"]);
}

#[test]
fn many_writers_at_once_lose_nothing_and_leave_nothing_half_written() {
    let (_keep, ledger) = ledger();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let ledger = &ledger;
            scope.spawn(move || {
                for version in 0..6 {
                    // Half of the versions are published by all, half by one.
                    let name =
                        if version % 2 == 0 { format!("v{version}") } else { format!("v{version}-{writer}") };
                    let pacts = vec![pact("orders", "payments", &format!("p{version}"))];
                    ledger.publish(&publication("orders", &name, Some("main"), writer, pacts)).unwrap();
                    ledger.record(&record(Recording::Deployment, "orders", &name, writer)).unwrap();
                    ledger.facts().unwrap();
                }
            });
        }
    });
    let facts = ledger.facts().unwrap();
    assert_eq!(facts.services["orders"].versions.len(), 3 + 3 * 8);
    assert!(facts.services["orders"].versions.values().all(|version| version.pacts.len() == 1));
    assert!(!files(ledger.root()).iter().any(|(name, _)| name.contains(".writing")));
    assert_eq!(files(ledger.root()).iter().filter(|(name, _)| name.starts_with("pacts/")).count(), 6);
}

#[test]
fn two_branches_of_git_merge_without_a_conflict() {
    let (keep, ledger) = ledger();
    let git = |arguments: &[&str]| {
        let run = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@test", "-c", "init.defaultBranch=main"])
            .args(["-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"])
            .args(arguments)
            .current_dir(keep.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    };
    ledger.record(&record(Recording::Deployment, "payments", "1", 0)).unwrap();
    git(&["init", "-q"]);
    let save = || {
        git(&["add", "-A"]);
        git(&["commit", "-qm", "facts"]);
    };
    save();
    git(&["checkout", "-qb", "other"]);
    ledger
        .publish(&publication("orders", "5", Some("other"), 1, vec![pact("orders", "payments", "a")]))
        .unwrap();
    save();
    git(&["checkout", "-q", "main"]);
    ledger
        .publish(&publication("orders", "6", Some("main"), 2, vec![pact("orders", "payments", "a")]))
        .unwrap();
    ledger.record(&record(Recording::Deployment, "orders", "6", 3)).unwrap();
    save();
    git(&["merge", "-q", "--no-edit", "other"]);
    assert_eq!(ledger.facts().unwrap().services["orders"].versions.len(), 2);
}

#[test]
fn what_is_wrong_in_a_ledger_is_named_with_file_and_line() {
    let change = |file: &str, from: &str, to: &str| {
        let (keep, ledger) = ledger();
        ledger
            .publish(&publication("orders", "5", Some("main"), 1, vec![pact("orders", "payments", "a")]))
            .unwrap();
        ledger.record(&record(Recording::Deployment, "payments", "1", 0)).unwrap();
        let path = ledger.root().join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, if from.is_empty() { to.to_owned() } else { text.replacen(from, to, 1) })
            .unwrap();
        let error = ledger.facts().unwrap_err();
        drop(keep);
        let location = error.location().unwrap_or_else(|| panic!("{error}"));
        let place = location.file.split("/ledger/").last().unwrap().to_owned();
        (place, location.line, error.to_string())
    };
    let version = "services/orders/versions/5/version.json";
    let (place, line, error) = change(version, "recorded_at", "recorded_on");
    assert_eq!((place.as_str(), line), (version, 5), "{error}");
    assert!(error.contains("unknown field `recorded_on`"), "{error}");
    for (file, from, to, says) in [
        (version, "\"1.0\"", "\"2.0\"", "schema_version `2.0`"),
        (version, "\"5\"", "\"6\"", "the path says `5`"),
        (version, "{", "<<<<<<< ours\n{", "conflict markers"),
        (version, "2026", "MMXXVI", "is not a time"),
        (
            "services/orders/versions/5/pacts/payments.json",
            "content\": \"",
            "content\": \"../",
            "40 hex digits",
        ),
        (
            "environments/production/deployed/payments.json",
            "\"payments\"",
            "\"payment\"",
            "the path says `payments`",
        ),
        ("services/orders/versions/5/stray.json", "", "{}", "no part of a ledger"),
        ("services/orders/versions/5/branches/%zz.json", "", "{}", "no part of a ledger"),
        ("notes.txt", "", "hello", "no part of a ledger"),
        ("ledger.json", "\"1.0\"", "1", "string"),
    ] {
        let (place, _, error) = change(file, from, to);
        assert_eq!(place, file);
        assert!(error.contains(says), "{file}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_ledger_does_not_keep_the_reader_waiting() {
    let (_keep, ledger) = ledger();
    ledger
        .publish(&publication("orders", "5", Some("main"), 1, vec![pact("orders", "payments", "a")]))
        .unwrap();
    let pipe = ledger.root().join("services/orders/versions/5/tags/t.json");
    std::fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(ledger.facts().unwrap_err().to_string().contains("not a plain file"));
}

proptest! {
    #[test]
    fn whatever_stands_in_a_fact_is_read_or_refused(at in 0usize..200, bytes in prop::collection::vec(any::<u8>(), 0..6)) {
        let (_keep, ledger) = ledger();
        ledger.record(&record(Recording::Deployment, "payments", "1", 0)).unwrap();
        let path = ledger.root().join("environments/production/deployed/payments.json");
        let mut text = std::fs::read(&path).unwrap();
        let at = at.min(text.len());
        text.splice(at..(at + bytes.len()).min(text.len()), bytes);
        std::fs::write(&path, text).unwrap();
        if let Err(error) = ledger.facts() {
            prop_assert!(error.location().is_some_and(|place| place.file.ends_with("payments.json")), "{}", error);
        }
    }
}

#[tokio::test]
async fn content_that_was_changed_after_it_was_published_is_refused() {
    let (_keep, ledger) = ledger();
    ledger
        .publish(&publication("orders", "5", Some("main"), 1, vec![pact("orders", "payments", "a")]))
        .unwrap();
    let (file, text) = files(ledger.root()).into_iter().find(|(name, _)| name.starts_with("pacts/")).unwrap();
    std::fs::write(ledger.root().join(&file), text.replace("/a", "/b")).unwrap();
    let error =
        Ledger::Folder(ledger.clone()).pacts_for_verification(&selection("payments")).await.unwrap_err();
    assert!(error.to_string().contains("changed after it was published"), "{error}");
    assert!(error.location().unwrap().file.ends_with(&file));
}

#[tokio::test]
async fn where_there_is_no_ledger_none_is_read_and_a_strange_folder_does_not_become_one() {
    let (keep, ledger) = ledger();
    let error =
        Ledger::Folder(ledger.clone()).pacts_for_verification(&selection("payments")).await.unwrap_err();
    assert!(matches!(error, LedgerError::Missing { .. }), "{error}");
    std::fs::write(keep.path().join("source.rs"), "").unwrap();
    let error = Folder::new(keep.path()).record(&record(Recording::Deployment, "a", "1", 0)).unwrap_err();
    assert!(error.to_string().contains("source.rs"), "{error}");
    assert!(
        Ledger::open("ftp://a:secret@b/c", &Access::default())
            .is_err_and(|error| { !error.to_string().contains("secret") })
    );
}

#[tokio::test]
async fn only_a_pact_that_was_decided_as_a_whole_has_a_result() {
    let (_keep, folder) = ledger();
    let mut two = pact("orders", "payments", "a");
    let second = pact("orders", "payments", "b").document["interactions"][0].clone();
    interactions(&mut two).push(second);
    folder.publish(&publication("orders", "5", None, 1, vec![two])).unwrap();
    let ledger = Ledger::Folder(folder.clone());
    let to_verify = ledger.pacts_for_verification(&selection("payments")).await.unwrap();
    let contracts: Vec<_> = to_verify.iter().map(|pact| &pact.contract).collect();
    let version = provider("payments", "2", None);
    let mut some = results(&contracts, &Outcome::Verified);
    some.pop();
    let Published { lines, left_out } =
        ledger.publish_results(&to_verify, &some, &version, at(3)).await.unwrap();
    assert!(lines[0].starts_with("not published"), "{lines:?}");
    assert_eq!(left_out, 1);
    assert!(!folder.facts().unwrap().services.contains_key("payments"));
    let undecided = Outcome::Undecided { message: "no event".to_owned() };
    let Published { lines, left_out } =
        ledger.publish_results(&to_verify, &results(&contracts, &undecided), &version, at(3)).await.unwrap();
    assert!(lines[0].contains("could not be decided"), "{lines:?}");
    assert_eq!(left_out, 1);
    // One that failed fails the whole.
    let mut mixed = results(&contracts, &Outcome::Verified);
    mixed[1].outcome = failed();
    let published = ledger.publish_results(&to_verify, &mixed, &version, at(3)).await.unwrap();
    assert_eq!(published.left_out, 0);
    let facts = folder.facts().unwrap();
    let result = facts.services["payments"].versions["2"].results.values().next().unwrap();
    assert_eq!((result.success, result.verified, result.failed), (false, 1, 1));
}

#[test]
fn pacts_are_published_as_they_stand_in_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let document = pact("orders", "payments", "a").document;
    std::fs::write(folder.path().join("a.json"), format!("\u{feff}{document}")).unwrap();
    let read = pacts(&[folder.path().to_owned()]).unwrap();
    assert_eq!((read[0].consumer.as_str(), &read[0].document), ("orders", &document));
    std::fs::write(folder.path().join("b.json"), "[]").unwrap();
    let error = pacts(&[folder.path().to_owned()]).unwrap_err();
    assert!(error.location().unwrap().file.ends_with("b.json"), "{error}");
}

#[test]
fn a_ledger_is_found_from_below() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("services/orders");
    std::fs::create_dir_all(&below).unwrap();
    let ledger = folder.path().join("contracts/ledger");
    std::fs::create_dir_all(&ledger).unwrap();
    assert_eq!(Ledger::find(&below), Some(ledger));
    assert_eq!(Ledger::find(Path::new("/")), None);
}
