//! The way of one exchange: read its head, apply what applies, ask the provider, answer.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, EXPECT};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use seaworthy_core::exchange::{Outcome, Protocol};
use seaworthy_core::fault::{FaultAction, When};
use tokio::sync::Notify;

use super::body::{RequestBody, ResponseBody, Source};
use super::broken::Broken;
use super::connection::Connection;
use super::edge::Edge;
use super::flight::Flight;
use super::headers::{set_upgrade, strip_hop_by_hop, upgrade};
use super::pool::{Failure, Lease};
use super::shape::Shaper;
use super::{reply, tunnel, withhold};
use crate::fault::matching::{self, RequestFacts};
use crate::fault::{Match, Plan};
use crate::log::record::{Asked, RawHeaders};

/// How long a request's body waits for a provider that neither asks for it nor answers.
const CONTINUE_TIME: Duration = Duration::from_secs(1);

type Answer = Result<Response<ResponseBody>, Broken>;

/// Serves one request. Dropping the future is how hyper says that the consumer left; what then has to be recorded
/// and closed is done by the guards in it.
pub(crate) async fn serve(
    edge: Arc<Edge>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Answer {
    let started = edge.clock.now();
    let (head, body) = request.into_parts();
    let asked = asked(&edge, &head);
    let plan = if edge.faults.is_empty() { Plan::default() } else { plan(&edge, &head, &asked) };
    let entry = edge.log.begin(asked, started);
    let flight = Flight::new(edge.log.clone(), edge.clock, entry, connection);
    let body = RequestBody::new(body, flight.request_recorder(), flight.capture());

    for found in plan.delays.iter().chain(&plan.waits_before) {
        wait(&flight, found, head.version).await?;
    }
    if let Some(found) = plan.ending(When::Before) {
        return end(flight, found, None);
    }
    forward(&edge, flight, plan, Request::from_parts(head, body)).await
}

/// Reads what the log and the fault rules want to know of a request.
fn asked(edge: &Edge, head: &http::request::Parts) -> Asked {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let is_grpc = head.version == Version::HTTP_2
        && text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/grpc"));
    let protocol = match head.version {
        Version::HTTP_2 if is_grpc => Protocol::Grpc,
        Version::HTTP_2 => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let (trace, invalid_traceparent) = traceparent(&head.headers);
    let correlation = edge.config.correlation_headers.iter().find_map(|name| text(name));
    Asked {
        edge: edge.id.clone(),
        protocol,
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        trace,
        invalid_traceparent,
        correlation_id: correlation.map(|id| id.chars().take(256).collect()),
        baggage: baggage(&head.headers),
        headers: RawHeaders::of(&head.headers),
    }
}

/// The valid `traceparent`, or the text of what was sent as one. More than one header is not valid
/// (W3C Trace Context, section 3.2).
pub(crate) fn traceparent(
    headers: &HeaderMap,
) -> (Option<seaworthy_core::context::TraceParent>, Option<String>) {
    let mut values = headers.get_all("traceparent").iter();
    let Some(first) = values.next() else { return (None, None) };
    let text = String::from_utf8_lossy(first.as_bytes());
    match (text.parse(), values.next()) {
        (Ok(trace), None) => (Some(trace), None),
        _ => (None, Some(text.chars().take(256).collect())),
    }
}

/// All `baggage` headers as one, as far as the specification's limit goes.
pub(crate) fn baggage(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("baggage").iter().filter_map(|value| value.to_str().ok());
    let mut all = values.next()?.to_owned();
    for value in values {
        all.push(',');
        all.push_str(value);
    }
    all.truncate(8192); // header text is ASCII, so this cannot split a character
    Some(all)
}

fn plan(edge: &Edge, head: &http::request::Parts, asked: &Asked) -> Plan {
    let mut facts = RequestFacts::new(&edge.id, &asked.method, &asked.path, &head.headers)
        .with_baggage(asked.baggage.as_deref());
    facts.trace_id = asked.trace.map(|trace| trace.trace_id);
    facts.correlation_id = asked.correlation_id.as_deref();
    facts.is_grpc = asked.protocol == Protocol::Grpc;
    edge.faults.plan(&facts)
}

/// Holds an exchange up as a delay, stall or hold says. Ends early when the rule ends or the consumer leaves.
async fn wait(flight: &Flight, found: &Match, version: Version) -> Result<(), Broken> {
    let application = flight.apply(found);
    let length = match *found.action() {
        FaultAction::Delay { by, jitter } => {
            Some(matching::delay(by.0, jitter.0, found.rule.rule.seed, found.index))
        }
        FaultAction::Stall { length, .. } => Some(length.0),
        _ => None,
    };
    let healed = async {
        match length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    // hyper sees an HTTP/2 stream's reset by itself.
    let left = async {
        match version {
            Version::HTTP_2 => std::future::pending().await,
            _ => flight.connection().link.hung_up().await,
        }
    };
    tokio::select! {
        () = healed => {}
        () = found.rule.ended() => {}
        () = left => return Err(Broken::with(h2::Reason::CANCEL)),
    }
    flight.let_go(application);
    Ok(())
}

/// Ends an exchange as an abort or a reset says, in place of what the provider may have answered.
fn end(flight: Flight, found: &Match, lease: Option<Lease>) -> Answer {
    flight.apply(found);
    drop(lease);
    match reply::abort(&found.rule.rule) {
        Some((head, body)) => {
            flight.consumer_head(&head);
            let given = flight.capture();
            let body = ResponseBody::new(Source::Own(body), given, flight, None, None);
            Ok(Response::from_parts(head, body))
        }
        None => {
            Err(broken(flight, Outcome::Cancelled, Outcome::Reset, Broken::with(h2::Reason::INTERNAL_ERROR)))
        }
    }
}

/// Records how it failed and makes the consumer see a reset.
fn broken(flight: Flight, provider: Outcome, consumer: Outcome, how: Broken) -> Broken {
    flight.connection().link.reset_on_close();
    flight.fail(provider, consumer);
    how
}

async fn forward(edge: &Arc<Edge>, flight: Flight, plan: Plan, mut request: Request<RequestBody>) -> Answer {
    let version = request.version();
    let wanted = upgrade(request.method(), version, request.headers());
    let on_consumer = request.extensions_mut().remove::<OnUpgrade>();
    strip_hop_by_hop(request.headers_mut());
    if let Some(protocol) = &wanted {
        set_upgrade(request.headers_mut(), protocol.clone());
    }
    if version == Version::HTTP_2 {
        name_authority(&mut request, edge);
    }
    if version == Version::HTTP_11 && expects_continue(request.headers()) {
        read_when_wanted(&mut request);
    }
    let is_connect = request.method() == Method::CONNECT;

    let upload = request.body().upload();
    let (mut response, lease) = match edge.pool.send(request, &flight).await {
        Ok(answer) => answer,
        // Refused before anything was done: what HTTP/2 has REFUSED_STREAM for, and gRPC reads as UNAVAILABLE.
        Err(Failure::Unreachable) => {
            let how = Broken::with(h2::Reason::REFUSED_STREAM);
            return Err(broken(flight, Outcome::Unreachable, Outcome::Unreachable, how));
        }
        Err(Failure::Broken(error)) => {
            let outcome = if upload.is_broken() { Outcome::Cancelled } else { Outcome::Reset };
            return Err(broken(flight, outcome, outcome, Broken::by(&error)));
        }
    };
    let on_provider = response.extensions_mut().remove::<OnUpgrade>();
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS
        || (is_connect && response.status().is_success());
    if switches && let (Some(consumer), Some(provider)) = (on_consumer, on_provider) {
        for found in &plan.waits_after {
            wait(&flight, found, version).await?;
        }
        if let Some(found) = plan.ending(When::After) {
            return end(flight, found, Some(lease));
        }
        return Ok(switch(edge, flight, lease, response, consumer, provider));
    }
    strip_hop_by_hop(response.headers_mut());
    answer(edge, flight, plan, response, lease, version).await
}

/// Passes the provider's answer on, or withholds it first.
async fn answer(
    edge: &Edge,
    flight: Flight,
    plan: Plan,
    response: Response<Incoming>,
    lease: Lease,
    version: Version,
) -> Answer {
    let (head, body) = response.into_parts();
    if !plan.withholds() {
        flight.head_passes(&head);
        let shaper = Shaper::new(&plan.shaping, &flight);
        let given = flight.capture();
        let body = ResponseBody::new(Source::Provider(body), given, flight, Some(lease), shaper);
        return Ok(Response::from_parts(head, body));
    }

    flight.provider_head(&head);
    let taken = withhold::take(body, flight.capture(), &edge.config).await;
    let given = Arc::new(taken.capture);
    let (rest, lease) = match taken.end {
        withhold::End::Whole => {
            let trailers = taken.frames.back().and_then(Frame::trailers_ref);
            flight.provider_over(Outcome::Answered, &given, trailers);
            lease.give_back();
            (None, None)
        }
        withhold::End::Limit(rest) => (Some(rest), Some(lease)),
        withhold::End::Broken(error) => {
            flight.provider_over(Outcome::Reset, &given, None);
            return Err(broken(flight, Outcome::Reset, Outcome::Reset, Broken::by(&error)));
        }
    };
    for found in &plan.waits_after {
        wait(&flight, found, version).await?;
    }
    if let Some(found) = plan.ending(When::After) {
        // Whoever had answered whole is over already; whoever goes on answering is cut off here.
        flight.provider_over(Outcome::Cancelled, &given, None);
        return end(flight, found, lease);
    }
    flight.consumer_head_is_providers();
    let shaper = Shaper::new(&plan.shaping, &flight);
    let source = Source::Withheld { taken: taken.frames, rest };
    // What was taken is counted anew while it passes to the consumer.
    let given = flight.capture();
    let body = ResponseBody::new(source, given, flight, lease, shaper);
    Ok(Response::from_parts(head, body))
}

/// Joins both sides after a switch of protocol.
fn switch(
    edge: &Arc<Edge>,
    flight: Flight,
    lease: Lease,
    response: Response<Incoming>,
    consumer: OnUpgrade,
    provider: OnUpgrade,
) -> Response<ResponseBody> {
    let (mut head, _) = response.into_parts();
    let protocol = head.headers.get(http::header::UPGRADE).cloned();
    flight.head_passes(&head);
    flight.is_upgraded();
    strip_hop_by_hop(&mut head.headers);
    if let Some(protocol) = protocol {
        set_upgrade(&mut head.headers, protocol);
    }
    lease.let_be();
    let request = flight.request_recorder();
    edge.tasks.spawn(tunnel::join(consumer, provider, flight, request));
    Response::from_parts(head, ResponseBody::none())
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Leaves the request's body unread until the provider says 100 (Continue). hyper says it to the consumer when the
/// body is first read, so the consumer hears it when the provider said it, and not at all from one that answers at
/// once. A provider that says nothing does not get to wait for ever: RFC 9110 section 10.1.1 lets a client go on.
fn read_when_wanted(request: &mut Request<RequestBody>) {
    let wanted = Arc::new(Notify::new());
    let said = Arc::clone(&wanted);
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            said.notify_one();
        }
    });
    let wait = async move {
        let _ = tokio::time::timeout(CONTINUE_TIME, wanted.notified()).await;
    };
    request.body_mut().not_before(Box::pin(wait));
}

/// HTTP/2 needs a scheme and an authority. They are the consumer's; if it sent `host` in place of `:authority`, that.
fn name_authority(request: &mut Request<RequestBody>, edge: &Edge) {
    if request.uri().authority().is_some() && request.uri().scheme().is_some() {
        return;
    }
    let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let address = || edge.pool.upstream()?.address.to_string().parse().ok();
    let Some(authority) = host.or_else(address) else { return };
    let authority: Authority = authority;
    let mut parts = request.uri().clone().into_parts();
    parts.scheme.get_or_insert(Scheme::HTTP);
    parts.authority.get_or_insert(authority);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}
