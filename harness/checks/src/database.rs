//! `database`: each service has a database of its own.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::finding::{EvidenceRef, Finding};
use seaworthy_core::ids::ServiceName;
use seaworthy_core::span::Span;

const SHARED: &str = "database.shared";

/// Database systems that live in a file: their name alone does not tell two of them apart.
const IN_A_FILE: [&str; 4] = ["sqlite", "duckdb", "h2database", "derby"];

pub(crate) struct Database;

/// What tells one database from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    system: String,
    server: Option<String>,
    namespace: String,
}

impl Check for Database {
    fn id(&self) -> &str {
        "database"
    }

    fn needs(&self) -> Needs {
        Needs { spans: true, ..Needs::default() }
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let mut users: BTreeMap<Identity, BTreeMap<&ServiceName, &Span>> = BTreeMap::new();
        for span in evidence.spans() {
            if let Some(identity) = identity(span) {
                users.entry(identity).or_default().entry(&span.resource.service).or_insert(span);
            }
        }
        if users.is_empty() {
            return vec![
                Finding::not_applicable(SHARED, "no span says which database it uses")
                    .hint("set `db.system.name`, `db.namespace` and `server.address` on database spans"),
            ];
        }
        users.into_iter().filter(|(_, users)| users.len() > 1).map(finding).collect()
    }
}

fn finding((database, users): (Identity, BTreeMap<&ServiceName, &Span>)) -> Finding {
    let names: BTreeSet<String> = users.keys().map(|service| format!("`{service}`")).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(" and ");
    let where_it_is = database.server.as_ref().map(|server| format!(" at {server}")).unwrap_or_default();
    let what = format!("the {} database `{}`{where_it_is}", database.system, database.namespace);
    let finding = if database.is_certain() {
        Finding::error(SHARED, format!("{names} use {what} in common"))
            .hint("give each service its own database and let the others ask it over its API or its events")
    } else {
        Finding::undecided(
            SHARED,
            format!("{names} each use {what}; without its path it cannot be told whether that is one file"),
        )
        .hint("write the absolute path of the file into `db.namespace`")
    };
    let finding = match users.keys().next() {
        Some(first) => finding.service(first),
        None => finding,
    };
    let trace = users.values().next().map(|span| span.trace_id);
    let finding = users.into_iter().fold(finding, |finding, (service, span)| {
        finding.evidence(EvidenceRef::span(span.span_id, format!("{service}: {}", span.name)))
    });
    match trace {
        Some(trace) => finding.evidence(EvidenceRef::trace(trace)),
        None => finding,
    }
}

impl Identity {
    /// Whether equal identities mean one database: a file is known by an absolute path only.
    fn is_certain(&self) -> bool {
        !IN_A_FILE.contains(&self.system.as_str()) || self.server.is_some() || self.namespace.starts_with('/')
    }
}

/// A span that does not name both a system and a namespace tells nothing.
fn identity(span: &Span) -> Option<Identity> {
    let text = |keys: [&str; 2]| {
        let value = keys.iter().find_map(|key| span.attribute(key))?.to_string();
        (!value.is_empty()).then_some(value)
    };
    let system = text(["db.system.name", "db.system"])?;
    let namespace = text(["db.namespace", "db.name"])?;
    let server = text(["server.address", "net.peer.name"]).map(|address| {
        match text(["server.port", "net.peer.port"]) {
            Some(port) => format!("{address}:{port}"),
            None => address,
        }
    });
    Some(Identity { system, server, namespace })
}
