//! One exchange as the hot path writes it down: raw bytes and numbers. What costs time (digests, text, secrets) is
//! done when somebody reads.

use std::sync::Arc;

use http::HeaderMap;
use seaworthy_core::context::{TraceParent, parse_baggage};
use seaworthy_core::exchange::{
    AppliedFault, Body, Exchange, Headers, Outcome, Protocol, ProviderSide, Request, Response,
};
use seaworthy_core::ids::{EdgeId, ExchangeId, InstanceId};
use seaworthy_core::secret::{redact, redact_header};
use seaworthy_core::time::Nanos;
use sha2::{Digest, Sha256};

use crate::config::{MAX_RECORDED_HEADER_BYTES, MAX_RECORDED_HEADERS};

/// Headers, copied into one piece of memory of their own: a [`http::HeaderValue`] would keep the whole read buffer
/// that it was parsed from alive.
#[derive(Debug, Default, Clone)]
pub(crate) struct RawHeaders {
    bytes: Vec<u8>,
    /// Where each name and each value ends.
    ends: Vec<(u32, u32)>,
    /// Whether some were left out.
    pub(crate) cut: bool,
}

impl RawHeaders {
    /// The first of these, as far as the limits go.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let pairs = || headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let size = pairs().map(|(name, value)| name.len() + value.len()).sum();
        Self::of_pairs(pairs(), headers.len(), size)
    }

    /// The same of names and values that need not be HTTP's: so many, with so many bytes.
    pub(crate) fn of_pairs<'p>(
        pairs: impl Iterator<Item = (&'p str, &'p [u8])>,
        count: usize,
        size: usize,
    ) -> Self {
        let mut kept = Self {
            bytes: Vec::with_capacity(size.min(MAX_RECORDED_HEADER_BYTES)),
            ends: Vec::with_capacity(count.min(MAX_RECORDED_HEADERS)),
            cut: false,
        };
        for (name, value) in pairs {
            let room = MAX_RECORDED_HEADER_BYTES - kept.bytes.len();
            if kept.ends.len() == MAX_RECORDED_HEADERS || name.len() + value.len() > room {
                kept.cut = true;
                continue;
            }
            kept.bytes.extend_from_slice(name.as_bytes());
            let name_end = kept.bytes.len() as u32;
            kept.bytes.extend_from_slice(value);
            kept.ends.push((name_end, kept.bytes.len() as u32));
        }
        kept
    }

    fn redacted(&self) -> Headers {
        let mut start = 0;
        self.ends
            .iter()
            .map(|&(name_end, value_end)| {
                let name = String::from_utf8_lossy(&self.bytes[start..name_end as usize]).into_owned();
                let value = String::from_utf8_lossy(&self.bytes[name_end as usize..value_end as usize]);
                start = value_end as usize;
                let value = redact_header(&name, &value);
                (name, value)
            })
            .collect()
    }
}

/// The size of a body and its start.
#[derive(Debug, Default, Clone)]
pub(crate) struct Capture {
    limit: usize,
    bytes: u64,
    start: Vec<u8>,
}

