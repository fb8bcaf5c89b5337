//! What happened to instances: starts, signals, exits.

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, ServiceName};
use crate::time::Nanos;

/// What the harness can do to an instance on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstanceFault {
    /// SIGKILL: it dies at once and can flush nothing.
    Kill,
    /// SIGTERM: it is asked to end in order.
    Term,
    /// SIGTERM, wait for its end, then start a new instance.
    Restart,
}

impl InstanceFault {
    /// The name as flows write it.
    pub fn as_str(self) -> &'static str {
        match self {
            InstanceFault::Kill => "kill",
            InstanceFault::Term => "term",
            InstanceFault::Restart => "restart",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum InstanceEventKind {
    /// Its process was made.
    Started {
        /// The process id, where it is a process here.
        pid: Option<u32>,
    },
    /// It answered its readiness probe for the first time.
    Ready,
    /// The harness killed it on purpose (SIGKILL): nothing is owed by it from here on.
    Killed,
    /// The harness asked it to end (SIGTERM).
    AskedToEnd,
    /// It ended.
    Exited {
        /// Its exit code, if it returned one.
        code: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// Whether the harness had asked for that.
        expected: bool,
    },
}

/// Something that happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEvent {
    /// When.
    pub at: Nanos,
    /// Of which service.
    pub service: ServiceName,
    /// To which copy.
    pub instance: InstanceId,
    /// What.
    #[serde(flatten)]
    pub kind: InstanceEventKind,
}
