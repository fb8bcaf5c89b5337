//! Answers that the contract allows, tried on consumers that rely on more than it says.

use seaworthy_contracts::consumer::pattern::*;
use seaworthy_contracts::consumer::{Cases, ConsumerError, Counterexample, Pact};
use seaworthy_contracts::json_pattern;
use seaworthy_contracts::write::Mode;
use serde_json::Value;

use super::client;

fn shop() -> Pact {
    let mut pact = Pact::new("gateway", "catalog").mode(Mode::Merge);
    pact.interaction("a product is asked for").request(|it| it.get("/products/1")).response(|it| {
        it.json(json_pattern!({
            "name": like("mug"),
            "price": integer(10),
            "status": one_of(["active", "retired", "draft"]),
            "images": each_like_within("a.png", 0, 3),
        }))
    });
    pact
}

async fn product(http: &reqwest::Client, url: &str) -> Result<Value, String> {
    let answer = http.get(format!("{url}/products/1")).send().await.map_err(|error| error.to_string())?;
    answer.json().await.map_err(|error| error.to_string())
}

fn broken(result: Result<(), ConsumerError>) -> (Counterexample, String) {
    let error = result.unwrap_err();
    let said = error.to_string();
    match error {
        ConsumerError::Broken(example) => (*example, said),
        other => panic!("{other}"),
    }
}

/// The one field in which the counterexample differs from the example.
fn only_difference(example: &Counterexample) -> (&str, Option<&str>) {
    let [difference] = &example.differences[..] else { panic!("{example}") };
    (&difference.what, difference.new.as_deref())
}

