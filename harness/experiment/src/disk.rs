//! Evidence on disk: a folder with
//!
//! | file | holds |
//! |---|---|
//! | `evidence.jsonl` | one [`EvidenceLine`] per line; the first is the header |
//! | `system.json` | the system as it was judged, secrets redacted, and where its proxies listened |
//!
//! The format is additive within a major of [`SCHEMA_VERSION`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use seaworthy_core::evidence::{EvidenceLine, EvidenceSet};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::secret;
use seaworthy_core::system::{Build, Call, Process, RunKind, System};
use serde::{Deserialize, Serialize};

/// The version of the evidence format.
pub const SCHEMA_VERSION: &str = "1.0";
/// No line of evidence is longer than this; a longer one is an error, not a reason to run out of memory.
const LONGEST_LINE: u64 = 16 << 20;

/// Why evidence could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file system refused.
    #[error("could not {what} {path}: {source}")]
    Io {
        /// `write`, `read`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what this format has.
    #[error("could not read {path}:{line}: {reason}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// It has not all the lines that were written.
    #[error(
        "could not read {path}: lines of it are missing, so nothing can be concluded from it; keep the evidence again"
    )]
    Incomplete {
        /// Which file.
        path: PathBuf,
    },
    /// Written by a later major version.
    #[error(
        "could not read {path}: it has evidence format {found}, and this seaworthy reads {SCHEMA_VERSION}; use the version that wrote it"
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

/// What besides the evidence itself is needed to judge it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judged {
    /// The system, with secrets in its environment redacted.
    pub system: System,
    /// The folder that the system file lies in.
    pub folder: PathBuf,
    /// The system file.
    pub file: PathBuf,
    /// On which runtime it ran.
    #[serde(default)]
    pub on: RunKind,
    /// Where its proxies listened.
    pub proxies: Vec<(EdgeId, SocketAddr)>,
}

/// Writes evidence into `folder`, which is made if it is not there.
///
/// # Errors
/// What the file system refuses.
pub fn write(
    folder: &Path,
    evidence: &EvidenceSet,
    proxies: &BTreeMap<EdgeId, SocketAddr>,
    run: &str,
    anchor_unix_nanos: u64,
) -> Result<(), DiskError> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| DiskError::Io { what, path, source }
    };
    std::fs::create_dir_all(folder).map_err(io("make", folder))?;
    let path = folder.join("evidence.jsonl");
    let mut out = BufWriter::new(File::create(&path).map_err(io("write", &path))?);
    let header = EvidenceLine::Header {
        schema_version: SCHEMA_VERSION.to_owned(),
        run: run.to_owned(),
        anchor_unix_nanos,
        finality: evidence.finality,
    };
    let footer = EvidenceLine::Footer { lines: lines(evidence).count() as u64 };
    for line in std::iter::once(header).chain(lines(evidence)).chain(std::iter::once(footer)) {
        serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from).map_err(io("write", &path))?;
        out.write_all(b"\n").map_err(io("write", &path))?;
    }
    out.flush().map_err(io("write", &path))?;

    let path = folder.join("system.json");
    let mut system = evidence.system.clone();
    redact_system(&mut system);
    let judged = Judged {
        folder: system.folder.clone(),
        file: system.file.clone(),
        on: system.on,
        system,
        proxies: proxies.iter().map(|(edge, address)| (edge.clone(), *address)).collect(),
    };
    let text =
        serde_json::to_vec_pretty(&judged).map_err(std::io::Error::from).map_err(io("write", &path))?;
    std::fs::write(&path, text).map_err(io("write", &path))
}

