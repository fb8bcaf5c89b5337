//! Contracts merged and compared.

use std::collections::BTreeMap;

use proptest::prelude::*;
use seaworthy_contracts::consumer::Pact;
use seaworthy_contracts::consumer::pattern::*;
use seaworthy_contracts::diff::{self, Change};
use seaworthy_contracts::document;
use seaworthy_contracts::json_pattern;
use seaworthy_contracts::merge::{self, Conflict};
use seaworthy_contracts::model::{Contract, Specification};
use serde_json::json;

/// Interactions by number, each with a body that says `content`.
fn contract(interactions: &[(u8, u8)]) -> Contract {
    let mut pact = Pact::new("orders", "payments");
    for (number, content) in interactions {
        pact.interaction(format!("interaction {}", number % 4))
            .given(format!("state {}", number / 4))
            .request(|it| it.get("/"))
            .response(|it| it.json(json_pattern!({ "content": integer(i64::from(*content)) })));
    }
    pact.contract().unwrap()
}

fn interactions() -> impl Strategy<Value = BTreeMap<u8, u8>> {
    prop::collection::btree_map(0_u8..12, 0_u8..2, 0..8)
}

fn of(map: &BTreeMap<u8, u8>) -> Contract {
    contract(&map.iter().map(|(number, content)| (*number, *content)).collect::<Vec<_>>())
}

fn text(contract: &Contract) -> String {
    document::to_text(contract)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_what_a_map_would_do_and_the_order_makes_no_difference(
        one in interactions(), other in interactions(), third in interactions(),
    ) {
        let contradicts = |one: &BTreeMap<u8, u8>, other: &BTreeMap<u8, u8>| {
            one.iter().filter(|(number, content)| other.get(number).is_some_and(|known| known != *content)).count()
        };
        match merge::merge(&of(&one), &of(&other)) {
            Err(Conflict::Interactions { interactions, .. }) => {
                prop_assert_eq!(interactions.len(), contradicts(&one, &other));
                prop_assert!(merge::merge(&of(&other), &of(&one)).is_err());
            }
            Err(conflict) => prop_assert!(false, "{}", conflict),
            Ok(merged) => {
                prop_assert_eq!(contradicts(&one, &other), 0);
                let mut both = one.clone();
                both.extend(&other);
                prop_assert_eq!(text(&merged), text(&merge::merge(&of(&both), &of(&both)).unwrap()));
                prop_assert_eq!(text(&merged), text(&merge::merge(&of(&other), &of(&one)).unwrap()));
            }
        }
        let over = merge::overlay(&of(&one), &of(&other)).unwrap();
        let mut expected = one.clone();
        expected.extend(&other);
        prop_assert!(diff::diff(&over, &of(&expected)).is_empty());
        // In any order, and grouped in any way.
        let all = merge::merge_all([&of(&one), &of(&other), &of(&third)]).map(|all| text(&all.unwrap()));
        let turned = merge::merge_all([&of(&third), &of(&one), &of(&other)]).map(|all| text(&all.unwrap()));
        prop_assert_eq!(all.ok(), turned.ok());
    }

    #[test]
    fn the_diff_is_what_two_maps_say(old in interactions(), new in interactions()) {
        let changes = diff::diff(&of(&old), &of(&new));
        let count = |kind: fn(&Change) -> bool| changes.iter().filter(|change| kind(change)).count();
        prop_assert_eq!(
            count(|change| matches!(change, Change::Added { .. })),
            new.keys().filter(|number| !old.contains_key(number)).count()
        );
        prop_assert_eq!(
            count(|change| matches!(change, Change::Removed { .. })),
            old.keys().filter(|number| !new.contains_key(number)).count()
        );
        prop_assert_eq!(
            count(|change| matches!(change, Change::Changed { .. })),
            old.iter().filter(|(number, was)| new.get(number).is_some_and(|is| is != *was)).count()
        );
    }

    #[test]
    fn what_was_written_and_read_again_does_not_differ(map in interactions()) {
        let made = of(&map);
        let read = document::parse("again", text(&made).as_bytes()).unwrap();
        prop_assert_eq!(diff::diff(&made, &read), vec![]);
    }
}

