//! Any message is as agreed when it agrees with itself, and one that differs in one field differs in just that field.

use std::collections::HashMap;
use std::sync::Arc;

use pact_models::bodies::OptionalBody;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{
    DynamicMessage, EnumValueDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value,
};
use seaworthy_contracts::grpc::consumer::Descriptors;
use seaworthy_contracts::grpc::{Answer, Call, Status};
use seaworthy_contracts::mismatch::Mismatch;
use seaworthy_contracts::model::Contents;
use serde_json::json;

use super::comparing::{answering, message};
use super::{PROTO, file_descriptor_set};

/// Any value of a field's kind.
fn of_kind(kind: Kind, depth: u32) -> BoxedStrategy<Value> {
    match kind {
        Kind::Double => any::<f64>().prop_map(Value::F64).boxed(),
        Kind::Float => any::<f32>().prop_map(Value::F32).boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => any::<i32>().prop_map(Value::I32).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => any::<i64>().prop_map(Value::I64).boxed(),
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
        Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::String => "\\PC{0,8}".prop_map(Value::String).boxed(),
        Kind::Bytes => {
            proptest::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Bytes(bytes.into())).boxed()
        }
        Kind::Enum(values) => {
            let numbers: Vec<i32> =
                values.values().map(|value: EnumValueDescriptor| value.number()).collect();
            proptest::sample::select(numbers).prop_map(Value::EnumNumber).boxed()
        }
        Kind::Message(message) => any_message(message, depth).prop_map(Value::Message).boxed(),
    }
}

fn of_field(field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Value> {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let key = of_kind(entry.map_entry_key_field().kind(), depth);
            let value = of_kind(entry.map_entry_value_field().kind(), depth);
            proptest::collection::vec((key, value), 0..3)
                .prop_map(|entries| {
                    let keyed =
                        entries.into_iter().filter_map(|(key, value)| Some((key.into_map_key()?, value)));
                    Value::Map(keyed.collect::<HashMap<MapKey, Value>>())
                })
                .boxed()
        }
        kind if field.is_list() => {
            proptest::collection::vec(of_kind(kind, depth), 0..3).prop_map(Value::List).boxed()
        }
        kind => of_kind(kind, depth),
    }
}

/// Any message of a type. A Struct or a Timestamp holds values of which not all have a meaning.
fn any_message(descriptor: MessageDescriptor, depth: u32) -> BoxedStrategy<DynamicMessage> {
    let empty = Just(DynamicMessage::new(descriptor.clone())).boxed();
    let meant = |field: &FieldDescriptor| match field.kind() {
        Kind::Message(message) => {
            let name = message.full_name();
            depth > 0 && !["google.protobuf.Struct", "google.protobuf.Timestamp"].contains(&name)
        }
        _ => true,
    };
    descriptor.fields().filter(meant).fold(empty, |message, field| {
        let value = proptest::option::of(of_field(&field, depth.saturating_sub(1)));
        let with = move |(mut message, value): (DynamicMessage, Option<Value>)| {
            if let Some(value) = value {
                message.set_field(&field, value);
            }
            message
        };
        (message, value).prop_map(with).boxed()
    })
}

fn reservation() -> BoxedStrategy<DynamicMessage> {
    any_message(message("Reservation", json!({})).descriptor(), 2)
}

/// A call that agrees on just this message.
fn agreeing_on(message: &DynamicMessage) -> Call {
    let mut contract = answering(json!({}));
    let mut interaction = (*contract.interactions[0]).clone();
    let Contents::SynchronousMessage { responses, .. } = &mut interaction.contents else {
        panic!("it is a call")
    };
    responses[0].contents = OptionalBody::Present(message.encode_to_vec().into(), None, None);
    contract.interactions = vec![Arc::new(interaction)];
    Call::of(&contract, &contract.interactions[0]).unwrap().unwrap()
}

fn compared(agreed: &DynamicMessage, came: Vec<u8>) -> Vec<Mismatch> {
    agreeing_on(agreed).compare(&Answer {
        messages: vec![came.into()],
        status: Some(Status { code: 0, message: String::new() }),
        metadata: Vec::new(),
    })
}

/// Another value of a scalar.
fn another(value: &Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        Value::I32(value) => Value::I32(value.wrapping_add(1)),
        Value::I64(value) => Value::I64(value.wrapping_add(1)),
        Value::U32(value) => Value::U32(value.wrapping_add(1)),
        Value::U64(value) => Value::U64(value.wrapping_add(1)),
        Value::F32(value) => Value::F32(if *value == 1.0 { 2.0 } else { 1.0 }),
        Value::F64(value) => Value::F64(if *value == 1.0 { 2.0 } else { 1.0 }),
        Value::String(value) => Value::String(format!("{value}!")),
        Value::Bytes(value) => Value::Bytes([value, &b"!"[..]].concat().into()),
        Value::EnumNumber(number) => Value::EnumNumber((number + 1) % 3),
        other => other.clone(),
    }
}

/// Changes the scalar before which `left` others come, and says where it is.
fn change(message: &mut DynamicMessage, at: &str, left: &mut usize) -> Option<String> {
    let is_wrapper = message.descriptor().full_name().starts_with("google.protobuf.");
    let mut fields: Vec<FieldDescriptor> = message.fields().map(|(field, _)| field).collect();
    fields.sort_by_key(FieldDescriptor::number);
    fields.iter().find_map(|field| {
        // A wrapper is its value, without a path of its own.
        let at = if is_wrapper { at.to_owned() } else { format!("{at}.{}", field.name()) };
        change_value(message.get_field_mut(field), at, left)
    })
}

fn change_value(value: &mut Value, at: String, left: &mut usize) -> Option<String> {
    match value {
        Value::Message(message) => change(message, &at, left),
        Value::List(items) => {
            let mut items = items.iter_mut().enumerate();
            items.find_map(|(index, item)| change_value(item, format!("{at}[{index}]"), left))
        }
        // Keys may need quotes in a path.
        Value::Map(_) => None,
        _ if *left > 0 => {
            *left -= 1;
            None
        }
        scalar => {
            *scalar = another(scalar);
            Some(at)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_message_that_was_sent_and_read_again_is_as_agreed(message in reservation()) {
        prop_assert_eq!(compared(&message, message.encode_to_vec()), Vec::new());
    }

    #[test]
    fn one_field_that_differs_is_told_at_its_place_and_nothing_else(
        message in reservation(),
        chosen in 0_usize..20,
    ) {
        let mut other = message.clone();
        let Some(at) = change(&mut other, "$", &mut { chosen }) else { return Ok(()) };
        let told: Vec<String> =
            compared(&message, other.encode_to_vec()).into_iter().map(|mismatch| mismatch.path).collect();
        prop_assert_eq!(told, vec![at]);
    }

    #[test]
    fn no_descriptors_make_it_panic(at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = file_descriptor_set(PROTO);
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        // Right or wrong, it comes to an end.
        let _ = Descriptors::new(&bytes);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        compared(&message("Reservation", json!({ "reservation_id": "r", "lines": [{}] })), bytes);
    }
}
