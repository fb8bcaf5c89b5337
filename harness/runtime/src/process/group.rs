//! A process group that cannot outlive the harness.
//!
//! The group is made before the service is started, by its leader: a `/bin/sh` that reads from a pipe of which
//! the harness alone holds the other end. When the harness ends, however it ends, the read ends too, and the
//! shell kills its own group, itself included.
//!
//! Because the leader is there first, no moment is unguarded: the service is born into the group. Because the
//! shell kills "my own group" and not a number, it never hits a stranger that got a number again. And because
//! the harness collects the leader last, the group's number stays taken for as long as it sends signals there.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Says that it is on guard, waits for the end of the pipe, kills its group. It ignores what a terminal and
/// [`Group::signal`] send, so that it goes last.
const WATCHDOG: &str = "trap '' HUP INT QUIT TERM; echo on guard; read -r line; kill -KILL 0";

/// A process group, and the watchdog that leads it. Dropping it kills all that are in it.
#[derive(Debug)]
pub(super) struct Group {
    watchdog: Child,
    id: Pid,
}

impl Group {
    /// Makes a group in which only the watchdog is.
    pub(super) fn new() -> io::Result<Self> {
        let mut watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "seaworthy-watchdog"])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let id = i32::try_from(watchdog.id()).ok().and_then(Pid::from_raw);
        let on_guard = watchdog.stdout.take().map(|mut stdout| stdout.read_exact(&mut [0; 1]));
        match (id, on_guard) {
            (Some(id), Some(Ok(()))) => Ok(Self { watchdog, id }),
            _ => {
                let _ = watchdog.kill();
                let _ = watchdog.wait();
                Err(io::Error::other("the watchdog, a /bin/sh, did not start"))
            }
        }
    }

    /// The group's number, for [`CommandExt::process_group`].
    pub(super) fn id(&self) -> i32 {
        self.id.as_raw_nonzero().get()
    }

    /// Sends a signal to all in the group.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process_group(self.id, signal)?)
    }

    /// Freezes all in the group but the watchdog. Should the harness end between the two signals, the kernel lets the
    /// watchdog go on: a stopped group that loses its parent is continued.
    pub(super) fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        Ok(kill_process(self.id, Signal::CONT)?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The watchdog has not been waited for, so the number is still ours, even if all in the group are dead.
        let _ = kill_process_group(self.id, Signal::KILL);
        let _ = self.watchdog.wait();
    }
}
