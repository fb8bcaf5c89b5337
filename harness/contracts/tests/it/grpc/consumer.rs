//! A consumer's test: what it declares is served over real HTTP/2 and written as other Pact tools write it.

use bytes::Bytes;
use prost::Message;
use seaworthy_contracts::consumer::pattern::{each_like, integer, like, regex};
use seaworthy_contracts::consumer::{ConsumerError, Pact};
use seaworthy_contracts::grpc::consumer::{Descriptors, MockGrpc};
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::outcome::Outcome;
use seaworthy_contracts::write::Mode;
use seaworthy_contracts::{document, json_pattern};
use tokio_stream::StreamExt;

use super::provider::play;
use super::{RESERVE, WATCH, shop};

fn reservations(shop: &Descriptors) -> Pact {
    let mut pact = Pact::new("orders", "inventory").mode(Mode::Merge);
    pact.grpc(shop)
        .call("a reservation of two mugs", RESERVE)
        .given_with("the SKU is in stock", serde_json::json!({ "sku": "mug" }))
        .metadata("x-tenant", like("t-1"))
        .request(json_pattern!({
            "order_id": like("ord_1"),
            "lines": each_like(json_pattern!({ "sku": regex("^[a-z]+$", "mug"), "quantity": integer(2) })),
        }))
        .response(json_pattern!({ "reservation_id": regex("^res_", "res_1"), "status": "STATUS_HELD" }));
    pact.grpc(shop)
        .call("a reservation of what is not sold", RESERVE)
        .request(json_pattern!({ "order_id": "ord_2", "lines": [{ "sku": "unicorn", "quantity": 1 }] }))
        .status("NOT_FOUND", regex("unicorn", "no such SKU: unicorn"));
    pact.grpc(shop).call("two changes", WATCH).request(json_pattern!({ "order_id": "ord_3" })).responses([
        json_pattern!({ "status": "STATUS_HELD" }),
        json_pattern!({ "status": "STATUS_RELEASED", "stock": { "mug": 3 } }),
    ]);
    pact
}

/// Plays each interaction of the contract against a server.
async fn all_outcomes(url: &str, contract: &Contract) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for interaction in &contract.interactions {
        outcomes.push(play(url, contract, interaction).await.outcome);
    }
    outcomes
}

/// The mock as its own provider: what it serves is what the contract wants.
#[tokio::test]
async fn a_mock_keeps_the_contract_that_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let pact = reservations(&shop());
    let contract = pact.contract().unwrap();
    let server = pact.serve_grpc().await.unwrap();
    for outcome in all_outcomes(&server.url(), &contract).await {
        assert_eq!(outcome, Outcome::Verified);
    }
    let file = server.finish(folder.path()).unwrap();
    let read = document::read(&file).unwrap();
    assert_eq!(read.interactions.len(), 3);

    // And what stands in the file can be played as well.
    let server = reservations(&shop()).serve_grpc().await.unwrap();
    for outcome in all_outcomes(&server.url(), &read).await {
        assert_eq!(outcome, Outcome::Verified);
    }
    server.finish(folder.path()).unwrap();
}

/// A client that is none of ours: tonic's.
#[tokio::test]
async fn a_client_of_another_library_gets_what_is_declared() {
    let server = reservations(&shop()).serve_grpc().await.unwrap();
    let channel = tonic::transport::Endpoint::from_shared(server.url()).unwrap().connect().await.unwrap();
    let call = async |path: &'static str, message: Vec<u8>, tenant: &'static str| {
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(Bytes::from(message));
        request.metadata_mut().insert("x-tenant", tenant.parse().unwrap());
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = client.server_streaming(request, path, super::provider::Raw).await?;
        answer.into_inner().collect::<Result<Vec<Bytes>, tonic::Status>>().await
    };
    let reserve = |json| super::comparing::message("ReserveRequest", json).encode_to_vec();
    let order = reserve(serde_json::json!({ "order_id": "o", "lines": [{ "sku": "cup", "quantity": 7 }] }));
    let got = call("/test.shop.v1.Shop/Reserve", order, "t-2").await.unwrap();
    let held = serde_json::json!({ "reservation_id": "res_1", "status": "STATUS_HELD" });
    assert_eq!(got, [super::comparing::reservation(held)]);

    let unicorn = serde_json::json!({ "order_id": "ord_2", "lines": [{ "sku": "unicorn", "quantity": 1 }] });
    let status = call("/test.shop.v1.Shop/Reserve", reserve(unicorn), "t-2").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "no such SKU: unicorn"));

    let watched = reserve(serde_json::json!({ "order_id": "ord_3" }));
    assert_eq!(call("/test.shop.v1.Shop/Watch", watched, "t-2").await.unwrap().len(), 2);
    assert_eq!(server.report(), None);

    let status = call("/test.shop.v1.Shop/Buy", Vec::new(), "t-2").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
    assert!(status.message().contains("/test.shop.v1.Shop/Buy was called"), "{}", status.message());
    assert!(server.finish(tempfile::tempdir().unwrap().path()).is_err());
}

