//! Makes typed values of a tree, with serde; mistakes keep their place.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::super::suggest;
use super::{Entry, Misfit, Node, Place, Value, is_nothing};

impl Node {
    /// The typed value that it stands for.
    ///
    /// A text that is asked for is taken as it is written, whether it looks like a number or not; a map or list
    /// that is asked for and left empty (`key:`) has nothing in it; numbers and truth values stand without
    /// quotes.
    ///
    /// # Errors
    /// The first part that does not fit, with its place.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Misfit> {
        T::deserialize(self).map_err(|error| Misfit {
            message: error.message,
            help: error.help,
            place: error.place.unwrap_or_else(|| self.place.clone()),
        })
    }
}

/// What serde says is wrong; it gets its place where it passes the innermost part that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    message: String,
    help: Option<String>,
    place: Option<Place>,
}

impl ReadError {
    /// Gives it this place if it has none yet, or only that of something that is left out.
    fn at(mut self, place: &Place) -> Self {
        if self.place.as_ref().is_none_or(Place::is_empty) {
            self.place = Some(place.clone());
        }
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), help: None, place: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("this should be {}, not {}", expected_name(expected), name_of(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self { help: Some(choose(field, expected)), ..Self::custom(format!("`{field}` is not a key here")) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self {
            help: Some(choose(variant, expected)),
            ..Self::custom(format!("`{variant}` is not a choice here"))
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            help: Some(format!("add `{field}:`")),
            ..Self::custom(format!("the key `{field}` is missing here"))
        }
    }
}

/// "Did you mean", or all there is to choose from.
fn choose(word: &str, expected: &[&str]) -> String {
    let all = || expected.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match suggest::closest(word, expected.iter().copied()) {
        Some(name) => format!("did you mean `{name}`? Known are {}", all()),
        None => format!("known are {}", all()),
    }
}

fn name_of(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Bool(value) => format!("`{value}`"),
        other => other.to_string(),
    }
}

/// What serde calls a type, as people call it.
fn expected_name(expected: &dyn de::Expected) -> String {
    let name = expected.to_string();
    match name.as_str() {
        "a string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        name if name.starts_with("struct ") => "a map".to_owned(),
        name if name
            .strip_prefix(['u', 'i'])
            .is_some_and(|bits| bits.parse::<u8>().is_ok() || bits == "size") =>
        {
            "a whole number".to_owned()
        }
        _ => name,
    }
}

/// What a text without quotes is when nobody says what it should be.
enum Plain {
    Nothing,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text,
}

impl Plain {
    fn of(text: &str) -> Self {
        if is_nothing(text) {
            return Plain::Nothing;
        }
        match text {
            "true" => return Plain::Bool(true),
            "false" => return Plain::Bool(false),
            _ => {}
        }
        // Rust also reads `inf`, `nan` and `+5`; YAML files mean texts by them.
        if !text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) {
            return Plain::Text;
        }
        if let Ok(number) = text.parse() {
            Plain::Unsigned(number)
        } else if let Ok(number) = text.parse() {
            Plain::Signed(number)
        } else {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map_or(Plain::Text, Plain::Float)
        }
    }
}

