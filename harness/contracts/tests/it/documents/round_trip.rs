//! A contract that is written and read again is equal to the first.

use proptest::prelude::*;
use seaworthy_contracts::document;
use seaworthy_contracts::model::{Contract, Interaction};
use serde_json::{Map, Value, json};

/// A text without what a query or header cannot carry through every version.
fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9äß€ %&=+/\"'\\\\.~_-]{1,10}"
}

fn headers(v4: bool) -> impl Strategy<Value = Value> {
    let value =
        prop_oneof!["[a-z0-9;=/. ]{1,10}".prop_map(|value| value.trim().to_owned()), Just("a, b".to_owned())]
            .prop_filter("a header has a value", |value| !value.is_empty());
    let value = prop_oneof![
        value.clone().prop_map(Value::from),
        proptest::collection::vec(value, 1..3).prop_map(Value::from),
    ];
    let name =
        prop_oneof![Just("Accept"), Just("X-Trace"), Just("date"), Just("Vary")].prop_map(str::to_owned);
    let headers = proptest::collection::btree_map(name, value, 0..3);
    (
        headers,
        proptest::option::of(Just(if v4 { json!(["application/json"]) } else { json!("application/json") })),
    )
        .prop_map(|(headers, content_type)| {
            let mut headers: Map<String, Value> = headers.into_iter().collect();
            headers.extend(content_type.map(|content_type| ("Content-Type".to_owned(), content_type)));
            Value::Object(headers)
        })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        (-1000_i32..1000).prop_map(|number| Value::from(f64::from(number) / 4.0)),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(word(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn body(v4: bool) -> BoxedStrategy<Option<Value>> {
    if !v4 {
        return prop_oneof![
            Just(None),
            Just(Some(Value::Null)),
            Just(Some(json!(""))),
            Just(Some(json!("{\"a\": [1,  2]}"))),
            Just(Some(json!("\"quoted\""))),
            json_value().prop_map(Some),
        ]
        .boxed();
    }
    prop_oneof![
        Just(None),
        Just(Some(json!({ "content": null }))),
        Just(Some(json!({ "content": "" }))),
        Just(Some(json!({ "content": "AAEC/w==", "encoded": "base64", "contentType": "image/png" }))),
        Just(Some(
            json!({ "content": "eyAiYSI6IDEgfQ==", "encoded": "base64", "contentType": "application/json" })
        )),
        Just(Some(json!({ "content": "<a/>", "contentType": "application/xml", "contentTypeHint": "TEXT" }))),
        json_value().prop_map(|value| Some(json!({ "content": value, "contentType": "application/json" }))),
        word()
            .prop_map(|text| Some(json!({ "content": text, "contentType": "text/plain", "encoded": false }))),
    ]
    .boxed()
}

fn rule() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({ "match": "type" })),
        Just(json!({ "match": "regex", "regex": "\\d+" })),
        Just(json!({ "match": "type", "min": 1 })),
        Just(json!({ "match": "type", "min": 1, "max": 4 })),
        Just(json!({ "match": "include", "value": "x" })),
        Just(json!({ "match": "datetime", "format": "yyyy" })),
        Just(json!({ "match": "eachValue", "rules": [{ "match": "type" }], "value": "x" })),
        Just(json!({ "match": "arrayContains", "variants": [
            { "index": 1, "rules": { "$.a": { "matchers": [{ "match": "type" }] } } }] })),
    ]
}

fn rules(version: &'static str) -> BoxedStrategy<Value> {
    match version {
        "1.0.0" | "1.1.0" => Just(json!({})).boxed(),
        "2.0.0" => {
            let path = prop_oneof![
                Just("$.body"),
                Just("$.body.a[*].b"),
                Just("$.body['a b'].c"),
                Just("$.path"),
                Just("$.query.q"),
                Just("$.headers.X-Trace"),
            ];
            let rule = prop_oneof![
                Just(json!({ "match": "type" })),
                Just(json!({ "match": "regex", "regex": "a" }))
            ];
            proptest::collection::btree_map(path.prop_map(str::to_owned), rule, 0..3)
                .prop_map(|rules| Value::Object(rules.into_iter().collect()))
                .boxed()
        }
        _ => {
            let list = (proptest::collection::vec(rule(), 1..3), prop_oneof![Just("AND"), Just("OR")])
                .prop_map(|(rules, combine)| json!({ "combine": combine, "matchers": rules }))
                .boxed();
            (list.clone(), list.clone(), list)
                .prop_map(|(path, header, body)| {
                    json!({ "path": path, "header": { "X-Trace": header }, "body": { "$.a[*].b": body } })
                })
                .boxed()
        }
    }
}

