//! What the log says, and when.

use http::Response;
use seaworthy_core::context::TraceParent;
use seaworthy_core::exchange::{Outcome, header};
use seaworthy_core::ids::TraceId;
use seaworthy_core::system::PortProtocol;
use seaworthy_wire::WireConfig;
use tokio::sync::mpsc;

use crate::support::*;

#[tokio::test]
async fn an_exchange_says_who_asked_what_and_what_came_of_it() {
    let provider = Provider::start(|_| async move {
        Ok(Response::builder().status(201).header("location", "/payments/7").body(full("{\"id\":7}"))?)
    })
    .await;
    let config = WireConfig {
        correlation_headers: vec!["x-correlation-id".into(), "x-request-id".into()],
        ..WireConfig::default()
    };
    let bench = Bench::configured(provider.address, config, PortProtocol::Http).await;
    let trace = TraceParent::random();
    let mut request =
        in_trace(trace, post("/payments?token_kind=a&api_key=abcd1234", "{\"password\":\"hunter22\"}"));
    for (name, value) in [
        ("x-request-id", "c-42"),
        ("baggage", "seaworthy.experiment=e1,user=alice"),
        ("authorization", "Bearer abcdefgh12345678"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    within(ask(bench.proxy, Speaks::Http1, request)).await.unwrap();

    let log = bench.wire.log();
    let exchange = log.of_trace(trace.trace_id).remove(0);
    assert_eq!(log.get(exchange.id), Some(exchange.clone()));
    assert_eq!(exchange.summary().split(" in ").next(), Some("POST /payments → 201"));
    assert_eq!((exchange.edge.clone(), exchange.trace), (bench.edge.clone(), Some(trace)));
    assert_eq!(exchange.correlation_id.as_deref(), Some("c-42"));
    assert_eq!(exchange.baggage[1], ("user".to_owned(), "alice".to_owned()));
    let query = exchange.query.clone().unwrap();
    assert!(query.starts_with("token_kind=a&") && !query.contains("abcd1234"), "{query}");
    let authorization = header(&exchange.request.headers, "authorization").unwrap();
    assert!(authorization.starts_with("Bearer [redacted"), "{authorization}");
    let text = exchange.request.body.text.clone().unwrap();
    assert!(!text.contains("hunter22"), "{text}");
    assert_eq!(exchange.request.body.bytes, 23);
    assert_eq!(exchange.request.body.digest.len(), 64, "of what passed, not of what is shown");

    let (got, provider) = (exchange.response.clone().unwrap(), exchange.provider.clone().unwrap());
    let given = provider.response.unwrap();
    assert_eq!(
        (got.status, &got.body, header(&got.headers, "location")),
        (201, &given.body, Some("/payments/7"))
    );
    assert_eq!(given.body.text.as_deref(), Some("{\"id\":7}"));
    assert_eq!(provider.instance, Some("payments-1".into()));
    assert_eq!((exchange.outcome, provider.outcome), (Outcome::Answered, Outcome::Answered));
    assert!(exchange.started <= provider.started && provider.started <= given.first_byte);
    assert!(given.first_byte <= given.last_byte.unwrap() && provider.ended <= exchange.ended);
}

#[tokio::test]
async fn a_traceparent_that_is_not_valid_is_kept_as_such() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    let mut request = get("/");
    request.headers_mut().insert("traceparent", "00-nonsense".parse().unwrap());
    within(ask(bench.proxy, Speaks::Http1, request)).await.unwrap();
    let mut twice = in_trace(TraceParent::random(), get("/"));
    twice.headers_mut().append("traceparent", TraceParent::random().to_string().parse().unwrap());
    within(ask(bench.proxy, Speaks::Http1, twice)).await.unwrap();
    let log = bench.wire.log().snapshot();
    assert_eq!((log[0].trace, log[0].invalid_traceparent.as_deref()), (None, Some("00-nonsense")));
    assert!(log[1].trace.is_none() && log[1].invalid_traceparent.is_some());
}

#[tokio::test]
async fn an_exchange_is_seen_while_it_is_in_flight() {
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let provider = Provider::start(move |_| {
        let arrive = arrive.clone();
        async move {
            let (feed, body) = channel();
            arrive.send(feed).unwrap();
            Ok(Response::new(body))
        }
    })
    .await;
    let bench = Bench::towards(provider.address).await;
    let log = bench.wire.log().clone();
    let mut consumer = Consumer::connect(bench.proxy, Speaks::Http1).await;
    let changes = log.changes();
    let before = *changes.borrow();
    let body = within(consumer.send(get("/slow"))).await.unwrap().into_body();
    let feed = within(arrived.recv()).await.unwrap();
    let seen = within(log.wait_for(|exchange| exchange.response.is_some())).await;
    assert_eq!((seen.outcome, seen.ended), (Outcome::InFlight, None));
    assert_eq!(seen.provider.unwrap().outcome, Outcome::InFlight);
    assert!(*changes.borrow() > before);
    drop(feed);
    within(http_body_util::BodyExt::collect(body)).await.unwrap();
    assert!(within(log.wait_for(|exchange| exchange.id == seen.id && exchange.is_over())).await.succeeded());
}

#[tokio::test]
async fn what_has_been_awaited_may_have_come_before() {
    let provider = Provider::echo().await;
    let bench = Bench::towards(provider.address).await;
    within(ask(bench.proxy, Speaks::Http1, post("/a", ""))).await.unwrap();
    assert_eq!(within(bench.wire.log().wait_for(|exchange| exchange.path == "/a")).await.path, "/a");
    let log = bench.wire.log().clone();
    let waiting = tokio::spawn(async move { log.wait_for(|exchange| exchange.path == "/b").await });
    within(ask(bench.proxy, Speaks::Http1, post("/b", ""))).await.unwrap();
    assert_eq!(within(waiting).await.unwrap().path, "/b");
    assert_eq!(bench.wire.log().of_trace(TraceId::random()), []);
}
