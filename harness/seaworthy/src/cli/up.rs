//! `seaworthy up`: a system that runs until Ctrl-C, for people and for tests of many processes.

use std::io::Write;
use std::process::ExitCode;

use seaworthy_core::ids::EdgeId;

use super::args::{Common, UpArgs};
use super::check::working_folder;
use super::failure::Failure;
use super::plane::Standing;
use super::progress::Live;
use crate::control::{SOCKET_VARIABLE, Server};
use crate::launch::{Plan, find};

pub(super) async fn up(args: &UpArgs, common: &Common) -> Result<ExitCode, Failure> {
    let file = find(args.system.as_deref(), &working_folder()?)?;
    let plan = Plan::load(&file, args.run.on.into(), args.run.env.clone())?;
    let standing = Standing::told_at_the_end(&plan.system);
    let live = Live::new(common.quiet);
    live.say("making what the services run");
    let built = plan.build().await?;
    live.say(&format!("starting {}", plan.system.name));
    let session = plan.start(built).await.inspect_err(|error| standing.heed(error))?;
    live.clear();

    let own = tempfile::Builder::new().prefix("seaworthy-up-").tempdir();
    let own =
        own.map_err(|error| Failure::plain(format!("could not make a folder for the socket: {error}")))?;
    let path = args.socket.clone().unwrap_or_else(|| own.path().join("control.sock"));
    let server = Server::start(session.clone(), &path)
        .map_err(|error| Failure::plain(format!("could not make the socket {}: {error}", path.display())))?;

    let mut deaths = session.deaths();
    let text = describe(
        &plan.system.name,
        session.wire().addresses().into_iter(),
        session.receiver_address(),
        &server,
    );
    let _ = writeln!(std::io::stdout(), "{text}");
    let mut told = 0;
    let mut stopped = std::pin::pin!(stopped());
    loop {
        tokio::select! {
            () = &mut stopped => break,
            changed = deaths.changed() => {
                if changed.is_err() {
                    break;
                }
                let all = deaths.borrow_and_update().clone();
                for (service, how) in all.iter().skip(told) {
                    let _ = writeln!(std::io::stderr(), "{service}: {how}");
                }
                told = all.len();
            }
        }
    }
    drop(server);
    session.end().await;
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C or SIGTERM.
pub(super) async fn stopped() {
    let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(term) => term,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

fn describe(
    name: &str,
    edges: impl Iterator<Item = (EdgeId, std::net::SocketAddr)>,
    receiver: std::net::SocketAddr,
    server: &Server,
) -> String {
    let edges: Vec<_> = edges.filter(|(edge, _)| !edge.is_probe()).collect();
    let width = edges.iter().map(|(edge, _)| edge.to_string().len()).max().unwrap_or(0);
    let mut text = format!("{name} is up\n\n");
    for (edge, address) in edges {
        text += &format!("  {:width$}  http://{address}\n", edge.to_string());
    }
    text += &format!("  {:width$}  http://{receiver}\n\n", "OTLP (gRPC and HTTP)");
    text += &format!(
        "Tests join it with\n\n  export {SOCKET_VARIABLE}={}\n\nCtrl-C ends it.",
        server.path().display()
    );
    text
}
