//! What happened to instances: starts, signals, exits.

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, ServiceName};
use crate::time::Nanos;

/// What the harness can do to an instance on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum InstanceFault {
    /// SIGKILL: it dies at once and can flush nothing.
    Kill,
    /// SIGTERM: it is asked to end in order.
    Term,
    /// SIGTERM, and SIGKILL when it has not ended within the system's grace.
    Stop,
    /// SIGTERM, wait for its end, then start a new instance.
    Restart,
    /// It is frozen: alive, its connections open, nothing moves. Undone by `unpause`.
    Pause,
    /// It goes on after `pause`.
    Unpause,
    /// It gets less of the machine from now on (containers only). At least one of the two is given. Undone by
    /// `unlimit`.
    Limit {
        /// How much of one core, in percent; 1 or more. 150 is a core and a half.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cpu_percent: Option<u32>,
        /// How much memory, in MiB; 6 or more, as the engine wants it. What takes more is ended by the kernel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory_mib: Option<u32>,
    },
    /// It gets as much as it wants again.
    Unlimit,
    /// It is taken off its network (containers only): nobody reaches it, it reaches nobody. Undone by `reconnect`.
    Disconnect,
    /// It is on its network again.
    Reconnect,
}

impl InstanceFault {
    /// The name as flows write it.
    pub fn as_str(self) -> &'static str {
        match self {
            InstanceFault::Kill => "kill",
            InstanceFault::Term => "term",
            InstanceFault::Stop => "stop",
            InstanceFault::Restart => "restart",
            InstanceFault::Pause => "pause",
            InstanceFault::Unpause => "unpause",
            InstanceFault::Limit { .. } => "limit",
            InstanceFault::Unlimit => "unlimit",
            InstanceFault::Disconnect => "disconnect",
            InstanceFault::Reconnect => "reconnect",
        }
    }

    /// What undoes it, for those faults that leave the instance running.
    pub fn undone_by(self) -> Option<InstanceFault> {
        match self {
            InstanceFault::Pause => Some(InstanceFault::Unpause),
            InstanceFault::Limit { .. } => Some(InstanceFault::Unlimit),
            InstanceFault::Disconnect => Some(InstanceFault::Reconnect),
            _ => None,
        }
    }

    /// Whether the instance ends by it.
    pub fn ends_it(self) -> bool {
        matches!(
            self,
            InstanceFault::Kill | InstanceFault::Term | InstanceFault::Stop | InstanceFault::Restart
        )
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum InstanceEventKind {
    /// It was made.
    Started {
        /// The process id, where it is a process here.
        pid: Option<u32>,
        /// The container's id, where it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
    },
    /// It answered its readiness probe for the first time.
    Ready,
    /// The harness killed it on purpose (SIGKILL): nothing is owed by it from here on.
    Killed,
    /// The harness asked it to end (SIGTERM).
    AskedToEnd,
    /// The harness froze it.
    Paused,
    /// The harness let it go on.
    Resumed,
    /// The harness gave it less of the machine.
    Limited {
        /// How much of one core, in percent.
        cpu_percent: Option<u32>,
        /// How much memory, in MiB.
        memory_mib: Option<u32>,
    },
    /// The harness gave it all of the machine again.
    Unlimited,
    /// The harness took it off its network.
    Disconnected,
    /// The harness put it on its network again.
    Reconnected,
    /// The kernel ended a process of it because it took more memory than it may.
    OutOfMemory,
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
