//! What is generated is allowed: held against the matching, for contracts of all kinds.

use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::{Cases, answer};
use crate::consumer::Response;
use crate::consumer::pattern::*;
use crate::model::{HttpResponse, Specification};
use crate::{document, json_pattern, matching};

/// Generates answers to one agreed response and holds each against it. Returns how many differ from the example.
fn hold(agreed: &HttpResponse, specification: Specification, count: usize) -> Result<usize, String> {
    if !matching::response(agreed, agreed, specification).is_empty() {
        return Ok(0); // The example itself is not allowed; such a contract is refused before anything is tried.
    }
    let strategy = answer::responses(agreed, specification, &Cases::new(1));
    let mut runner = TestRunner::deterministic();
    let mut others = 0;
    for _ in 0..count {
        let mut tree = strategy.new_tree(&mut runner).map_err(|reason| reason.to_string())?;
        // Also what shrinking makes of it.
        for _ in 0..6 {
            let made = tree.current();
            let mismatches = matching::response(agreed, &made, specification);
            if let Some(mismatch) = mismatches.first() {
                return Err(format!("{mismatch}\n  agreed {agreed:#?}\n  made {:?}", made.body.value()));
            }
            others += usize::from(made.body != agreed.body);
            if !tree.simplify() {
                break;
            }
        }
    }
    Ok(others)
}

fn leaf() -> BoxedStrategy<Pattern> {
    prop_oneof![
        "[a-z]{0,4}".prop_map(|text| like(text.as_str())),
        "[a-z]{0,4}".prop_map(|text| Pattern::from(text.as_str())),
        any::<i64>().prop_map(integer),
        (-1e3..1e3_f64).prop_map(|value| decimal(value + 0.25)),
        any::<i32>().prop_map(number),
        any::<i32>().prop_map(like),
        any::<bool>().prop_map(boolean),
        any::<bool>().prop_map(like),
        Just(null()),
        Just(uuid()),
        Just(semver("1.2.3-rc.1")),
        Just(one_of(["a.b", "c|d", "e f"])),
        Just(regex("^(x|y\\d{2,3})$", "x")),
        Just(regex("\\w+@\\w+\\.(com|org)", "a@b.com")),
        Just(regex("^[^\\s/]+(?=!)", "hey!")),
        Just(include("mid", "amid")),
        Just(not_empty("x")),
        Just(equals("same")),
        Just(date("yyyy-MM-dd", "2026-01-31")),
        Just(date("dd MMM yy", "31 Jan 26")),
        Just(time("HH:mm:ss.SSS", "10:11:12.013")),
        Just(datetime("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-01-31T10:11:12+01:00")),
        Just(datetime("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2026-01-31T10:11:12.000Z")),
        Just(datetime("EEE, d MMM yyyy HH:mm:ss Z", "Sat, 31 Jan 2026 10:11:12 +0000")),
        Just(from_provider_state("${id}", 7)),
    ]
    .boxed()
}

fn patterns() -> impl Strategy<Value = Pattern> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let fields = prop::collection::vec(("[a-z]{1,3}|with space|0|\\*", inner.clone()), 0..4);
        prop_oneof![
            fields.prop_map(|mut fields| {
                fields.sort_by(|one, other| one.0.cmp(&other.0));
                fields.dedup_by(|one, other| one.0 == other.0);
                Pattern::object(fields)
            }),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Pattern::array),
            inner.clone().prop_map(like),
            inner.clone().prop_map(each_like),
            (inner.clone(), 0_usize..3, prop::option::of(0_usize..3)).prop_map(|(item, min, more)| {
                each_like_within(item, min, more.map(|more| (min + more).max(1)))
            }),
            prop::collection::vec(inner.clone(), 1..3).prop_map(array_containing),
            inner.clone().prop_map(|value| each_value("k-1", value)),
            inner.prop_map(|value| each_key(regex("^k-\\d+$", "k-1"), value)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_generated_response_is_allowed_by_the_contract_that_it_is_generated_from(pattern in patterns()) {
        let agreed = Response::default().json(pattern).build().map_err(TestCaseError::fail)?;
        hold(&agreed, Specification::V4, 12).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn each_kind_of_rule_lets_other_values_through_than_the_example() {
    let kinds: [(&str, Pattern); 17] = [
        ("like", like("a")),
        ("integer", integer(1)),
        ("decimal", decimal(1.5)),
        ("number", number(1)),
        ("boolean", boolean(true)),
        ("regex", regex("^[a-z]{3}\\d$", "abc1")),
        ("one_of", one_of(["a", "b"])),
        ("uuid", uuid()),
        ("date", date("yyyy-MM-dd", "2026-01-31")),
        ("time", time("HH:mm", "10:11")),
        ("datetime", datetime("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-01-31T10:11:12+01:00")),
        ("semver", semver("1.2.3")),
        ("include", include("b", "abc")),
        ("each_like", each_like("a")),
        ("array_containing", array_containing(vec![like("a")])),
        ("each_value", each_value("k", like("v"))),
        ("each_key", each_key(regex("^k\\d$", "k1"), "v")),
    ];
    for (kind, pattern) in kinds {
        let agreed = Response::default().json(json_pattern!([pattern])).build().unwrap();
        let others = hold(&agreed, Specification::V4, 40).unwrap();
        assert!(others > 5, "{kind}: {others} of the generated values are others than the example");
    }
}

#[test]
fn the_responses_of_the_specifications_own_cases_are_contracts_too() {
    let Ok(folder) = std::env::var("SEAWORTHY_CONFORMANCE") else {
        println!("0 cases: SEAWORTHY_CONFORMANCE is not set");
        return;
    };
    let mut cases = 0;
    let mut wrong = Vec::new();
    for (version, specification) in [("v2", Specification::V2), ("v4", Specification::V4)] {
        let mut folders = vec![Path::new(&folder).join("pact").join(version).join("response")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let Ok(case) = serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) else {
                    continue;
                };
                let Ok(agreed) = document::response(&case["expected"], specification) else { continue };
                cases += 1;
                if let Err(message) = hold(&agreed, specification, 20) {
                    wrong.push(format!("{}: {message}", path.display()));
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(cases > 0, "no case was found in {folder}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
