//! `instances`: nobody dies unasked.

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::InstanceEventKind;

use crate::cases::Cases;

const DIED: &str = "instance.died";

pub(crate) struct Instances;

impl Check for Instances {
    fn id(&self) -> &str {
        "instances"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        if evidence.instances().is_empty() {
            return vec![
                Finding::not_applicable(DIED, "the harness started no instance, so it cannot see one end")
                    .hint("give the services a `process:` so that the harness starts them itself"),
            ];
        }
        let mut died: BTreeMap<&ServiceName, (Cases, String)> = BTreeMap::new();
        for event in evidence.instances() {
            let InstanceEventKind::Exited { code, signal, expected: false } = event.kind else { continue };
            // One that never got ready served nobody; where it was started again (its port was taken meanwhile),
            // nothing is wrong, and where it was not, the run ended before anything was judged.
            if !was_ready(evidence, &event.instance) {
                continue;
            }
            let how = how_it_ended(code, signal);
            let text = match last_words(evidence, &event.instance) {
                Some(line) => format!("ended with {how}; its last line: {line}"),
                None => format!("ended with {how}"),
            };
            let (cases, first) = died.entry(&event.service).or_default();
            cases.in_trace(EvidenceRef::other("instance", event.instance.as_str(), text), None);
            if first.is_empty() {
                *first = format!("`{}` ended with {how}", event.instance);
            }
        }
        let finding = |(service, (cases, first)): (&ServiceName, (Cases, String))| {
            let message = match cases.count() {
                1 => format!("{first} though nobody asked it to"),
                count => format!("{first} though nobody asked it to, and so {count} times"),
            };
            let finding = Finding::error(DIED, message)
                .hint("read its last lines of output; a request must never take the process down")
                .service(service);
            cases.onto(finding)
        };
        died.into_iter().map(finding).collect()
    }
}

/// `exit code 2`, `signal 9`.
pub(crate) fn how_it_ended(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (_, Some(signal)) => format!("signal {signal}"),
        (Some(code), None) => format!("exit code {code}"),
        (None, None) => "no exit code".to_owned(),
    }
}

fn last_words(evidence: &dyn Evidence, instance: &InstanceId) -> Option<String> {
    let line = evidence.output().iter().rev().find(|line| line.instance == *instance)?;
    Some(line.text.chars().take(200).collect())
}

fn was_ready(evidence: &dyn Evidence, instance: &InstanceId) -> bool {
    evidence
        .instances()
        .iter()
        .any(|event| event.instance == *instance && event.kind == InstanceEventKind::Ready)
}
