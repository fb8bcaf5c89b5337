//! Where a receiver seems to have begun a trace of its own instead of going on with the one it got.

use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{ServiceName, SpanId, TraceId};
use seaworthy_core::span::{Span, Value};

use super::Ledger;
use super::trail::Trail;

/// The root span of another trace by which `service` seems to have handled this exchange.
///
/// Clocks are not compared: the span must have come after the request was sent. Where span and exchange both have
/// a correlation id they must agree; where one has none, method and path must.
pub(super) fn find(
    exchange: &Exchange,
    service: &ServiceName,
    spans: &[Span],
    trail: &Trail<'_>,
    ledger: &Ledger<'_>,
) -> Option<(TraceId, SpanId)> {
    let default = Default::default();
    let correlation = ledger.system.facts.correlation.as_ref().unwrap_or(&default);
    let instance = exchange.provider.as_ref().and_then(|side| side.instance.as_ref());
    let handled = |span: &&Span| {
        let same_instance =
            instance.zip(span.resource.instance.as_ref()).is_none_or(|(served, exported)| served == exported);
        let correlated =
            correlation.attributes.iter().find_map(|key| span.attribute(key)).and_then(Value::as_str);
        span.parent_id.is_none()
            && span.kind.is_receiver()
            && !trail.traces.contains(&span.trace_id)
            && span.resource.service == *service
            && same_instance
            && span.received >= exchange.started
            && match (correlated, exchange.correlation_id.as_deref()) {
                (Some(said), Some(sent)) => said == sent,
                _ => same_route(span, exchange),
            }
    };
    spans.iter().filter(handled).min_by_key(|span| span.received).map(|span| (span.trace_id, span.span_id))
}

fn same_route(span: &Span, exchange: &Exchange) -> bool {
    let first = |keys: [&str; 2]| keys.iter().find_map(|key| span.attribute(key)).and_then(Value::as_str);
    let path = first(["url.path", "http.target"]).map(|path| path.split('?').next().unwrap_or(path));
    let method = first(["http.request.method", "http.method"]);
    path == Some(exchange.path.as_str()) && method.is_none_or(|method| method == exchange.method)
}
