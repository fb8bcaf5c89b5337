//! What the tests share: a runtime in a folder of its own, launches of shell scripts, deadlines.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use seaworthy_core::runtime::{Launch, Program, Runtime};
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use seaworthy_runtime::process::ProcessRuntime;

/// Long enough for a busy machine; a test that waits that long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn runtime() -> ProcessRuntime {
    ProcessRuntime::new(RunClock::start()).unwrap()
}

/// An instance that runs a shell script.
pub(crate) fn script(service: &str, instance: &str, script: &str) -> Launch {
    Launch {
        service: service.into(),
        instance: instance.into(),
        program: Program::Command(vec!["/bin/sh".into(), "-c".into(), script.into()]),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        ports: BTreeMap::new(),
        volumes: Vec::new(),
    }
}

/// Its command, to be changed.
pub(crate) fn command_of(launch: &mut Launch) -> &mut Vec<String> {
    match &mut launch.program {
        Program::Command(command) | Program::Image { command, .. } => command,
    }
}

pub(crate) fn with_port(mut launch: Launch, port: &str) -> Launch {
    launch.ports.insert(port.into(), PortProtocol::Http.into());
    launch
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it took too long")
}

/// Waits until the instance has printed a line that is `wanted`. It is asked again on every turn of the
/// scheduler: there is nothing to be notified by.
pub(crate) async fn printed(runtime: &ProcessRuntime, wanted: &str) {
    within(async {
        while !runtime.output().lines.iter().any(|line| line.text == wanted) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
