//! Tests of many processes share one system that `seaworthy up` runs.

use std::process::Stdio;
use std::time::Duration;

use seaworthy::{System, abort};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{SHOP, TOKEN, order, seaworthy};

#[tokio::test]
async fn a_test_joins_a_system_that_runs_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let mut command = tokio::process::Command::from(seaworthy());
    command.args(["up", SHOP, "--socket"]).arg(&socket);
    let mut up = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let printed = tokio::time::timeout(Duration::from_secs(300), async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("SEAWORTHY_SOCKET=") {
                return true;
            }
        }
        false
    });
    assert!(printed.await.unwrap(), "it ended before it was up");

    let shop = System::join(&socket).await.unwrap();
    let request = shop.post("/api/v1/orders").bearer(TOKEN).json(&order());
    let answer =
        request.fault("orders -> payments POST /payments", abort(503).first(1)).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text());
    answer.trace().await.unwrap().assert_calls("orders -> payments POST /payments", 2);

    // SIGTERM ends it in order, and its socket goes with it.
    let pid = up.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = tokio::time::timeout(Duration::from_secs(30), up.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!socket.exists());
    let gone = shop.get("/health/ready").fault("orders -> payments", abort(503)).send().await;
    assert!(gone.unwrap_err().to_string().contains("could not reach the system"));
}
