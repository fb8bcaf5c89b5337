//! The gate over pictures made by hand: answers, reasons, hints, orders.

mod order;

use std::collections::BTreeMap;

use seaworthy_contracts::gate::{
    Answer, Outcome, Picture, Question, can_i_deploy, check_report, findings, text,
};
use seaworthy_core::finding::Verdict;

/// A picture in words: `orders 5 -> payments`, `payments 2 keeps orders 5`, `payments 2 breaks orders 5`,
/// `payments 1 deployed`, `app 3 released`.
pub(super) fn picture(lines: &str) -> Picture {
    let mut picture = Picture { environments: ["production".to_owned()].into(), ..Picture::default() };
    let know = |picture: &mut Picture, service: &str, version: &str| {
        let known = picture.versions.entry(service.to_owned()).or_default();
        if !known.iter().any(|each| each == version) {
            known.push(version.to_owned());
        }
    };
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        know(&mut picture, words[0], words[1]);
        let there = (words[0].to_owned(), words[1].to_owned());
        match words[2..] {
            ["->", provider] => {
                picture.versions.entry(provider.to_owned()).or_default();
                picture.agreements.entry(there).or_default().insert(provider.to_owned());
            }
            [verb @ ("keeps" | "breaks"), consumer, version] => {
                know(&mut picture, consumer, version);
                let pair = (consumer.to_owned(), version.to_owned(), there.0, there.1);
                let when = "2026-11-20 20:49".to_owned();
                let outcome = Outcome { success: verb == "keeps", when, build_url: None };
                picture.results.insert(pair, outcome);
            }
            ["deployed"] => {
                picture.deployed.entry(there.0).or_default().insert(there.1);
            }
            ["released"] => {
                picture.released.entry(there.0).or_default().insert(there.1);
            }
            ["exists"] => {}
            _ => panic!("{line}"),
        }
    }
    picture
}

/// `ask("orders=5 payments=2")`
pub(super) fn ask(wanted: &str) -> Question {
    let wanted: BTreeMap<String, String> = wanted
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(service, version)| (service.to_owned(), version.to_owned()))
        .collect();
    Question { wanted, environment: "production".to_owned(), ledger: String::new() }
}

fn answer(lines: &str, wanted: &str) -> Answer {
    can_i_deploy(&picture(lines), &ask(wanted)).answer
}

#[test]
fn every_pair_that_would_be_together_must_be_verified() {
    let known = "orders 5 -> payments\npayments 2 keeps orders 5\npayments 2 deployed";
    assert_eq!(answer(known, "orders=5"), Answer::Yes);
    let fails = "orders 5 -> payments\npayments 2 breaks orders 5\npayments 2 deployed";
    assert_eq!(answer(fails, "orders=5"), Answer::No);
    let never = "orders 5 -> payments\npayments 2 deployed";
    assert_eq!(answer(never, "orders=5"), Answer::Unknown);
    // The provider's side of the same question.
    let other =
        "orders 5 -> payments\norders 5 deployed\npayments 2 breaks orders 5\npayments 3 keeps orders 5";
    assert_eq!(answer(other, "payments=2"), Answer::No);
    assert_eq!(answer(other, "payments=3"), Answer::Yes);
}

#[test]
fn versions_given_together_are_judged_against_each_other_and_not_against_what_they_replace() {
    let known = "
        orders 4 -> payments\norders 5 -> payments\norders 4 deployed\npayments 1 deployed
        payments 1 keeps orders 4\npayments 1 breaks orders 5\npayments 2 keeps orders 5\npayments 2 breaks orders 4";
    assert_eq!(answer(known, "orders=5"), Answer::No);
    assert_eq!(answer(known, "payments=2"), Answer::No);
    assert_eq!(answer(known, "orders=5 payments=2"), Answer::Yes);
}

#[test]
fn released_versions_stay_and_are_judged_all() {
    let known = "
        app 1 -> gateway\napp 2 -> gateway\napp 1 released\napp 2 released
        gateway 7 keeps app 2\ngateway 8 keeps app 1\ngateway 8 keeps app 2";
    assert_eq!(answer(known, "gateway=7"), Answer::Unknown);
    assert_eq!(answer(known, "gateway=8"), Answer::Yes);
}

#[test]
fn pairs_without_a_given_version_are_not_this_question() {
    let known = "
        orders 5 -> payments\norders 5 deployed\npayments 2 deployed\npayments 2 breaks orders 5
        search 1 -> catalogue\ncatalogue 1 deployed\ncatalogue 1 keeps search 1";
    assert_eq!(answer(known, "search=1"), Answer::Yes);
}

