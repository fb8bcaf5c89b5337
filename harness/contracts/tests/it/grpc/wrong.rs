//! Contracts that cannot be played: each is told with its place.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pact_models::bodies::OptionalBody;
use prost::Message;
use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use seaworthy_contracts::document;
use seaworthy_contracts::grpc::{Call, Caller, GrpcError, any, descriptors, validate};
use seaworthy_contracts::model::{Contents, Contract};
use serde_json::{Value, json};

use super::comparing::answering;

/// A contract whose file was changed by hand.
fn changed(change: impl FnOnce(&mut Value)) -> Contract {
    let mut text = document::to_json(&answering(json!({ "reservation_id": "r" })));
    change(&mut text);
    document::parse("contracts/pacts/orders-inventory.json", text.to_string().as_bytes()).unwrap()
}

fn told(change: impl FnOnce(&mut Value)) -> String {
    let contract = changed(change);
    let error = Call::of(&contract, &contract.interactions[0]).unwrap_err();
    assert!(!error.hint().is_empty());
    let place = error.location();
    // Nothing is called when a contract is wrong.
    assert!(Caller::new("http://127.0.0.1:1", std::slice::from_ref(&contract), None).is_err());
    assert_eq!(validate(std::slice::from_ref(&contract)).unwrap_err().to_string(), error.to_string());
    format!("{} {}: {error}", place.file, place.pointer.as_deref().unwrap_or("-"))
}

fn told_of_interaction(change: impl FnOnce(&mut Value)) -> String {
    told(|text| change(&mut text["interactions"][0]))
}

fn told_of_descriptors(descriptors: Value) -> String {
    told(|text| {
        let sets = text["metadata"]["plugins"][0]["configuration"].as_object_mut().unwrap();
        sets.values_mut().next().unwrap()["protoDescriptors"] = descriptors;
    })
}

fn files(files: &[(&str, &str)]) -> Value {
    let file = files
        .iter()
        .map(|(name, import)| FileDescriptorProto {
            name: Some((*name).to_owned()),
            dependency: vec![(*import).to_owned()],
            message_type: vec![DescriptorProto { name: Some(format!("In{name}")), ..Default::default() }],
            ..Default::default()
        })
        .collect();
    STANDARD.encode(FileDescriptorSet { file }.encode_to_vec()).into()
}

#[test]
fn what_is_wrong_with_descriptors_is_told_with_its_place() {
    insta::assert_snapshot!(
        [
            told_of_descriptors("not base64!".into()),
            told_of_descriptors("bm90IGRlc2NyaXB0b3Jz".into()),
            told_of_descriptors("".into()),
            told_of_descriptors(7.into()),
            told_of_descriptors(files(&[("a", "b")])),
            told_of_descriptors(files(&[("a", "b"), ("b", "a")])),
            told(|text| text["metadata"]["plugins"] = json!([])),
        ]
        .join("\n")
    );
}

#[test]
fn what_is_wrong_with_an_interaction_is_told_with_its_place() {
    let configured = |change: fn(&mut serde_json::Map<String, Value>)| {
        told_of_interaction(|it| change(it["pluginConfiguration"]["protobuf"].as_object_mut().unwrap()))
    };
    let answered = |change: fn(&mut Value)| told_of_interaction(|it| change(&mut it["response"][0]));
    insta::assert_snapshot!(
        [
            configured(|it| drop(it.insert("descriptorKey".into(), "other".into()))),
            configured(|it| drop(it.remove("descriptorKey"))),
            configured(|it| drop(it.remove("service"))),
            configured(|it| drop(it.insert("service".into(), "Store/Reserve".into()))),
            configured(|it| drop(it.insert("service".into(), "Shop/Buy".into()))),
            configured(|it| drop(it.insert("service".into(), "Shop".into()))),
            answered(|it| it["contents"]["content"] = "/////w==".into()),
            answered(|it| {
                it["contents"]["contentType"] = "application/protobuf;message=.test.shop.v1.Line".into();
            }),
            answered(|it| it["contents"]["contentType"] = "application/protobuf;message=Cart".into()),
            answered(|it| it["metadata"]["grpc-status"] = "NOT_THERE".into()),
            // Field 31, which no reservation has.
            answered(|it| it["contents"]["content"] = "+AEB".into()),
            answered(|it| {
                let deep = format!("${}", ".replaces".repeat(60));
                it["matchingRules"] = json!({ "body": { deep: { "matchers": [{ "match": "type" }] } } });
            }),
            told_of_interaction(|it| {
                let again = it["response"][0].clone();
                it["response"].as_array_mut().unwrap().push(again);
            }),
        ]
        .join("\n")
    );
}

#[test]
fn what_is_no_grpc_is_left_to_others() {
    let contract = changed(|text| {
        let interaction = text["interactions"][0].as_object_mut().unwrap();
        interaction.remove("pluginConfiguration");
        interaction.remove("transport");
    });
    assert!(Call::of(&contract, &contract.interactions[0]).unwrap().is_none());
    let caller = Caller::new("http://127.0.0.1:1", std::slice::from_ref(&contract), None).unwrap();
    assert!(!caller.plays(&contract.interactions[0]));
    let none = Contract { metadata: Default::default(), interactions: Vec::new(), ..contract };
    assert!(descriptors(&none).unwrap().is_empty());
}

/// A type that holds itself is no circle: messages end somewhere, at a hundred at the latest.
#[test]
fn a_message_nested_deep_is_played_and_one_too_deep_refused() {
    let nested = (0..60).fold(json!({ "reservation_id": "r" }), |inner, _| json!({ "replaces": inner }));
    let contract = answering(nested);
    let call = |contract: &Contract| Call::of(contract, &contract.interactions[0]);
    assert!(call(&contract).is_ok());
    // Written by hand, for protobuf's own encoder does not nest so deep.
    let bytes = (0..200).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut outer = vec![0x82, 0x01];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        [outer, inner].concat()
    });
    let mut interaction = (*contract.interactions[0]).clone();
    let Contents::SynchronousMessage { responses, .. } = &mut interaction.contents else {
        panic!("it is a call")
    };
    responses[0].contents = OptionalBody::Present(bytes.into(), None, None);
    let contract = Contract { interactions: vec![Arc::new(interaction)], ..contract };
    assert!(matches!(call(&contract), Err(GrpcError::Contents { .. })));
}

#[test]
fn a_caller_is_needed_for_calls_and_for_messages_in_protobuf_and_for_nothing_else() {
    let call = changed(|_| {});
    validate(std::slice::from_ref(&call)).unwrap();
    assert!(any(std::slice::from_ref(&call)));
    let Contents::SynchronousMessage { responses, .. } = &call.interactions[0].contents else {
        panic!("it is a call")
    };
    // What the interaction is, whether it names the protobuf plugin, and whether that is for a caller.
    let synchronous = &call.interactions[0].contents;
    let message = &Contents::Message(Box::new(responses[0].clone()));
    for (contents, in_protobuf, needed) in [
        (synchronous, true, true),
        (synchronous, false, false),
        (message, true, true),
        (message, false, false),
    ] {
        let mut interaction = (*call.interactions[0]).clone();
        interaction.contents = contents.clone();
        if !in_protobuf {
            interaction.plugin_configuration.clear();
        }
        let contract = Contract { interactions: vec![Arc::new(interaction)], ..call.clone() };
        assert_eq!(any(&[contract]), needed, "{contents:?} {in_protobuf}");
    }
    assert!(!any(&[]));
}
