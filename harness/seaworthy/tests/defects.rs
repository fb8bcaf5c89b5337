//! The proof: every defect of the shop is caught, at the right place and by the right rule, and the healthy shop
//! raises no alarm. The shop is the harness's test suite, and its defects are the mutants.
//!
//! `cargo test -p seaworthy --test defects` runs the healthy shop and all defects and ends with
//! `caught 28/28, false alarms 0`. A name as argument runs those that contain it. `SEAWORTHY_HEALTHY_RUNS=20` repeats
//! the healthy run. The harness never reads `SHOP_DEFECTS`: only the service named does.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test harness reports on its own")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
use tokio::sync::OnceCell;

/// Where a finding must point.
#[derive(Debug, Clone, Copy)]
enum Blames {
    Service(&'static str),
    Edge(&'static str),
}
use Blames::{Edge, Service};

/// Each defect of the first floor, the rule that must catch it, and where the finding must point.
const DEFECTS: [(&str, &str, Blames); 28] = [
    // Seen in a plain flow.
    ("gateway.no-auth", "auth.open-route", Service("gateway")),
    ("orders.event-without-correlation", "correlation.event", Edge("orders -> notifications")),
    ("orders.drops-traceparent", "trace.context-lost", Edge("orders -> payments")),
    ("payments.no-server-span", "trace.span-missing", Service("payments")),
    ("notifications.unlinked", "trace.context-foreign", Edge("notifications -> mailbox")),
    ("shipping.drops-correlation-id", "correlation.event", Edge("shipping -> notifications")),
    ("gateway.no-echo", "correlation.echo", Service("gateway")),
    ("payments.log-without-correlation", "correlation.log", Service("payments")),
    ("shipping.plain-text-log", "logs.not-structured", Service("shipping")),
    ("gateway.logs-token", "secrets.exposed", Service("gateway")),
    ("payments.milliseconds", "metrics.unit", Service("payments")),
    // With a fault for one request.
    ("orders.no-compensation", "saga.not-compensated", Service("orders")),
    ("orders.compensates-forward", "saga.wrong-order", Service("orders")),
    ("orders.publish-then-forget", "outbox.event-lost", Edge("orders -> notifications")),
    ("payments.double-charge", "idempotency.different-answer", Service("payments")),
    ("orders.retries-non-idempotent", "retry.not-idempotent", Edge("orders -> shipping")),
    ("notifications.sends-twice", "idempotency.event-twice", Service("notifications")),
    ("orders.no-timeout", "timeout.missing", Edge("orders -> payments")),
    ("gateway.timeout-inversion", "timeout.inversion", Edge("gateway -> orders")),
    ("orders.retries-400", "retry.final-answer", Edge("orders -> payments")),
    ("orders.retry-without-backoff", "retry.no-backoff", Edge("orders -> payments")),
    ("gateway.retries-too", "retry.amplification", Edge("gateway -> orders")),
    ("orders.uncounted-errors", "metrics.count", Service("orders")),
    // With an instance fault while an exchange is held.
    ("orders.forgets-saga", "saga.unfinished", Service("orders")),
    ("orders.publish-before-commit", "outbox.event-without-state", Service("orders")),
    ("orders.drops-inflight", "shutdown.in-flight-lost", Service("orders")),
    // With a fault on the whole edge.
    ("orders.no-breaker", "breaker.missing", Edge("orders -> payments")),
    ("orders.breaker-never-closes", "breaker.stuck-open", Edge("orders -> payments")),
];

/// How many runs share the machine: they wait far more than they work.
const AT_ONCE: usize = 3;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(AT_ONCE);
    let shop = match Shop::new() {
        Ok(shop) => Arc::new(shop),
        Err(error) => {
            eprintln!("could not prepare the shop: {error}");
            return ExitCode::FAILURE;
        }
    };
    let caught = Arc::new(AtomicUsize::new(0));
    let alarms = Arc::new(Mutex::new(Vec::new()));
    let healthy =
        std::env::var("SEAWORTHY_HEALTHY_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let mut trials: Vec<Trial> = (1..=healthy)
        .map(|number| {
            let (shop, alarms) = (shop.clone(), alarms.clone());
            let name = if number == 1 { "healthy".to_owned() } else { format!("healthy-{number}") };
            Trial::test(name, move || shop.raises_no_alarm(&alarms))
        })
        .collect();
    for (defect, rule, blames) in DEFECTS {
        let (shop, caught) = (shop.clone(), caught.clone());
        trials.push(Trial::test(defect, move || shop.is_caught(defect, rule, blames, &caught)));
    }
    let conclusion = libtest_mimic::run(&args, trials);
    if !args.list {
        let alarms = alarms.lock().unwrap_or_else(PoisonError::into_inner).len();
        println!("caught {}/{}, false alarms {alarms}", caught.load(Ordering::Relaxed), DEFECTS.len());
    }
    conclusion.exit_code()
}

/// The shop, built once for all runs.
struct Shop {
    runtime: Runtime,
    file: PathBuf,
    built: OnceCell<Built>,
}

impl Shop {
    fn new() -> std::io::Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/shop/seaworthy.yaml")
            .canonicalize()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { runtime, file, built: OnceCell::new() })
    }

    fn run(&self, defect: Option<&str>) -> Result<Run, Failed> {
        self.runtime.block_on(async {
            let env = defect.and_then(|defect| Some((defect.split_once('.')?.0, defect))).map(
                |(service, defect)| {
                    (ServiceName::from(service), "SHOP_DEFECTS".to_owned(), defect.to_owned())
                },
            );
            let plan = Plan::load(&self.file, RunKind::Process, env.into_iter().collect())?;
            let built = self.built.get_or_try_init(|| plan.build()).await?.clone();
            let session = plan.start(built).await?;
            Ok(drive(session, &plan.flows, &Judge::default(), None, &Silent).await?)
        })
    }

    fn raises_no_alarm(&self, alarms: &Mutex<Vec<Finding>>) -> Result<(), Failed> {
        let run = self.run(None)?;
        let found: Vec<Finding> = run.report.violations().cloned().collect();
        alarms.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        if run.report.verdict == Verdict::Pass {
            return Ok(());
        }
        Err(Failed::from(rendered(&run)))
    }

    fn is_caught(
        &self,
        defect: &str,
        rule: &str,
        blames: Blames,
        caught: &AtomicUsize,
    ) -> Result<(), Failed> {
        let run = self.run(Some(defect))?;
        let names_it = |finding: &Finding| match blames {
            Service(service) => finding.service.as_ref().is_some_and(|named| *named == service),
            Edge(edge) => finding.edge.as_ref().is_some_and(|named| named.to_string() == edge),
        };
        let hit = run.report.violations().any(|finding| finding.rule == rule && names_it(finding));
        if hit && run.report.verdict == Verdict::Fail {
            caught.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        Err(Failed::from(format!("no finding {rule} that blames {blames:?}\n{}", rendered(&run))))
    }
}

fn rendered(run: &Run) -> String {
    seaworthy::report::terminal(&run.report, &run.evidence, &seaworthy::report::Style::default())
}
