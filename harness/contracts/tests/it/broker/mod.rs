//! A Pact Broker as a ledger, against one in this process: the same answers as a folder gives, and every way in which
//! it may go wrong.

mod stand_in;

use std::collections::BTreeMap;

use seaworthy_contracts::broker::Access;
use seaworthy_contracts::gate::{Answer, Order, Picture, Question, can_i_deploy, order};
use seaworthy_contracts::ledger::{
    Ledger, LedgerError, PactToVerify, Recording, Selection, Selector, Timestamp,
};
use seaworthy_contracts::outcome::Outcome;
use serde_json::Value;
use stand_in::{StandIn, TOKEN, USER, start, start_with};

use crate::ledger::scene::{failed, pact, provider, publication, record, results};

fn token() -> Access {
    Access { token: Some(TOKEN.to_owned()), ..Access::default() }
}

fn open(broker: &StandIn) -> Ledger {
    Ledger::open(&broker.url, &token()).unwrap()
}

fn question(wanted: &[(&str, &str)]) -> Question {
    Question {
        wanted: wanted
            .iter()
            .map(|(service, version)| ((*service).to_owned(), (*version).to_owned()))
            .collect(),
        environment: "production".to_owned(),
        ledger: String::new(),
    }
}

fn all(name: &str) -> Selection {
    Selection { provider: name.to_owned(), ..Selection::default() }
}

async fn publish(ledger: &Ledger, version: &str, what: &str) -> Vec<String> {
    let pacts = vec![pact("orders", "payments", what)];
    ledger.publish(&publication("orders", version, Some("main"), 1, pacts)).await.unwrap()
}

async fn verify(ledger: &Ledger, version: &str, outcome: &Outcome) -> (Vec<PactToVerify>, Vec<String>) {
    let pacts = ledger.pacts_for_verification(&all("payments")).await.unwrap();
    let contracts: Vec<_> = pacts.iter().map(|pact| &pact.contract).collect();
    let results = results(&contracts, outcome);
    let version = provider("payments", version, Some("feat/x"));
    let lines = ledger.publish_results(&pacts, &results, &version, Timestamp::now()).await.unwrap().lines;
    (pacts, lines)
}

fn bodies(broker: &StandIn, path_end: &str) -> Vec<Value> {
    let seen = broker.seen.lock().unwrap();
    seen.iter().filter(|(_, path, _)| path.ends_with(path_end)).map(|(.., body)| body.clone()).collect()
}

#[tokio::test]
async fn pacts_are_published_fetched_verified_and_gated() {
    let broker = start().await;
    let ledger = open(&broker);
    assert_eq!(publish(&ledger, "5", "a").await, ["Pact published for orders"]);
    let (pacts, lines) = verify(&ledger, "2", &Outcome::Verified).await;
    assert_eq!(lines, ["published: payments 2 for orders 5: verified"]);
    assert_eq!(pacts[0].contract.consumer_version.as_deref(), Some("5"));
    assert_eq!(pacts[0].contract.interactions[0].description, "a request for a");
    assert_eq!(pacts[0].notices, ["selected: latest version (5)"]);
    // The branch is made known before the result, and its name is one piece of a path.
    let seen = broker.seen.lock().unwrap().clone();
    let branch =
        seen.iter().position(|(_, path, _)| path.ends_with("/branches/feat%2Fx/versions/2")).unwrap();
    let result = seen.iter().position(|(_, path, _)| path.ends_with("/verification-results")).unwrap();
    assert!(branch < result);
    assert_eq!(seen[result].2["buildUrl"], "https://ci.test/7");
    assert_eq!(seen[result].2["verifiedBy"]["implementation"], "seaworthy");

    for what in [("payments", "2"), ("orders", "5")] {
        ledger.record(&record(Recording::Deployment, what.0, what.1, 2)).await.unwrap();
    }
    let question = question(&[("orders", "5")]);
    let ruling = can_i_deploy(&ledger.picture(&question).await.unwrap(), &question);
    assert_eq!(ruling.answer, Answer::Yes, "{ruling:?}");
    assert_eq!(ruling.rows.len(), 1);
    assert_eq!(ruling.rows[0].when.as_deref(), Some("2026-11-20 20:49"));
    assert_eq!(ruling.notes, ["the broker says: All that is known was looked at"]);
}

