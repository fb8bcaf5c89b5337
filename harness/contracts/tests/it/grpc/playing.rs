//! Calls played against real providers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use prost_reflect::DynamicMessage;
use seaworthy_contracts::consumer::Pact;
use seaworthy_contracts::consumer::pattern::{Pattern, like, regex};
use seaworthy_contracts::generate::StateValues;
use seaworthy_contracts::grpc::{Caller, CallerError, Carried};
use seaworthy_contracts::json_pattern;
use seaworthy_contracts::model::{Contents, Contract};
use seaworthy_contracts::outcome::Outcome;
use seaworthy_contracts::verify;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;
use tonic::{Response, Status};

use super::comparing::{answering, pool, reservation};
use super::provider::{Provider, carried, play, stream_of};
use super::{RESERVE, WATCH, shop};

async fn outcome(provider: &Provider, contract: &Contract) -> Outcome {
    play(&provider.url(), contract, &contract.interactions[0]).await.outcome
}

fn watching(first: serde_json::Value) -> Contract {
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&shop()).call("a change", WATCH).response(first);
    pact.contract().unwrap()
}

#[tokio::test]
async fn a_provider_that_keeps_its_contract_is_verified() {
    let provider = Provider::of_messages(vec![reservation(json!({ "reservation_id": "res_7" }))]).await;
    let contract = answering(json_pattern!({ "reservation_id": regex("^res_", "res_1") }));
    let played = play(&provider.url(), &contract, &contract.interactions[0]).await;
    assert_eq!(played.outcome, Outcome::Verified);
    assert!(played.latency.is_some());
}

#[tokio::test]
async fn the_first_change_of_a_stream_that_never_ends_is_enough() {
    let held = reservation(json!({ "status": "STATUS_HELD" }));
    let provider = Provider::answering(move |_, _| {
        let first = stream_of(vec![held.clone()]);
        Ok(Response::new(Box::pin(first.chain(tokio_stream::pending()))))
    })
    .await;
    assert_eq!(outcome(&provider, &watching(json!({ "status": "STATUS_HELD" }))).await, Outcome::Verified);
    let mismatched = outcome(&provider, &watching(json!({ "status": "STATUS_RELEASED" }))).await;
    assert!(matches!(mismatched, Outcome::Mismatched { .. }), "{mismatched:?}");
}

#[tokio::test]
async fn a_call_that_ends_as_agreed_though_not_well_is_verified() {
    let provider = Provider::answering(|_, _| {
        let mut status = Status::failed_precondition("out of stock: 100 % of \u{fc}ber-mugs");
        status.metadata_mut().insert("x-reason", "stock".parse().unwrap());
        Err(status)
    })
    .await;
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&shop())
        .call("a call", RESERVE)
        .status("FAILED_PRECONDITION", regex("über-mugs$", "out of über-mugs"));
    let mut contract = pact.contract().unwrap();
    assert_eq!(outcome(&provider, &contract).await, Outcome::Verified);

    // Metadata of the end is looked at where a contract speaks of it.
    let mut interaction = (*contract.interactions[0]).clone();
    let Contents::SynchronousMessage { responses, .. } = &mut interaction.contents else {
        panic!("it is a call");
    };
    responses[0].metadata.insert("x-reason".into(), json!("no stock"));
    contract.interactions = vec![Arc::new(interaction)];
    let Outcome::Mismatched { mismatches } = outcome(&provider, &contract).await else {
        panic!("it differs")
    };
    assert_eq!(mismatches.len(), 1);
    assert_eq!(mismatches[0].to_string(), r#"metadata x-reason: is "stock", and "no stock" is agreed"#);
}

