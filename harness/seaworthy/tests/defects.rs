//! The proof: every defect of the shop is caught, at the right place and by the right rule, and the healthy shop
//! raises no alarm. The shop is the harness's test suite, and its defects are the mutants.
//!
//! `cargo test -p seaworthy --test defects` runs the healthy shop and all defects as processes, and the healthy shop
//! and a representative third of the defects in containers, and ends with `caught 44/44, false alarms 0`. A name as
//! argument runs those that contain it.
//!
//! | variable | what it does |
//! |---|---|
//! | `SEAWORTHY_NIGHTLY=1` | all defects run in containers too |
//! | `SEAWORTHY_NO_DOCKER=1` | nothing runs in containers, and the last line says how many runs were left out |
//! | `SEAWORTHY_HEALTHY_RUNS=20` | repeats the healthy runs |
//!
//! The harness never reads `SHOP_DEFECTS`: only the service named does.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test harness reports on its own")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};
use seaworthy::check::{Run, drive};
use seaworthy::core::finding::{Finding, Verdict};
use seaworthy::core::ids::ServiceName;
use seaworthy::core::system::RunKind;
use seaworthy::experiment::plan::Silent;
use seaworthy::experiment::session::Built;
use seaworthy::judge::Judge;
use seaworthy::launch::Plan;
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore};

