//! Answers held against what is agreed, field by field.

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, Value};
use seaworthy_contracts::consumer::Pact;
use seaworthy_contracts::consumer::pattern::{
    Pattern, array_containing, each_like, each_like_within, each_value, equals, integer, like, not_empty,
    number, one_of, regex,
};
use seaworthy_contracts::document;
use seaworthy_contracts::grpc::{Answer, Call, Status};
use seaworthy_contracts::json_pattern;
use seaworthy_contracts::mismatch::Mismatch;
use seaworthy_contracts::model::{Contract, ProviderState};
use serde_json::json;

use super::{PROTO, RESERVE, WATCH, file_descriptor_set, shop};

pub(crate) fn pool() -> DescriptorPool {
    DescriptorPool::decode(file_descriptor_set(PROTO).as_slice()).unwrap()
}

/// A message of the shop from JSON.
pub(crate) fn message(name: &str, json: serde_json::Value) -> DynamicMessage {
    let descriptor = pool().get_message_by_name(&format!("test.shop.v1.{name}")).unwrap();
    DynamicMessage::deserialize(descriptor, json).unwrap()
}

pub(crate) fn reservation(json: serde_json::Value) -> Vec<u8> {
    message("Reservation", json).encode_to_vec()
}

/// A contract with one call whose answer is this.
pub(crate) fn answering(response: impl Into<Pattern>) -> Contract {
    let shop = shop();
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&shop).call("a call", RESERVE).request(json!({ "order_id": "o" })).response(response);
    pact.contract().unwrap()
}

fn ended_well(messages: Vec<Vec<u8>>) -> Answer {
    Answer {
        messages: messages.into_iter().map(Bytes::from).collect(),
        status: Some(Status { code: 0, message: String::new() }),
        metadata: Vec::new(),
    }
}

fn against(contract: &Contract, answer: &Answer) -> Vec<Mismatch> {
    let call = Call::of(contract, &contract.interactions[0]).unwrap().unwrap();
    call.compare(answer)
}

/// What differs, as lines.
fn told(agreed: impl Into<Pattern>, came: serde_json::Value) -> Vec<String> {
    lines(&against(&answering(agreed), &ended_well(vec![reservation(came)])))
}

fn lines(mismatches: &[Mismatch]) -> Vec<String> {
    mismatches
        .iter()
        .map(|mismatch| match &mismatch.rule {
            Some(rule) => format!("{mismatch} [{rule}]"),
            None => mismatch.to_string(),
        })
        .collect()
}

fn holds(agreed: impl Into<Pattern>, came: serde_json::Value) {
    assert_eq!(told(agreed, came), Vec::<String>::new());
}

#[test]
fn what_is_not_agreed_may_be_anything() {
    holds(
        json_pattern!({ "reservation_id": "res_1" }),
        json!({ "reservation_id": "res_1", "status": "STATUS_HELD", "lines": [{ "sku": "a" }], "stock": { "a": 1 },
            "card": "4111", "note": "n", "replaces": { "reservation_id": "res_0" } }),
    );
}

#[test]
fn each_difference_is_told_at_its_field() {
    let agreed = json!({
        "reservation_id": "res_1", "status": "STATUS_HELD", "weight": 0.5, "factor": 0.1, "gift": true, "serial": 7,
        "note": "", "seal": "AAEC/w==", "lines": [{ "sku": "mug", "quantity": 2 }], "stock": { "mug": 3 },
        "shelves": { "4": { "sku": "mug" } }, "cash": { "units": 5, "currency": "EUR" }, "nickname": "n",
        "held_until": "2030-01-01T00:00:00Z", "extras": { "a": { "b": 1.0 } }, "history": ["STATUS_HELD"],
        "replaces": { "reservation_id": "res_0", "lines": [{ "sku": "mug" }] },
    });
    holds(agreed.clone(), agreed.clone());
    let came = json!({
        "reservation_id": "res_2", "status": "STATUS_RELEASED", "weight": 0.25, "factor": 0.2, "serial": 8,
        "seal": "AAE=", "lines": [{ "sku": "cup", "quantity": 2 }], "stock": { "mug": 4 },
        "shelves": { "5": { "sku": "mug" } }, "card": "4111", "nickname": "m",
        "held_until": "2030-01-01T00:00:01Z", "extras": { "a": { "b": 2.0 } }, "history": ["STATUS_RELEASED"],
        "replaces": { "lines": [{ "sku": "cup" }] },
    });
    insta::assert_snapshot!(told(agreed, came).join("\n"));
}

