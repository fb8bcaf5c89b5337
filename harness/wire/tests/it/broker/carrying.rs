//! Messages arrive as they were sent, and are recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use proptest::prelude::*;
use seaworthy_core::exchange::{Outcome, Protocol, header};
use seaworthy_core::ids::TraceId;
use seaworthy_core::time::RunClock;
use seaworthy_wire::broker::TapError;
use seaworthy_wire::{Upstream, Wire, WireConfig};
use tokio::net::{TcpListener, TcpStream};

use super::rabbit::Rabbit;
use super::support::*;
use crate::support::within;

#[tokio::test]
async fn messages_arrive_in_order_and_each_is_an_exchange() {
    let Some(stage) = Stage::open(&["mail"]).await else { return };
    let mut mail = stage.subscribe("mail", "#").await;
    let address = "127.0.0.1:1".parse().unwrap();
    let upstream = Upstream { address, instance: Some("mail-1".into()) };
    stage.wire.set_upstream(&stage.edge("mail"), Some(upstream));
    let trace = TraceId::random();
    let sent: Vec<String> = (0..200).map(|number| format!("{{\"number\":{number}}}")).collect();
    for body in &sent {
        stage.say(trace, body).await;
    }
    assert_eq!(bodies(&mut mail, 200).await, sent);
    let exchanges = stage.over(trace, 200).await;
    for (exchange, body) in exchanges.iter().zip(&sent) {
        assert_eq!((exchange.protocol, exchange.edge.clone()), (Protocol::Message, stage.edge("mail")));
        assert_eq!((&*exchange.method, &*exchange.path), ("SEND", "/order.placed"));
        assert_eq!(exchange.request.body.text.as_ref(), Some(body));
        let answer = exchange.response.as_ref().unwrap();
        assert_eq!((exchange.outcome, answer.status), (Outcome::Answered, 202));
        let provider = exchange.provider.as_ref().unwrap();
        assert_eq!(provider.instance, Some("mail-1".into()));
        assert!(exchange.started <= provider.started && provider.ended == exchange.ended);
        assert_eq!(header(&exchange.request.headers, "redelivered"), None);
    }
    assert_eq!(exchanges.len(), 200);
    within(stage.tap.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_message_arrives_as_it_was_sent() {
    let Some(stage) = Stage::open(&["mail"]).await else { return };
    let mail = tokio::sync::Mutex::new(stage.subscribe("mail", "#").await);
    let runtime = tokio::runtime::Handle::current();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    tokio::task::block_in_place(|| {
        proptest!(config, |((key, properties, body) in message())| {
            runtime.block_on(async {
                stage.publish(&key, properties.clone(), &body).await;
                let got = next(&mut *mail.lock().await).await;
                assert_eq!((got.routing_key.as_str(), &got.data), (&*key, &body));
                assert_eq!(got.properties, properties);
            });
        });
    });
    let log = stage.wire.log();
    within(log.wait_for(|exchange| exchange.id.0 == 64 && exchange.is_over())).await;
    assert!(log.snapshot().iter().all(|exchange| exchange.response.as_ref().unwrap().status == 202));
}

/// Any message that RabbitMQ takes and gives out as it was.
fn message() -> impl Strategy<Value = (String, BasicProperties, Vec<u8>)> {
    let text = || "[ -~äß日]{0,30}";
    let short = move || text().prop_map(|text| ShortString::try_new(text).unwrap());
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| AMQPValue::LongString(bytes.into())),
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<u64>().prop_map(|time| AMQPValue::Timestamp(time >> 1)),
        (-1e9f64..1e9).prop_map(AMQPValue::Double),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
        Just(AMQPValue::Void),
    ];
    let value = value.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| AMQPValue::FieldArray(values.into())),
            prop::collection::btree_map("[a-z]{1,8}", inner, 0..4).prop_map(|map| {
                let map: BTreeMap<_, _> = map.into_iter().map(|(name, value)| (name.into(), value)).collect();
                AMQPValue::FieldTable(map.into())
            }),
        ]
    });
    let headers = prop::collection::btree_map("[A-Za-z][ -~]{0,20}", value, 0..6).prop_map(|map| {
        let map: BTreeMap<_, _> = map.into_iter().map(|(name, value)| (name.into(), value)).collect();
        FieldTable::from(map)
    });
    let properties = (headers, short(), short(), short(), short(), 1u8..3, 0u8..10, any::<u32>()).prop_map(
        |(headers, content_type, message_id, correlation_id, kind, mode, priority, timestamp)| {
            BasicProperties::default()
                .with_headers(headers)
                .with_content_type(content_type)
                .with_message_id(message_id)
                .with_correlation_id(correlation_id)
                .with_type(kind)
                .with_delivery_mode(mode)
                .with_priority(priority)
                .with_timestamp(timestamp.into())
                .with_app_id("shop".into())
                .with_reply_to("somewhere".into())
        },
    );
    let body = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..300),
        // More than one frame.
        1 => (130_000usize..300_000).prop_map(|length| (0..length).map(|at| (at % 253) as u8).collect()),
    ];
    ("[a-z]{1,5}(\\.[a-z*#ß]{0,5}){0,3}", properties, body)
}