impl Node {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
            Value::Scalar { text, plain: true } => match Plain::of(text) {
                Plain::Nothing => Unexpected::Unit,
                Plain::Bool(value) => Unexpected::Bool(value),
                Plain::Unsigned(number) => Unexpected::Unsigned(number),
                Plain::Signed(number) => Unexpected::Signed(number),
                Plain::Float(number) => Unexpected::Float(number),
                Plain::Text => Unexpected::Str(text),
            },
            Value::Scalar { text, plain: false } => Unexpected::Str(text),
        }
    }

    fn refuse<'de, V: Visitor<'de>>(&self, visitor: &V) -> ReadError {
        <ReadError as de::Error>::invalid_type(self.unexpected(), visitor).at(&self.place)
    }

    /// Visits the number that it is.
    fn number<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, ReadError> {
        let Value::Scalar { text, plain: true } = &self.value else { return Err(self.refuse(&visitor)) };
        let visited = match Plain::of(text) {
            Plain::Unsigned(number) => visitor.visit_u64(number),
            Plain::Signed(number) => visitor.visit_i64(number),
            Plain::Float(number) => visitor.visit_f64(number),
            _ => return Err(self.refuse(&visitor)),
        };
        visited.map_err(|error: ReadError| error.at(&self.place))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.number(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = ReadError;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let visited = match &self.value {
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
            Value::Scalar { text, plain: false } => visitor.visit_str(text),
            Value::Scalar { text, plain: true } => match Plain::of(text) {
                Plain::Nothing => visitor.visit_unit(),
                Plain::Bool(value) => visitor.visit_bool(value),
                Plain::Text => visitor.visit_str(text),
                _ => return self.number(visitor),
            },
        };
        visited.map_err(|error: ReadError| error.at(&self.place))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Scalar { text, plain: true } if text == "true" || text == "false" => {
                visitor.visit_bool(text == "true").map_err(|error: ReadError| error.at(&self.place))
            }
            _ => Err(self.refuse(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_nothing() => {
                visitor.visit_str(text).map_err(|error: ReadError| error.at(&self.place))
            }
            _ => {
                let mut error = self.refuse(&visitor);
                if self.is_nothing() {
                    error.help = Some("write `\"\"` for an empty text".to_owned());
                }
                Err(error)
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.is_nothing() { visitor.visit_unit() } else { Err(self.refuse(&visitor)) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let items = match &self.value {
            Value::List(items) => items.as_slice(),
            _ if self.is_nothing() => &[],
            _ => return Err(self.refuse(&visitor)),
        };
        visitor.visit_seq(Items(items.iter())).map_err(|error| error.at(&self.place))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Some(entries) = self.entries() else { return Err(self.refuse(&visitor)) };
        // A key that is missing is shown at the map's first key, not over the whole map.
        let place = entries.first().map_or(&self.place, |entry| &entry.key_place);
        visitor.visit_map(Entries { rest: entries.iter(), current: None }).map_err(|error| error.at(place))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let visited = match &self.value {
            Value::Scalar { text, .. } if !self.is_nothing() => visitor.visit_enum(variant(text)),
            Value::Map(entries) if entries.len() == 1 => {
                let access = Entries { rest: entries.iter(), current: None };
                visitor.visit_enum(de::value::MapAccessDeserializer::new(access))
            }
            _ => return Err(self.refuse(&visitor)),
        };
        visited.map_err(|error| error.at(&self.place))
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct tuple tuple_struct ignored_any }
}

fn variant(text: &str) -> StrDeserializer<'_, ReadError> {
    text.into_deserializer()
}

struct Items<'n>(std::slice::Iter<'n, Node>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(item) = self.0.next() else { return Ok(None) };
        seed.deserialize(item).map(Some).map_err(|error| error.at(&item.place))
    }
}

struct Entries<'n> {
    rest: std::slice::Iter<'n, Entry>,
    current: Option<&'n Entry>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        self.current = self.rest.next();
        let Some(entry) = self.current else { return Ok(None) };
        seed.deserialize(variant(&entry.key)).map(Some).map_err(|error| error.at(&entry.key_place))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        // Serde asks for a value after its key only.
        let Some(entry) = self.current else { return Err(de::Error::custom("there is no value here")) };
        seed.deserialize(&entry.value).map_err(|error| error.at(&entry.value.place).at(&entry.key_place))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Shape {
        text: String,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        share: f64,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        maybe: Option<i8>,
        #[serde(default)]
        kind: Kind,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        by_kind: BTreeMap<Kind, String>,
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Default)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        #[default]
        Http,
        Grpc,
    }

    fn read(text: &str) -> Result<Shape, (String, String)> {
        let node = Node::parse(text).unwrap();
        node.read().map_err(|misfit| {
            let help = misfit.help.map(|help| format!("; {help}")).unwrap_or_default();
            (text[misfit.place].to_owned(), format!("{}{help}", misfit.message))
        })
    }

    #[test]
    fn texts_are_taken_as_they_are_written() {
        for (text, expected) in
            [("1.20", "1.20"), ("0x10", "0x10"), ("true", "true"), ("'~'", "~"), ("no", "no")]
        {
            assert_eq!(read(&format!("text: {text}")).unwrap().text, expected);
        }
    }

    #[test]
    fn values_get_the_type_that_is_asked_for() {
        let shape = read(
            "text: x\ncount: 7\nshare: 1\non: true\nmaybe: -3\nkind: grpc\nnames: [a, 5]\nby-kind: {grpc: g}\n",
        )
        .unwrap();
        let by_kind = BTreeMap::from([(Kind::Grpc, "g".to_owned())]);
        let names = vec!["a".to_owned(), "5".to_owned()];
        let expected = Shape {
            text: "x".to_owned(),
            count: 7,
            share: 1.0,
            on: true,
            maybe: Some(-3),
            kind: Kind::Grpc,
            names,
            by_kind,
        };
        assert_eq!(shape, expected);
        let empty = read("text: ''\nmaybe:\nnames:\nby-kind:\n").unwrap();
        assert_eq!((empty.maybe, empty.names, empty.by_kind), (None, Vec::new(), BTreeMap::new()));
    }

    #[test]
    fn what_does_not_fit_is_named_where_it_stands() {
        for (text, place, message) in [
            ("text: x\ncout: 1", "cout", "`cout` is not a key here; did you mean `count`? Known are"),
            ("text: x\nkind: grcp", "grcp", "`grcp` is not a choice here; did you mean `grpc`? Known are"),
            ("text: x\nby-kind: {htp: 1}", "htp", "`htp` is not a choice here; did you mean `http`?"),
            ("count: 1", "count", "the key `text` is missing here; add `text:`"),
            ("text:", "text", "this should be a text, not nothing; write `\"\"` for an empty text"),
            ("text: [1]", "[1]", "this should be a text, not a list"),
            ("text: x\ncount: '1'", "'1'", "this should be a whole number, not the text \"1\""),
            ("text: x\ncount: -1", "-1", "this should be a whole number, not integer `-1`"),
            ("text: x\ncount: 1.5", "1.5", "this should be a whole number, not floating point `1.5`"),
            ("text: x\non: yes", "yes", "this should be `true` or `false`, not the text \"yes\""),
            ("text: x\nnames: {a: b}", "{a: b}", "this should be a list, not a map"),
            ("text: x\nnames: [a, [b]]", "[b]", "this should be a text, not a list"),
            ("text: x\nmaybe: 300", "300", "this should be a whole number, not integer `300`"),
            ("text: x\nshare: nan", "nan", "this should be a number, not the text \"nan\""),
            ("- text", "- text", "this should be a map, not a list"),
        ] {
            let (at, said) = read(text).unwrap_err();
            assert!(said.starts_with(message), "{text}: {said}");
            assert_eq!(at, place, "{text}: {said}");
        }
    }

    #[test]
    fn an_untyped_value_is_what_it_looks_like() {
        let text = "{a: 1, b: -2, c: 1.5, d: true, e: ~, f: '1', g: [x], h: +5, i: .inf, j: 1e999}";
        let value: serde_json::Value = Node::parse(text).unwrap().read().unwrap();
        let expected = serde_json::json!({
            "a": 1, "b": -2, "c": 1.5, "d": true, "e": null, "f": "1", "g": ["x"], "h": "+5", "i": ".inf", "j": "1e999"
        });
        assert_eq!(value, expected);
    }
}
