//! The command line. Exit codes: 0 pass · 1 fail · 2 the input, the configuration or the environment is wrong and
//! nothing was judged · 3 inconclusive. stdout carries the result, stderr progress and diagnostics.

mod args;
mod check;
mod contracts;
mod explain;
mod failure;
mod gate;
mod init;
mod kept;
mod output;
mod plane;
mod progress;
mod up;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

pub use args::Args;
use args::Command;
use failure::Failure;
use seaworthy_contracts::ledger::Recording;

/// How long clean-up may take at the end.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    // Usage errors end here with exit code 2, `--help` and `--version` with 0.
    let args = Args::parse();
    // What the data plane says goes to a log of its own.
    let is_plane = matches!(args.command, Command::Proxy(_));
    progress::log_to_stderr(if is_plane { 2 } else { args.common.verbose });
    // The data plane of a system that runs already is this program, too.
    if let Ok(program) = std::env::current_exe() {
        crate::attach::use_program(program);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::plain(format!("could not start the runtime: {error}")).report(&args.common);
        }
    };
    let code = runtime.block_on(async {
        // These are meant to end by a signal, and see to it themselves.
        let interruptible = !matches!(args.command, Command::Up(_) | Command::Proxy(_));
        tokio::select! {
            code = run(&args) => code,
            // Whatever was started is dropped on the way out, and ends with it.
            () = up::stopped(), if interruptible => {
                Err(Failure::plain("interrupted; nothing was judged".to_owned()))
            }
        }
    });
    // What is dropped on worker threads ends processes and removes folders; it gets the time for that.
    runtime.shutdown_timeout(CLEAN_UP);
    code.unwrap_or_else(|failure| failure.report(&args.common))
}

async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let common = &args.common;
    match &args.command {
        Command::Check(check) => check::check(check, common).await,
        Command::Contracts(command) => contracts::run(command, common).await,
        Command::Flow(flow) => check::flow(flow, common).await,
        Command::Judge(judge) => kept::judge(judge, common),
        Command::Replay(replay) => kept::replay(replay, common).await,
        Command::Explain(explain) => explain::explain(explain),
        Command::Up(up) => up::up(up, common).await,
        Command::Proxy(proxy) => plane::plane(proxy).await,
        Command::CanIDeploy(ask) => gate::can_i_deploy(ask, common).await,
        Command::RecordDeployment(what) => gate::record(Recording::Deployment, what, common).await,
        Command::RecordRelease(what) => gate::record(Recording::Release, what, common).await,
        Command::RecordUndeployment(what) => gate::record(Recording::Undeployment, what, common).await,
        Command::Publish(publish) => gate::publish(publish, common).await,
        Command::Init(init) => init::init(init),
        Command::Schema(schema) => explain::schema(schema),
        Command::Completions { shell } => explain::completions(*shell),
    }
}
