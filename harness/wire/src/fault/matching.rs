//! Which requests a fault rule is for: pure functions over a request's head, a rule and a count.

use std::cell::OnceCell;
use std::time::Duration;

use http::HeaderMap;
use seaworthy_core::context::parse_baggage;
use seaworthy_core::fault::{FaultAction, FaultMatcher};
use seaworthy_core::ids::{EdgeId, TraceId};

/// What a matcher looks at.
#[derive(Debug)]
pub struct RequestFacts<'r> {
    /// Where the request came in.
    pub edge: &'r EdgeId,
    /// Its method.
    pub method: &'r str,
    /// Its path without query.
    pub path: &'r str,
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// The trace that a valid `traceparent` puts it into.
    pub trace_id: Option<TraceId>,
    /// Its correlation id.
    pub correlation_id: Option<&'r str>,
    /// Whether it speaks gRPC.
    pub is_grpc: bool,
    baggage_header: Option<&'r str>,
    baggage: OnceCell<Vec<(String, String)>>,
}

impl<'r> RequestFacts<'r> {
    /// The facts of a request on `edge`; the optional ones are for the caller to fill in.
    pub fn new(edge: &'r EdgeId, method: &'r str, path: &'r str, headers: &'r HeaderMap) -> Self {
        Self {
            edge,
            method,
            path,
            headers,
            trace_id: None,
            correlation_id: None,
            is_grpc: false,
            baggage_header: None,
            baggage: OnceCell::new(),
        }
    }

    /// With this `baggage` header. It is parsed when a rule asks for it.
    #[must_use]
    pub fn with_baggage(mut self, header: Option<&'r str>) -> Self {
        self.baggage_header = header;
        self
    }

    fn baggage(&self) -> &[(String, String)] {
        self.baggage.get_or_init(|| self.baggage_header.map(parse_baggage).unwrap_or_default())
    }
}

/// Whether the request is of the trace or has the correlation id that the matcher names. Where it names both, either
/// tells: a service that loses one of them must not thereby escape its faults.
fn is_of(matcher: &FaultMatcher, request: &RequestFacts<'_>) -> bool {
    let by_trace = matcher.trace_id.map(|trace| request.trace_id == Some(trace));
    let by_correlation = matcher.correlation_id.as_deref().map(|id| request.correlation_id == Some(id));
    match (by_trace, by_correlation) {
        (Some(one), Some(other)) => one || other,
        (Some(told), None) | (None, Some(told)) => told,
        (None, None) => true,
    }
}

/// Whether a request is one that a rule counts: everything that the matcher says of the request itself agrees.
/// `nth`, `first` and `probability` then choose among those, see [`is_chosen`].
///
/// A rule that aborts with a gRPC status is for gRPC requests alone: any other consumer could not read it.
pub fn is_about(matcher: &FaultMatcher, action: &FaultAction, request: &RequestFacts<'_>) -> bool {
    // Cheap and telling things first: most rules name a trace, most requests are of another.
    if !is_of(matcher, request) {
        return false;
    }
    if matcher.edge.as_ref().is_some_and(|pattern| !request.edge.is_covered_by(pattern)) {
        return false;
    }
    if matcher.route.as_ref().is_some_and(|route| !route.matches(request.method, request.path)) {
        return false;
    }
    let has_header = |(name, value): (&String, &String)| {
        request.headers.get_all(name.as_str()).iter().any(|have| have.as_bytes() == value.as_bytes())
    };
    if !matcher.headers.iter().all(has_header) {
        return false;
    }
    let has_baggage = |(key, value): (&String, &String)| {
        request.baggage().iter().any(|(have, other)| have == key && other == value)
    };
    if !matcher.baggage.iter().all(has_baggage) {
        return false;
    }
    !matches!(action, FaultAction::Abort { grpc_status: Some(_), .. }) || request.is_grpc
}

/// Whether the rule with this seed is for the `index`th request (from 1) of those that it counts.
pub fn is_chosen(matcher: &FaultMatcher, seed: u64, index: u64) -> bool {
    matcher.nth.is_none_or(|nth| index == nth)
        && matcher.first.is_none_or(|first| index <= first)
        && matcher.probability.is_none_or(|share| chance(seed, index) < share)
}

/// How long a delay is for the `index`th request: `by` and a uniform share of `jitter`.
pub fn delay(by: Duration, jitter: Duration, seed: u64, index: u64) -> Duration {
    // Another stream than `is_chosen` uses, or a rule with both would jitter only a part of its range.
    by.saturating_add(jitter.mul_f64(chance(seed ^ 0x6a69_7474_6572, index)))
}

/// A number from 0 (inclusive) to 1 (exclusive) that depends on nothing but the two.
fn chance(seed: u64, index: u64) -> f64 {
    (mix(seed, index) >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64's output function over seed and index: neighbouring inputs give unrelated outputs.
pub(crate) fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
