//! Programs that tests need beside them: this test binary, started again as something else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Signal, getpid, kill_process};
use seaworthy_core::instance::InstanceFault;
use seaworthy_core::runtime::Runtime;

use crate::support::{runtime, script};

/// This binary as a program that runs one of the functions below.
pub(crate) fn command(function: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments(function));
    command
}

/// This binary as a program that runs a function of another module.
#[cfg(feature = "docker")]
pub(crate) fn command_in(module: &str, function: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("{module}::{function}"), "--exact", "--ignored", "--nocapture"]);
    command
}

/// What makes this binary run one of the functions below.
pub(crate) fn arguments(function: &str) -> [String; 4] {
    [format!("stand_in::{function}"), "--exact".into(), "--ignored".into(), "--nocapture".into()]
}

/// A harness that runs a tree of processes and ends as the variable END says.
#[tokio::test]
#[ignore = "no test: the harness that other tests kill"]
async fn harness() {
    let Some(tree) = std::env::var("TREE").ok() else { return };
    let runtime = runtime();
    for service in ["a", "b"] {
        runtime.start(&script(service, &format!("{service}-1"), &tree)).await.unwrap();
    }
    println!("groups {:?}", runtime.groups());
    std::io::stdout().flush().unwrap();
    // Goes on when the test closes its end, having seen all processes up.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    match std::env::var("END").unwrap().as_str() {
        "panic" => panic!("as asked"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "frozen" => {
            for instance in ["a-1", "b-1"] {
                runtime.inject(&instance.into(), InstanceFault::Pause).await.unwrap();
            }
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        "drop" => drop(runtime),
        other => panic!("no such end: {other}"),
    }
}

/// A service that listens on the address in ADDRESS.
#[test]
#[ignore = "no test: a service that other tests run"]
fn service() {
    let Some(address) = std::env::var("ADDRESS").ok() else { return };
    let listener = TcpListener::bind(address).expect("could not listen");
    println!("listening");
    for connection in listener.incoming() {
        drop(connection);
    }
}

/// Builds the workspace in WORKSPACE in several ways.
#[test]
#[ignore = "no test: runs with a target folder of its own"]
fn builder() {
    if let Some(folder) = std::env::var_os("WORKSPACE") {
        crate::building::in_a_workspace(&PathBuf::from(folder));
    }
}
