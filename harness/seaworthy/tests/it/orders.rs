//! What a user's own tests look like: a shared system, a request with a fault for it alone, assertions on its trace.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use seaworthy::{System, abort, delay, reset};

use crate::support::{SHOP, TOKEN, order};

#[tokio::test]
async fn an_order_survives_a_hiccup_of_payments() -> Result<(), seaworthy::Error> {
    let shop = System::shared(SHOP).await?;
    let hiccup = abort(503).first(1);
    let order = shop.post("/api/v1/orders").bearer(TOKEN).json(&order());
    let answer = order.fault("orders -> payments POST /payments", hiccup).send().await?;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    let trace = answer.trace().await?;
    trace.assert_calls("orders -> payments POST /payments", 2);
    trace.assert_some(r#"{ resource.service.name = "payments" && kind = server }"#);
    Ok(())
}

#[tokio::test]
async fn every_server_span_carries_the_correlation_id() -> Result<(), seaworthy::Error> {
    let shop = System::shared(SHOP).await?;
    let answer = shop.post("/api/v1/orders").bearer(TOKEN).json(&order()).send().await?;
    let trace = answer.trace().await?;
    let id = answer.correlation_id();
    trace.assert_each("{ kind = server }", &format!(r#"{{ span.correlation_id = "{id}" }}"#));
    Ok(())
}

#[tokio::test]
async fn a_hundred_faulted_orders_do_not_disturb_each_other() -> Result<(), seaworthy::Error> {
    let shop = System::shared(SHOP).await?;
    let orders = (0..100).map(|number| {
        let shop = shop.clone();
        async move {
            let request = shop.post("/api/v1/orders").bearer(TOKEN).json(&order());
            let slowed = number % 2 == 0;
            let request = match slowed {
                true => request.fault("orders -> shipping POST /shipments", delay(Duration::from_millis(20))),
                false => request,
            };
            let answer = request.timeout(Duration::from_secs(60)).send().await?;
            assert_eq!(answer.status(), 201, "{}", answer.text());
            let trace = answer.incomplete_trace().await?;
            let faulted =
                trace.on("orders -> shipping POST /shipments").iter().any(|call| !call.faults.is_empty());
            assert_eq!(faulted, slowed, "{trace}");
            Ok::<_, seaworthy::Error>(())
        }
    });
    // As many at once as a debug build on two busy cores can do within the shop's time budgets; that a hundred at
    // once do not get into each other's way on the wire is shown there, with providers that do no work.
    stream::iter(orders).buffer_unordered(6).try_collect().await
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_key() -> Result<(), seaworthy::Error> {
    let shop = System::shared(SHOP).await?;
    let order = shop.post("/api/v1/orders").bearer(TOKEN).json(&order());
    let answer = order.fault("orders -> payments POST /payments", reset().after().first(1)).send().await?;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    let trace = answer.trace().await?;
    let calls = trace.on("orders -> payments POST /payments");
    let key = |at: usize| seaworthy::core::exchange::header(&calls[at].request.headers, "idempotency-key");
    assert_eq!(calls.len(), 2, "{trace}");
    assert!(key(0).is_some() && key(0) == key(1), "{:?} {:?}", key(0), key(1));
    Ok(())
}

#[tokio::test]
async fn a_refused_order_has_the_same_trace_in_every_run() -> Result<(), seaworthy::Error> {
    let shop = System::shared(SHOP).await?;
    let mut order = order();
    order["items"][0]["sku"] = "no-such-thing".into();
    let answer = shop.post("/api/v1/orders").bearer(TOKEN).json(&order).send().await?;
    // Events leave after the answer; the mails that they cause end the work.
    answer.until("notifications -> mailbox POST /mail", 2).await?;
    insta::assert_snapshot!(answer.trace().await?);
    Ok(())
}

#[tokio::test]
async fn a_fault_on_no_edge_is_an_error_and_not_a_green_test() {
    let shop = System::shared(SHOP).await.unwrap();
    let sent = shop.get("/health/ready").fault("orders -> nowhere", abort(500)).send().await;
    assert!(sent.unwrap_err().to_string().contains("no edge `orders -> nowhere`"));
}
