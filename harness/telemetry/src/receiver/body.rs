//! Reads and inflates bodies, never more than the limits say: a gzip bomb is given up at the first byte too many.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::ReceiverLimits;
use super::rejection::Rejection;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
}

impl Encoding {
    /// Reads the value of `content-encoding` or `grpc-encoding`.
    pub(super) fn read(value: Option<&str>) -> Result<Self, Rejection> {
        match value.map(str::trim) {
            None | Some("" | "identity") => Ok(Encoding::Identity),
            Some(gzip) if gzip.eq_ignore_ascii_case("gzip") => Ok(Encoding::Gzip),
            Some(other) => Err(Rejection::Encoding(other.chars().take(80).collect())),
        }
    }
}

/// The whole body as sent.
///
/// Of a body that is too large, as much again is read and dropped: a client that writes all before it reads
/// sees the answer and not a broken connection.
pub(super) async fn read(body: Incoming, limits: &ReceiverLimits) -> Result<Bytes, Rejection> {
    let announced = body.size_hint().lower();
    let reading = collect(body, limits, announced > limits.wire_bytes as u64);
    match tokio::time::timeout(limits.patience, reading).await {
        Ok(result) => result,
        Err(_) => Err(Rejection::Broken("it took too long".to_owned())),
    }
}

async fn collect(
    mut body: Incoming,
    limits: &ReceiverLimits,
    announced_too_large: bool,
) -> Result<Bytes, Rejection> {
    let mut kept = BytesMut::new();
    let mut dropped = 0;
    let mut too_large = announced_too_large;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| Rejection::Broken(error.to_string()))?.into_data() else {
            continue;
        };
        too_large |= kept.len() + data.len() > limits.wire_bytes;
        if !too_large {
            kept.extend_from_slice(&data);
            continue;
        }
        kept = BytesMut::new();
        dropped += data.len();
        if dropped > limits.wire_bytes.saturating_mul(2) {
            break;
        }
    }
    if too_large { Err(Rejection::wire(limits)) } else { Ok(kept.freeze()) }
}

/// The body after decompression.
pub(super) fn inflate(bytes: Bytes, encoding: Encoding, limits: &ReceiverLimits) -> Result<Bytes, Rejection> {
    let inflated = match encoding {
        Encoding::Identity => bytes,
        Encoding::Gzip => {
            let mut inflated = Vec::new();
            // One byte more than allowed tells "just fits" from "too large".
            let mut bounded = MultiGzDecoder::new(&*bytes).take(limits.body_bytes as u64 + 1);
            bounded
                .read_to_end(&mut inflated)
                .map_err(|error| Rejection::Garbage(format!("not gzip: {error}")))?;
            inflated.into()
        }
    };
    if inflated.len() > limits.body_bytes { Err(Rejection::inflated(limits)) } else { Ok(inflated) }
}
