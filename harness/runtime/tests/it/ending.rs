//! However the harness ends, nothing it started outlives it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use seaworthy_core::instance::{InstanceEventKind, InstanceFault};
use seaworthy_core::runtime::Runtime;

use crate::stand_in;
use crate::support::{DEADLINE, runtime, script, within};

/// A named pipe that processes hold open for as long as they live, and two at which they wait to be let go.
struct Roll {
    path: PathBuf,
    gate: PathBuf,
    far_gate: PathBuf,
    lines: mpsc::Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Roll {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [path, gate, far_gate] = ["roll", "gate", "far"].map(|name| folder.path().join(name));
        for pipe in [&path, &gate, &far_gate] {
            mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
        let (sender, lines) = mpsc::channel();
        let reader = path.clone();
        // Opening waits for the first writer; the lines end when the last writer is gone.
        thread::spawn(move || {
            for line in BufReader::new(std::fs::File::open(reader).unwrap()).lines() {
                sender.send(line.unwrap()).unwrap();
            }
        });
        Self { path, gate, far_gate, lines, _folder: folder }
    }

    /// A service with a child and a grandchild, of which none can be asked to end; each says its name.
    fn tree(&self) -> String {
        format!(
            "trap '' HUP INT TERM; exec 9>'{}'; echo main >&9
             (echo child >&9; (echo grandchild >&9; sleep 1000) & sleep 1000) & sleep 1000; wait",
            self.path.display()
        )
    }

    /// Waits until this many processes have said their names.
    fn await_names(&self, count: usize) {
        for _ in 0..count {
            self.lines.recv_timeout(DEADLINE).expect("a process did not come up");
        }
    }

    /// Waits until every process that had it open is gone.
    fn await_all_gone(&self) {
        match self.lines.recv_timeout(DEADLINE) {
            Err(mpsc::RecvTimeoutError::Disconnected) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a process is still alive"),
            Ok(line) => panic!("more than expected: {line}"),
        }
    }
}

/// Lets go a process that reads from a gate.
fn open(gate: &Path) {
    std::fs::write(gate, "go\n").unwrap();
}

/// A harness in a process of its own, with two trees of processes.
struct Harness {
    child: Child,
    groups: Vec<i32>,
    roll: Roll,
    temp: tempfile::TempDir,
}

fn harness(end: &str) -> Harness {
    let roll = Roll::new();
    let temp = tempfile::tempdir().unwrap();
    let mut child = stand_in::command("harness")
        .env("TREE", roll.tree())
        .env("END", end)
        .env("TMPDIR", temp.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let groups = stdout
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.strip_prefix("groups ")?.to_owned()))
        .expect("the harness did not start");
    roll.await_names(6);
    let groups: Vec<i32> = serde_json::from_str(&groups).unwrap();
    assert_eq!(groups.len(), 2);
    Harness { child, groups, roll, temp }
}

impl Harness {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// All processes of all groups are gone, watchdogs too.
    fn leaves_nothing(mut self) {
        self.roll.await_all_gone();
        self.child.wait().unwrap();
        let started = std::time::Instant::now();
        for watchdog in self.groups {
            while is_alive(watchdog) {
                assert!(started.elapsed() < DEADLINE, "a watchdog is still there");
                thread::yield_now();
            }
        }
    }
}

/// Whether a process runs; one that only waits to be collected by whoever adopted it does not.
fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z')
}

#[test]
fn nothing_outlives_a_harness_that_is_killed() {
    let mut harness = harness("exit");
    kill_process(harness.pid(), Signal::KILL).unwrap();
    let temp = harness.temp.path().to_owned();
    harness.roll.await_all_gone();
    // Dead, and not only dying: the lock on its folder goes with it.
    harness.child.wait().unwrap();
    let left = |temp: &Path| std::fs::read_dir(temp).unwrap().count();
    assert_eq!(left(&temp), 1, "its folder could not be removed any more");
    let clock = seaworthy_core::time::RunClock::start();
    let next = seaworthy_runtime::ProcessRuntime::new_in(clock, &temp).unwrap();
    assert_eq!(left(&temp), 1, "the next runtime removed it and made its own");
    drop(next);
    harness.leaves_nothing();
}

#[test]
fn nothing_outlives_a_harness_that_is_interrupted_at_its_terminal() {
    // Ctrl-C goes to the whole foreground group; so does the end of the terminal.
    for signal in [Signal::INT, Signal::HUP, Signal::QUIT] {
        let harness = harness("exit");
        kill_process_group(harness.pid(), signal).unwrap();
        harness.leaves_nothing();
    }
}

#[test]
fn nothing_outlives_a_harness_that_ends_by_itself() {
    for end in ["panic", "abort", "exit", "drop"] {
        let mut harness = harness(end);
        drop(harness.child.stdin.take());
        harness.leaves_nothing();
    }
}