impl Capture {
    /// Nothing yet; at most `limit` bytes will be kept.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, start: Vec::new() }
    }

    /// Takes note of bytes that pass.
    pub(crate) fn see(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        let room = self.limit - self.start.len();
        if room > 0 {
            self.start.extend_from_slice(&data[..data.len().min(room)]);
        }
    }

    /// How many bytes it holds.
    pub(crate) fn kept(&self) -> u64 {
        self.start.len() as u64
    }

    fn body(&self) -> Body {
        let digest = if self.bytes == 0 {
            String::new()
        } else {
            Sha256::digest(&self.start).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let truncated = self.bytes > self.start.len() as u64;
        let text = match std::str::from_utf8(&self.start) {
            _ if self.limit == 0 => None,
            Ok(text) => Some(text),
            // The limit may fall into the middle of a character.
            Err(error) if truncated && error.error_len().is_none() => {
                std::str::from_utf8(&self.start[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        Body { bytes: self.bytes, digest, text: text.map(|text| redact(text).0.into_owned()), truncated }
    }
}

/// A response on one side. Both sides share what no fault made different.
#[derive(Debug, Clone)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) grpc_status: Option<u16>,
    pub(crate) headers: Arc<RawHeaders>,
    pub(crate) trailers: Option<Arc<RawHeaders>>,
    pub(crate) body: Arc<Capture>,
    pub(crate) first_byte: Nanos,
    pub(crate) last_byte: Option<Nanos>,
}

impl RawResponse {
    pub(crate) fn of(status: http::StatusCode, headers: &HeaderMap, now: Nanos) -> Self {
        Self {
            status: status.as_u16(),
            grpc_status: grpc_status(headers),
            headers: Arc::new(RawHeaders::of(headers)),
            trailers: None,
            body: Arc::default(),
            first_byte: now,
            last_byte: None,
        }
    }

    /// Takes in what came after the head.
    pub(crate) fn end(
        &mut self,
        body: &Arc<Capture>,
        trailers: Option<&HeaderMap>,
        last_byte: Option<Nanos>,
    ) {
        self.body = Arc::clone(body);
        if let Some(trailers) = trailers {
            self.grpc_status = grpc_status(trailers).or(self.grpc_status);
            self.trailers = Some(Arc::new(RawHeaders::of(trailers)));
        }
        self.last_byte = last_byte;
    }

    fn response(&self) -> Response {
        Response {
            status: self.status,
            grpc_status: self.grpc_status,
            headers: self.headers.redacted(),
            trailers: self.trailers.as_ref().map(|trailers| trailers.redacted()).unwrap_or_default(),
            body: self.body.body(),
            first_byte: self.first_byte,
            last_byte: self.last_byte,
        }
    }
}

/// `grpc-status` among headers or trailers.
fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.trim().parse().ok()
}

/// The provider's half.
#[derive(Debug)]
pub(crate) struct RawProvider {
    pub(crate) instance: Option<InstanceId>,
    pub(crate) started: Nanos,
    pub(crate) ended: Option<Nanos>,
    pub(crate) response: Option<RawResponse>,
    pub(crate) outcome: Outcome,
}

/// What was read from a request's head.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) edge: EdgeId,
    pub(crate) protocol: Protocol,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) trace: Option<TraceParent>,
    pub(crate) invalid_traceparent: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) baggage: Option<String>,
    pub(crate) headers: RawHeaders,
}

/// An exchange so far.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) asked: Asked,
    pub(crate) started: Nanos,
    pub(crate) ended: Option<Nanos>,
    pub(crate) outcome: Outcome,
    /// The request's body, when all of it that will pass has passed.
    pub(crate) request_body: Option<Capture>,
    pub(crate) response: Option<RawResponse>,
    pub(crate) provider: Option<RawProvider>,
    pub(crate) faults: Vec<AppliedFault>,
}

impl Raw {
    pub(crate) fn new(asked: Asked, started: Nanos) -> Self {
        Self {
            asked,
            started,
            ended: None,
            outcome: Outcome::InFlight,
            request_body: None,
            response: None,
            provider: None,
            faults: Vec::new(),
        }
    }

    /// Whether nothing more will be written here.
    pub(crate) fn is_sealed(&self) -> bool {
        self.ended.is_some()
            && self.request_body.is_some()
            && self.provider.as_ref().is_none_or(|provider| provider.ended.is_some())
    }

    /// As evidence: digested, as text, without secrets.
    pub(crate) fn exchange(&self, id: ExchangeId) -> Exchange {
        let asked = &self.asked;
        Exchange {
            id,
            edge: asked.edge.clone(),
            protocol: asked.protocol,
            method: asked.method.clone(),
            path: asked.path.clone(),
            query: asked.query.as_deref().map(|query| redact(query).0.into_owned()),
            trace: asked.trace,
            invalid_traceparent: asked.invalid_traceparent.clone(),
            correlation_id: asked.correlation_id.clone(),
            baggage: asked.baggage.as_deref().map(parse_baggage).unwrap_or_default(),
            started: self.started,
            ended: self.ended,
            request: Request {
                headers: asked.headers.redacted(),
                body: self.request_body.as_ref().map(Capture::body).unwrap_or_default(),
            },
            response: self.response.as_ref().map(RawResponse::response),
            outcome: self.outcome,
            provider: self.provider.as_ref().map(|provider| ProviderSide {
                instance: provider.instance.clone(),
                started: provider.started,
                ended: provider.ended,
                response: provider.response.as_ref().map(RawResponse::response),
                outcome: provider.outcome,
            }),
            faults: self.faults.clone(),
        }
    }
}
