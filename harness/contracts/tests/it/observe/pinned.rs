//! What a contract pins, field by field.

use seaworthy_contracts::model::Contract;
use seaworthy_contracts::observe::usages;
use seaworthy_core::usage::{Direction, UsedOperation};
use serde_json::json;

use super::drifting::contracts;
use super::world::contract;

/// One line per usage: direction, field, value, `=` for exact.
fn pinned(contract: &Contract) -> Vec<String> {
    usages(contract)
        .iter()
        .map(|usage| {
            let direction = if usage.direction == Direction::Request { ">" } else { "<" };
            let value = usage.value.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{direction} {} {}{value}", usage.field, if usage.exact { "=" } else { "~" })
        })
        .collect()
}

fn http(request: serde_json::Value, response: serde_json::Value) -> Contract {
    let interaction =
        json!({"type": "Synchronous/HTTP", "description": "x", "request": request, "response": response});
    contract("orders", "payments", json!([interaction]))
}

#[test]
fn bodies_headers_and_queries_are_pinned_by_value_or_by_type() {
    let rules = |matchers: serde_json::Value| json!({"combine": "AND", "matchers": [matchers]});
    let contract = http(
        json!({
            "method": "post", "path": "/payments", "query": {"full": ["true"], "page": ["1"]},
            "headers": {"Content-Type": ["application/json"]},
            "body": {"contentType": "application/json", "encoded": false, "content": {"amount": 10, "currency": "EUR"}},
            "matchingRules": {
                "query": {"page": rules(json!({"match": "integer"}))},
                "body": {"$.amount": rules(json!({"match": "type"}))}
            }
        }),
        json!({
            "status": 201, "headers": {"X-Version": ["7"]},
            "body": {"contentType": "application/json", "encoded": false, "content": {
                "id": "p-1", "status": "PAID",
                "items": [{"sku": "book", "price": 3}, {"sku": "pen", "price": 4, "a/b~c": null}],
                "stock": {"north": {"n": 1}},
                "tags": ["x", 2, true],
                "none": []
            }},
            "matchingRules": {
                "header": {"x-version": rules(json!({"match": "regex", "regex": "[0-9]"}))},
                "body": {
                    "$.id": rules(json!({"match": "regex", "regex": "p-.*"})),
                    "$.items": rules(json!({"match": "type", "min": 1})),
                    "$.items[*].sku": rules(json!({"match": "equality"})),
                    "$.stock": rules(json!({"match": "values"})),
                    "$.stock.*": rules(json!({"match": "type"}))
                }
            }
        }),
    );
    let operations: Vec<UsedOperation> = usages(&contract).into_iter().map(|usage| usage.operation).collect();
    let post = UsedOperation::Http { method: "POST".to_owned(), path: "/payments".to_owned(), status: 201 };
    assert!(operations.iter().all(|operation| *operation == post));
    insta::assert_snapshot!(pinned(&contract).join("\n"));
}

#[test]
fn an_answer_without_a_body_is_relied_on_too() {
    let contract = http(json!({"method": "DELETE", "path": "/payments/p-1"}), json!({"status": 204}));
    assert_eq!(pinned(&contract), ["<  ~"]);
}

#[test]
fn a_list_that_must_contain_variants_is_pinned_by_each_of_them() {
    let contract = http(
        json!({"method": "GET", "path": "/"}),
        json!({
            "status": 200,
            "body": {"contentType": "application/json", "encoded": false, "content": [{"kind": "a", "n": 1}, {"kind": "b"}]},
            "matchingRules": {"body": {"$": {"combine": "AND", "matchers": [{
                "match": "arrayContains",
                "variants": [
                    {"index": 0, "rules": {"$.n": {"combine": "AND", "matchers": [{"match": "type"}]}}},
                    {"index": 1, "rules": {}}
                ]
            }]}}}
        }),
    );
    assert_eq!(pinned(&contract), ["<  ~", "< /* ~", r#"< /*/kind ="a""#, r#"< /*/kind ="b""#, "< /*/n ~1"]);
}

#[test]
fn messages_are_known_by_their_type_and_calls_by_service_and_method() {
    let messages = &contracts()[1];
    let usages_of_message = usages(messages);
    let created = UsedOperation::Message { name: "order.created".to_owned() };
    assert!(usages_of_message.iter().all(|usage| usage.operation == created));
    assert_eq!(pinned(messages), ["<  ~", "< /orderId ~\"o-1\"", "< header:ce-type =\"order.created\""]);

    let call = contract(
        "orders",
        "inventory",
        json!([{
            "type": "Synchronous/Messages", "description": "a reservation", "transport": "grpc",
            "request": {"contents": {"content": "CgRib29r", "contentType": "application/protobuf;message=R", "encoded": "base64"}},
            "response": [{"contents": {"content": "CAE=", "contentType": "application/protobuf;message=A", "encoded": "base64"}}],
            "pluginConfiguration": {"protobuf": {"service": ".shop.v1.Inventory/Reserve"}}
        }]),
    );
    let call = usages(&call);
    let rpc = UsedOperation::Rpc { service: "shop.v1.Inventory".to_owned(), method: "Reserve".to_owned() };
    let told: Vec<_> = call.iter().map(|usage| (usage.direction, usage.field.as_str())).collect();
    assert_eq!(told, [(Direction::Request, ""), (Direction::Response, "")]);
    assert!(call.iter().all(|usage| usage.operation == rpc));
}
