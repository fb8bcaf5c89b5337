//! Messages arrive as they were sent, and are recorded.

use seaworthy_core::exchange::{Outcome, Protocol, header};
use seaworthy_core::ids::TraceId;
use seaworthy_wire::Upstream;

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
