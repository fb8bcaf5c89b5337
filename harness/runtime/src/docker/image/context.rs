//! A build context: which files are in it, the digest of all of it, and the stream that the engine reads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::BuildRequest;
use super::ignore::Ignore;

/// How many files a context may hold, and how much they may weigh together, in bytes.
const FILES: usize = 50_000;
const SIZE: u64 = 1024 * 1024 * 1024;
/// How much is handed to the engine at once, in bytes, and how many such pieces may wait.
const PIECE: usize = 64 * 1024;
const WAITING: usize = 16;

/// What an image is built from, looked at once.
#[derive(Debug)]
pub(super) struct Context {
    files: BTreeMap<String, Entry>,
    dockerfile: String,
    digest: String,
}

/// One file of it.
#[derive(Debug, Clone)]
enum Entry {
    File { path: PathBuf, size: u64, executable: bool },
    Folder,
    Link { to: PathBuf },
}

impl Context {
    /// Looks at all there is, and reads it once for the digest.
    pub(super) fn read(request: &BuildRequest) -> Result<Self, String> {
        let root = &request.context;
        if !root.is_dir() {
            return Err("there is no such folder".to_owned());
        }
        let dockerfile = dockerfile(request)?;
        let ignore = match fs::read_to_string(root.join(".dockerignore")) {
            Ok(text) => Ignore::parse(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ignore::default(),
            Err(error) => return Err(format!("`.dockerignore`: {error}")),
        };
        let mut walk = Walk { root, ignore: &ignore, files: BTreeMap::new(), size: 0 };
        walk.folder(root)?;
        // The engine reads these two whatever is left out of the image.
        for name in [dockerfile.as_str(), ".dockerignore"] {
            if root.join(name).is_file() {
                walk.entry(name.to_owned(), &root.join(name))?;
            }
        }
        for (name, path) in &request.extra_files {
            if !is_plain(Path::new(name)) {
                return Err(format!("`{name}` does not name a file in the context"));
            }
            if !path.is_file() {
                return Err(format!("`{}`, which is to be put into it, is no file", path.display()));
            }
            walk.entry(name.clone(), &path.canonicalize().map_err(at(path))?)?;
        }
        let files = walk.files;
        let digest = digest(&files, &dockerfile, &request.args)?;
        Ok(Self { files, dockerfile, digest })
    }

    /// The path of the Dockerfile in it.
    pub(super) fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// The same for the same content, arguments and Dockerfile, whenever and wherever: SHA-256 in hex.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// All of it as a tar archive, made while it is read.
    pub(super) fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (pieces, mut archive) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let mut pipe = Pipe { pieces, piece: Vec::with_capacity(PIECE) };
            let done = self.write(&mut pipe).and_then(|()| pipe.flush());
            if let Err(error) = done {
                // When nobody reads any more there is nobody to tell.
                let _ = pipe.pieces.blocking_send(Err(error));
            }
        });
        futures_util::stream::poll_fn(move |context| archive.poll_recv(context))
    }

    fn write(&self, to: &mut Pipe) -> io::Result<()> {
        let mut archive = tar::Builder::new(to);
        for (name, entry) in &self.files {
            let mut header = tar::Header::new_gnu();
            // Times stay 0 and owners root: an image does not depend on when and by whom it was checked out.
            match entry {
                Entry::File { path, size, executable } => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_mode(if *executable { 0o755 } else { 0o644 });
                    header.set_size(*size);
                    let mut file = File::open(path)?.take(*size);
                    archive.append_data(&mut header, name, &mut file)?;
                    if file.limit() > 0 {
                        return Err(io::Error::other(format!(
                            "`{}` shrank while it was read",
                            path.display()
                        )));
                    }
                }
                Entry::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    archive.append_data(&mut header, name, io::empty())?;
                }
                Entry::Link { to } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    archive.append_link(&mut header, name, to)?;
                }
            }
        }
        archive.finish()
    }
}

