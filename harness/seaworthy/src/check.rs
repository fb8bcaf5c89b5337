//! The main job: start the system, run its flows, judge, one verdict.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::ids::EdgeId;
use seaworthy_core::report::RunReport;
use seaworthy_experiment::disk::{self, DiskError};
use seaworthy_experiment::plan::{self, Progress};
use seaworthy_experiment::session::Session;

#[cfg(feature = "contracts")]
use crate::contracts;
#[cfg(not(feature = "contracts"))]
use crate::judge::Also;
use crate::judge::{Judge, JudgeError};
#[cfg(feature = "contracts")]
use seaworthy_contracts::outcome::InteractionResult;

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// The verdict and how it came about.
    pub report: RunReport,
    /// What it was drawn from.
    pub evidence: EvidenceSet,
    /// What came of each interaction of a contract that was verified.
    #[cfg(feature = "contracts")]
    pub interactions: Vec<InteractionResult>,
    /// Where the proxies listened.
    pub proxies: BTreeMap<EdgeId, SocketAddr>,
    /// The wall-clock time of the run's start, in nanoseconds since the Unix epoch.
    pub anchor_unix_nanos: u64,
}

impl Run {
    /// Keeps the evidence and the report in `folder`.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn keep(&self, folder: &Path) -> Result<(), DiskError> {
        let run = format!("run-{}", self.anchor_unix_nanos);
        disk::write(folder, &self.evidence, &self.proxies, &run, self.anchor_unix_nanos)?;
        #[cfg(feature = "contracts")]
        contracts::keep(folder, &self.interactions)?;
        let path = folder.join("report.json");
        let io = |source| DiskError::Io { what: "write", path: path.clone(), source };
        std::fs::write(&path, seaworthy_report::json(&self.report)).map_err(io)
    }
}

/// Drives a session through its flows, ends it, and judges. `limit` bounds the flows: what is not done by then
/// is given up, and the run is inconclusive.
///
/// # Errors
/// A check was named that does not exist, a custom one is no TraceQL, or the contracts cannot be read.
pub async fn drive(
    session: Session,
    flows: &[seaworthy_experiment::flow::Flow],
    judge: &Judge,
    limit: Option<Duration>,
    progress: &dyn Progress,
) -> Result<Run, JudgeError> {
    let started = Instant::now();
    #[cfg(feature = "contracts")]
    let verifying = contracts::Verifying::of(&session, judge)?;
    #[cfg(feature = "contracts")]
    let running = plan::run(&session, flows, verifying.run(&session), progress);
    #[cfg(not(feature = "contracts"))]
    let running = plan::run(&session, flows, async {}, progress);
    let in_time = match limit {
        Some(limit) => tokio::time::timeout(limit, running).await.is_ok(),
        None => {
            running.await;
            true
        }
    };
    if let (false, Some(limit)) = (in_time, limit) {
        session.cut_short(limit);
    }
    let proxies = session.wire().addresses();
    let anchor_unix_nanos = session.clock().anchor_unix_nanos();
    let evidence = session.finish().await;
    #[cfg(feature = "contracts")]
    let interactions = verifying.results(&evidence);
    #[cfg(feature = "contracts")]
    let also = contracts::also(interactions.clone());
    #[cfg(not(feature = "contracts"))]
    let also = Also::default();
    let mut report = judge.judge(&evidence, &also)?;
    report.set_duration(started.elapsed());
    Ok(Run {
        report,
        evidence,
        #[cfg(feature = "contracts")]
        interactions,
        proxies,
        anchor_unix_nanos,
    })
}

/// Judges evidence that was kept, without a system.
///
/// # Errors
/// The folder holds no evidence that can be read.
pub fn judge_kept(folder: &Path, judge: &Judge) -> Result<(RunReport, EvidenceSet), KeptError> {
    let evidence = disk::read(folder)?;
    #[cfg(feature = "contracts")]
    let also = contracts::also(contracts::read(folder)?);
    #[cfg(not(feature = "contracts"))]
    let also = Also::default();
    let report = judge.judge(&evidence, &also)?;
    Ok((report, evidence))
}

/// Why kept evidence could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It could not be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Checks could not be chosen.
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

/// The file that a run's report is kept in.
pub fn report_file(folder: &Path) -> PathBuf {
    folder.join("report.json")
}