#[tokio::test]
async fn the_user_that_we_are_may_be_named() {
    let Some(stage) = Stage::open(&["mail"]).await else { return };
    let mut mail = stage.subscribe("mail", "#").await;
    stage.publish("order.placed", BasicProperties::default().with_user_id("tap".into()), b"ours").await;
    assert_eq!(next(&mut mail).await.properties.user_id().as_ref().unwrap().as_str(), "tap");
    assert!(stage.wire.log().losses().is_empty());
}

#[tokio::test]
async fn each_subscriber_gets_every_message_over_an_edge_of_its_own() {
    let Some(stage) = Stage::open(&["mail", "stock"]).await else { return };
    let (mut mail, mut stock) =
        (stage.subscribe("mail", "#").await, stage.subscribe("stock", "order.*").await);
    let trace = TraceId::random();
    stage.say(trace, "one").await;
    assert_eq!(
        (bodies(&mut mail, 1).await, bodies(&mut stock, 1).await),
        (vec!["one".into()], vec!["one".into()])
    );
    let exchanges = stage.over(trace, 2).await;
    let edges: Vec<_> = exchanges.iter().map(|exchange| exchange.edge.clone()).collect();
    assert_eq!(edges, [stage.edge("mail"), stage.edge("stock")]);
}

#[tokio::test]
async fn what_is_no_broker_is_said_and_the_password_is_not() {
    let wire = Wire::new(RunClock::start(), WireConfig::default());
    for (url, said) in [
        (
            "http://tap:secret@127.0.0.1/",
            "the broker's URL is not of the form amqp://user:password@host:port/vhost, so its messages could not be carried",
        ),
        (
            "amqps://tap:secret@127.0.0.1/",
            "the broker's URL is for TLS, which the tap does not speak, so its messages could not be carried",
        ),
    ] {
        let error = wire.tap(config(url, &["mail"])).await.err().unwrap();
        assert_eq!(error.to_string(), said);
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut nowhere = config(&format!("amqp://tap:secret@127.0.0.1:{nobody}"), &["mail"]);
    nowhere.connect_time = Duration::from_millis(100);
    let error = within(wire.tap(nowhere)).await.err().unwrap();
    // The latter when this machine is too busy to find out in time.
    assert!(matches!(error, TapError::Broker(_) | TapError::Silent), "{error}");
    let mut long = config("amqp://127.0.0.1", &["mail"]);
    long.name = "n".repeat(300);
    let Some(rabbit) = super::rabbit::Rabbit::shared().await else { return };
    long.url = rabbit.url();
    let error = within(wire.tap(long)).await.err().unwrap();
    assert!(
        error.to_string().ends_with("is longer than 255 bytes, so it could not be declared at the broker"),
        "{error}"
    );
    let wrong = rabbit.url().replace("tap:tap", "tap:secret");
    let error = within(wire.tap(config(&wrong, &["mail"]))).await.err().unwrap();
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_broker_that_does_not_answer_at_first_is_asked_again() {
    let Some(rabbit) = Rabbit::shared().await else { return };
    // It takes connections, as a container's port does before the broker in it listens.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url =
        rabbit.url().replace(&rabbit.port.to_string(), &listener.local_addr().unwrap().port().to_string());
    let port = rabbit.port;
    let line = tokio::spawn(async move {
        let _silent = listener.accept().await.unwrap();
        let (mut tap, _) = listener.accept().await.unwrap();
        let mut broker = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut tap, &mut broker).await;
    });
    let wire = Wire::new(RunClock::start(), WireConfig::default());
    let mut config = config(&url, &["mail"]);
    config.connect_time = Duration::from_secs(18);
    let tap = within(wire.tap(config)).await.unwrap();
    within(tap.close()).await;
    within(line).await.unwrap();
}
