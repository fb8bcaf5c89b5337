//! Values that are made anew each time.

use proptest::prelude::*;
use regex::Regex;
use seaworthy_contracts::document;
use seaworthy_contracts::generate::{self, GenerateContext, StateValues};
use seaworthy_contracts::model::{Contents, HttpRequest, HttpResponse, MessageContents};
use serde_json::{Value, json};

fn contents(interaction: Value) -> Contents {
    let pact = json!({ "consumer": { "name": "a" }, "provider": { "name": "b" }, "interactions": [interaction],
        "metadata": { "pactSpecification": { "version": "4.0" } } });
    document::parse("p.json", pact.to_string().as_bytes()).unwrap().interactions[0].contents.clone()
}

fn http(request: Value, response: Value) -> (HttpRequest, HttpResponse) {
    match contents(json!({ "type": "Synchronous/HTTP", "request": request, "response": response })) {
        Contents::Http { request, response } => (*request, *response),
        other => panic!("{other:?}"),
    }
}

fn message(mut message: Value) -> MessageContents {
    message["type"] = json!("Asynchronous/Messages");
    match contents(message) {
        Contents::Message(message) => *message,
        other => panic!("{other:?}"),
    }
}

/// What a generator makes of the example `"a"` in a JSON body.
fn made(generator: Value, values: Value) -> Result<Value, String> {
    let (request, _) = http(
        json!({ "body": { "content": { "v": "a" }, "contentType": "application/json" },
            "generators": { "body": { "$.v": generator } } }),
        json!({}),
    );
    let values: StateValues = values.as_object().unwrap().clone().into_iter().collect();
    let made = generate::request(&request, &values).map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice::<Value>(&made.body.value().unwrap()).unwrap()["v"].clone())
}