/// What the provider gets: its own path, the contract's message and metadata, values of provider states, what the
/// verification adds, and how long it may take.
#[tokio::test]
async fn a_provider_gets_what_the_contract_says_and_what_a_verification_adds() {
    type Seen = Arc<Mutex<Option<(HeaderMap, Bytes)>>>;
    let seen: Seen = Arc::default();
    let kept = Arc::clone(&seen);
    let provider = Provider::answering(move |headers, message| {
        *kept.lock().unwrap() = Some((headers.clone(), message));
        Ok(Response::new(stream_of(vec![Vec::new()])))
    })
    .await;
    let generated = |example: &str, from: &str| {
        like(example).generated(json!({ "type": "ProviderState", "expression": from, "dataType": "STRING" }))
    };
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&shop())
        .call("a call", RESERVE)
        .metadata("x-tenant", generated("t-1", "${tenant}"))
        .metadata("authorization", "Bearer abcdef0123456789")
        .request(json_pattern!({
            "order_id": generated("ord_1", "${order}"),
            "lines": [{ "sku": "mug", "quantity": Pattern::from(1).generated(json!({ "type": "RandomInt", "min": 5, "max": 5 })) }],
        }))
        .response(json!({}));
    let contract = pact.contract().unwrap();
    let values = StateValues::from([("tenant".into(), json!("t-9")), ("order".into(), json!("ord_9"))]);
    let headers = [
        ("traceparent".to_owned(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ("X-Correlation-ID".to_owned(), "c-1".to_owned()),
        ("x-tenant".to_owned(), "not this".to_owned()),
    ];
    let caller = Caller::new(&provider.url(), std::slice::from_ref(&contract), None).unwrap();
    let played = caller.play(&contract.interactions[0], carried(&values, &headers)).await;
    assert_eq!(played.outcome, Outcome::Verified);
    let (got, message) = seen.lock().unwrap().take().unwrap();
    let value = |name: &str| got.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(value("x-tenant").as_deref(), Some("t-9"));
    assert_eq!(value("x-correlation-id").as_deref(), Some("c-1"));
    assert_eq!(value("traceparent"), Some(headers[0].1.clone()));
    assert_eq!(value("authorization").as_deref(), Some("Bearer abcdef0123456789"));
    assert_eq!(value("grpc-timeout").as_deref(), Some("20000m"));
    let descriptor = pool().get_message_by_name("test.shop.v1.ReserveRequest").unwrap();
    let message = DynamicMessage::decode(descriptor, message).unwrap();
    assert_eq!(
        serde_json::to_value(&message).unwrap(),
        json!({ "orderId": "ord_9", "lines": [{ "sku": "mug", "quantity": 5 }] })
    );
    let line = played.request.unwrap().replace(provider.url().trim_start_matches("http://"), "HOST:PORT");
    insta::assert_snapshot!(line);
}

#[tokio::test]
async fn many_calls_at_once_share_a_connection_and_do_not_mix() {
    let provider = Provider::answering(|_, message| {
        // What was asked for is answered: the order's id becomes the reservation's.
        Ok(Response::new(stream_of(vec![message.to_vec()])))
    })
    .await;
    let mut pact = Pact::new("orders", "inventory");
    for number in 0..64 {
        let id = format!("id-{number}");
        pact.grpc(&shop())
            .call(format!("call {number}"), RESERVE)
            .request(json!({ "order_id": id }))
            .response(json!({ "reservation_id": id }));
    }
    let contract = pact.contract().unwrap();
    let caller = Caller::new(&provider.url(), std::slice::from_ref(&contract), None).unwrap();
    let values = StateValues::new();
    let played = futures_util::future::join_all(
        contract.interactions.iter().map(|interaction| caller.play(interaction, carried(&values, &[]))),
    )
    .await;
    assert!(played.iter().all(|played| played.outcome == Outcome::Verified), "{played:?}");
}

fn failure(outcome: Outcome) -> String {
    match outcome {
        Outcome::RequestFailed { message } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let contract = answering(json!({}));
    let message = failure(play(&url, &contract, &contract.interactions[0]).await.outcome);
    assert!(message.starts_with("the provider could not be reached: "), "{message}");
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let contract = answering(json!({}));
    let caller = Caller::new(&url, std::slice::from_ref(&contract), None).unwrap();
    let values = StateValues::new();
    let carried =
        Carried { values: &values, headers: &[], timeout: Duration::from_millis(50), body_limit: 1024 };
    let message = failure(caller.play(&contract.interactions[0], carried).await.outcome);
    assert_eq!(message, "the provider did not answer within 50ms");
}

#[tokio::test]
async fn one_that_speaks_http_1_is_no_grpc_provider() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    });
    let contract = answering(json!({}));
    let message = failure(play(&url, &contract, &contract.interactions[0]).await.outcome);
    assert!(message.starts_with("the provider did not answer the call: "), "{message}");
    server.await.unwrap();
}