#[test]
fn a_number_of_an_enum_that_the_consumer_does_not_know_is_told_in_words() {
    let mut came = message("Reservation", json!({}));
    came.set_field_by_name("status", Value::EnumNumber(7));
    came.set_field_by_name("history", Value::List(vec![Value::EnumNumber(1), Value::EnumNumber(9)]));
    let answer = ended_well(vec![came.encode_to_vec()]);
    let by_value = against(&answering(json!({ "status": "STATUS_HELD" })), &answer);
    let by_type = against(
        &answering(json_pattern!({ "status": like("STATUS_HELD"), "history": each_like("STATUS_HELD") })),
        &answer,
    );
    insta::assert_snapshot!(lines(&[by_value, by_type].concat()).join("\n"));
}

#[test]
fn a_contract_that_expects_a_number_its_own_enum_does_not_have_says_so() {
    // The proto file lost a value after the contract was written, and only the descriptors were brought up to date.
    let older = answering(json!({ "status": "STATUS_RELEASED" }));
    let shorter = PROTO.replace("  STATUS_RELEASED = 2;\n", "");
    let newer = {
        let descriptors =
            seaworthy_contracts::grpc::consumer::Descriptors::new(&file_descriptor_set(&shorter)).unwrap();
        let mut pact = Pact::new("orders", "inventory");
        pact.grpc(&descriptors).call("a call", RESERVE).response(json!({}));
        pact.contract().unwrap()
    };
    let mut contract = newer.clone();
    let mut interaction = (*older.interactions[0]).clone();
    interaction.plugin_configuration = newer.interactions[0].plugin_configuration.clone();
    contract.interactions = vec![std::sync::Arc::new(interaction)];
    let answer = ended_well(vec![reservation(json!({ "status": "STATUS_RELEASED" }))]);
    insta::assert_snapshot!(lines(&against(&contract, &answer)).join("\n"));
}

#[test]
fn rules_hold_where_they_are_written_and_below() {
    let agreed = || {
        json_pattern!({
            "reservation_id": regex("^res_", "res_1"),
            "status": one_of(["STATUS_HELD", "STATUS_RELEASED"]),
            "lines": each_like(json_pattern!({ "sku": like("mug"), "quantity": integer(1) })),
            "serial": number(1),
            "weight": number(1.5),
            "replaces": like(json!({ "reservation_id": "r", "serial": 1 })),
        })
    };
    holds(
        agreed(),
        json!({ "reservation_id": "res_9", "status": "STATUS_RELEASED", "serial": 99, "weight": 7.0,
            "lines": [{ "sku": "a", "quantity": 9 }, { "sku": "b", "quantity": 1 }],
            "replaces": { "reservation_id": "other", "serial": 3 } }),
    );
    let came = json!({ "reservation_id": "9", "status": "STATUS_UNSPECIFIED", "lines": [], "weight": "NaN" });
    insta::assert_snapshot!(told(agreed(), came).join("\n"));
}

#[test]
fn repeated_fields_have_their_number_and_their_items_checked() {
    let lines = |count: usize| json!({ "lines": vec![json!({ "sku": "a", "quantity": 1 }); count] });
    let between = || json_pattern!({ "lines": each_like_within(json!({ "sku": "a", "quantity": 1 }), 1, 2) });
    holds(between(), lines(2));
    let told_of = [
        told(between(), lines(0)),
        told(between(), lines(3)),
        told(json!({ "lines": [{ "sku": "a", "quantity": 1 }] }), lines(2)),
        told(json_pattern!({ "lines": not_empty(vec![json!({ "sku": "a" })]) }), lines(0)),
        told(
            json_pattern!({ "lines": array_containing(vec![
                json_pattern!({ "sku": "b" }), json_pattern!({ "sku": regex("^a", "a") })
            ]) }),
            lines(1),
        ),
    ];
    insta::assert_snapshot!(told_of.concat().join("\n"));
}

#[test]
fn maps_are_compared_by_their_keys_or_by_any_key() {
    holds(json!({ "stock": { "a": 1 } }), json!({ "stock": { "a": 1, "b": 2 } }));
    let any_key = || json_pattern!({ "stock": each_value("mug", integer(1)) });
    holds(any_key(), json!({ "stock": { "cup": 5, "jug": 0 } }));
    let shelf =
        || json_pattern!({ "shelves": each_value("1", json_pattern!({ "sku": regex("^[a-z]+$", "mug") })) });
    holds(shelf(), json!({ "shelves": { "7": { "sku": "cup" } } }));
    let told_of = [
        told(json!({ "stock": { "a": 1, "b": 2 } }), json!({ "stock": { "a": 1 } })),
        told(shelf(), json!({ "shelves": { "7": { "sku": "CUP" } } })),
    ];
    insta::assert_snapshot!(told_of.concat().join("\n"));
}

