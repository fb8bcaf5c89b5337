//! OTLP/JSON, written over as protobuf while it is read, so that both encodings take one way from there on.
//!
//! As the specification has it: ids are hex (either case), enums are numbers (names are understood too), 64-bit
//! integers are text or numbers, field names are lower camel case, and unknown fields are passed over.
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>,
//! <https://protobuf.dev/programming-guides/json/>.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::schema::{Field, Kind, MessageType};

/// Writes a JSON message over as protobuf.
///
/// # Errors
/// When the text is not JSON, or a known field does not hold what it should. Nesting deeper than 128 is an error
/// too.
pub(crate) fn to_protobuf(json: &[u8], message: &'static MessageType) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(json.len() / 2);
    let mut reader = serde_json::Deserializer::from_slice(json);
    Message { message, out: &mut out }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(out)
}

/// Reads an object as the fields of a message.
struct Message<'o> {
    message: &'static MessageType,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.message.fields.iter().find(|field| field.name == key) {
                Some(field) => {
                    map.next_value_seed(Content { field, listed: false, out: &mut *self.out })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads what stands under a field's name: its value, or the list of its values.
struct Content<'o> {
    field: &'static Field,
    /// Whether this is an element of the list already.
    listed: bool,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Content<'_> {
    fn key(&mut self, wire: WireType) {
        encode_key(self.field.number, wire, self.out);
    }

    fn bytes(mut self, bytes: &[u8]) {
        self.key(WireType::LengthDelimited);
        encode_varint(bytes.len() as u64, self.out);
        self.out.extend_from_slice(bytes);
    }

    /// Writes an integer that the field can hold; others are an error.
    fn integer<E: Error>(mut self, number: i128) -> Result<(), E> {
        let wrong = |_| E::custom(format_args!("{number} is out of range for {}", self.field.name));
        match self.field.kind {
            Kind::Double => {
                self.key(WireType::SixtyFourBit);
                self.out.extend_from_slice(&(number as f64).to_le_bytes());
            }
            Kind::Int64 => {
                let number = i64::try_from(number).map_err(wrong)?;
                self.key(WireType::Varint);
                encode_varint(number as u64, self.out);
            }
            Kind::Enum(_) => {
                let number = i32::try_from(number).map_err(wrong)?;
                self.key(WireType::Varint);
                encode_varint(i64::from(number) as u64, self.out);
            }
            Kind::Sint32 => {
                let number = i32::try_from(number).map_err(wrong)?;
                self.key(WireType::Varint);
                encode_varint(u64::from(((number << 1) ^ (number >> 31)) as u32), self.out);
            }
            Kind::Uint => {
                let number = u64::try_from(number).map_err(wrong)?;
                self.key(WireType::Varint);
                encode_varint(number, self.out);
            }
            Kind::Fixed32 => {
                let number = u32::try_from(number).map_err(wrong)?;
                self.key(WireType::ThirtyTwoBit);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Kind::Fixed64 => {
                let number = u64::try_from(number).map_err(wrong)?;
                self.key(WireType::SixtyFourBit);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Kind::Sfixed64 => {
                let number = i64::try_from(number).map_err(wrong)?;
                self.key(WireType::SixtyFourBit);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Kind::Text | Kind::Hex | Kind::Bytes | Kind::Bool | Kind::Message(_) => {
                return Err(E::invalid_type(serde::de::Unexpected::Other("a number"), &self));
            }
        }
        Ok(())
    }

    fn expects_list<E: Error>(&self) -> Result<(), E> {
        if self.field.repeated && !self.listed {
            return Err(E::custom(format_args!("{} is not a list", self.field.name)));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.field.kind {
            Kind::Text => "text",
            Kind::Hex => "hex digits",
            Kind::Bytes => "base64",
            Kind::Bool => "true or false",
            Kind::Double => "a number",
            Kind::Enum(_) => "the number or name of an enum's value",
            Kind::Message(_) => "an object",
            Kind::Int64 | Kind::Sint32 | Kind::Uint | Kind::Fixed32 | Kind::Fixed64 | Kind::Sfixed64 => {
                "an integer"
            }
        };
        write!(f, "{what} for {}", self.field.name)
    }

    /// `null` stands for a field that is not there; in a list it stands for an empty message.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.field.kind {
            Kind::Message(_) if self.listed => {
                self.bytes(&[]);
                Ok(())
            }
            _ if self.listed => Err(E::invalid_type(serde::de::Unexpected::Unit, &self)),
            _ => Ok(()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if !self.field.repeated || self.listed {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        while seq
            .next_element_seed(Content { field: self.field, listed: true, out: &mut *self.out })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.expects_list()?;
        let Kind::Message(message) = self.field.kind else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        let mut inner = Vec::new();
        Message { message, out: &mut inner }.visit_map(map)?;
        self.bytes(&inner);
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.expects_list()?;
        if !matches!(self.field.kind, Kind::Bool) {
            return Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self));
        }
        self.key(WireType::Varint);
        encode_varint(u64::from(value), self.out);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.expects_list()?;
        self.integer(i128::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.expects_list()?;
        self.integer(i128::from(value))
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        self.expects_list()?;
        if matches!(self.field.kind, Kind::Double) {
            self.key(WireType::SixtyFourBit);
            self.out.extend_from_slice(&value.to_le_bytes());
            return Ok(());
        }
        // ProtoJSON lets an integer be written `1e3` or `1.0`; the cast saturates and the range check follows.
        if value.fract() == 0.0 && value.is_finite() {
            return self.integer(value as i128);
        }
        Err(E::invalid_type(serde::de::Unexpected::Float(value), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.expects_list()?;
        let wrong = |content: &Self| E::invalid_value(serde::de::Unexpected::Str(text), content);
        match self.field.kind {
            Kind::Text => self.bytes(text.as_bytes()),
            Kind::Hex => match from_hex(text) {
                Some(bytes) => self.bytes(&bytes),
                None => return Err(wrong(&self)),
            },
            Kind::Bytes => match from_base64(text) {
                Some(bytes) => self.bytes(&bytes),
                None => return Err(wrong(&self)),
            },
            Kind::Enum(by_name) => match by_name(text).map(i128::from).or_else(|| text.parse().ok()) {
                Some(number) => self.integer(number)?,
                None => return Err(wrong(&self)),
            },
            Kind::Bool | Kind::Message(_) => return Err(wrong(&self)),
            Kind::Double => match text {
                "NaN" => self.visit_f64(f64::NAN)?,
                "Infinity" => self.visit_f64(f64::INFINITY)?,
                "-Infinity" => self.visit_f64(f64::NEG_INFINITY)?,
                _ => match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => self.visit_f64(number)?,
                    _ => return Err(wrong(&self)),
                },
            },
            Kind::Int64 | Kind::Sint32 | Kind::Uint | Kind::Fixed32 | Kind::Fixed64 | Kind::Sfixed64 => {
                match text.parse::<i128>() {
                    Ok(number) => self.integer(number)?,
                    Err(_) => return Err(wrong(&self)),
                }
            }
        }
        Ok(())
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// ProtoJSON takes either alphabet, with or without padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, lenient).decode(text).ok()
}