#[tokio::test]
async fn one_that_answers_with_a_page_is_no_grpc_provider() {
    let app = axum::Router::new().fallback(|| async { "hello" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let contract = answering(json!({}));
    let message = failure(play(&url, &contract, &contract.interactions[0]).await.outcome);
    assert_eq!(message, "the provider answered with text/plain; charset=utf-8, not with application/grpc");
}

#[tokio::test]
async fn an_answer_that_is_longer_than_what_is_read_is_told() {
    let long = reservation(json!({ "reservation_id": "r".repeat(2 * 1024 * 1024) }));
    let provider = Provider::of_messages(vec![long]).await;
    let message = failure(outcome(&provider, &answering(json!({}))).await);
    assert_eq!(message, "the provider's answer: more than the 1048576 bytes of messages that are read");
}

#[tokio::test]
async fn a_method_that_the_provider_no_longer_has_is_told() {
    let provider = Provider::of_messages(Vec::new()).await;
    let proto = super::PROTO.replace("service Shop", "service Store");
    let descriptors =
        seaworthy_contracts::grpc::consumer::Descriptors::new(&super::file_descriptor_set(&proto)).unwrap();
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&descriptors).call("a call", "test.shop.v1.Store/Reserve").response(json!({}));
    let contract = pact.contract().unwrap();
    let Outcome::Mismatched { mismatches } = outcome(&provider, &contract).await else {
        panic!("it differs")
    };
    assert_eq!(mismatches[0].actual.as_deref(), Some("UNIMPLEMENTED (12)"));
}

#[test]
fn an_address_that_is_none_is_told() {
    for url in ["localhost:50051", "127.0.0.1", "", "unix:/tmp/x"] {
        let error = Caller::new(url, &[], None).unwrap_err();
        assert!(matches!(error, CallerError::Address { .. }), "{error}");
    }
}

#[test]
fn an_address_that_is_none_is_told_without_its_password() {
    // The last two are what people type when they forget the scheme, and a password that is not encoded.
    for url in [
        "ftp://user:hunter22@inventory:50051",
        "http://user:hunter22@inventory:port",
        "user:hunter22@inventory:50051",
        "grpc://user:a@hunter22@inventory:50051",
    ] {
        let error = Caller::new(url, &[], None).unwrap_err();
        let (shown, kept) = (error.to_string(), format!("{error:?}"));
        assert!(!shown.contains("hunter22") && !kept.contains("hunter22"), "{shown}");
        assert!(shown.contains("inventory"), "{shown}");
    }
}

/// Verifies a contract of so many calls, alike but for their descriptions, one after the other.
async fn verified_at(url: &str, calls: usize, limit: Duration) -> verify::Verification {
    let mut pact = Pact::new("orders", "inventory");
    let shop = shop();
    for number in 0..calls {
        pact.grpc(&shop).call(format!("call {number}"), RESERVE).response(json!({}));
    }
    let contract = pact.contract().unwrap();
    let caller = Caller::new(url, std::slice::from_ref(&contract), None).unwrap();
    let options = verify::Options {
        synchronous: Some(Arc::new(caller)),
        request_timeout: limit,
        jobs: 1,
        ..verify::Options::default()
    };
    let asked = verify::Provider { name: "inventory".into(), url: url.to_owned(), message_url: None };
    verify::verify(&[contract], &asked, &options, &|_| {}).await.unwrap()
}

/// How many interactions were really tried.
fn tried(verification: &verify::Verification) -> usize {
    let outcomes = verification.results.iter().map(|result| failure(result.outcome.clone()));
    outcomes.filter(|message| !message.starts_with("not asked")).count()
}

#[tokio::test]
async fn a_verification_gives_up_a_provider_that_accepts_and_never_answers() {
    // The system accepts for it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let verification = verified_at(&url, 40, Duration::from_millis(20)).await;
    assert_eq!(verification.counts().failed, 40);
    assert_eq!(tried(&verification), 8);
}

#[tokio::test]
async fn a_verification_does_not_give_up_a_provider_that_answers_with_something_else() {
    let app = axum::Router::new().fallback(|| async { "hello" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let verification = verified_at(&url, 20, Duration::from_secs(30)).await;
    assert_eq!(tried(&verification), 20);
}

/// gRPC comes into a verification through its door for synchronous messages.
#[tokio::test]
async fn a_verification_plays_calls_under_a_trace_of_their_own() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let provider = Provider::answering(move |headers, message| {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        kept.lock().unwrap().extend([header("traceparent"), header("x-correlation-id")]);
        Ok(Response::new(stream_of(vec![message.to_vec()])))
    })
    .await;
    let mut pact = Pact::new("orders", "inventory");
    for (description, id) in [("one that is kept", "o-1"), ("one that is not", "o-2")] {
        let shop = shop();
        let call = pact.grpc(&shop).call(description, RESERVE).request(json!({ "order_id": id }));
        call.response(json!({ "reservation_id": "o-1" }));
    }
    let mut contract = pact.contract().unwrap();
    contract.source = "orders-inventory.json".to_owned();
    let caller = Caller::new(&provider.url(), std::slice::from_ref(&contract), None).unwrap();
    let options = verify::Options { synchronous: Some(Arc::new(caller)), ..verify::Options::default() };
    let asked = verify::Provider { name: "inventory".to_owned(), url: provider.url(), message_url: None };
    let verification = verify::verify(&[contract], &asked, &options, &|_| {}).await.unwrap();
    let counts = verification.counts();
    assert_eq!((counts.verified, counts.failed), (1, 1), "{verification:?}");
    let failed = verification.results.iter().find(|result| result.outcome.is_failure()).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().any(|header| header.contains(&failed.trace.unwrap().to_string())));
    assert!(seen.contains(failed.correlation_id.as_ref().unwrap()));
    assert!(failed.request.as_ref().unwrap().starts_with("grpcurl "));
}

/// A provider's message in protobuf, asked for at its message endpoint.
#[tokio::test]
async fn a_message_in_protobuf_is_compared_by_its_fields() {
    let published =
        reservation(json!({ "reservation_id": "res_2", "status": "STATUS_RELEASED", "serial": 4 }));
    let app =
        axum::Router::new().fallback(move || {
            let published = published.clone();
            async move {
                ([("content-type", "application/protobuf;message=.test.shop.v1.Reservation")], published)
            }
        });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });

    // As other tools write a message: the response of a call, by itself.
    let message = |agreed: Pattern| {
        let mut contract = answering(agreed);
        let mut interaction = (*contract.interactions[0]).clone();
        let Contents::SynchronousMessage { responses, .. } = interaction.contents else {
            panic!("it is a call")
        };
        interaction.contents = Contents::Message(Box::new(responses.into_iter().next().unwrap()));
        interaction.transport = None;
        let configuration = interaction.plugin_configuration["protobuf"].as_object_mut().unwrap();
        configuration.remove("service");
        configuration.insert("message".to_owned(), json!("Reservation"));
        contract.interactions = vec![Arc::new(interaction)];
        contract
    };
    let verified = async |contract: Contract| {
        let caller = Caller::new(&url, std::slice::from_ref(&contract), None).unwrap();
        let options = verify::Options { synchronous: Some(Arc::new(caller)), ..verify::Options::default() };
        let asked =
            verify::Provider { name: "inventory".into(), url: url.clone(), message_url: Some(url.clone()) };
        let verification = verify::verify(&[contract], &asked, &options, &|_| {}).await.unwrap();
        verification.results[0].outcome.clone()
    };
    let kept = json_pattern!({ "reservation_id": regex("^res_", "res_1"), "status": like("STATUS_HELD") });
    assert_eq!(verified(message(kept)).await, Outcome::Verified);
    let broken = verified(message(json_pattern!({ "status": "STATUS_HELD" }))).await;
    let Outcome::Mismatched { mismatches } = broken else { panic!("{broken:?}") };
    assert_eq!(mismatches[0].to_string(), "body $.status: is STATUS_RELEASED, and STATUS_HELD is agreed");
}
