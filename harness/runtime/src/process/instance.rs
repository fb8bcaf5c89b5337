//! One instance: a process in a group of its own, with the threads that wait for it and read what it prints.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::InstanceEventKind;
use seaworthy_core::log::Stream;
use seaworthy_core::runtime::{Exit, RuntimeError};
use tokio::sync::watch;

use super::group::Group;
use super::program_error;
use crate::output::Source;
use crate::record::{Record, io_error, locked};

/// How long the last lines of an instance are awaited after its end. A process that left the group may hold
/// the pipe open for ever; it is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// All that is needed to make the process.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) service: ServiceName,
    pub(super) id: InstanceId,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) path: Option<OsString>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: PathBuf,
    pub(super) ports: BTreeMap<String, SocketAddr>,
}

/// One instance, alive or ended.
#[derive(Debug)]
pub(super) struct Instance {
    service: ServiceName,
    id: InstanceId,
    ports: BTreeMap<String, SocketAddr>,
    record: Arc<Record>,
    life: Arc<Life>,
    exit: watch::Receiver<Option<Exit>>,
    waiter: Mutex<Option<JoinHandle<()>>>,
}

/// What the instance and the thread that waits for it share.
#[derive(Debug)]
struct Life {
    /// Gone once the instance has ended: no signal is sent after that.
    group: Mutex<Option<Group>>,
    /// Whether the harness asked it to end.
    asked: AtomicBool,
    /// Whether the harness froze it. Changed under the group's lock.
    paused: AtomicBool,
}

impl Instance {
    /// Makes the process. Returns it with its process id.
    pub(super) fn start(prepared: Prepared, record: &Arc<Record>) -> Result<(Self, u32), RuntimeError> {
        let Prepared { service, id, program, arguments, path, env, folder, ports } = prepared;
        let group = Group::new().map_err(io_error(format!("make a process group for `{service}`")))?;
        let mut command = Command::new(&program);
        command
            .args(&arguments)
            .env_clear()
            .envs(path.map(|path| ("PATH", path)))
            .envs(&env)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(group.id());
        let mut child = command.spawn().map_err(|error| {
            let reason = match error.kind() {
                // The program is there, so what is missing is what is to run it.
                io::ErrorKind::NotFound => "the interpreter that its first line names is missing".to_owned(),
                _ => error.to_string(),
            };
            program_error(&service, &program.display().to_string(), reason)
        })?;
        let pid = child.id();
        record.add(&service, &id, InstanceEventKind::Started { pid: Some(pid), container: None });

        let life = Arc::new(Life {
            group: Mutex::new(Some(group)),
            asked: AtomicBool::new(false),
            paused: AtomicBool::new(false),
        });
        let (ended, exit) = watch::channel(None);
        let waiter = Waiter {
            service: service.clone(),
            id: id.clone(),
            record: Arc::clone(record),
            life: Arc::clone(&life),
            ended,
        };
        let readers = waiter.read(&mut child);
        let waiter =
            thread::Builder::new().name(format!("wait {id}")).spawn(move || waiter.wait(child, &readers));
        let waiter = waiter.map_err(io_error(format!("make a thread for `{service}`")))?;
        let instance = Self {
            service,
            id,
            ports,
            record: Arc::clone(record),
            life,
            exit,
            waiter: Mutex::new(Some(waiter)),
        };
        Ok((instance, pid))
    }

    pub(super) fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Where its ports listen.
    pub(super) fn ports(&self) -> &BTreeMap<String, SocketAddr> {
        &self.ports
    }

    /// The number of its process group while it is alive.
    pub(super) fn group_id(&self) -> Option<i32> {
        locked(&self.life.group).as_ref().map(Group::id)
    }

