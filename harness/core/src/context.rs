//! W3C Trace Context and Baggage, as they stand in headers.
//!
//! Sources: <https://www.w3.org/TR/trace-context/> section 3.2, <https://www.w3.org/TR/baggage/> section 3.2.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{IdError, SpanId, TraceId};

/// The baggage key under which the harness writes the experiment that a request belongs to.
pub const EXPERIMENT_BAGGAGE: &str = "seaworthy.experiment";

/// A valid `traceparent`: who asked for this, in which trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span of the sender under which the receiver's span belongs.
    pub parent_id: SpanId,
    /// The sampled flag. Nothing is owed for a trace that is not sampled.
    pub sampled: bool,
}

impl TraceParent {
    /// A fresh root: random trace and span id, sampled.
    pub fn random() -> Self {
        Self { trace_id: TraceId::random(), parent_id: SpanId::random(), sampled: true }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.parent_id, u8::from(self.sampled))
    }
}

/// Why a `traceparent` header is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceParentError {
    /// Not four fields, or a version that the specification forbids.
    #[error("`{0}` is not version-traceid-parentid-flags")]
    Shape(String),
    /// An id in it is not valid.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Reads version 00 exactly and later versions by their first four fields, as section 4.3 says.
    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let wrong = || TraceParentError::Shape(text.chars().take(80).collect());
        let hex = |field: &str| {
            (field.len() == 2 && field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
                .then(|| u8::from_str_radix(field, 16).ok())
                .flatten()
        };
        let mut fields = text.trim().splitn(5, '-');
        let mut next = || fields.next().ok_or_else(wrong);
        let (version, trace, parent, flags) = (next()?, next()?, next()?, next()?);
        let version = hex(version).filter(|&version| version != 0xff).ok_or_else(wrong)?;
        if version == 0 && fields.next().is_some() {
            return Err(wrong());
        }
        let flags = hex(flags).ok_or_else(wrong)?;
        Ok(Self { trace_id: trace.parse()?, parent_id: parent.parse()?, sampled: flags & 1 == 1 })
    }
}

/// The entries of a `baggage` header, percent-decoded, without their properties. Members that are not
/// `key=value` are left out; so is everything past 180 members or 8192 bytes, the specification's limits.
pub fn parse_baggage(header: &str) -> Vec<(String, String)> {
    let limit = header.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= 8192).last();
    header[..limit.unwrap_or(0)]
        .split(',')
        .take(180)
        .filter_map(|member| {
            let member = member.split(';').next()?;
            let (key, value) = member.split_once('=')?;
            let key = key.trim();
            (!key.is_empty()).then(|| (key.to_owned(), percent_decode(value.trim())))
        })
        .collect()
}

/// Decodes `%XX`; a broken escape stays as it stands.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], escape.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_specifications_example_is_read() {
        let parent: TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        assert!(parent.sampled);
        assert_eq!(parent.to_string(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
        ] {
            assert!(text.parse::<TraceParent>().is_err(), "{text}");
        }
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert!(later.parse::<TraceParent>().is_ok(), "a later version may have more fields");
    }

    #[test]
    fn baggage_is_decoded_and_properties_are_left_out() {
        let read = parse_baggage("seaworthy.experiment=payments%20down ; ttl=3, user = a ,broken,=x");
        assert_eq!(
            read,
            [("seaworthy.experiment".into(), "payments down".into()), ("user".into(), "a".into())]
        );
    }

    proptest! {
        #[test]
        fn a_traceparent_reads_back_as_it_prints(trace: [u8; 16], span: [u8; 8], sampled: bool) {
            if let (Some(trace_id), Some(parent_id)) = (TraceId::from_bytes(trace), SpanId::from_bytes(span)) {
                let parent = TraceParent { trace_id, parent_id, sampled };
                prop_assert_eq!(parent.to_string().parse::<TraceParent>(), Ok(parent));
            }
        }

        #[test]
        fn no_header_makes_the_parsers_panic(text in ".*") {
            let _ = text.parse::<TraceParent>();
            let _ = parse_baggage(&text);
        }
    }
}