#[tokio::test]
async fn what_is_dropped_is_gone_at_once_and_so_is_its_folder() {
    let roll = Roll::new();
    let runtime = runtime();
    let launch = script("a", "a-1", &roll.tree());
    runtime.start(&launch).await.unwrap();
    roll.await_names(3);
    let folder = runtime.folder_of(&launch.service);
    assert!(folder.is_dir());
    drop(runtime);
    roll.await_all_gone();
    assert!(!folder.parent().unwrap().exists());
}

#[tokio::test]
async fn a_kill_reaches_the_whole_tree() {
    let roll = Roll::new();
    let runtime = runtime();
    let launch = script("a", "a-1", &roll.tree());
    runtime.start(&launch).await.unwrap();
    roll.await_names(3);
    runtime.inject(&launch.instance, InstanceFault::Kill).await.unwrap();
    roll.await_all_gone();
    within(runtime.ended(&launch.instance)).await.unwrap();
    assert!(runtime.groups().is_empty());
}

#[test]
fn nothing_outlives_a_harness_that_is_killed_while_its_instances_are_frozen() {
    let mut harness = harness("frozen");
    drop(harness.child.stdin.take());
    harness.leaves_nothing();
}

#[tokio::test]
async fn what_a_service_leaves_behind_ends_with_it() {
    let roll = Roll::new();
    let runtime = runtime();
    let text = format!(
        "exec 9>'{}'; (trap '' HUP INT TERM; echo left >&9; exec sleep 1000) & echo main >&9; read -r go <'{}'; exit 4",
        roll.path.display(),
        roll.gate.display()
    );
    let launch = script("a", "a-1", &text);
    runtime.start(&launch).await.unwrap();
    roll.await_names(2);
    open(&roll.gate);
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit.code, Some(4));
    roll.await_all_gone();
    let unexpected = |kind: &InstanceEventKind| {
        matches!(kind, InstanceEventKind::Exited { code: Some(4), expected: false, .. })
    };
    assert!(runtime.events().iter().any(|event| unexpected(&event.kind)), "{:?}", runtime.events());
}

#[tokio::test]
async fn a_tokio_runtime_that_ends_first_takes_nothing_with_it() {
    let roll = Roll::new();
    let tree = roll.tree();
    let runtime = thread::spawn(move || {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let runtime = runtime();
        tokio.block_on(runtime.start(&script("a", "a-1", &tree))).unwrap();
        runtime
    })
    .join()
    .unwrap();
    roll.await_names(3);
    assert_eq!(runtime.groups().len(), 1);
    runtime.inject(&"a-1".into(), InstanceFault::Kill).await.unwrap();
    within(runtime.ended(&"a-1".into())).await.unwrap();
    roll.await_all_gone();
}

/// The descriptors that a process has open.
fn descriptors(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut open: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    open.sort();
    open
}

#[tokio::test]
async fn an_instance_inherits_nothing_of_the_harness_but_its_streams() {
    // The shell that has printed has nothing left to open; what it starts may still be opening libraries.
    let up_and_wait = |name: &str| format!("echo {name}; sleep 1000; :");
    // What whoever started the tests left open is inherited by all.
    let mut plain = Command::new("/bin/sh")
        .args(["-c", &up_and_wait("plain")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    BufReader::new(plain.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let inherited = descriptors(plain.id());
    kill_process_group(Pid::from_child(&plain), Signal::KILL).unwrap();
    plain.wait().unwrap();

    let runtime = runtime();
    for service in ["a", "b", "c"] {
        let launch = script(service, &format!("{service}-1"), &up_and_wait(service));
        let pid = runtime.start(&launch).await.unwrap().pid.unwrap();
        crate::support::printed(&runtime, service).await;
        assert_eq!(descriptors(pid), inherited);
        let stdin = std::fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
        assert_eq!(stdin, Path::new("/dev/null"));
    }
}

#[tokio::test]
async fn output_that_a_stranger_holds_open_keeps_no_one_waiting() {
    let roll = Roll::new();
    let runtime = runtime();
    // It leaves the group and the session, as daemons do, and takes the instance's stdout with it.
    let (path, gate, far_gate) = (roll.path.display(), roll.gate.display(), roll.far_gate.display());
    let stranger = format!("exec 9>{path}; echo away >&9; read -r go <{far_gate}");
    let main = format!("setsid sh -c '{stranger}' & read -r go <{gate}; echo bye");
    let launch = script("a", "a-1", &main);
    runtime.start(&launch).await.unwrap();
    roll.await_names(1);
    open(&roll.gate);
    let exit = within(runtime.ended(&launch.instance)).await.unwrap();
    assert_eq!(exit.code, Some(0));
    assert_eq!(runtime.last_lines(&launch.instance, 10), ["bye"]);
    drop(runtime);
    open(&roll.far_gate);
    roll.await_all_gone();
}
