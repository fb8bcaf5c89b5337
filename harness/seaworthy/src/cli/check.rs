//! `seaworthy check` and `seaworthy flow`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{CheckArgs, Common, Deny, FlowArgs, JudgingArgs, SystemArgs};
use super::failure::Failure;
use super::kept::Recipe;
use super::output::{deliver, one_to_stdout};
use super::plane::Standing;
use super::progress::Live;
use crate::check::drive;
use crate::judge::Judge;
use crate::launch::{Plan, find};

pub(super) async fn check(args: &CheckArgs, common: &Common) -> Result<ExitCode, Failure> {
    let file = find(args.system.as_deref(), &working_folder()?)?;
    let plan = Plan::load(&file, args.run.on.into(), args.run.env.clone())?;
    run(plan, &file, &args.run, &args.judging, (args.seed, &[]), args.evidence.as_deref(), common).await
}

pub(super) async fn flow(args: &FlowArgs, common: &Common) -> Result<ExitCode, Failure> {
    let file = find(args.system.as_deref(), &working_folder()?)?;
    let mut plan = Plan::load(&file, args.run.on.into(), args.run.env.clone())?;
    plan.load_flows(&args.files)?;
    // Flows alone are judged by what they say themselves, and by what no system should do; whether the system
    // was broken enough to judge the rest is `check`'s question.
    let mut judging = JudgingArgs { only: args.judging.only.clone(), skip: args.judging.skip.clone() };
    if judging.only.is_empty() {
        judging.only = ["flows", "instances", "faults", "trace-completeness", "trace-context"]
            .map(str::to_owned)
            .to_vec();
    }
    run(plan, &file, &args.run, &judging, (0, &args.files), args.evidence.as_deref(), common).await
}

/// Builds, starts, drives, judges, and delivers the report.
pub(super) async fn run(
    plan: Plan,
    file: &Path,
    how: &SystemArgs,
    judging: &JudgingArgs,
    (seed, flows): (u64, &[PathBuf]),
    evidence: Option<&Path>,
    common: &Common,
) -> Result<ExitCode, Failure> {
    let judge = judge(judging, common);
    // What can be known to be wrong before anything is started is said before.
    judge.validate(&plan.system)?;
    one_to_stdout(common)?;
    if let Some(folder) = evidence {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::plain(format!("could not make {}: {error}", folder.display())))?;
    }
    // Dropped last, so that it has the last word.
    let standing = Standing::told_at_the_end(&plan.system);
    let live = Live::new(common.quiet);
    live.say("making what the services run");
    let built = plan.build().await?;
    live.say(&format!("starting {}", plan.system.name));
    let session = plan.start(built).await.inspect_err(|error| standing.heed(error))?;
    session.set_seed(seed);
    let run = drive(session, &plan.flows, &judge, common.timeout, &live).await?;
    live.clear();
    // The verdict is told even where it cannot be kept.
    let told = deliver(&run.report, &run.evidence, evidence, common);
    if let Some(folder) = evidence {
        run.keep(folder).map_err(|error| Failure::plain(error.to_string()))?;
        // As absolute paths: a replay may start elsewhere.
        let absolute = |file: &Path| file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let flows = flows.iter().map(|file| absolute(file)).collect();
        let (on, env) = (how.on.into(), how.env.clone());
        Recipe { system: absolute(file), on, env, seed, flows }.keep(folder)?;
    }
    told
}

pub(super) fn judge(judging: &JudgingArgs, common: &Common) -> Judge {
    Judge {
        only: judging.only.clone(),
        skip: judging.skip.clone(),
        deny_warnings: common.deny == Some(Deny::Warnings),
        extra: Vec::new(),
    }
}

pub(super) fn working_folder() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::plain(format!("could not find the working folder: {error}")))
}