#[tokio::test]
async fn the_file_has_the_form_that_the_protobuf_plugin_writes() {
    let contract = reservations(&shop()).contract().unwrap();
    let mut text = document::to_json(&contract);
    // Long, and told elsewhere.
    for set in text["metadata"]["plugins"][0]["configuration"].as_object_mut().unwrap().values_mut() {
        assert!(set["protoDescriptors"].as_str().unwrap().len() > 500);
        set["protoDescriptors"] = "(base64)".into();
        set["protoFile"] = "(text)".into();
    }
    insta::assert_json_snapshot!(text);
}

#[tokio::test]
async fn a_call_that_fits_nothing_is_told_with_the_nearest_one() {
    let shop = shop();
    let mut other = Pact::new("orders", "inventory");
    other
        .grpc(&shop)
        .call("a reservation of no mugs", RESERVE)
        .request(json_pattern!({ "order_id": "ord_1", "lines": [{ "sku": "MUG" }] }))
        .response(json_pattern!({ "reservation_id": "res_1" }));
    let other = other.contract().unwrap();
    let server = reservations(&shop).serve_grpc().await.unwrap();
    let outcome = play(&server.url(), &other, &other.interactions[0]).await.outcome;
    let Outcome::Mismatched { mismatches } = outcome else { panic!("{outcome:?}") };
    let lines = || vec![(r"consumer\.rs:\d+", "consumer.rs:LINE")];
    insta::with_settings!({ filters => lines() }, {
        insta::assert_snapshot!("what the consumer gets", mismatches[0].message);
    });
    let report = server.report().unwrap();
    assert_eq!((report.unused.len(), report.unmatched_count), (3, 1));
    let folder = tempfile::tempdir().unwrap();
    let error = server.finish(folder.path()).unwrap_err();
    assert!(matches!(error, ConsumerError::Unfulfilled { .. }));
    insta::with_settings!({ filters => lines() }, {
        insta::assert_snapshot!("what the test says", error);
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_cannot_be_declared_is_told_with_its_place() {
    let shop = shop();
    let problem = |declare: &dyn Fn(&mut Pact)| {
        let mut pact = Pact::new("orders", "inventory");
        declare(&mut pact);
        let error = pact.contract().unwrap_err();
        let ConsumerError::Declaration { location, message, .. } = error else { panic!("{error}") };
        assert!(location.file.ends_with("consumer.rs") && location.line > 0);
        message
    };
    let call = |pact: &mut Pact, example: serde_json::Value| {
        pact.grpc(&shop).call("a call", RESERVE).request(example).response(json_pattern!({}));
    };
    let problems = [
        problem(&|pact| {
            pact.grpc(&shop).call("a call", "test.shop.v1.Store/Reserve").response(json_pattern!({}));
        }),
        problem(&|pact| pact.grpc(&shop).call("a call", "test.shop.v1.Shop/Buy").response(json_pattern!({}))),
        problem(&|pact| call(pact, serde_json::json!({ "orderId": "o" }))),
        problem(&|pact| call(pact, serde_json::json!({ "lines": [{ "quantity": "many" }] }))),
        problem(&|pact| {
            pact.grpc(&shop).call("a call", RESERVE).response(json_pattern!({ "status": "STATUS_LOST" }));
        }),
        problem(&|pact| pact.grpc(&shop).call("a call", RESERVE).status("NO_SUCH", "x")),
        problem(&|pact| pact.grpc(&shop).call("a call", RESERVE).status("OK", "x")),
    ];
    insta::assert_snapshot!(problems.join("\n"));
}

#[tokio::test]
async fn an_example_that_does_not_keep_its_rules_is_not_served() {
    let mut pact = Pact::new("orders", "inventory");
    pact.grpc(&shop())
        .call("a call", RESERVE)
        .response(json_pattern!({ "reservation_id": regex("^res_", "reservation 1") }));
    let error = pact.serve_grpc().await.err().unwrap().to_string();
    assert!(error.contains("does not keep its own rules: body $.reservation_id"), "{error}");
}

#[test]
fn descriptors_that_are_none_are_refused() {
    let error = Descriptors::new(b"no descriptors").unwrap_err().to_string();
    assert!(error.starts_with("could not use the descriptors: "), "{error}");
}

/// The same set twice, with and without its comments, makes the same contract.
#[test]
fn a_contract_does_not_change_with_the_comments_of_its_proto_file() {
    let commented = super::PROTO.replace("message Line {", "// One line.\nmessage Line {\n");
    let contract = |proto: &str| {
        let descriptors = Descriptors::new(&super::file_descriptor_set(proto)).unwrap();
        document::to_text(&reservations(&descriptors).contract().unwrap())
    };
    assert_eq!(contract(&commented), contract(super::PROTO));
}

#[allow(dead_code, reason = "that the mock can be held across threads is part of its interface")]
fn a_mock_may_cross_threads(mock: MockGrpc) -> impl Send {
    mock
}
