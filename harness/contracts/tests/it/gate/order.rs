//! Orders: found when there is one, and why not when there is none.

use proptest::prelude::*;
use seaworthy_contracts::gate::{
    Answer, Order, Outcome, Picture, Question, answer_of_order, can_i_deploy, order, order_text,
};

use super::{ask, picture};

fn safe(names: &[&str]) -> Order {
    Order::Safe(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn a_provider_that_keeps_both_goes_first() {
    let known = "
        orders 4 -> payments\norders 5 -> payments\norders 4 deployed\npayments 1 deployed
        payments 1 keeps orders 4\npayments 1 breaks orders 5\npayments 2 keeps orders 4\npayments 2 keeps orders 5";
    let question = ask("orders=5 payments=2");
    let found = order(&picture(known), &question);
    assert_eq!(found, safe(&["payments", "orders"]));
    insta::assert_snapshot!(order_text(&found, &question));
}

#[test]
fn a_new_provider_goes_before_its_first_consumer() {
    let known = "orders 5 -> stamps\nstamps 1 keeps orders 5\nstamps 1 exists";
    assert_eq!(order(&picture(known), &ask("orders=5 stamps=1")), safe(&["stamps", "orders"]));
}

#[test]
fn where_every_order_breaks_the_step_and_the_pair_are_named() {
    let known = "
        orders 4 -> payments\norders 5 -> payments\norders 4 deployed\npayments 1 deployed\nmailer 1 exists
        payments 1 keeps orders 4\npayments 1 breaks orders 5\npayments 2 keeps orders 5\npayments 2 breaks orders 4";
    let question = ask("orders=5 payments=2 mailer=1");
    let found = order(&picture(known), &question);
    assert_eq!(answer_of_order(&found), Answer::No);
    insta::assert_snapshot!(order_text(&found, &question));
}

#[test]
fn an_order_that_only_lacks_a_verification_is_unknown() {
    let known = "
        orders 4 -> payments\norders 4 deployed\norders 5 -> payments\npayments 1 deployed
        payments 1 keeps orders 4\npayments 2 keeps orders 5";
    let found = order(&picture(known), &ask("orders=5 payments=2"));
    assert!(matches!(found, Order::Breaks { could_be: true, .. }), "{found:?}");
    assert_eq!(answer_of_order(&found), Answer::Unknown);
}

#[test]
fn many_services_that_do_not_hinder_each_other_are_no_work() {
    let names: Vec<String> = (10..70).map(|n| format!("s{n}=2")).collect();
    let lines: Vec<String> = (10..70).map(|n| format!("s{n} 2 exists\ns{n} 1 deployed")).collect();
    let found = order(&picture(&lines.join("\n")), &ask(&names.join(" ")));
    assert!(matches!(found, Order::Safe(names) if names.len() == 60));
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Up to five services that go from version 1 to 2, some new, some with a release 0; any agreements, any results.
fn any_picture() -> impl Strategy<Value = (Picture, Question)> {
    let verdicts = prop::collection::vec(prop::option::weighted(0.9, prop::bool::weighted(0.85)), 5 * 5 * 9);
    let agreements = prop::collection::vec(prop::bool::weighted(0.3), 3 * 5 * 5);
    (2usize..=5, prop::collection::vec(0u8..4, 5), agreements, verdicts).prop_map(
        |(count, there, agreements, verdicts)| {
            let mut picture =
                Picture { environments: ["production".to_owned()].into(), ..Picture::default() };
            let mut question = ask("");
            let names = &NAMES[..count];
            for (at, name) in names.iter().enumerate() {
                let owned = (*name).to_owned();
                picture.versions.insert(owned.clone(), ["0", "1", "2"].map(str::to_owned).to_vec());
                question.wanted.insert(owned.clone(), "2".to_owned());
                if there[at] > 0 {
                    picture.deployed.insert(owned.clone(), ["1".to_owned()].into());
                }
                if there[at] == 3 {
                    picture.released.insert(owned, ["0".to_owned()].into());
                }
            }
            for (c, consumer) in names.iter().enumerate() {
                for (p, provider) in names.iter().enumerate() {
                    for cv in 0..3 {
                        let key = ((*consumer).to_owned(), cv.to_string());
                        if agreements[(c * 5 + p) * 3 + cv] {
                            picture.agreements.entry(key.clone()).or_default().insert((*provider).to_owned());
                        }
                        for pv in 0..3 {
                            if let Some(success) = verdicts[(c * 5 + p) * 9 + cv * 3 + pv] {
                                let pair =
                                    (key.0.clone(), key.1.clone(), (*provider).to_owned(), pv.to_string());
                                let outcome = Outcome { success, when: String::new(), build_url: None };
                                picture.results.insert(pair, outcome);
                            }
                        }
                    }
                }
            }
            // A consumer that publishes does so with every version; what was not published is judged elsewhere.
            for (at, consumer) in names.iter().enumerate() {
                if picture.agreements.keys().any(|(name, _)| name == consumer) {
                    let next = names[(at + 1) % names.len()].to_owned();
                    for version in ["0", "1", "2"] {
                        let key = ((*consumer).to_owned(), version.to_owned());
                        picture.agreements.entry(key).or_insert_with(|| [next.clone()].into());
                    }
                }
            }
            (picture, question)
        },
    )
}

/// The first order by name of which every beginning may be deployed, tried one after the other.
fn by_brute_force(picture: &Picture, question: &Question) -> Option<Vec<String>> {
    fn go(picture: &Picture, question: &Question, taken: &mut Vec<String>) -> bool {
        if taken.len() == question.wanted.len() {
            return true;
        }
        for service in question.wanted.keys() {
            if taken.contains(service) {
                continue;
            }
            taken.push(service.clone());
            let mut beginning = question.clone();
            beginning.wanted.retain(|service, _| taken.contains(service));
            if can_i_deploy(picture, &beginning).answer == Answer::Yes && go(picture, question, taken) {
                return true;
            }
            taken.pop();
        }
        false
    }
    let mut taken = Vec::new();
    go(picture, question, &mut taken).then_some(taken)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn the_order_is_the_one_that_brute_force_finds((picture, question) in any_picture()) {
        let found = order(&picture, &question);
        match by_brute_force(&picture, &question) {
            Some(expected) => prop_assert_eq!(found, Order::Safe(expected)),
            None => {
                let Order::Breaks { after, blocked, together, .. } = found else {
                    return Err(TestCaseError::fail(format!("{found:?}")));
                };
                // Where it says one can come to is safe, each next step is not, and the group is.
                let may = |services: &[String]| {
                    let mut some = question.clone();
                    some.wanted.retain(|service, _| services.contains(service));
                    some.wanted.is_empty() || can_i_deploy(&picture, &some).answer == Answer::Yes
                };
                for length in 1..=after.len() {
                    prop_assert!(may(&after[..length]));
                }
                prop_assert_eq!(blocked.len(), question.wanted.len() - after.len());
                for step in &blocked {
                    let mut next = after.clone();
                    next.push(step.service.clone());
                    prop_assert!(!may(&next));
                }
                if let Some(group) = together {
                    prop_assert!(may(&[after, group].concat()));
                }
            }
        }
    }
}