#[tokio::test]
async fn a_consumer_that_lives_with_all_that_is_allowed_passes_and_the_contract_is_written() {
    let http = client();
    let folder = tempfile::tempdir().unwrap();
    let mut pact = shop();
    let mut bodies = std::collections::BTreeSet::new();
    pact.every_response("a product is asked for", Cases::new(60).seed(1), async |url| {
        let product = product(&http, &url).await?;
        bodies.insert(product.to_string());
        match product["status"].as_str() {
            Some("active" | "retired" | "draft") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    assert!(bodies.len() > 30, "{} answers differ", bodies.len());
    pact.finish(folder.path()).unwrap();
}

#[tokio::test]
async fn a_consumer_that_knows_one_word_too_few_is_found_with_that_word_alone() {
    let http = client();
    let mut pact = shop();
    let result = pact.every_response("a product is asked for", Cases::new(100).seed(2), async |url| {
        match product(&http, &url).await?["status"].as_str() {
            Some("active" | "retired") => Ok(()),
            other => Err(format!("what is {other:?}?")),
        }
    });
    let (example, said) = broken(result.await);
    assert_eq!(only_difference(&example), ("response body $.status", Some("\"draft\"")), "{said}");
    let said =
        regex::Regex::new(r"property\.rs:\d+|answer \d+ of").unwrap().replace_all(&said, "…").into_owned();
    insta::assert_snapshot!("a consumer that knows one word too few", said);
}

#[tokio::test]
async fn a_consumer_that_takes_the_first_of_a_list_that_may_be_empty_is_found() {
    let http = client();
    let mut pact = shop();
    let result = pact.every_response("a product is asked for", Cases::new(100).seed(3), async |url| {
        let product = product(&http, &url).await?;
        // A panic in the consumer's code is what happens in practice.
        Ok::<_, String>(product["images"].as_array().unwrap().first().expect("an image").clone())
    });
    let (example, said) = broken(result.await);
    assert_eq!(example.message, "panicked with: an image", "{said}");
    let changed: Vec<&str> = example.differences.iter().map(|difference| difference.what.as_str()).collect();
    assert_eq!(changed, ["response body $.images", "response body $.images[0]"], "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_whose_numbers_are_too_small_is_found_on_either_flavour_of_runtime() {
    let http = client();
    let mut pact = shop();
    let result = pact.every_response("a product is asked for", Cases::new(100).seed(4), async |url| {
        let price = product(&http, &url).await?["price"].as_i64().ok_or("no number")?;
        u32::try_from(price).map_err(|error| error.to_string())
    });
    let (example, said) = broken(result.await);
    let (what, new) = only_difference(&example);
    assert_eq!(what, "response body $.price", "{said}");
    let price: i64 = new.unwrap().parse().unwrap();
    assert!(u32::try_from(price).is_err(), "{said}");
}

#[tokio::test]
async fn numbers_stay_in_the_range_that_the_test_gives() {
    let http = client();
    let mut pact = shop();
    let cases = Cases::new(60).seed(5).integers(0..=500);
    let mut prices = std::collections::BTreeSet::new();
    pact.every_response("a product is asked for", cases, async |url| {
        prices.insert(product(&http, &url).await?["price"].as_i64().ok_or("no number")?);
        Ok::<_, String>(())
    })
    .await
    .unwrap();
    assert!(prices.len() > 5 && prices.iter().all(|price| (0..=500).contains(price)), "{prices:?}");
}

#[tokio::test]
async fn a_consumer_that_refuses_unknown_fields_is_found() {
    let http = client();
    let strict = async |url: String| {
        let product = product(&http, &url).await?;
        let known = ["name", "price", "status", "images"];
        match product.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(format!("unknown field {unknown}")),
            None => Ok(()),
        }
    };
    let (example, said) =
        broken(shop().every_response("a product is asked for", Cases::new(100).seed(6), strict).await);
    assert!(only_difference(&example).0.starts_with("response body $.unknownField"), "{said}");
    let cases = Cases::new(100).seed(6).without_unknown_fields();
    shop().every_response("a product is asked for", cases, strict).await.unwrap();
}

#[tokio::test]
async fn the_same_seed_tries_the_same_answers() {
    let http = client();
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let mut seen = Vec::new();
        let mut pact = Pact::new("gateway", "catalog");
        pact.interaction("a product is asked for").request(|it| it.get("/products/1")).response(|it| {
            let it = it.json(json_pattern!({ "name": like("mug"), "price": integer(10) }));
            // Several headers, for these are kept without an order.
            (0..6)
                .fold(it, |it, number| it.header(&format!("X-{number}"), like(format!("v{number}").as_str())))
        });
        pact.every_response("a product is asked for", Cases::new(20).seed(seed), async |url| {
            let answer = http.get(format!("{url}/products/1")).send().await?;
            let mut headers: Vec<String> = answer
                .headers()
                .iter()
                .filter(|(name, _)| *name != "date")
                .map(|(name, value)| format!("{name}: {value:?}"))
                .collect();
            headers.sort();
            seen.push((headers, answer.json::<Value>().await?));
            Ok::<_, reqwest::Error>(())
        })
        .await
        .unwrap();
        runs.push(seen);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_client_that_does_not_ask_is_an_error_and_no_success() {
    let lazy = shop().every_response("a product is asked for", 5, async |_| Ok::<_, String>(())).await;
    assert!(matches!(lazy, Err(ConsumerError::NotAsked { .. })), "{lazy:?}");
    let mut pact = shop();
    let wrong = pact.every_response("a product is asked for", 5, async |url| {
        client().get(format!("{url}/products/2")).send().await.map(|_| ())
    });
    let said = wrong.await.unwrap_err().to_string();
    assert!(said.contains("nearest is \"a product is asked for\""), "{said}");
}

#[tokio::test]
async fn a_client_that_never_ends_is_broken_at_its_deadline() {
    let cases = Cases::new(1).deadline(std::time::Duration::from_millis(5));
    let mut pact = Pact::new("a", "b");
    pact.interaction("x").request(|it| it.get("/")).response(|it| it.status(200));
    let result =
        pact.every_response("x", cases, async |_| std::future::pending::<Result<(), String>>().await);
    let (example, _) = broken(result.await);
    assert_eq!(example.message, "did not end within 5ms");
}

#[tokio::test]
async fn a_handler_that_breaks_on_an_allowed_message_is_found() {
    let mut pact = Pact::new("notifications", "orders").mode(Mode::Merge);
    pact.message("order placed").contents(json_pattern!({
        "orderId": like("o-1"),
        "note": like("thanks"),
        "placed": datetime("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-01-31T10:11:12+01:00"),
    }));
    let handler = async |message: seaworthy_contracts::consumer::Received| {
        let note = message.json().unwrap()["note"].as_str().unwrap().to_owned();
        if note.is_ascii() { Ok(()) } else { Err(format!("{} bytes that are not ASCII", note.len())) }
    };
    let (example, said) = broken(pact.every_message("order placed", Cases::new(200).seed(9), handler).await);
    assert_eq!(only_difference(&example).0, "message contents $.note", "{said}");
    pact.every_message("order placed", 50, async |message| message.json().map(|_| ())).await.unwrap();
    pact.finish(tempfile::tempdir().unwrap().path()).unwrap();
}

#[tokio::test]
async fn a_messages_metadata_varies_as_its_rules_allow() {
    let mut pact = Pact::new("notifications", "orders");
    pact.message("order placed")
        .metadata("routing-key", regex("^orders\\.(placed|paid)$", "orders.placed"))
        .metadata("priority", integer(1))
        .contents(json_pattern!({ "orderId": like("o-1") }));
    let mut seen = std::collections::BTreeSet::new();
    pact.every_message("order placed", Cases::new(40).seed(1), async |message| {
        seen.insert(message.metadata["routing-key"].to_string());
        Ok::<_, String>(())
    })
    .await
    .unwrap();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["\"orders.paid\"", "\"orders.placed\""]);
}