#[test]
fn values_that_have_a_message_of_their_own_are_compared_as_values() {
    let agreed = || {
        json_pattern!({
            "nickname": regex("^[a-z]+$", "nick"),
            "held_until": regex("^20", "2030-01-01T00:00:00Z"),
            "extras": { "a": like("text"), "b": [1.0] },
        })
    };
    holds(
        agreed(),
        json!({ "nickname": "bob", "held_until": "2041-05-05T05:05:05Z", "extras": { "a": "x", "b": [1.0] } }),
    );
    let came = json!({ "nickname": "BOB", "held_until": "1999-05-05T05:05:05Z", "extras": { "a": 1.0, "b": [1.0] } });
    insta::assert_snapshot!(told(agreed(), came).join("\n"));
}

#[test]
fn equality_takes_a_message_out_of_a_rule_of_type() {
    let agreed = || json_pattern!({ "replaces": like(json_pattern!({ "reservation_id": "a", "cash": equals(json!({ "units": 1 })) })) });
    holds(agreed(), json!({ "replaces": { "reservation_id": "b", "cash": { "units": 1 } } }));
    let came = json!({ "replaces": { "reservation_id": "b", "cash": { "units": 1, "currency": "EUR" } } });
    insta::assert_snapshot!(told(agreed(), came).join("\n"));
}

#[test]
fn a_field_that_was_renumbered_is_told_with_the_one_that_came() {
    // A provider that writes the id as field 21.
    let mut came = reservation(json!({ "status": "STATUS_HELD" }));
    prost::encoding::string::encode(21, &"res_1".to_owned(), &mut came);
    let answer = ended_well(vec![came]);
    let agreed = answering(json_pattern!({ "reservation_id": regex("^res_", "res_1"), "note": "n" }));
    insta::assert_snapshot!(lines(&against(&agreed, &answer)).join("\n"));
}

#[test]
fn bytes_that_are_no_message_are_told() {
    let mismatches = against(&answering(json!({ "reservation_id": "r" })), &ended_well(vec![vec![0xff; 4]]));
    assert_eq!(mismatches.len(), 1);
    assert_eq!(mismatches[0].path, "$");
    assert!(mismatches[0].message.starts_with("could not be read: it is no `test.shop.v1.Reservation`"));
}

#[test]
fn a_stream_has_as_many_messages_as_agreed_and_each_as_agreed() {
    let shop = shop();
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&shop)
        .call("two changes", WATCH)
        .responses([json!({ "status": "STATUS_HELD" }), json!({ "status": "STATUS_RELEASED" })]);
    let contract = pact.contract().unwrap();
    let held = || reservation(json!({ "status": "STATUS_HELD" }));
    let none = against(&contract, &ended_well(Vec::new()));
    let wrong = against(&contract, &ended_well(vec![held(), held()]));
    let many = against(&contract, &ended_well(vec![held(), held(), held()]));
    insta::assert_snapshot!(lines(&[none, wrong, many].concat()).join("\n"));
}

#[test]
fn an_end_that_is_not_agreed_is_told_with_what_the_provider_said() {
    let ended = |code, message: &str| Answer {
        messages: Vec::new(),
        status: Some(Status { code, message: message.to_owned() }),
        metadata: Vec::new(),
    };
    let shop = shop();
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&shop).call("a call", RESERVE).status("NOT_FOUND", regex("^no such SKU", "no such SKU: a"));
    let contract = pact.contract().unwrap();
    assert_eq!(against(&contract, &ended(5, "no such SKU: b")), Vec::new());
    let told_of = [
        against(&contract, &ended(9, "out of stock")),
        against(&contract, &ended(5, "gone")),
        against(&contract, &ended_well(vec![reservation(json!({}))])),
        against(&answering(json!({})), &ended(13, "no luck with Bearer abcdefghijklmnop1234")),
        against(&answering(json!({})), &ended(77, "")),
        against(&answering(json!({})), &ended_well(Vec::new())),
    ];
    insta::assert_snapshot!(lines(&told_of.concat()).join("\n"));
}

/// Contracts of other tools: the state is there, no rule is, a service without its package.
#[test]
fn older_plugins_name_a_service_without_its_package() {
    let mut contract = answering(json!({ "reservation_id": "r" }));
    let mut interaction = (*contract.interactions[0]).clone();
    interaction.states.push(ProviderState { name: "s".into(), params: Default::default() });
    interaction.plugin_configuration["protobuf"]["service"] = "Shop/Reserve".into();
    contract.interactions = vec![std::sync::Arc::new(interaction)];
    let call = Call::of(&contract, &contract.interactions[0]).unwrap().unwrap();
    assert_eq!(call.path(), "/test.shop.v1.Shop/Reserve");
}