#[tokio::test]
async fn user_and_password_serve_as_well_from_access_or_url() {
    let broker = start().await;
    let access =
        Access { username: Some(USER.0.to_owned()), password: Some(USER.1.to_owned()), ..Access::default() };
    publish(&Ledger::open(&broker.url, &access).unwrap(), "5", "a").await;
    let with_user = broker.url.replace("http://", "http://ann:p%40ss%20word@");
    let ledger = Ledger::open(&with_user, &Access::default()).unwrap();
    assert_eq!(ledger.pacts_for_verification(&all("payments")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn selectors_pending_and_work_in_progress_are_asked_for_and_come_back() {
    let broker = start().await;
    let ledger = open(&broker);
    publish(&ledger, "5", "a").await;
    let mut feat = publication("orders", "6", Some("feat"), 1, vec![pact("orders", "payments", "b")]);
    feat.tags.push("t".to_owned());
    ledger.publish(&feat).await.unwrap();
    let selection = Selection {
        provider: "payments".to_owned(),
        provider_branch: Some("main".to_owned()),
        selectors: vec![Selector::parse(r#"{"mainBranch": true}"#).unwrap()],
        include_pending: true,
        wip_since: Some("2020-01-01".parse().unwrap()),
    };
    let pacts = ledger.pacts_for_verification(&selection).await.unwrap();
    let mut told: Vec<_> = pacts
        .iter()
        .map(|pact| (pact.contract.consumer_version.as_deref().unwrap(), pact.pending, pact.wip))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("5", true, false), ("6", true, true)]);
    let body = &bodies(&broker, "/for-verification")[0];
    assert_eq!(body["consumerVersionSelectors"], serde_json::json!([{"mainBranch": true}]));
    assert_eq!(body["includeWipPactsSince"], "2020-01-01T00:00:00.000Z");
    assert_eq!(bodies(&broker, "/contracts/publish")[1]["tags"], serde_json::json!(["t"]));
}

/// The same history for a folder and a broker.
async fn history(ledger: &Ledger) {
    publish(ledger, "4", "old").await;
    verify(ledger, "1", &Outcome::Verified).await;
    for (service, version) in [("payments", "1"), ("orders", "4")] {
        ledger.record(&record(Recording::Deployment, service, version, 3)).await.unwrap();
    }
    publish(ledger, "5", "new").await;
    // Payments 2 keeps both; payments 1 breaks the new one, payments 3 the old one.
    let verify_one = async |version: &str, selector: &str, outcome: Outcome| {
        let mut selection = all("payments");
        selection.selectors = vec![Selector::parse(selector).unwrap()];
        let pacts = ledger.pacts_for_verification(&selection).await.unwrap();
        assert_eq!(pacts.len(), 1, "{selector}");
        let results = results(&[&pacts[0].contract], &outcome);
        let version = provider("payments", version, None);
        ledger.publish_results(&pacts, &results, &version, Timestamp::now()).await.unwrap();
    };
    let (latest, deployed) = (r#"{"latest": true}"#, r#"{"deployed": true}"#);
    verify_one("1", latest, failed()).await;
    verify_one("2", latest, Outcome::Verified).await;
    verify_one("2", deployed, Outcome::Verified).await;
    verify_one("3", latest, Outcome::Verified).await;
    verify_one("3", deployed, failed()).await;
}

/// The order without what the two know of times and builds.
fn timeless(mut order: Order) -> Order {
    if let Order::Breaks { blocked, .. } = &mut order {
        for step in blocked {
            (step.row.when, step.row.build_url) = (None, None);
        }
    }
    order
}

#[tokio::test]
async fn a_folder_and_a_broker_with_the_same_history_give_the_same_answers() {
    let broker = start().await;
    let (_keep, folder) = crate::ledger::scene::ledger();
    let ledgers = [Ledger::Folder(folder), open(&broker)];
    let mut answers = Vec::new();
    for ledger in &ledgers {
        history(ledger).await;
        let mut told = Vec::new();
        for wanted in [
            &[("orders", "5")][..],
            &[("payments", "2")],
            &[("payments", "3")],
            &[("orders", "5"), ("payments", "2")],
            &[("orders", "5"), ("payments", "3")],
            &[("orders", "9")],
            &[("order", "5")],
            &[("payments", "7")],
        ] {
            let question = question(wanted);
            let picture: Picture = ledger.picture(&question).await.unwrap();
            let ruling = can_i_deploy(&picture, &question);
            let rows: Vec<_> =
                ruling.rows.iter().map(|row| (row.provider_version.clone(), row.state)).collect();
            // A broker tells all versions only of services that take part.
            let hint = |hint: &str| hint.split("; publish").next().unwrap().to_owned();
            let reasons: Vec<_> = ruling
                .reasons
                .iter()
                .filter(|reason| reason.row.is_some() || reason.rule == "deploy.unknown-service")
                .map(|reason| (reason.rule, hint(&reason.hint)))
                .collect();
            told.push((ruling.answer, rows, reasons, timeless(order(&picture, &question))));
        }
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    let only: Vec<Answer> = answers[1].iter().map(|(answer, ..)| *answer).collect();
    use Answer::{No, Unknown, Yes};
    assert_eq!(only, [No, Yes, No, Yes, Yes, Unknown, Unknown, Unknown]);
    let hints = &answers[1][0].2[0].1;
    assert!(hints.contains("deploy payments 2 first"), "not 3, which breaks what is deployed: {hints}");
    assert_eq!(answers[1][3].3, Order::Safe(vec!["payments".to_owned(), "orders".to_owned()]));
    assert!(matches!(answers[1][4].3, Order::Breaks { could_be: false, .. }));
}

#[tokio::test]
async fn deployments_and_releases_end() {
    let broker = start().await;
    let ledger = open(&broker);
    publish(&ledger, "5", "a").await;
    ledger.record(&record(Recording::Deployment, "orders", "5", 1)).await.unwrap();
    ledger.record(&record(Recording::Release, "orders", "5", 1)).await.unwrap();
    let unknown = ledger.record(&record(Recording::Undeployment, "orders", "4", 1)).await.unwrap_err();
    assert!(unknown.to_string().contains("5 is there"), "{unknown}");
    ledger.record(&record(Recording::Undeployment, "orders", "5", 1)).await.unwrap();
    let facts = broker.ledger.facts().unwrap();
    let there = &facts.environments["production"];
    assert!(there.deployed.is_empty() && there.released.values().all(BTreeMap::is_empty));
    let error = ledger.record(&record(Recording::Deployment, "orders", "9", 1)).await.unwrap_err();
    assert!(error.to_string().contains("publish its pacts"), "{error}");
    let mut elsewhere = record(Recording::Deployment, "orders", "5", 1);
    elsewhere.environment = "produktion".to_owned();
    let error = ledger.record(&elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("did you mean `production`?"), "{error}");
}

async fn error_of(broker: &StandIn, access: &Access) -> String {
    let ledger = Ledger::open(&broker.url, access).unwrap();
    let error = ledger.pacts_for_verification(&all("payments")).await.unwrap_err();
    assert!(matches!(error, LedgerError::Broker(_)), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_broker_that_refuses_is_named_with_its_status_and_without_the_secret() {
    let broker = start().await;
    let error = error_of(&broker, &Access::default()).await;
    assert!(error.contains("answered 401") && error.contains("set PACT_BROKER_TOKEN"), "{error}");
    // It even repeats what it was given.
    let wrong = Access { token: Some("a-secret".to_owned()), ..Access::default() };
    let error = error_of(&broker, &wrong).await;
    assert!(error.contains("not accepted") && error.contains(&broker.url), "{error}");
    assert!(!error.contains("a-secret"), "{error}");
    let taken = open(&broker);
    publish(&taken, "5", "a").await;
    let pacts = vec![pact("orders", "payments", "b")];
    let error = taken.publish(&publication("orders", "5", None, 1, pacts)).await.unwrap_err().to_string();
    assert!(error.contains("answered 409") && error.contains("another pact"), "{error}");
}

#[tokio::test]
async fn what_is_no_broker_or_none_that_can_do_it_is_said_to_be() {
    let path = "/pacts/provider/payments/for-verification";
    let foreign = r#"{"_embedded":{"pacts":[{"_links":{"self":{"href":"http://evil.test/pact"}}}]}}"#;
    for (at, status, body, says) in [
        ("", 200, "<html>hello</html>", "is not JSON"),
        ("", 200, "{}", "is no Pact Broker"),
        ("", 200, r#"{"_links":{}}"#, "could not find the link `pb:provider-pacts-for-verification`"),
        ("", 301, "https://broker.test/", "it lies at https://broker.test/; name that URL"),
        ("", 500, r#"{"error":{"message":"boom"}}"#, "answered 500: boom"),
        (path, 200, foreign, "leads away from"),
        (path, 200, r#"{"_embedded":{"pacts":[{}]}}"#, "could not find the link `self`"),
    ] {
        let broker = start_with(&[(at, status, body), ("/", status, body)][..1]).await;
        let error = error_of(&broker, &token()).await;
        assert!(error.contains(says), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_broker_that_is_down_or_does_not_answer_ends_in_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It takes connections and never says a word.
    let impatient = Access { timeout: std::time::Duration::from_millis(200), ..token() };
    let silent = Ledger::open(&url, &impatient).unwrap().pacts_for_verification(&all("a")).await.unwrap_err();
    assert!(silent.to_string().contains("timed out"), "{silent}");
    drop(listener);
    let down = Ledger::open(&url, &token()).unwrap().pacts_for_verification(&all("a")).await.unwrap_err();
    assert!(down.to_string().contains(&url), "{down}");
}

#[tokio::test]
async fn what_should_be_a_pact_and_is_none_is_an_error_with_its_url() {
    let broker = start().await;
    let ledger = open(&broker);
    publish(&ledger, "5", "a").await;
    let content =
        broker.ledger.facts().unwrap().services["orders"].versions["5"].pacts["payments"].content.clone();
    let path = format!("/pacts/provider/payments/consumer/orders/pact-version/{content}");
    let other = start_with(&[(&path, 200, "[1]")]).await;
    let ledger = open(&other);
    publish(&ledger, "5", "a").await;
    let error = ledger.pacts_for_verification(&all("payments")).await.unwrap_err();
    assert!(error.location().unwrap().file.contains("/pact-version/"), "{error}");
}