/// Reads evidence back and works out completeness anew.
///
/// # Errors
/// A file that is missing, was written by a later version, or has a line that is none of ours.
pub fn read(folder: &Path) -> Result<EvidenceSet, DiskError> {
    let path = folder.join("system.json");
    let text =
        std::fs::read(&path).map_err(|source| DiskError::Io { what: "read", path: path.clone(), source })?;
    let judged: Judged = serde_json::from_slice(&text).map_err(|error| DiskError::Line {
        path,
        line: error.line(),
        reason: error.to_string(),
    })?;
    let mut system = judged.system;
    system.folder = judged.folder;
    system.file = judged.file;
    system.on = judged.on;
    let mut evidence = EvidenceSet::empty(system);

    let path = folder.join("evidence.jsonl");
    let io = |source| DiskError::Io { what: "read", path: path.clone(), source };
    let mut input = BufReader::new(File::open(&path).map_err(io)?);
    let mut text = String::new();
    let (mut begun, mut kept, mut promised) = (false, 0, None);
    for number in 1.. {
        text.clear();
        let read = input.by_ref().take(LONGEST_LINE).read_line(&mut text).map_err(io)?;
        if read == 0 {
            break;
        }
        let wrong = |reason: String| DiskError::Line { path: path.clone(), line: number, reason };
        if read as u64 == LONGEST_LINE {
            return Err(wrong(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        let line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match line {
            EvidenceLine::Header { schema_version, finality, .. } => {
                if schema_version.split('.').next() != SCHEMA_VERSION.split('.').next() {
                    return Err(DiskError::Version { path: path.clone(), found: schema_version });
                }
                evidence.finality = finality;
                begun = true;
            }
            EvidenceLine::Footer { lines } => promised = Some(lines),
            other => {
                kept += 1;
                add(&mut evidence, other);
            }
        }
    }
    if !begun || promised != Some(kept) {
        return Err(DiskError::Incomplete { path });
    }
    evidence.index();
    crate::session::judge_completeness(&mut evidence, &judged.proxies.into_iter().collect());
    Ok(evidence)
}

fn lines(evidence: &EvidenceSet) -> impl Iterator<Item = EvidenceLine> {
    let exchanges = evidence.exchanges.iter().map(|each| EvidenceLine::Exchange(Box::new(each.clone())));
    let spans = evidence.spans.iter().map(|each| EvidenceLine::Span(Box::new(each.clone())));
    let logs = evidence.logs.iter().map(|each| EvidenceLine::Log(Box::new(each.clone())));
    let output = evidence.output.iter().map(|each| EvidenceLine::Output(each.clone()));
    let metrics = evidence.metrics.iter().map(|each| EvidenceLine::Metric(Box::new(each.clone())));
    let instances = evidence.instances.iter().map(|each| EvidenceLine::Instance(each.clone()));
    let faults = evidence.faults.iter().map(|each| EvidenceLine::Fault(Box::new(each.clone())));
    let steps = evidence.steps.iter().map(|each| EvidenceLine::Step(Box::new(each.clone())));
    let secrets = evidence.secrets.iter().map(|each| EvidenceLine::Secret(each.clone()));
    let losses = evidence.losses.iter().map(|each| EvidenceLine::Loss(each.clone()));
    let void = evidence.void.iter().map(|trace| EvidenceLine::Void { trace_id: *trace });
    exchanges
        .chain(spans)
        .chain(logs)
        .chain(output)
        .chain(metrics)
        .chain(instances)
        .chain(faults)
        .chain(steps)
        .chain(secrets)
        .chain(losses)
        .chain(void)
}

fn add(evidence: &mut EvidenceSet, line: EvidenceLine) {
    match line {
        EvidenceLine::Header { .. } | EvidenceLine::Footer { .. } => {}
        EvidenceLine::Exchange(each) => evidence.exchanges.push(*each),
        EvidenceLine::Span(each) => evidence.spans.push(*each),
        EvidenceLine::Log(each) => evidence.logs.push(*each),
        EvidenceLine::Output(each) => evidence.output.push(each),
        EvidenceLine::Metric(each) => evidence.metrics.push(*each),
        EvidenceLine::Instance(each) => evidence.instances.push(each),
        EvidenceLine::Fault(each) => evidence.faults.push(*each),
        EvidenceLine::Step(each) => evidence.steps.push(*each),
        EvidenceLine::Secret(each) => evidence.secrets.push(each),
        EvidenceLine::Loss(each) => evidence.losses.push(each),
        EvidenceLine::Void { trace_id } => {
            evidence.void.insert(trace_id);
        }
    }
}

/// Replaces what looks like a secret in the environment and in flows' variables. A variable whose name says that
/// it is one loses its whole value.
fn redact_system(system: &mut System) {
    let redact = |key: &str, value: &mut String| {
        if secret::names_a_secret(key) {
            *value = secret::masked(value);
            return;
        }
        let named = format!("{key}={value}");
        let (clean, found) = secret::redact(&named);
        if !found.is_empty() {
            *value = clean.strip_prefix(&format!("{key}=")).unwrap_or(&clean).to_owned();
        }
    };
    let plain = |text: &mut String| *text = secret::redact(text).0.into_owned();
    for service in system.services.values_mut() {
        service.env.iter_mut().for_each(|(key, value)| redact(key, value));
        for call in service.calls.values_mut() {
            if let Call::Template { env, value } = call {
                redact(env, value);
                plain(value);
            }
        }
        service.files.values_mut().for_each(plain);
        service.command.iter_mut().for_each(plain);
        if let Some(Process::Command { command }) = &mut service.process {
            command.iter_mut().for_each(plain);
        }
        if let Some(Build::Detailed(details)) = &mut service.build {
            details.args.iter_mut().for_each(|(key, value)| redact(key, value));
        }
    }
    system.brokers.values_mut().for_each(|broker| plain(&mut broker.url));
    system.vars.iter_mut().for_each(|(key, value)| redact(key, value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_core::evidence::{Finality, Loss};
    use seaworthy_core::ids::TraceId;
    use seaworthy_core::log::{OutputLine, Stream};
    use seaworthy_core::system::Overrides;
    use seaworthy_core::time::Nanos;

    fn evidence() -> EvidenceSet {
        let text = r#"
version: 1
name: s
services:
  api:
    process: {command: [api]}
    ports: {http: http}
    env: {PORT: "${port.http}", DB_PASSWORD: "hunter2,rest", PLAIN: visible}
    calls:
      db: {env: DATABASE_URL, value: "postgres://api:s3cr3t-of-db@${host}:${port}/api"}
    on: {docker: {image: api}}
  db:
    process: {command: [db, "--url=amqp://u:s3cr3t-of-command@h"]}
    ports: {sql: 5432/tcp}
  mail: {process: {command: [mail]}}
brokers:
  events: {service: db, url: "amqp://shop:s3cr3t-of-broker@${host}:${port}"}
"#;
        let system = System::parse(text, Path::new("seaworthy.yaml"), &Overrides::default()).unwrap();
        let mut evidence = EvidenceSet::empty(system);
        evidence.output.push(OutputLine {
            service: "api".into(),
            instance: "api-1".into(),
            stream: Stream::Stdout,
            at: Nanos(7),
            text: "hello".to_owned(),
            truncated: false,
        });
        evidence.losses.push(Loss {
            what: "spans".to_owned(),
            why: "store full".to_owned(),
            count: 3,
            service: None,
            harmful: true,
        });
        evidence.void.insert(TraceId::random());
        evidence.finality = Finality::Provisional;
        evidence.index();
        evidence
    }

    #[test]
    fn evidence_reads_back_as_it_was_and_without_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let written = evidence();
        write(folder.path(), &written, &BTreeMap::new(), "run-1", 0).unwrap();
        let read = read(folder.path()).unwrap();
        assert_eq!(
            (&read.output, &read.losses, &read.void),
            (&written.output, &written.losses, &written.void)
        );
        assert_eq!(read.finality, Finality::Provisional);
        let kept = std::fs::read_to_string(folder.path().join("system.json")).unwrap();
        assert!(kept.contains("visible") && !kept.contains("hunter2") && !kept.contains(",rest"), "{kept}");
        assert!(kept.contains("${host}") && !kept.contains("s3cr3t"), "{kept}");
    }

    #[test]
    fn evidence_with_a_line_missing_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &evidence(), &BTreeMap::new(), "run-1", 0).unwrap();
        let path = folder.path().join("evidence.jsonl");
        let whole = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        assert!(lines.len() >= 5, "{whole}");
        for missing in 0..lines.len() {
            let mut cut = lines.clone();
            cut.remove(missing);
            std::fs::write(&path, cut.join("\n")).unwrap();
            let error = read(folder.path()).unwrap_err();
            assert!(matches!(error, DiskError::Incomplete { .. }), "line {missing}: {error}");
        }
    }
}
