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

use crate::judge::{Judge, JudgeError};

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// The verdict and how it came about.
    pub report: RunReport,
    /// What it was drawn from.
    pub evidence: EvidenceSet,
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
        let path = folder.join("report.json");
        let io = |source| DiskError::Io { what: "write", path: path.clone(), source };
        std::fs::write(&path, seaworthy_report::json(&self.report)).map_err(io)
    }
}

/// Drives a session through its flows, ends it, and judges. `limit` bounds the flows: what is not done by then
/// is given up, and the run is inconclusive.
///
/// # Errors
/// A check was named that does not exist, or a custom one is no TraceQL.
pub async fn drive(
    session: Session,
    flows: &[seaworthy_experiment::flow::Flow],
    judge: &Judge,
    limit: Option<Duration>,
    progress: &dyn Progress,
) -> Result<Run, JudgeError> {
    let started = Instant::now();
    let running = plan::run(&session, flows, progress);
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
    let mut report = judge.judge(&evidence)?;
    report.set_duration(started.elapsed());
    Ok(Run { report, evidence, proxies, anchor_unix_nanos })
}

/// Judges evidence that was kept, without a system.
///
/// # Errors
/// The folder holds no evidence that can be read.
pub fn judge_kept(folder: &Path, judge: &Judge) -> Result<(RunReport, EvidenceSet), KeptError> {
    let evidence = disk::read(folder)?;
    let report = judge.judge(&evidence)?;
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