#[test]
fn what_the_ledger_never_heard_of_is_unknown_and_a_service_without_contracts_is_not() {
    let known = "orders 5 -> payments\npayments 2 keeps orders 5\nmailer 1 exists\nmailer 1 deployed";
    assert_eq!(answer(known, "mailer=1"), Answer::Yes);
    for (wanted, rule) in [
        ("mailr=1", "deploy.unknown-service"),
        ("mailer=9", "deploy.unknown-version"),
        ("orders=5", "deploy.provider-missing"),
    ] {
        let ruling = can_i_deploy(&picture(known), &ask(wanted));
        assert_eq!(ruling.answer, Answer::Unknown, "{wanted}");
        assert_eq!(ruling.reasons.iter().map(|reason| reason.rule).collect::<Vec<_>>(), [rule]);
    }
    let mut elsewhere = ask("mailer=1");
    elsewhere.environment = "prodution".to_owned();
    let ruling = can_i_deploy(&picture(known), &elsewhere);
    assert_eq!(ruling.answer, Answer::Unknown);
    assert!(ruling.reasons[0].hint.contains("did you mean `production`?"), "{ruling:?}");
}

#[test]
fn the_worse_of_a_brokers_own_answer_and_the_rows_stands() {
    let mut known = picture("orders 5 -> payments\npayments 2 keeps orders 5\npayments 2 deployed");
    known.own_answer = Some((Answer::No, vec!["a secondary check failed".to_owned()]));
    assert_eq!(can_i_deploy(&known, &ask("orders=5")).answer, Answer::No);
    known.results.clear();
    known.own_answer = Some((Answer::Yes, Vec::new()));
    assert_eq!(can_i_deploy(&known, &ask("orders=5")).answer, Answer::Unknown);
}

#[test]
fn a_yes_shows_the_rows_that_it_rests_on() {
    let known = "orders 5 -> payments\norders 5 -> inventory\npayments 2 keeps orders 5\npayments 2 deployed
        inventory 1.0.3 keeps orders 5\ninventory 1.0.3 deployed\nmailer 1 exists";
    insta::assert_snapshot!(text(&can_i_deploy(&picture(known), &ask("orders=5 mailer=1"))));
}

#[test]
fn a_no_says_what_would_make_it_a_yes() {
    let known = "
        orders 4 -> payments\norders 5 -> payments\norders 5 -> inventory\norders 5 -> shipping\norders 4 deployed
        payments 1 keeps orders 4\npayments 2.0.0 keeps orders 5\npayments 2.0.0 keeps orders 4\npayments 2.1.0 breaks orders 5
        inventory 1 deployed\npayments 2.1.0 keeps orders 4\nshipping 3 keeps orders 5";
    insta::assert_snapshot!(text(&can_i_deploy(&picture(known), &ask("orders=5 payments=2.1.0"))));
}

#[test]
fn a_ruling_is_a_check_of_any_report() {
    let known = "orders 5 -> payments\norders 5 -> inventory\npayments 2 breaks orders 5\npayments 2 deployed
        inventory 1 keeps orders 5\ninventory 1 deployed";
    let ruling = can_i_deploy(&picture(known), &ask("orders=5"));
    let report = check_report(&ruling, None);
    assert_eq!((report.id.as_str(), report.verdict), ("can-i-deploy", Verdict::Fail));
    let told: Vec<_> = findings(&ruling).into_iter().map(|finding| finding.fingerprint()).collect();
    assert_eq!(told, ["deploy.failed@orders->payments", "deploy.verified@orders->inventory"]);
    let unknown = can_i_deploy(&picture("orders 5 -> payments\npayments 2 deployed"), &ask("orders=5"));
    assert_eq!(check_report(&unknown, None).verdict, Verdict::Inconclusive);
    let yes = can_i_deploy(&picture("mailer 1 exists"), &ask("mailer=1"));
    assert_eq!(check_report(&yes, None).verdict, Verdict::Pass);
}

#[test]
fn every_rule_of_the_gate_has_a_page() {
    for rule in [
        "deploy.failed",
        "deploy.not-verified",
        "deploy.provider-missing",
        "deploy.unknown-service",
        "deploy.unknown-version",
        "deploy.unknown-environment",
        "deploy.order",
        "deploy.verified",
        "deploy.note",
        "deploy.recorded",
    ] {
        assert!(seaworthy_contracts::pages::explain(rule).is_some(), "{rule}");
    }
}

#[test]
fn a_version_of_which_no_pact_was_published_is_no_yes() {
    let silent = "orders 5 -> payments\npayments 2 keeps orders 5\norders 6 exists\npayments 2 deployed";
    assert_eq!(answer(silent, "orders=5"), Answer::Yes);
    assert_eq!(answer(silent, "orders=6"), Answer::Unknown);
    // Nor can its provider go where it stands.
    let standing = "orders 5 -> payments\norders 6 deployed\npayments 3 exists";
    assert_eq!(answer(standing, "payments=3"), Answer::Unknown);
    let ruling = can_i_deploy(&picture(standing), &ask("payments=3"));
    assert!(ruling.reasons.iter().any(|reason| reason.message.contains("no pact of orders 6 was published")));
    // A provider may go before its first consumer, and one that nobody names has nothing against it.
    assert_eq!(answer("orders 5 -> payments\npayments 3 exists", "payments=3"), Answer::Yes);
    assert_eq!(answer("mailbox 1 exists", "mailbox=1"), Answer::Yes);
}
