//! `seaworthy judge` and `seaworthy replay`: what can be done with evidence that was kept.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use seaworthy_core::finding::Finding;
use seaworthy_core::ids::ServiceName;
use seaworthy_core::report::RunReport;
use seaworthy_core::secret;
use seaworthy_core::system::{RunKind, suggest};
use serde::{Deserialize, Serialize};

use super::args::{Common, JudgeArgs, JudgingArgs, On, ReplayArgs, SystemArgs};
use super::check::{judge as judge_of, run};
use super::failure::Failure;
use super::output::deliver;
use crate::check::{judge_kept, report_file};
use crate::launch::Plan;

pub(super) fn judge(args: &JudgeArgs, common: &Common) -> Result<ExitCode, Failure> {
    let (report, evidence) = judge_kept(&args.folder, &judge_of(&args.judging, common))?;
    deliver(&report, &evidence, Some(&args.folder), common)
}

/// How a run was made, so that a part of it can be made again. Kept beside the evidence as `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Recipe {
    pub(super) system: PathBuf,
    pub(super) on: RunKind,
    pub(super) env: Vec<(ServiceName, String, String)>,
    pub(super) seed: u64,
    /// Flow files that were run instead of the system's own.
    #[serde(default)]
    pub(super) flows: Vec<PathBuf>,
}

impl Recipe {
    /// Keeps it beside the evidence. Variables that hold a secret are kept by fingerprint only; a replay then needs
    /// `--env` no less than the run did, and says so.
    pub(super) fn keep(&self, folder: &Path) -> Result<(), Failure> {
        let mut kept = self.clone();
        for (_, key, value) in &mut kept.env {
            let named = format!("{key}={value}");
            let (clean, found) = secret::redact(&named);
            if secret::names_a_secret(key) {
                *value = secret::masked(value);
            } else if !found.is_empty() {
                *value = clean.strip_prefix(&format!("{key}=")).unwrap_or(&clean).to_owned();
            }
        }
        let path = folder.join("run.json");
        let text = serde_json::to_vec_pretty(&kept).map_err(|error| Failure::plain(error.to_string()))?;
        std::fs::write(&path, text)
            .map_err(|error| Failure::plain(format!("could not write {}: {error}", path.display())))
    }

    fn read(folder: &Path) -> Result<Self, Failure> {
        read_json(&folder.join("run.json"))
    }
}

pub(super) async fn replay(args: &ReplayArgs, common: &Common) -> Result<ExitCode, Failure> {
    let recipe = Recipe::read(&args.evidence)?;
    let report: RunReport = read_json(&report_file(&args.evidence))?;
    let (check, finding) = find(&report, &args.finding)?;
    let secret = recipe.env.iter().find(|(.., value)| value.contains("[redacted"));
    if let Some((service, key, _)) = secret {
        return Err(Failure::plain(format!(
            "could not replay: the run was made with a secret in `{service}.{key}`, which was not kept; run `seaworthy check` with it"
        )));
    }
    let mut plan = Plan::load(&recipe.system, recipe.on, recipe.env.clone())?;
    if !recipe.flows.is_empty() {
        plan.load_flows(&recipe.flows)?;
    }
    if let Some(flow) = &finding.flow {
        if !plan.flows.iter().any(|each| each.name == *flow) {
            return Err(Failure::plain(format!(
                "could not replay: the system has no flow `{flow}` any more; run `seaworthy check` again"
            )));
        }
        // The first plain flow stays: it is the control that shows whether the system works at all.
        let control = plan.flows.iter().find(|flow| flow.is_plain()).map(|flow| flow.name.clone());
        plan.flows.retain(|each| each.name == *flow || Some(&each.name) == control.as_ref());
    }
    let how = SystemArgs {
        on: match recipe.on {
            RunKind::Process => On::Process,
            RunKind::Docker => On::Docker,
            RunKind::Attach => On::Attach,
        },
        env: recipe.env,
    };
    let judging = JudgingArgs { only: vec![check], skip: Vec::new() };
    run(plan, &recipe.system, &how, &judging, (recipe.seed, &recipe.flows), None, common).await
}

/// The finding with this fingerprint, or (where it is unique) this rule, and the check that yielded it.
fn find(report: &RunReport, wanted: &str) -> Result<(String, Finding), Failure> {
    let all =
        report.checks.iter().flat_map(|check| check.findings.iter().map(move |finding| (check, finding)));
    let all: Vec<_> = all.collect();
    if let Some((check, finding)) = all.iter().find(|(_, finding)| finding.fingerprint() == wanted) {
        return Ok((check.id.clone(), (*finding).clone()));
    }
    let by_rule: Vec<_> = all.iter().filter(|(_, finding)| finding.rule == wanted).collect();
    if let [(check, finding)] = by_rule.as_slice() {
        return Ok((check.id.clone(), (*finding).clone()));
    }
    let known: Vec<String> = all.iter().map(|(_, finding)| finding.fingerprint()).collect();
    let hint = match suggest::closest(wanted, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "the run has no finding".to_owned(),
        None => format!("the run has {}", known.join(", ")),
    };
    Err(Failure::plain(format!("could not find a finding `{wanted}`; {hint}")))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let wrong = |reason: String| Failure::plain(format!("could not read {}: {reason}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
}
