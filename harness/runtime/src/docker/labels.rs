//! What marks containers, networks and volumes as a run's, and tells whether their owner still lives.
//!
//! | label | meaning |
//! |---|---|
//! | `seaworthy.run` | the run |
//! | `seaworthy.owner.pid`, `.started` | the process that made it, and when it began: a number that was given to another process is not taken for it |
//! | `seaworthy.owner.space`, `.boot`, `.host` | where that number means something: the PID namespace, since which boot, on which machine |
//! | `seaworthy.service`, `seaworthy.instance` | whose container, or volume, it is |

use std::collections::HashMap;
use std::fs;

/// The run that a thing belongs to.
pub const RUN: &str = "seaworthy.run";
/// The process id of the run's owner.
pub const OWNER_PID: &str = "seaworthy.owner.pid";
pub(super) const SERVICE: &str = "seaworthy.service";
pub(super) const INSTANCE: &str = "seaworthy.instance";
const OWNER_STARTED: &str = "seaworthy.owner.started";
const OWNER_SPACE: &str = "seaworthy.owner.space";
const OWNER_BOOT: &str = "seaworthy.owner.boot";
const OWNER_HOST: &str = "seaworthy.owner.host";

/// A process, named so that it is never mistaken for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    started: String,
    space: String,
    boot: String,
    host: String,
}

impl Owner {
    /// This process. What the system does not tell stays empty, and then no other process takes it for dead.
    pub(super) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let pid = std::process::id();
        Self {
            pid,
            started: started(pid).unwrap_or_default(),
            space: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.display().to_string())
                .unwrap_or_default(),
            boot: read("/proc/sys/kernel/random/boot_id"),
            host: read("/etc/machine-id"),
        }
    }

    /// What a thing made by it is marked with.
    pub(super) fn labels(&self, run: &str) -> HashMap<String, String> {
        let pairs = [
            (RUN, run.to_owned()),
            (OWNER_PID, self.pid.to_string()),
            (OWNER_STARTED, self.started.clone()),
            (OWNER_SPACE, self.space.clone()),
            (OWNER_BOOT, self.boot.clone()),
            (OWNER_HOST, self.host.clone()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Who made the thing that is marked so.
    pub(super) fn from_labels(labels: &HashMap<String, String>) -> Option<Self> {
        let text = |name: &str| labels.get(name).cloned().unwrap_or_default();
        Some(Self {
            pid: labels.get(OWNER_PID)?.parse().ok()?,
            started: text(OWNER_STARTED),
            space: text(OWNER_SPACE),
            boot: text(OWNER_BOOT),
            host: text(OWNER_HOST),
        })
    }

    /// Whether it is certain, seen from `here`, that it has ended. `started` tells when the process of a number began,
    /// if there is one. Of another machine, or of another PID namespace, nothing is certain.
    pub(super) fn is_gone(&self, here: &Owner, started: impl Fn(u32) -> Option<String>) -> bool {
        let known = [&self.host, &self.boot, &self.space, &self.started].iter().all(|part| !part.is_empty());
        let same_place = self.host == here.host && self.boot == here.boot && self.space == here.space;
        known && same_place && started(self.pid).is_none_or(|started| started != self.started)
    }
}

/// When a process that lives began, in the kernel's ticks since boot (field 22 of `/proc/PID/stat`).
pub(super) fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_back_from_its_labels() {
        let this = Owner::this();
        let labels = this.labels("r1");
        assert_eq!(labels[RUN], "r1");
        assert_eq!(Owner::from_labels(&labels), Some(this));
        assert_eq!(Owner::from_labels(&HashMap::new()), None);
    }

    #[test]
    fn this_process_lives_and_its_number_alone_does_not_make_another_it() {
        let this = Owner::this();
        assert!(!this.is_gone(&this, started));
        let earlier = Owner { started: "1".to_owned(), ..this.clone() };
        assert!(earlier.is_gone(&this, started), "its number was given to this process");
        assert!(this.is_gone(&this, |_| None));
    }

    #[test]
    fn of_another_place_nothing_is_certain() {
        let this = Owner::this();
        let elsewhere = [
            Owner { host: "other".to_owned(), ..this.clone() },
            Owner { boot: "other".to_owned(), ..this.clone() },
            Owner { space: "other".to_owned(), ..this.clone() },
            Owner { started: String::new(), ..this.clone() },
        ];
        for owner in elsewhere {
            assert!(!owner.is_gone(&this, |_| None), "{owner:?}");
        }
        let nameless = Owner { host: String::new(), ..this };
        assert!(!nameless.is_gone(&nameless, |_| None));
    }

    #[test]
    fn a_process_that_only_waits_to_be_collected_has_ended() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let since = std::time::Instant::now();
        while started(child.id()).is_some() {
            assert!(since.elapsed() < std::time::Duration::from_secs(30));
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
