//! A system ends with whoever started it.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use seaworthy::System;

#[tokio::test]
async fn a_system_that_is_dropped_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    // The service holds the other end of a named pipe: end of file tells that it is gone.
    let pipe = folder.path().join("alive");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let fragile = Path::new(env!("CARGO_BIN_EXE_seaworthy")).with_file_name("examples/fragile");
    let command = format!("exec 9>'{}'; exec '{}'", pipe.display(), fragile.display());
    let system = format!(
        r#"version: 1
name: s
services:
  api:
    process: {{command: [sh, -c, "{command}"]}}
    ports: {{http: http}}
    env: {{PORT: "${{port.http}}"}}
    health: {{ready: /ready}}
    telemetry: none
ingress: {{api: {{}}}}
"#
    );
    std::fs::write(folder.path().join("seaworthy.yaml"), system).unwrap();
    let gone = tokio::task::spawn_blocking(move || {
        // Opening waits until the service has opened its end, reading until nobody has it open any more.
        std::fs::File::open(&pipe).unwrap().read(&mut [0]).unwrap()
    });

    let system = System::start(folder.path()).await.unwrap();
    assert_eq!(system.get("/").send().await.unwrap().status(), 200);
    drop(system);
    let read = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert_eq!(read.expect("the service outlived its system").unwrap(), 0);
}
