//! A test may end its own system and have every check judge what its requests left behind.

use std::time::Duration;

use seaworthy::core::finding::Verdict;
use seaworthy::judge::Judge;
use seaworthy::{System, abort};

use crate::support::{SHOP, TOKEN, order};

fn only(checks: &[&str]) -> Judge {
    Judge { only: checks.iter().map(|&check| check.to_owned()).collect(), ..Judge::default() }
}

#[tokio::test]
async fn a_tests_requests_are_judged_like_a_flows() {
    let shop = System::start(SHOP).await.unwrap();
    let hiccup = abort(503).first(1);
    let request = shop.post("/api/v1/orders").bearer(TOKEN).json(&order());
    let answer = request.fault("orders -> payments POST /payments", hiccup).send().await.unwrap();
    answer.until("notifications -> mailbox POST /mail", 3).await.unwrap();
    let trace = answer.trace().await.unwrap();
    assert_eq!(answer.faults_fired().await.unwrap(), 1);
    drop(answer);

    let checks = ["flows", "trace-completeness", "trace-context", "correlation", "metrics", "faults"];
    let run = shop.finish(only(&checks)).await.unwrap();
    let said: Vec<_> = run.report.checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect();
    assert!(said.iter().all(|(_, verdict)| *verdict == Verdict::Pass), "{said:?}");
    let judged = run.evidence.completeness.values().map(|trace| trace.owed).sum::<u32>();
    assert!(
        judged as usize >= trace.exchanges().len(),
        "completeness was worked out of the test's own trace"
    );
}

#[tokio::test]
async fn a_fault_that_never_fires_is_an_error_unless_it_may() {
    let shop = System::shared(SHOP).await.unwrap();
    let send = |fault| {
        let request = shop.post("/api/v1/orders").bearer(TOKEN).json(&order());
        request.fault("orders -> payments POST /paymentz", fault).timeout(Duration::from_secs(30)).send()
    };
    let error = send(abort(503)).await.unwrap().trace().await.unwrap_err().to_string();
    assert!(error.contains("the fault on `orders -> payments POST /paymentz` never fired"), "{error}");
    send(abort(503).may_not_fire()).await.unwrap().trace().await.unwrap();
    assert!(shop.finish(Judge::default()).await.unwrap_err().to_string().contains("shared"));
}