fn generators(version: &'static str) -> Value {
    match version {
        "3.0.0" | "4.0" => json!({
            "path": { "type": "ProviderState", "expression": "/${id}", "dataType": "STRING" },
            "header": { "X-Trace": { "type": "Uuid" } },
            "body": { "$.a": { "type": "RandomInt", "min": 1, "max": 9 } },
        }),
        _ => json!({}),
    }
}

fn interaction(version: &'static str) -> impl Strategy<Value = Value> {
    let v4 = version == "4.0";
    let by_map = matches!(version, "3.0.0" | "4.0");
    let query = proptest::collection::btree_map(word(), proptest::collection::vec(word(), 1..3), 1..3)
        .prop_map(move |query| {
            if by_map {
                json!(query)
            } else {
                let pairs: Vec<String> = query
                    .iter()
                    .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
                    .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
                    .collect();
                Value::from(pairs.join("&"))
            }
        });
    let states = proptest::collection::vec((word(), json_value()), 0..3).prop_map(move |states| {
        let states: Vec<Value> = states
            .into_iter()
            .map(|(name, param)| json!({ "name": name, "params": { "p": param } }))
            .collect();
        if by_map { json!(states) } else { json!([]) }
    });
    let request = (proptest::option::of(query), headers(v4), body(v4), rules(version));
    let response = (100_u16..600, headers(v4), body(v4), rules(version));
    (word(), states, any::<bool>(), request, response).prop_map(
        move |(description, states, flag, (query, headers, body, rules), (status, other_headers, other_body, other_rules))| {
            let mut request = json!({ "method": "POST", "path": "/a b", "headers": headers, "matchingRules": rules,
                "generators": generators(version) });
            let mut response = json!({ "status": status, "headers": other_headers, "matchingRules": other_rules });
            if let Some(query) = query {
                request["query"] = query;
            }
            if let Some(body) = body {
                request["body"] = body;
            }
            if let Some(body) = other_body {
                response["body"] = body;
            }
            json!({ "type": "Synchronous/HTTP", "description": description, "providerStates": states,
                "pending": flag, "comments": { "text": ["t"] }, "request": request, "response": response })
        },
    )
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn document(version: &'static str) -> impl Strategy<Value = Value> {
    proptest::collection::vec(interaction(version), 0..3).prop_map(move |interactions| {
        json!({ "consumer": { "name": "a" }, "provider": { "name": "b" }, "interactions": interactions,
            "metadata": { "tool": { "z": 1, "a": 2 }, "pactSpecification": { "version": version } } })
    })
}

fn any_document() -> impl Strategy<Value = Value> {
    prop_oneof![document("1.0.0"), document("1.1.0"), document("2.0.0"), document("3.0.0"), document("4.0")]
}

/// All but the places, which differ.
fn contents(contract: &Contract) -> Vec<Interaction> {
    let mut interactions: Vec<Interaction> =
        contract.interactions.iter().map(|interaction| interaction.as_ref().clone()).collect();
    for interaction in &mut interactions {
        interaction.location.line = 0;
        interaction.location.column = 0;
    }
    interactions
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(document in any_document()) {
        let first = document::parse("p.json", document.to_string().as_bytes()).unwrap();
        let text = document::to_text(&first);
        let second = document::parse("p.json", text.as_bytes()).unwrap();
        prop_assert_eq!(contents(&first), contents(&second), "{}", text);
        prop_assert_eq!(first.specification, second.specification);
        prop_assert_eq!(document::to_text(&second), text);
        prop_assert_eq!(&first.metadata["tool"], &second.metadata["tool"]);
    }

    #[test]
    fn a_query_string_is_read_as_it_was_written(
        query in proptest::collection::hash_map(word(), proptest::collection::vec(proptest::option::of(word()), 1..3), 1..4)
    ) {
        prop_assert_eq!(document::query::parse(&document::query::to_text(&query)), Some(query));
    }
}
