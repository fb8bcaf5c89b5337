//! gRPC's status codes by number and by name, and the text that comes with them
//! (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).

/// Names in the order of their numbers.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The code, 0 (`OK`) to 16; a number outside that is kept as it came.
    pub code: u32,
    /// The text with it, percent-decoded; empty where there is none.
    pub message: String,
}

impl Status {
    /// `NOT_FOUND (5)`
    pub fn code_text(&self) -> String {
        describe(self.code)
    }

    /// Whether the call went well.
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }
}

/// `NOT_FOUND (5)`
pub(super) fn describe(code: u32) -> String {
    match name(code) {
        Some(name) => format!("{name} ({code})"),
        None => format!("{code}, which gRPC does not define"),
    }
}

pub(super) fn name(code: u32) -> Option<&'static str> {
    NAMES.get(usize::try_from(code).ok()?).copied()
}

/// The code that a contract means: a name (`NOT_FOUND`) or a number (`5`).
pub(super) fn parse(text: &str) -> Option<u32> {
    let text = text.trim();
    if let Some(code) = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return u32::try_from(code).ok();
    }
    text.parse().ok().filter(|code| name(*code).is_some())
}

/// `grpc-message` as it stands on the wire: what is not printable ASCII, and `%`, are percent-encoded.
pub(super) fn encode_message(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The text behind `grpc-message`. What is not well encoded stays as it is, as the protocol wants it.
pub(super) fn decode_message(wire: &[u8]) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(wire.len());
    let mut at = 0;
    while let Some(byte) = wire.get(at) {
        match (byte, hex(wire.get(at + 1)), hex(wire.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode_message, encode_message, parse};

    #[test]
    fn a_code_is_known_by_name_and_by_number() {
        assert_eq!(parse("NOT_FOUND"), Some(5));
        assert_eq!(parse("not_found"), Some(5));
        assert_eq!(parse("9"), Some(9));
        assert_eq!(parse("17"), None);
        assert_eq!(parse("NOPE"), None);
    }

    #[test]
    fn a_badly_encoded_message_is_kept() {
        assert_eq!(decode_message(b"50% of %zz%4"), "50% of %zz%4");
    }

    proptest! {
        #[test]
        fn any_message_survives_the_wire(text in "\\PC*") {
            let wire = encode_message(&text);
            prop_assert!(wire.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(decode_message(wire.as_bytes()), text);
        }
    }
}