#[test]
fn each_generator_makes_values_of_its_form() {
    for (generator, form) in [
        (json!({ "type": "RandomInt", "min": 5, "max": 9 }), "[5-9]"),
        (json!({ "type": "RandomInt", "min": 7, "max": 7 }), "7"),
        (json!({ "type": "RandomDecimal", "digits": 6 }), r"\d+\.\d+"),
        (json!({ "type": "RandomHexadecimal", "digits": 40 }), "[0-9A-F]{40}"),
        (json!({ "type": "RandomString", "size": 12 }), "[a-zA-Z0-9]{12}"),
        (json!({ "type": "Regex", "regex": "^k-\\d{3}$" }), r"k-\d{3}"),
        (json!({ "type": "Regex", "regex": "^k" }), "k"),
        (json!({ "type": "Regex", "regex": "\\$" }), r"\$"),
        (json!({ "type": "Uuid" }), "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        (json!({ "type": "Uuid", "format": "simple" }), "[0-9a-f]{32}"),
        (
            json!({ "type": "Uuid", "format": "upper-case-hyphenated" }),
            "[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}",
        ),
        (json!({ "type": "Uuid", "format": "URN" }), "urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        (json!({ "type": "Date" }), r"\d{4}-\d{2}-\d{2}"),
        (
            json!({ "type": "Date", "format": "dd.MM.yyyy", "expression": "today + 1 day" }),
            r"\d{2}\.\d{2}\.\d{4}",
        ),
        (json!({ "type": "Time", "format": "HH:mm", "expression": "now + 2 hours" }), r"\d{2}:\d{2}"),
        (
            json!({ "type": "DateTime", "format": "yyyy-MM-dd'T'HH:mm:ss" }),
            r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}",
        ),
        (json!({ "type": "RandomBoolean" }), "true|false"),
    ] {
        let form = Regex::new(&format!("^(?:{form})$")).unwrap();
        for _ in 0..20 {
            let value = made(generator.clone(), json!({})).unwrap();
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert!(form.is_match(&text), "{generator} made {text}");
        }
    }
}

#[test]
fn provider_states_give_values_of_the_type_that_is_asked_for() {
    let state = |expression: &str, data_type: Option<&str>| {
        let mut generator = json!({ "type": "ProviderState", "expression": expression });
        if let Some(data_type) = data_type {
            generator["dataType"] = json!(data_type);
        }
        made(generator, json!({ "id": 7, "name": "Ann", "price": "2.5", "user.id": "u" }))
    };
    assert_eq!(state("${id}", None), Ok(json!(7)));
    assert_eq!(state("id", None), Ok(json!(7)));
    assert_eq!(state("/users/${id}/${name}", None), Ok(json!("/users/7/Ann")));
    assert_eq!(state("${id}", Some("STRING")), Ok(json!("7")));
    assert_eq!(state("${price}", Some("DECIMAL")), Ok(json!(2.5)));
    assert_eq!(state("${price}", Some("FLOAT")), Ok(json!(2.5)));
    assert_eq!(state("${unknown}", None), Ok(json!("a")), "the example stays");
}

#[test]
fn a_generator_that_can_never_work_is_an_error_with_its_place() {
    let told = [
        json!({ "type": "RandomInt", "min": 9, "max": 5 }),
        json!({ "type": "Regex", "regex": "(" }),
        json!({ "type": "Regex", "regex": "a\\b" }),
        json!({ "type": "Date", "format": "'", "expression": "today" }),
        json!({ "type": "Date", "expression": "the day before yesterday" }),
        json!({ "type": "PluggedIn" }),
    ]
    .map(|generator| format!("{generator}\n  {}\n", made(generator.clone(), json!({})).unwrap_err()));
    insta::assert_snapshot!(told.concat());
    assert!(
        made(
            json!({ "type": "ProviderState", "expression": "${id}", "dataType": "INTEGER" }),
            json!({ "id": "x" })
        )
        .is_err()
    );
}

#[test]
fn every_part_of_a_request_is_reached() {
    let (request, _) = http(
        json!({
            "path": "/users/1", "query": { "id": ["1", "2"] }, "headers": { "X-Id": ["1"], "X-Stay": ["s"] },
            "body": { "content": { "users": [{ "id": 1 }, { "id": 2 }], "any/key~": { "x": 1 } },
                "contentType": "application/json" },
            "generators": {
                "path": { "type": "ProviderState", "expression": "/users/${id}" },
                "query": { "id": { "type": "ProviderState", "expression": "${id}" },
                    "new": { "type": "ProviderState", "expression": "${id}" } },
                "header": { "x-id": { "type": "ProviderState", "expression": "id-${id}" },
                    "X-New": { "type": "ProviderState", "expression": "${id}" } },
                "body": { "$.users[*].id": { "type": "ProviderState", "expression": "${id}" },
                    "$['any/key~'].x": { "type": "ProviderState", "expression": "${id}" },
                    "$.nowhere": { "type": "RandomInt" } },
            },
        }),
        json!({}),
    );
    let made = generate::request(&request, &StateValues::from([("id".to_owned(), json!(42))])).unwrap();
    assert_eq!(made.path, "/users/42");
    let query = made.query.unwrap();
    assert_eq!(query["id"], [Some("42".to_owned()), Some("42".to_owned())]);
    assert_eq!(query["new"], [Some("42".to_owned())]);
    let headers = made.headers.unwrap();
    assert_eq!((headers["X-Id"][0].as_str(), headers["X-Stay"][0].as_str()), ("id-42", "s"));
    assert_eq!(headers["X-New"], ["42"]);
    let body: Value = serde_json::from_slice(&made.body.value().unwrap()).unwrap();
    assert_eq!(body, json!({ "users": [{ "id": 42 }, { "id": 42 }], "any/key~": { "x": 42 } }));
}

#[test]
fn a_mock_gives_its_own_address_and_a_status() {
    let (_, response) = http(
        json!({}),
        json!({
            "status": 200, "headers": { "Location": ["http://example/orders/7"] },
            "body": { "content": { "href": "http://example:1/orders/7" }, "contentType": "application/json" },
            "generators": {
                "status": { "type": "RandomInt", "min": 201, "max": 204 },
                "header": { "Location": { "type": "MockServerURL", "regex": ".*(/orders/\\d+)", "example": "http://example/orders/7" } },
                "body": { "$.href": { "type": "MockServerURL", "regex": ".*(/orders/\\d+)", "example": "http://example/orders/7" } },
            },
        }),
    );
    let context =
        GenerateContext { mock_server_url: Some("http://127.0.0.1:4711".to_owned()), ..Default::default() };
    let made = generate::response(&response, &context).unwrap();
    assert!((201..=204).contains(&made.status));
    assert_eq!(made.headers.unwrap()["Location"], ["http://127.0.0.1:4711/orders/7"]);
    let body: Value = serde_json::from_slice(&made.body.value().unwrap()).unwrap();
    assert_eq!(body["href"], "http://127.0.0.1:4711/orders/7");

    let made = generate::response(&response, &GenerateContext::default()).unwrap();
    assert_eq!(made.headers, response.headers, "without an address the example stays");
    assert_eq!(made.body.value(), Some(r#"{"href":"http://example:1/orders/7"}"#.into()));
}

#[test]
fn xml_and_forms_are_filled_in() {
    let (request, _) = http(
        json!({ "body": { "content": "<a id=\"x\"><b>old</b></a>", "contentType": "application/xml" },
            "generators": { "body": { "$.a['@id']": { "type": "ProviderState", "expression": "${id}" },
                "$.a.b['#text']": { "type": "Regex", "regex": "^new$" } } } }),
        json!({}),
    );
    let values = StateValues::from([("id".to_owned(), json!("42"))]);
    let made = generate::request(&request, &values).unwrap().body.value().unwrap();
    let made = String::from_utf8(made.to_vec()).unwrap();
    assert!(made.contains("42") && made.contains("new") && !made.contains("old"), "{made}");

    let (request, _) = http(
        json!({ "body": { "content": "id=x&other=1", "contentType": "application/x-www-form-urlencoded" },
            "generators": { "body": { "$.id": { "type": "ProviderState", "expression": "${id}" } } } }),
        json!({}),
    );
    let made = generate::request(&request, &values).unwrap().body.value().unwrap();
    assert_eq!(made, "id=42&other=1");
}

#[test]
fn messages_are_filled_in_with_their_metadata() {
    let message = message(json!({
        "contents": { "content": { "id": 1 }, "contentType": "application/json" }, "metadata": { "queue": "q" },
        "generators": { "content": { "$.id": { "type": "ProviderState", "expression": "${id}" } },
            "metadata": { "queue": { "type": "ProviderState", "expression": "q-${id}" } } },
    }));
    let made = generate::message(&message, &StateValues::from([("id".to_owned(), json!(9))])).unwrap();
    assert_eq!(made.metadata["queue"], "q-9");
    assert_eq!(made.contents.value(), Some(r#"{"id":9}"#.into()));
}

proptest! {
    #[test]
    fn whatever_the_settings_are_there_is_an_answer(
        kind in prop_oneof![Just("RandomInt"), Just("RandomDecimal"), Just("RandomHexadecimal"), Just("RandomString"),
            Just("Regex"), Just("Date"), Just("Time"), Just("DateTime"), Just("ProviderState"), Just("MockServerURL")],
        text in "\\PC{0,12}",
        min in any::<i32>(),
        max in any::<i32>(),
        size in 0_u16..300,
    ) {
        let generator = json!({ "type": kind, "min": min, "max": max, "digits": size, "size": size, "regex": text,
            "format": text, "expression": text, "example": text });
        let _ = made(generator, json!({ "a": 1 }));
    }
}