/// Where a finding must point.
#[derive(Debug, Clone, Copy)]
enum Blames {
    Service(&'static str),
    Edge(&'static str),
}
use Blames::{Edge, Service};

/// Where a defect is looked for in containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Containers {
    /// With every test: each kind of witness and of fault has one.
    Always,
    /// With the nightly tests.
    Nightly,
}
use Containers::{Always, Nightly};

/// A defect, the rule that must catch it, where the finding must point, and when it runs in containers.
type Defect = (&'static str, &'static str, Blames, Containers);

/// The defects that there are on both runtimes.
const DEFECTS: [Defect; 30] = [
    // Seen in a plain flow.
    ("gateway.no-auth", "auth.open-route", Service("gateway"), Always),
    ("orders.event-without-correlation", "correlation.event", Edge("orders -> notifications"), Always),
    ("orders.drops-traceparent", "trace.context-lost", Edge("orders -> payments"), Nightly),
    ("payments.no-server-span", "trace.span-missing", Service("payments"), Always),
    ("notifications.unlinked", "trace.context-foreign", Edge("notifications -> mailbox"), Always),
    ("shipping.drops-correlation-id", "correlation.event", Edge("shipping -> notifications"), Nightly),
    ("gateway.no-echo", "correlation.echo", Service("gateway"), Nightly),
    ("payments.log-without-correlation", "correlation.log", Service("payments"), Nightly),
    ("shipping.plain-text-log", "logs.not-structured", Service("shipping"), Always),
    ("gateway.logs-token", "secrets.exposed", Service("gateway"), Nightly),
    ("payments.milliseconds", "metrics.unit", Service("payments"), Nightly),
    // With a fault for one request.
    ("orders.no-compensation", "saga.not-compensated", Service("orders"), Always),
    ("orders.compensates-forward", "saga.wrong-order", Service("orders"), Nightly),
    ("orders.publish-then-forget", "outbox.event-lost", Edge("orders -> notifications"), Always),
    ("payments.double-charge", "idempotency.different-answer", Service("payments"), Nightly),
    ("orders.retries-non-idempotent", "retry.not-idempotent", Edge("orders -> shipping"), Nightly),
    ("notifications.sends-twice", "idempotency.event-twice", Service("notifications"), Always),
    ("orders.no-timeout", "timeout.missing", Edge("orders -> payments"), Nightly),
    ("gateway.timeout-inversion", "timeout.inversion", Edge("gateway -> orders"), Nightly),
    ("orders.retries-400", "retry.final-answer", Edge("orders -> payments"), Nightly),
    ("orders.retry-without-backoff", "retry.no-backoff", Edge("orders -> payments"), Nightly),
    ("gateway.retries-too", "retry.amplification", Edge("gateway -> orders"), Nightly),
    ("orders.uncounted-errors", "metrics.count", Service("orders"), Nightly),
    // With an instance fault while an exchange is held.
    ("orders.forgets-saga", "saga.unfinished", Service("orders"), Nightly),
    ("orders.publish-before-commit", "outbox.event-without-state", Service("orders"), Always),
    ("orders.drops-inflight", "shutdown.in-flight-lost", Service("orders"), Nightly),
    // With a fault on the whole edge.
    ("orders.no-breaker", "breaker.missing", Edge("orders -> payments"), Nightly),
    ("orders.breaker-never-closes", "breaker.stuck-open", Edge("orders -> payments"), Nightly),
    // Against a contract.
    ("payments.renames-field", "contract.mismatch", Service("payments"), Always),
    ("inventory.removes-enum-value", "contract.mismatch", Service("inventory"), Nightly),
];

/// The defects that only a database or a broker of its own shows.
const ONLY_IN_CONTAINERS: [Defect; 4] = [
    ("notifications.drops-poison", "dead-letters.lost", Service("notifications"), Always),
    ("notifications.blocks-on-poison", "dead-letters.blocked", Service("notifications"), Always),
    ("payments.ready-lies", "health.ready-lies", Service("payments"), Always),
    ("payments.live-checks-deps", "health.live-checks-deps", Service("payments"), Always),
];

/// How many runs share the machine: they wait far more than they work.
const AT_ONCE: usize = 3;
/// How many of these may be in containers: each starts a Postgres and a RabbitMQ.
const IN_CONTAINERS_AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(AT_ONCE);
    let processes = Shop::on(RunKind::Process);
    let containers = Shop::on(RunKind::Docker);
    let (processes, containers) = match (processes, containers) {
        (Ok(processes), Ok(containers)) => (Arc::new(processes), Arc::new(containers)),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("could not prepare the shop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| value == "1");
    let (nightly, no_docker) = (is_set("SEAWORTHY_NIGHTLY"), is_set("SEAWORTHY_NO_DOCKER"));
    let in_containers = DEFECTS.iter().chain(&ONLY_IN_CONTAINERS);
    let in_containers: Vec<&Defect> = in_containers.filter(|defect| nightly || defect.3 == Always).collect();
    let (mut runs, mut left_out) = (Vec::new(), 0);
    runs.push((processes, DEFECTS.iter().collect::<Vec<_>>()));
    if no_docker {
        left_out = in_containers.len() + 1;
    } else {
        runs.push((containers, in_containers));
    }

    let score = Arc::new(Score::default());
    let healthy =
        std::env::var("SEAWORTHY_HEALTHY_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let mut trials = Vec::new();
    for (shop, defects) in runs {
        let on = if shop.on == RunKind::Docker { "docker: " } else { "" };
        for number in 1..=healthy {
            let (shop, score) = (shop.clone(), score.clone());
            let name = if number == 1 { "healthy".to_owned() } else { format!("healthy-{number}") };
            trials.push(Trial::test(format!("{on}{name}"), move || shop.raises_no_alarm(&score)));
        }
        for (defect, rule, blames, _) in defects.into_iter().copied() {
            let (shop, score) = (shop.clone(), score.clone());
            let trial = move || shop.is_caught(defect, rule, blames, &score);
            trials.push(Trial::test(format!("{on}{defect}"), trial));
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    if !args.list {
        if left_out > 0 {
            println!("left out {left_out} runs in containers (SEAWORTHY_NO_DOCKER=1)");
        }
        let alarms = score.alarms.load(Ordering::Relaxed);
        let (caught, tried) = (score.caught.load(Ordering::Relaxed), score.tried.load(Ordering::Relaxed));
        println!("caught {caught}/{tried}, false alarms {alarms}");
    }
    conclusion.exit_code()
}

/// What all runs add up to.
#[derive(Default)]
struct Score {
    tried: AtomicUsize,
    caught: AtomicUsize,
    alarms: AtomicUsize,
}

/// The shop, built once for all runs.
struct Shop {
    on: RunKind,
    runtime: Runtime,
    turns: Semaphore,
    file: PathBuf,
    built: OnceCell<Built>,
}

impl Shop {
    fn on(on: RunKind) -> std::io::Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/shop/seaworthy.yaml")
            .canonicalize()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let turns = if on == RunKind::Docker { IN_CONTAINERS_AT_ONCE } else { AT_ONCE };
        Ok(Self { on, runtime, turns: Semaphore::new(turns), file, built: OnceCell::new() })
    }

    fn run(&self, defect: Option<&str>) -> Result<Run, Failed> {
        self.runtime.block_on(async {
            let env = defect.and_then(|defect| Some((defect.split_once('.')?.0, defect))).map(
                |(service, defect)| {
                    (ServiceName::from(service), "SHOP_DEFECTS".to_owned(), defect.to_owned())
                },
            );
            let _turn = self.turns.acquire().await?;
            let plan = Plan::load(&self.file, self.on, env.into_iter().collect())?;
            let built = self.built.get_or_try_init(|| plan.build()).await?.clone();
            let session = plan.start(built).await?;
            Ok(drive(session, &plan.flows, &Judge::default(), None, &Silent).await?)
        })
    }

    fn raises_no_alarm(&self, score: &Score) -> Result<(), Failed> {
        let run = self.run(None)?;
        score.alarms.fetch_add(run.report.violations().count(), Ordering::Relaxed);
        if run.report.verdict == Verdict::Pass {
            return Ok(());
        }
        Err(Failed::from(rendered(&run)))
    }

    fn is_caught(&self, defect: &str, rule: &str, blames: Blames, score: &Score) -> Result<(), Failed> {
        score.tried.fetch_add(1, Ordering::Relaxed);
        let run = self.run(Some(defect))?;
        let names_it = |finding: &Finding| match blames {
            Service(service) => finding.service.as_ref().is_some_and(|named| *named == service),
            Edge(edge) => finding.edge.as_ref().is_some_and(|named| named.to_string() == edge),
        };
        let hit = run.report.violations().any(|finding| finding.rule == rule && names_it(finding));
        if hit && run.report.verdict == Verdict::Fail {
            score.caught.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        Err(Failed::from(format!("no finding {rule} that blames {blames:?}\n{}", rendered(&run))))
    }
}

fn rendered(run: &Run) -> String {
    seaworthy::report::terminal(&run.report, &run.evidence, &seaworthy::report::Style::default())
}