/// The Dockerfile's path within the context.
fn dockerfile(request: &BuildRequest) -> Result<String, String> {
    let path = request.dockerfile.clone().unwrap_or_else(|| PathBuf::from("Dockerfile"));
    if !is_plain(&path) {
        return Err(format!(
            "the Dockerfile `{}` does not lie in it; name it relative to the context",
            path.display()
        ));
    }
    if !request.context.join(&path).is_file() {
        return Err(format!("there is no `{}` in it", path.display()));
    }
    let parts: Option<Vec<&str>> = path
        .components()
        .filter(|part| *part != std::path::Component::CurDir)
        .map(|part| part.as_os_str().to_str())
        .collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| "the Dockerfile's name is no text".to_owned())
}

/// Whether a path leads downwards only.
fn is_plain(path: &Path) -> bool {
    use std::path::Component;
    path.file_name().is_some()
        && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("`{}`: {error}", path.display())
}

struct Walk<'w> {
    root: &'w Path,
    ignore: &'w Ignore,
    files: BTreeMap<String, Entry>,
    size: u64,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path) -> Result<(), String> {
        for found in fs::read_dir(folder).map_err(at(folder))? {
            let path = found.map_err(at(folder))?.path();
            let inside = path.strip_prefix(self.root).unwrap_or(&path);
            let name = inside
                .to_str()
                .ok_or_else(|| format!("the name of `{}` is no text", path.display()))?
                .to_owned();
            let left_out = self.ignore.leaves_out(&name);
            let is_folder = path.symlink_metadata().map_err(at(&path))?.is_dir();
            if !left_out {
                self.entry(name, &path)?;
            }
            if is_folder && (!left_out || self.ignore.has_exceptions()) {
                self.folder(&path)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: String, path: &Path) -> Result<(), String> {
        let meta = path.symlink_metadata().map_err(at(path))?;
        let entry = if meta.is_dir() {
            Entry::Folder
        } else if meta.is_symlink() {
            Entry::Link { to: fs::read_link(path).map_err(at(path))? }
        } else if meta.is_file() {
            let executable = meta.permissions().mode() & 0o111 != 0;
            Entry::File { path: path.to_owned(), size: meta.len(), executable }
        } else {
            return Err(format!("`{name}` is neither a file nor a folder nor a link"));
        };
        if let Entry::File { size, .. } = entry {
            self.size += size;
        }
        self.files.insert(name, entry);
        if self.files.len() > FILES || self.size > SIZE {
            return Err(format!(
                "it holds more than {FILES} files or {} MiB; leave out by `.dockerignore` what is not needed",
                SIZE / 1024 / 1024
            ));
        }
        Ok(())
    }
}

/// Everything that the image depends on, with lengths, so that nothing runs into the next.
fn digest(
    files: &BTreeMap<String, Entry>,
    dockerfile: &str,
    args: &BTreeMap<String, String>,
) -> Result<String, String> {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, kind: u8, text: &[u8]| {
        hash.update([kind]);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    text(&mut hash, b'd', dockerfile.as_bytes());
    for (name, value) in args {
        text(&mut hash, b'a', name.as_bytes());
        text(&mut hash, b'=', value.as_bytes());
    }
    for (name, entry) in files {
        text(&mut hash, b'n', name.as_bytes());
        match entry {
            Entry::Folder => hash.update(b"/"),
            Entry::Link { to } => text(&mut hash, b'l', to.as_os_str().as_encoded_bytes()),
            Entry::File { path, size, executable } => {
                hash.update([b'f', u8::from(*executable)]);
                hash.update(size.to_le_bytes());
                let mut file = File::open(path).map_err(at(path))?.take(*size);
                io::copy(&mut file, &mut hash).map_err(at(path))?;
            }
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is written, in pieces, to whoever reads them.
struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.pieces.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn request(folder: &tempfile::TempDir) -> BuildRequest {
        BuildRequest { context: folder.path().to_owned(), ..BuildRequest::default() }
    }

    #[test]
    fn the_digest_is_that_of_the_content() {
        let files = [("Dockerfile", "FROM scratch"), ("src/a", "one"), ("src/b", "two")];
        let (first, second) = (folder(&files), folder(&files));
        let digest = |request: &BuildRequest| Context::read(request).unwrap().digest().to_owned();
        let same = digest(&request(&first));
        assert_eq!(same, digest(&request(&second)));
        assert_eq!(same.len(), 64);

        let mut seen = std::collections::BTreeSet::from([same]);
        let mut differs = |request: &BuildRequest| assert!(seen.insert(digest(request)));
        differs(&BuildRequest { args: [("A".to_owned(), "1".to_owned())].into(), ..request(&first) });
        differs(&BuildRequest { args: [("A".to_owned(), "2".to_owned())].into(), ..request(&first) });
        let extra = first.path().join("src/a");
        differs(&BuildRequest { extra_files: [("x".to_owned(), extra)].into(), ..request(&first) });
        fs::write(second.path().join("src/b"), "TWO").unwrap();
        differs(&request(&second));
        fs::rename(second.path().join("src/b"), second.path().join("src/c")).unwrap();
        differs(&request(&second));
        fs::set_permissions(second.path().join("src/c"), fs::Permissions::from_mode(0o755)).unwrap();
        differs(&request(&second));
        std::os::unix::fs::symlink("c", second.path().join("src/link")).unwrap();
        differs(&request(&second));
    }

    #[tokio::test]
    async fn the_archive_holds_what_is_not_left_out() {
        let folder = folder(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "*\n!keep/in\n"),
            ("out", "no"),
            ("keep/in", "yes"),
            ("keep/out", "no"),
        ]);
        let elsewhere = tempfile::tempdir().unwrap();
        let binary = elsewhere.path().join("binary");
        fs::write(&binary, vec![7; 300_000]).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o750)).unwrap();
        let request = BuildRequest { extra_files: [("bin".to_owned(), binary)].into(), ..request(&folder) };
        let context = Context::read(&request).unwrap();
        let pieces: Vec<Bytes> = context.stream().map(Result::unwrap).collect().await;
        let bytes = pieces.concat();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let held: Vec<(String, u64, u32)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                (entry.path().unwrap().display().to_string(), header.size().unwrap(), header.mode().unwrap())
            })
            .collect();
        let expected = [
            (".dockerignore", 11, 0o644),
            ("Dockerfile", 12, 0o644),
            ("bin", 300_000, 0o755),
            ("keep/in", 3, 0o644),
        ];
        assert_eq!(held, expected.map(|(name, size, mode)| (name.to_owned(), size, mode)));
    }

    #[test]
    fn what_is_not_in_order_is_named() {
        let error = |request: &BuildRequest| Context::read(request).unwrap_err();
        let whole = folder(&[("Dockerfile", "FROM scratch")]);
        assert_eq!(error(&BuildRequest::default()), "there is no such folder");
        let other =
            |dockerfile: &str| BuildRequest { dockerfile: Some(dockerfile.into()), ..request(&whole) };
        assert_eq!(error(&other("other")), "there is no `other` in it");
        assert!(error(&other("../Dockerfile")).contains("does not lie in it"));
        let with = |name: &str, path: &str| BuildRequest {
            extra_files: [(name.to_owned(), path.into())].into(),
            ..request(&whole)
        };
        assert!(error(&with("../x", "/bin/sh")).contains("`../x` does not name a file in the context"));
        assert!(error(&with("x", "/no/such")).contains("`/no/such`, which is to be put into it, is no file"));
        fs::write(whole.path().join(".dockerignore"), "[").unwrap();
        assert!(error(&request(&whole)).starts_with(".dockerignore, line 1"));
        let big = folder(&[("Dockerfile", "FROM scratch")]);
        File::create(big.path().join("hole")).unwrap().set_len(SIZE + 1).unwrap();
        assert!(error(&request(&big)).contains("1024 MiB"), "{}", error(&request(&big)));
    }
}
