//! Removes a run's containers, networks and volumes when its owner is gone, however that ended.
//!
//! It is a `/bin/sh` in a process group of its own that reads from a pipe of which the owner alone holds the other
//! end. When the owner ends, the read ends too, and the shell removes all that carries the run's label, by the `docker`
//! command or, where there is none, by `curl` on the engine's socket. A container may be in the making when its owner
//! dies; so it looks again until there was nothing to be seen for a while.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::engine;
use super::labels::RUN;

/// `$1` is the label. It ignores what a terminal sends, as everything that the harness leaves behind is its business.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
echo on guard
read -r line
exec >/dev/null 2>&1 </dev/null

if command -v docker; then
  containers() { docker ps -aq --no-trunc --filter "label=$1"; }
  networks() { docker network ls -q --no-trunc --filter "label=$1"; }
  volumes() { docker volume ls -q --filter "label=$1"; }
  remove_containers() { docker rm -fv "$@"; }
  remove_networks() { docker network rm "$@"; }
  remove_volumes() { docker volume rm -f "$@"; }
else
  case "$DOCKER_HOST" in
    unix://*) engine=http://engine socket="${DOCKER_HOST#unix://}" ;;
    *) engine="http://${DOCKER_HOST#*://}" socket= ;;
  esac
  say() { curl --silent --fail --max-time 20 ${socket:+--unix-socket "$socket"} "$@"; }
  filter() { echo "filters=%7B%22label%22%3A%5B%22$1%22%5D%7D"; }
  # The engine's JSON names each thing's own id or name once, by this very key.
  ids() { said=$(say "$engine/$1") || return 1; echo "$said" | grep -o "\"$2\":\"[^\"]*\"" | cut -d '"' -f 4; :; }
  containers() { ids "containers/json?all=1&$(filter "$1")" Id; }
  networks() { ids "networks?$(filter "$1")" Id; }
  volumes() { ids "volumes?$(filter "$1")" Name; }
  each() { of=$1 how=$2; shift 2; for id in "$@"; do say -X DELETE "$engine/$of/$id$how" & done; wait; }
  remove_containers() { each containers '?force=1&v=1' "$@"; }
  remove_networks() { each networks '' "$@"; }
  remove_volumes() { each volumes '?force=1' "$@"; }
fi

nothing=0
round=0
while [ $nothing -lt 5 ] && [ $round -lt 100 ]; do
  round=$((round + 1))
  if c=$(containers "$1") && n=$(networks "$1") && v=$(volumes "$1"); then
    if [ -z "$c$n$v" ]; then
      nothing=$((nothing + 1))
    else
      nothing=0
      # Names and ids are without blanks.
      [ -z "$c" ] || remove_containers $c
      [ -z "$n" ] || remove_networks $n
      [ -z "$v" ] || remove_volumes $v
      continue
    fi
  fi
  sleep 0.5 || sleep 1
done
"#;

/// What of the environment the commands need.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"];

/// The reaper of one run. When it is dropped it sets to work.
#[derive(Debug)]
pub(super) struct Reaper(Child);

impl Reaper {
    /// Returns when it is on guard.
    pub(super) fn new(run: &str) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "seaworthy-reaper", &format!("{RUN}={run}")])
            .env_clear()
            .envs(ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))))
            // Said outright, or the command would look into its settings for another.
            .env("DOCKER_HOST", engine::address())
            .current_dir("/")
            // Both ends close on exec, so no other child of the owner's holds it open.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = command.spawn()?;
        let on_guard = child.stdout.take().map(|mut stdout| stdout.read_exact(&mut [0; 1]));
        match on_guard {
            Some(Ok(())) => Ok(Self(child)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other("the reaper, a /bin/sh, did not start"))
            }
        }
    }

    /// There is nothing left to remove: it goes.
    pub(super) fn dismiss(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