    /// Sends SIGKILL or SIGTERM to its group and records that, first, so that the end never comes before what
    /// caused it.
    pub(super) fn send(&self, signal: Signal) -> Result<(), RuntimeError> {
        let group = locked(&self.life.group);
        let Some(group) = group.as_ref() else { return Err(RuntimeError::NoInstance(self.id.clone())) };
        let kind = match signal {
            Signal::KILL => InstanceEventKind::Killed,
            _ => InstanceEventKind::AskedToEnd,
        };
        self.life.asked.store(true, Ordering::SeqCst);
        self.record.add(&self.service, &self.id, kind);
        group.signal(signal).map_err(io_error(format!("send a signal to `{}`", self.id)))
    }

    /// Freezes it, or lets it go on. What is so already stays so.
    pub(super) fn pause(&self, pause: bool) -> Result<(), RuntimeError> {
        let group = locked(&self.life.group);
        let Some(group) = group.as_ref() else { return Err(RuntimeError::NoInstance(self.id.clone())) };
        if self.life.paused.load(Ordering::SeqCst) == pause {
            return Ok(());
        }
        let (kind, done) = match pause {
            true => (InstanceEventKind::Paused, group.pause()),
            false => (InstanceEventKind::Resumed, group.signal(Signal::CONT)),
        };
        done.map_err(io_error(format!("send a signal to `{}`", self.id)))?;
        self.life.paused.store(pause, Ordering::SeqCst);
        self.record.add(&self.service, &self.id, kind);
        Ok(())
    }

    /// How it ended, if it has.
    pub(super) fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Returns when it has ended and what it printed is in.
    pub(super) async fn ended(&self) -> Result<Exit, RuntimeError> {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| *exit).ok_or_else(|| RuntimeError::NoInstance(self.id.clone()))
    }

    /// Waits until the process has been collected. It must have been killed.
    pub(super) fn join(&self) {
        if let Some(waiter) = locked(&self.waiter).take() {
            let _ = waiter.join();
        }
    }
}

/// What waits for the process.
struct Waiter {
    service: ServiceName,
    id: InstanceId,
    record: Arc<Record>,
    life: Arc<Life>,
    ended: watch::Sender<Option<Exit>>,
}

impl Waiter {
    /// Starts a thread for each of the process's streams. The receiver is disconnected when both have ended.
    fn read(&self, child: &mut Child) -> mpsc::Receiver<()> {
        let (done, all_done) = mpsc::channel();
        let stdout = child.stdout.take().map(|from| (Stream::Stdout, Box::new(from) as Box<dyn Read + Send>));
        let stderr = child.stderr.take().map(|from| (Stream::Stderr, Box::new(from) as Box<dyn Read + Send>));
        for (stream, from) in stdout.into_iter().chain(stderr) {
            let source = Source { service: self.service.clone(), instance: self.id.clone(), stream };
            let (record, done) = (Arc::clone(&self.record), done.clone());
            let name = format!("read {}", self.id);
            // Without a thread its output is lost, and the instance would block on a full pipe; dropping the
            // pipe instead lets it go on.
            let _ = thread::Builder::new().name(name).spawn(move || {
                record.capture.read(from, &source, record.clock);
                drop(done);
            });
        }
        all_done
    }

    /// Waits for the process, ends what is left of its group, and says so.
    fn wait(self, mut child: Child, readers: &mpsc::Receiver<()>) {
        let status = child.wait();
        // Whatever the process left behind in its group dies with it; the watchdog is collected.
        drop(locked(&self.life.group).take());
        let exit = exit_of(status);
        let expected = self.life.asked.load(Ordering::SeqCst);
        let kind = InstanceEventKind::Exited { code: exit.code, signal: exit.signal, expected };
        self.record.add(&self.service, &self.id, kind);
        let _ = readers.recv_timeout(LAST_WORDS);
        self.ended.send_replace(Some(exit));
    }
}

fn exit_of(status: io::Result<ExitStatus>) -> Exit {
    let status = status.ok();
    Exit { code: status.and_then(|status| status.code()), signal: status.and_then(|status| status.signal()) }
}