#[test]
fn a_message_with_map_keys_of_every_kind_has_paths_for_them() {
    let mut wanted = message("Reservation", json!({}));
    let line = Value::Message(message("Line", json!({ "sku": "a" })));
    wanted.set_field_by_name("shelves", Value::Map([(MapKey::I32(-3), line)].into()));
    let agreed = answering(serde_json::to_value(&wanted).unwrap());
    let answer = ended_well(vec![reservation(json!({ "shelves": { "-3": { "sku": "b" } } }))]);
    assert_eq!(against(&agreed, &answer)[0].path, "$.shelves['-3'].sku");
}

/// The same contract with the rules of the answer as a file of another tool has them.
fn with_rules(contract: &Contract, rules: serde_json::Value) -> Contract {
    let mut text = document::to_json(contract);
    text["interactions"][0]["response"][0]["matchingRules"] = rules;
    document::parse("other-tool.json", text.to_string().as_bytes()).unwrap()
}

#[test]
fn rules_as_other_tools_write_them_hold() {
    let rule = |rules: serde_json::Value| json!({ "combine": "AND", "matchers": rules });
    let contract = with_rules(
        &answering(json!({
            "lines": [{ "sku": "mug", "quantity": 1 }], "stock": { "mug": 1 }, "history": ["STATUS_HELD"],
            "serial": 5, "note": "n",
        })),
        json!({ "body": {
            "$.lines": rule(json!([{ "match": "values" }])),
            "$.lines.*": rule(json!([{ "match": "type" }])),
            "$.lines.*.sku": rule(json!([{ "match": "regex", "regex": "^[a-z]+$" }])),
            "$.stock": rule(json!([
                { "match": "eachKey", "rules": [{ "match": "regex", "regex": "^[a-z]+$" }], "value": "mug" },
                { "match": "eachValue", "rules": [{ "match": "integer" }], "value": "1" },
            ])),
            "$.history": rule(json!([
                { "match": "eachValue", "rules": [{ "match": "regex", "regex": "HELD|RELEASED" }], "value": "" },
            ])),
            "$.serial": { "combine": "OR", "matchers": [
                { "match": "equality" }, { "match": "regex", "regex": "^9" },
            ] },
            "$.note": rule(json!([{ "match": "notEmpty" }])),
        } }),
    );
    let kept = json!({
        "lines": [{ "sku": "cup", "quantity": 9 }, { "sku": "jug" }], "stock": { "cup": 3, "jug": 0 },
        "history": ["STATUS_RELEASED", "STATUS_HELD"], "serial": 99, "note": "other",
    });
    assert_eq!(against(&contract, &ended_well(vec![reservation(kept)])), Vec::new());
    let broken = json!({
        "lines": [{ "sku": "cup" }, { "sku": "7" }], "stock": { "cup": 3, "J": 0 },
        "history": ["STATUS_HELD", "STATUS_UNSPECIFIED"], "serial": 8, "note": "",
    });
    insta::assert_snapshot!(lines(&against(&contract, &ended_well(vec![reservation(broken)]))).join("\n"));
}

#[test]
fn no_rule_of_a_file_makes_it_panic() {
    for rule in [
        json!({ "match": "regex", "regex": "(" }),
        json!({ "match": "regex", "regex": "(?<!a)b(a+)+$" }),
        json!({ "match": "date", "format": "yyyy-'" }),
        json!({ "match": "timestamp", "format": "\u{0}" }),
        json!({ "match": "contentType", "value": "nonsense" }),
        json!({ "match": "semver" }),
        json!({ "match": "arrayContains", "variants": [{ "index": 9, "rules": {} }] }),
        json!({ "match": "null" }),
    ] {
        let rules = json!({ "combine": "AND", "matchers": [rule] });
        let fields = ["reservation_id", "lines", "stock", "seal", "status"];
        let body: serde_json::Map<_, _> =
            fields.iter().map(|field| (format!("$.{field}"), rules.clone())).collect();
        let agreed =
            json!({ "reservation_id": "r", "lines": [{}], "stock": { "a": 1 }, "seal": "AAEC", "status": 1 });
        let contract = with_rules(&answering(agreed), json!({ "body": body }));
        let came = json!({
            "reservation_id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "lines": [{}, {}], "stock": { "b": 1 }, "seal": "/w==",
            "status": 2,
        });
        let told = against(&contract, &ended_well(vec![reservation(came)]));
        assert!(!told.is_empty(), "{body:?}");
    }
}
