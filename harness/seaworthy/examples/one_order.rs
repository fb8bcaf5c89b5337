//! One order through the shop with a fault for that order alone, and what can be said of it afterwards.
//!
//! `cargo run --example one_order` — the same lines work in a `#[tokio::test]`.

use seaworthy::{System, abort};
use serde_json::json;

/// Alice may read and write orders; signed with the fixture's key.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsInNjb3BlIjoib3JkZXJzOnJlYWQgb3JkZXJzOndyaXRlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.kECZVZnIyNvogtGt5hktnmSGTUU6I1KPXTpYEgZUtLA";

#[tokio::main]
#[allow(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), seaworthy::Error> {
    // Builds the services once, starts them as processes, stands on every edge between them, receives their
    // telemetry. All tests of a process share this system; it ends with the process.
    let shop = System::shared("fixtures/shop").await?;

    // The request gets a trace and a correlation id of its own. The fault is keyed to that trace: everybody else's
    // requests to payments go through, at the same time, on the same connections.
    let answer = shop
        .post("/api/v1/orders")
        .bearer(TOKEN)
        .json(&json!({
            "reference": format!("example-{}", std::process::id()),
            "customer": "alice",
            "items": [{"sku": "book", "quantity": 1}],
            "paymentToken": "tok_visa",
            "address": "1 Harbour Road",
        }))
        .fault("orders -> payments POST /payments", abort(503).first(1))
        .send()
        .await?;
    println!("{} {}\n", answer.status(), answer.text());

    // Waits until every span that the wire says is owed has come; an error would name the one that did not.
    let trace = answer.trace().await?;

    // The wire witness: two tries, one of them answered by us.
    trace.assert_calls("orders -> payments POST /payments", 2);
    // The services' own witness, in TraceQL.
    trace.assert_some(r#"{ resource.service.name = "payments" && kind = server && status != error }"#);
    trace.assert_each("{ kind = server }", "{ span.correlation_id != \"\" }");

    println!("{trace}");
    Ok(())
}
