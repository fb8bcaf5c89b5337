//! What holds of recording whatever was seen.

use proptest::prelude::*;
use seaworthy_contracts::document::{parse, to_text};
use seaworthy_contracts::observe::{coverage, drift, record};
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::Severity;
use seaworthy_core::secret;
use serde_json::{Map, Value, json};

use super::world::{event, exchange, with_header};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "[a-z]{1,3}-[0-9]{1,4}",
        "[0-9]{1,6}",
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
        Just("2026-11-20T18:46:41.409Z".to_owned()),
        Just("1 Harbour Road".to_owned()),
        Just(String::new()),
        ".{0,12}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{1,4}", 1 => "[a-z]{1,3}-[0-9]{1,4}", 1 => "[ -~]{1,6}", 1 => ".{0,4}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (0..1000u32).prop_map(|n| json!(f64::from(n) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Values as one operation has them: of the same form, more or less.
fn body() -> impl Strategy<Value = Value> {
    prop_oneof![
        value(),
        (text(), any::<i16>(), prop::option::of(text()), prop::collection::vec((text(), 0..9u8), 0..3))
            .prop_map(|(id, amount, note, items)| {
                let items: Vec<Value> =
                    items.into_iter().map(|(sku, n)| json!({"sku": sku, "n": n})).collect();
                let mut body = json!({"id": id, "amount": amount, "items": items});
                if let Some(note) = note {
                    body["note"] = json!(note);
                }
                body
            }),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof!["[a-z]{1,3}", "[a-z]-[0-9]{1,3}", "[0-9]{1,4}", Just("stock".to_owned())];
    prop::collection::vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => (text(), prop::option::of("[a-z0-9]{1,4}")).prop_map(|(value, other)| {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let other = other.map(|other| format!("&page={other}")).unwrap_or_default();
            format!("?of={encoded}{other}")
        }),
    ]
}

fn seen() -> impl Strategy<Value = Exchange> {
    let http = (path(), query(), 0..2u8, prop::option::of(body()), 0..3usize, prop::option::of(body()))
        .prop_map(|(path, query, method, sent, status, received)| {
            let text = |body: Option<Value>| body.map(|body| body.to_string()).unwrap_or_default();
            let method = ["GET", "POST"][usize::from(method)];
            let status = [200, 201, 404][status];
            exchange(1, "a -> b", &format!("{method} {path}{query}"), &text(sent), status, &text(received))
        });
    let event = (0..2usize, "[a-z0-9]{4,8}", body())
        .prop_map(|(kind, id, data)| event(1, "b -> a", ["created", "paid"][kind], &id, &data.to_string()));
    prop_oneof![3 => http, 1 => event]
}

fn all_seen() -> impl Strategy<Value = Vec<Exchange>> {
    prop::collection::vec(seen(), 1..12).prop_map(|mut exchanges| {
        for (at, exchange) in exchanges.iter_mut().enumerate() {
            exchange.id.0 = at as u64 + 1;
        }
        exchanges
    })
}

fn texts(exchanges: &[Exchange]) -> Vec<String> {
    record(exchanges, &[]).contracts.iter().map(to_text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The oracle of recording: what a pact was made from is what it allows, also after it was written and read.
    #[test]
    fn all_that_was_recorded_is_in_line_with_the_pact(exchanges in all_seen()) {
        let recording = record(&exchanges, &[]);
        prop_assert!(recording.left_out.is_empty(), "{:?}", recording.left_out);
        let read: Vec<_> =
            recording.contracts.iter().map(|contract| parse("a.json", to_text(contract).as_bytes()).unwrap()).collect();
        for contracts in [&recording.contracts, &read] {
            let drift = drift(contracts, &exchanges, &[]);
            let warnings: Vec<_> =
                drift.findings.iter().filter(|finding| finding.severity == Severity::Warning).collect();
            prop_assert!(warnings.is_empty(), "{:#?}\n{}", warnings, contracts.iter().map(to_text).collect::<String>());
            let coverage = coverage(contracts, &exchanges, &[]);
            let (exercised, all) = coverage.exercised();
            prop_assert_eq!(exercised, all, "{}", coverage.to_text());
        }
    }

    #[test]
    fn the_order_in_which_exchanges_were_seen_does_not_matter(
        (exchanges, shuffled) in all_seen().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(texts(&exchanges), texts(&shuffled));
    }

    #[test]
    fn no_secret_gets_into_a_pact(
        exchanges in all_seen(),
        secret in prop_oneof![
            "eyJ[A-Za-z0-9_-]{8,12}\\.eyJ[A-Za-z0-9_-]{8,12}\\.[A-Za-z0-9_-]{8,12}",
            "AKIA[0-9A-Z]{16}",
            "ghp_[A-Za-z0-9]{20}",
            "Bearer [A-Za-z0-9]{12}",
            "postgres://shop:[a-z0-9]{8}@localhost/x",
            "password=[a-z0-9]{8}",
            Just("[redacted named 0a1b2c3d]".to_owned()),
        ],
        named in prop_oneof![
            Just("password"), Just("clientSecret"), Just("api_key"), Just("accessToken"), Just("credentials")
        ],
        plain in "[a-z0-9]{9,12}",
        place in 0..8u8,
    ) {
        let mut exchanges = exchanges;
        let last = exchanges.len();
        let encoded: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let plant = |body: Value| exchange(99, "a -> b", "POST /planted", &body.to_string(), 200, "");
        exchanges.push(match place {
            0 => plant(json!({"note": secret.clone()})),
            1 => plant(json!({named: plain.clone()})),
            2 => plant(json!({secret.clone(): 1})),
            3 => plant(json!({named: {"deep": [plain.clone()]}})),
            4 => exchange(99, "a -> b", &format!("GET /planted?x={encoded}&{named}={plain}"), "", 200, ""),
            5 => exchange(99, "a -> b", "GET /planted", "", 200, &json!({"items": [{"note": secret.clone()}]}).to_string()),
            6 => with_header(exchange(99, "a -> b", "GET /planted", "", 200, ""), "x-note", &secret),
            _ => event(99, "b -> a", "planted", "e-1", &json!({"note": secret.clone(), named: plain.clone()}).to_string()),
        });
        prop_assert_eq!(exchanges.len(), last + 1);
        for contract in record(&exchanges, &[]).contracts {
            let text = to_text(&contract);
            prop_assert!(!text.contains(&secret), "{}", text);
            prop_assert!(!text.contains(&plain), "{}", text);
            prop_assert!(!text.contains("[redacted"), "{}", text);
            let (_, found) = secret::redact(&text);
            prop_assert!(found.is_empty(), "{:?} in {}", found, text);
        }
    }
}
