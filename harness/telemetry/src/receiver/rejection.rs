//! Each reason to refuse an export request, with the answer that it gets over HTTP and over gRPC.

use ::http::StatusCode;
use prost::Message;
use seaworthy_core::evidence::Loss;

use super::ReceiverLimits;
use crate::otlp::DecodeError;

/// Why a request is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    /// The body is larger than allowed, as sent or after decompression.
    #[error("larger than {}", size(*.0))]
    TooLarge(usize),
    /// The body has more parts than allowed.
    #[error("more than {0} spans, points, attributes and values in one request")]
    TooManyParts(usize),
    /// The body is not what its content type says.
    #[error("not a valid body: {0}")]
    Garbage(String),
    /// The client took too long, or left.
    #[error("the body did not come: {0}")]
    Broken(String),
    /// A content type that OTLP does not have.
    #[error("content type `{0}` is neither application/x-protobuf nor application/json")]
    ContentType(String),
    /// A compression that the receiver does not know.
    #[error("content encoding `{0}` is neither gzip nor identity")]
    Encoding(String),
    /// Not POST.
    #[error("method {0} is not allowed: exports are POST requests")]
    Method(String),
    /// Not one of the paths or methods of OTLP.
    #[error("`{0}` is not part of OTLP: traces, metrics and logs are received here")]
    Unknown(String),
}

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooManyParts(limit) => Rejection::TooManyParts(limit),
            DecodeError::Malformed(what) => Rejection::Garbage(what),
        }
    }
}

/// `google.rpc.Status`, without details.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    /// One of gRPC's codes.
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    /// What is wrong.
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

impl Rejection {
    pub(super) fn http_status(&self) -> StatusCode {
        match self {
            Rejection::TooLarge(_) | Rejection::TooManyParts(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Rejection::Garbage(_) => StatusCode::BAD_REQUEST,
            Rejection::Broken(_) => StatusCode::REQUEST_TIMEOUT,
            Rejection::ContentType(_) | Rejection::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Rejection::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Rejection::Unknown(_) => StatusCode::NOT_FOUND,
        }
    }

    /// The code in gRPC's numbering, <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>.
    pub(super) fn grpc_code(&self) -> i32 {
        match self {
            Rejection::TooLarge(_) | Rejection::TooManyParts(_) => 8, // RESOURCE_EXHAUSTED
            Rejection::Garbage(_) => 3,                               // INVALID_ARGUMENT
            Rejection::Broken(_) => 1,                                // CANCELLED
            Rejection::ContentType(_) | Rejection::Method(_) => 3,
            Rejection::Encoding(_) | Rejection::Unknown(_) => 12, // UNIMPLEMENTED
        }
    }

    pub(super) fn status(&self) -> Status {
        Status { code: self.grpc_code(), message: self.to_string() }
    }

    /// What the refusal costs in evidence. Requests to unknown places held no telemetry that is asked for here.
    pub(super) fn loss(&self) -> Option<Loss> {
        if matches!(self, Rejection::Unknown(_) | Rejection::Method(_)) {
            return None;
        }
        // Details of a decoding error would make every loss a kind of its own.
        let why = match self {
            Rejection::Garbage(_) => "refused: not a valid body".to_owned(),
            Rejection::Broken(_) => "refused: the body did not come".to_owned(),
            other => format!("refused: {other}"),
        };
        Some(Loss { what: "export requests".to_owned(), why, count: 1, service: None, harmful: true })
    }

    /// A body that is larger than the limits allow as sent.
    pub(super) fn wire(limits: &ReceiverLimits) -> Self {
        Rejection::TooLarge(limits.wire_bytes)
    }

    /// A body that is larger than the limits allow after decompression.
    pub(super) fn inflated(limits: &ReceiverLimits) -> Self {
        Rejection::TooLarge(limits.body_bytes)
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        mib if mib >= 1 << 20 && mib.is_multiple_of(1 << 20) => format!("{} MiB", mib >> 20),
        kib if kib >= 1 << 10 && kib.is_multiple_of(1 << 10) => format!("{} KiB", kib >> 10),
        bytes => format!("{bytes} bytes"),
    }
}