#[test]
fn contracts_between_others_are_not_merged() {
    let other = Contract { provider: "shipping".into(), ..contract(&[]) };
    let conflict = merge::merge(&contract(&[]), &other).unwrap_err();
    assert!(matches!(conflict, Conflict::Parties { .. }));
    assert_eq!(
        conflict.to_string(),
        "could not merge the contract of orders with shipping into that of orders with payments"
    );
}

#[test]
fn contracts_of_a_folder_become_one_for_each_consumer_and_provider() {
    let shipping = Contract { provider: "shipping".into(), ..contract(&[(1, 1)]) };
    let (one, other) = (contract(&[(1, 1)]), contract(&[(2, 1)]));
    let merged = merge::merge_by_parties([&shipping, &one, &other, &shipping]).unwrap();
    let counts: Vec<(&str, usize)> =
        merged.iter().map(|merged| (merged.provider.as_str(), merged.interactions.len())).collect();
    assert_eq!(counts, [("payments", 2), ("shipping", 1)]);
    assert!(merge::merge_by_parties([&one, &contract(&[(1, 0)])]).is_err());
}

#[test]
fn the_newer_specification_holds_for_what_is_merged() {
    let older = Contract { specification: Specification::V3, ..contract(&[(1, 1)]) };
    let merged = merge::merge(&older, &contract(&[(2, 1)])).unwrap();
    assert_eq!((merged.specification, merged.interactions.len()), (Specification::V4, 2));
    assert!(merge::merge_all([]).unwrap().is_none());
}

#[test]
fn every_part_of_an_interaction_that_changes_is_told() {
    let declare = |pact: &mut Pact, new: bool| {
        let interaction =
            pact.interaction("the payment is asked for").given_with("it exists", json!({ "id": 1 }));
        let interaction = if new { interaction.key("k").pending().comment("soon") } else { interaction };
        interaction
            .request(|it| {
                let it = it.method(if new { "POST" } else { "GET" }, if new { "/payments/1" } else { "/payment/1" });
                let it = it.query("full", if new { "1" } else { "0" }).header("Accept", regex("json", "text/json"));
                if new { it.json(json_pattern!({ "a b": [ { "c": 1 } ] })) } else { it }
            })
            .response(|it| {
                let it = it.status(if new { 200 } else { 201 }).header("ETag", like("x"));
                if new {
                    it.json(json_pattern!({ "id": uuid(), "items": each_like_within(1, 1, 3) }))
                } else {
                    it.json(json_pattern!({ "id": like("x"), "items": each_like(1), "token": "secret=hunter2hunter2" }))
                }
            });
        let message = pact.message("settled").metadata("kind", if new { "b" } else { "a" });
        message.contents(if new { json_pattern!({ "n": integer(1) }) } else { json_pattern!({ "n": 1 }) });
    };
    let (mut old, mut new) = (Pact::new("orders", "payments"), Pact::new("orders", "payments"));
    declare(&mut old, false);
    old.interaction("gone").request(|it| it.get("/")).response(|it| it);
    declare(&mut new, true);
    new.interaction("new").given("a state").request(|it| it.get("/")).response(|it| it);
    let read = |pact: &Pact, name: &str, specification| {
        let contract = Contract { specification, ..pact.contract().unwrap() };
        document::parse(name, text(&contract).as_bytes()).unwrap()
    };
    let (old, new) = (read(&old, "old.json", Specification::V4), read(&new, "new.json", Specification::V4));
    insta::assert_snapshot!("two contracts compared", diff::render(&diff::diff(&old, &new)));
    assert_eq!(diff::render(&diff::diff(&old, &old)), "no differences\n");
}
