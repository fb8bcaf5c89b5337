//! A real RabbitMQ. Tests share one, whichever process they run in: the first starts it, and it ends by itself soon after
//! the last has ended.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lapin::{Connection, ConnectionProperties};

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// It starts within seconds; on a busy machine it takes longer.
const PATIENCE: Duration = Duration::from_secs(160);

/// A broker in use by this test.
pub(crate) struct Rabbit {
    pub(crate) port: u16,
    folder: PathBuf,
    is_own: bool,
    _in_use: File,
}

impl Rabbit {
    /// The broker that tests share; `None` when `SEAWORTHY_NO_RABBITMQ=1`.
    pub(crate) async fn shared() -> Option<Self> {
        let user = std::env::var("USER").unwrap_or_default();
        let folder = std::env::temp_dir().join(format!("seaworthy-wire-rabbitmq-{user}"));
        Self::find(folder, false).await
    }

    /// A broker for this test alone.
    pub(crate) async fn own() -> Option<Self> {
        let name = format!("seaworthy-wire-rabbitmq-{}-{}", std::process::id(), super::support::unique());
        Self::find(std::env::temp_dir().join(name), true).await
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://tap:tap@127.0.0.1:{}/%2f", self.port)
    }

    /// Kills it and starts it again, with what it had written to its disk.
    pub(crate) fn restart(&self) {
        let keeper = std::fs::read_to_string(self.folder.join("keeper")).unwrap();
        assert!(Command::new("kill").args(["-HUP", keeper.trim()]).status().unwrap().success());
    }

    async fn find(folder: PathBuf, is_own: bool) -> Option<Self> {
        if std::env::var("SEAWORTHY_NO_RABBITMQ").is_ok_and(|value| value == "1") {
            return None;
        }
        assert!(
            Path::new(SERVER).exists(),
            "tests of the broker tap need RabbitMQ (apt-get install --no-install-recommends rabbitmq-server); \
             SEAWORTHY_NO_RABBITMQ=1 leaves them out"
        );
        let port = tokio::task::spawn_blocking({
            let folder = folder.clone();
            move || {
                std::fs::create_dir_all(&folder).unwrap();
                let in_use = lock_file(&folder, "in-use");
                // Whoever ends a broker holds this lock until nothing of it is left.
                in_use.lock_shared().unwrap();
                let starting = lock_file(&folder, "starting");
                starting.lock().unwrap();
                let port = std::fs::read_to_string(folder.join("port")).ok();
                let port = port.and_then(|port| port.trim().parse().ok()).unwrap_or_else(|| start(&folder));
                (port, in_use)
            }
        });
        let (port, in_use) = port.await.unwrap();
        let rabbit = Self { port, folder, is_own, _in_use: in_use };
        rabbit.answers().await;
        Some(rabbit)
    }

    /// Waits until it takes connections.
    pub(crate) async fn answers(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            match Connection::connect(&self.url(), ConnectionProperties::default()).await {
                Ok(_) => return,
                Err(error) if Instant::now() > end => {
                    let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                    panic!("RabbitMQ does not answer: {error}\n{log}");
                }
                // Another process's start can only be looked at again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        if self.is_own
            && let Ok(keeper) = std::fs::read_to_string(self.folder.join("keeper"))
        {
            let _ = Command::new("kill").args(["-TERM", keeper.trim()]).status();
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn lock_file(folder: &Path, name: &str) -> File {
    OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(name)).unwrap()
}

/// Starts a keeper, which outlives this process.
#[expect(clippy::zombie_processes, reason = "it ends after this process, and is then init's child")]
fn start(folder: &Path) -> u16 {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
    let keeper = Command::new("/bin/sh")
        .args(["-c", include_str!("keeper.sh"), "keeper", SERVER])
        .args(ports.map(|port| port.to_string()))
        .arg(folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::fs::write(folder.join("keeper"), keeper.id().to_string()).unwrap();
    ports[0]
}
