//! Counts the parts of a protobuf message before it is decoded: a decoded part takes up to a hundred times the
//! room that it has on the wire, so the size of a body alone does not bound what it grows to.

use prost::encoding::{WireType, decode_key, decode_varint};

use super::schema::{Field, Kind, MessageType};

/// The depth at which decoders give up; nothing below it is decoded.
const DEPTH: usize = 100;

/// How many messages are nested in this one, at any depth; counting stops at the first that is not valid, for so
/// does the decoder.
pub(crate) fn count(bytes: &[u8], message: &'static MessageType) -> usize {
    count_from(bytes, message, DEPTH).0
}

/// The count, and whether all of it was valid.
fn count_from(mut bytes: &[u8], message: &'static MessageType, depth: usize) -> (usize, bool) {
    let mut parts = 0;
    while !bytes.is_empty() {
        let Ok((number, wire)) = decode_key(&mut bytes) else { return (parts, false) };
        let skipped = match wire {
            WireType::Varint => decode_varint(&mut bytes).map(|_| 0).ok(),
            WireType::SixtyFourBit => Some(8),
            WireType::ThirtyTwoBit => Some(4),
            WireType::LengthDelimited => {
                decode_varint(&mut bytes).ok().and_then(|length| usize::try_from(length).ok())
            }
            // Groups do not occur in OTLP; decoders skip them as unknown fields, and so they grow to nothing.
            WireType::StartGroup | WireType::EndGroup => Some(0),
        };
        let Some((inner, rest)) = skipped.and_then(|length| bytes.split_at_checked(length)) else {
            return (parts, false);
        };
        bytes = rest;
        let field = message.fields.iter().find(|field| field.number == number);
        if wire == WireType::LengthDelimited
            && let Some(Field { kind: Kind::Message(nested), .. }) = field
        {
            parts += 1;
            if depth > 0 {
                let (more, valid) = count_from(inner, nested, depth - 1);
                parts += more;
                if !valid {
                    return (parts, false);
                }
            }
        }
    }
    (parts, true)
}
