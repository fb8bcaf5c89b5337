//! `secrets`: no token, password or key in what services say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::ServiceName;

use crate::cases::{Cases, listed};

const EXPOSED: &str = "secrets.exposed";

pub(crate) struct Secrets;

impl Check for Secrets {
    fn id(&self) -> &str {
        "secrets"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let nothing =
            evidence.logs().is_empty() && evidence.output().is_empty() && evidence.spans().is_empty();
        if nothing && evidence.secrets().is_empty() {
            return vec![
                Finding::undecided(
                    EXPOSED,
                    "no log, line of output or span was seen that could hold a secret",
                )
                .hint("send requests and see that logs and spans arrive"),
            ];
        }
        let mut exposed: BTreeMap<&ServiceName, (Cases, BTreeSet<String>)> = BTreeMap::new();
        for hit in evidence.secrets() {
            let (cases, what) = exposed.entry(&hit.service).or_default();
            let text =
                format!("{} {} in {}: {}", hit.secret.kind, hit.secret.fingerprint, hit.place, hit.excerpt);
            cases.in_trace(EvidenceRef::other("log", hit.place.clone(), text), hit.trace_id);
            what.insert(format!("{} in {}", hit.secret.kind, hit.place));
        }
        let finding = |(service, (cases, what)): (&ServiceName, (Cases, BTreeSet<String>))| {
            let message = format!("`{service}` exposes secrets, {}: {}", cases.of("time"), listed(what));
            let finding = Finding::error(EXPOSED, message)
                .hint("log neither headers nor bodies that carry credentials, and change those that were exposed")
                .service(service);
            cases.onto(finding)
        };
        exposed.into_iter().map(finding).collect()
    }
}
