//! The general checks: one witness held against another.
//!
//! A check is a pure predicate over [`seaworthy_core::evidence::Evidence`]: what the wire saw, what services said
//! of themselves in spans, logs and metrics, what the harness did to edges and instances, and what was declared in
//! `seaworthy.yaml`. No check knows any particular system. [`catalogue`] has them all, [`explain`] has a page for
//! each rule: what it means, how it is judged and with which threshold, which declared fact it needs, how to mend
//! what it finds.
//!
//! ```
//! use seaworthy_core::check::run_check;
//! # use seaworthy_core::evidence::EvidenceSet;
//! # let system = serde_json::from_str(r#"{"version": 1, "name": "none", "services": {}}"#).unwrap();
//! # let evidence = EvidenceSet::empty(system);
//! for check in seaworthy_checks::catalogue() {
//!     let report = run_check(check.as_ref(), &evidence);
//!     println!("{}: {:?}", report.id, report.verdict);
//! }
//! ```
//!
//! # What the checks share
//! - A finding is made once per rule and blamed part, with a count and at most three pieces of evidence. The order
//!   of findings depends on the evidence alone.
//! - A check that lacks a declared fact is skipped and names the line to add. One that applies but saw nothing to
//!   judge is undecided: silence would be vacuous.
//! - Blame goes to the first hop. What a service merely passed on is not its fault, so the checks follow causality
//!   by span and trace ids, and fall back to the order on the harness's own clock where those do not tell.

mod attach;
mod attempts;
mod auth;
mod breaker;
mod cases;
mod causality;
mod completeness;
mod controls;
mod correlation;
mod database;
mod dead_letters;
mod evidence;
mod faults;
mod flows;
mod health;
mod idempotency;
mod instances;
mod logs;
mod metrics;
mod outbox;
mod pages;
mod retries;
mod saga;
mod secrets;
mod shutdown;
mod telemetry;
mod timeline;
mod timeouts;
mod trace_context;

use seaworthy_core::check::Check;

pub use pages::{Page, explain, pages};

/// The check that is only for systems that run already.
pub const ATTACH: &str = "attach";

/// All general checks, in the order in which reports show them: from the wire inwards, the harness's own last.
pub fn catalogue() -> Vec<Box<dyn Check>> {
    let checks: Vec<Box<dyn Check>> = vec![
        // What is not seen is the cause of much of what follows.
        Box::new(attach::Attach),
        Box::new(trace_context::TraceContext),
        Box::new(completeness::TraceCompleteness),
        Box::new(correlation::Correlation),
        Box::new(auth::Auth),
        Box::new(secrets::Secrets),
        Box::new(logs::Logs),
        Box::new(telemetry::Telemetry),
        Box::new(metrics::Metrics),
        Box::new(saga::Sagas),
        Box::new(outbox::Outbox),
        Box::new(dead_letters::DeadLetters),
        Box::new(idempotency::Idempotency),
        Box::new(retries::Retries),
        Box::new(timeouts::Timeouts),
        Box::new(breaker::Breakers),
        Box::new(health::HealthEndpoints),
        Box::new(shutdown::Shutdown),
        Box::new(instances::Instances),
        Box::new(database::Database),
        // What a flow expected and did not get is most often a consequence of what stands above.
        Box::new(flows::Flows),
        Box::new(controls::Controls),
        Box::new(faults::Faults),
        Box::new(evidence::Lost),
    ];
    checks.into_iter().map(|check| Box::new(attach::Regarding(check)) as Box<dyn Check>).collect()
}
