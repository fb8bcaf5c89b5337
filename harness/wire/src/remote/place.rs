//! Where a data plane is found: a socket in a folder that its user alone can enter.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Plane, RemoteError};

/// How many bytes of the digest of the file's path stand in the socket's name.
const DIGEST_BYTES: usize = 8;
/// How many bytes of a file are read as a pid.
const LONGEST_PID: u64 = 20;

/// The socket of the data plane for the system of this file: `seaworthy-UID/HASH.sock`, in `XDG_RUNTIME_DIR` or else
/// in `/tmp`.
///
/// # Errors
/// The file is not there.
pub fn socket_for(system_file: &Path) -> Result<PathBuf, RemoteError> {
    let file = system_file.canonicalize().map_err(|source| RemoteError::Place {
        what: "find",
        path: system_file.to_owned(),
        source,
    })?;
    let digest = Sha256::digest(file.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // Where nobody logged in it may be set and not be there.
    let folder = runtime.filter(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("/tmp"));
    let user = rustix::process::getuid().as_raw();
    Ok(folder.join(format!("seaworthy-{user}")).join(format!("{name}.sock")))
}

/// The data plane that listens at this socket, if one does. Nothing is asked of it.
pub fn find(socket: &Path) -> Option<Plane> {
    check_folder(socket).ok()?;
    std::os::unix::net::UnixStream::connect(socket).ok()?;
    let mut pid = String::new();
    File::open(claim_beside(socket)).ok()?.take(LONGEST_PID).read_to_string(&mut pid).ok()?;
    Some(Plane { pid: pid.trim().parse().ok()?, socket: socket.to_owned() })
}

/// Makes the socket's folder, and makes sure that it is its user's alone: in a folder that others can write to,
/// somebody else could be listening.
pub(super) fn make_folder(socket: &Path) -> Result<(), RemoteError> {
    let folder = folder_of(socket);
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(RemoteError::Place { what: "make", path: folder.to_owned(), source })
        }
        _ => check_folder(socket),
    }
}

/// Makes sure that nobody else can have put the socket where it is. Where there is no folder, there is no socket.
pub(super) fn check_folder(socket: &Path) -> Result<(), RemoteError> {
    let folder = folder_of(socket);
    let found = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RemoteError::Nobody { socket: socket.to_owned() });
        }
        Err(source) => return Err(RemoteError::Place { what: "look at", path: folder.to_owned(), source }),
    };
    let mine = found.uid() == rustix::process::getuid().as_raw();
    if !found.is_dir() || !mine || found.permissions().mode() & 0o077 != 0 {
        return Err(RemoteError::NotPrivate { folder: folder.to_owned() });
    }
    Ok(())
}

fn folder_of(socket: &Path) -> &Path {
    socket.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The log beside the socket.
pub(super) fn log_beside(socket: &Path) -> PathBuf {
    socket.with_extension("log")
}

fn claim_beside(socket: &Path) -> PathBuf {
    socket.with_extension("pid")
}

/// Says that a data plane runs, for as long as it is held; holds the data plane's pid.
#[derive(Debug)]
pub(super) struct Claim(#[expect(dead_code, reason = "the lock goes when the file is closed")] File);

impl Claim {
    /// Claims the socket's place.
    pub(super) fn of(socket: &Path) -> Result<Self, RemoteError> {
        let path = claim_beside(socket);
        let fail = |source| RemoteError::Place { what: "write", path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.take(LONGEST_PID).read_to_string(&mut pid).map_err(fail)?;
                return Err(RemoteError::Running { socket: socket.to_owned(), pid: pid.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let error = make_folder(&open.join("x.sock")).unwrap_err();
        assert!(matches!(error, RemoteError::NotPrivate { .. }), "{error}");
        let link = folder.path().join("link");
        let own = folder.path().join("own");
        make_folder(&own.join("x.sock")).unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        assert!(make_folder(&link.join("x.sock")).is_err(), "a link may lead anywhere tomorrow");
    }

    #[test]
    fn a_place_is_claimed_once() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("x.sock");
        let claim = Claim::of(&socket).unwrap();
        let error = Claim::of(&socket).unwrap_err();
        let mine = std::process::id();
        assert!(matches!(error, RemoteError::Running { pid: Some(pid), .. } if pid == mine), "{error}");
        drop(claim);
        Claim::of(&socket).unwrap();
    }

    #[test]
    fn each_system_file_has_a_socket_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "b.yaml"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let socket = |name: &str| socket_for(&folder.path().join(name)).unwrap();
        assert_ne!(socket("a.yaml"), socket("b.yaml"));
        assert_eq!(socket("a.yaml"), socket("./a.yaml"));
        // A socket's path may have 107 bytes.
        assert!(socket("a.yaml").as_os_str().len() < 100);
    }
}
