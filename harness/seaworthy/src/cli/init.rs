//! `seaworthy init`: a first system file.

use std::io::Write;
use std::process::ExitCode;

use super::args::InitArgs;
use super::failure::Failure;
use crate::launch::FILE_NAME;

/// A system file that says what to fill in. It is sound as it stands, and runs once its command exists.
const FIRST: &str = include_str!("first.yaml");

pub(super) fn init(args: &InitArgs) -> Result<ExitCode, Failure> {
    let path = args.folder.join(FILE_NAME);
    if path.exists() && !args.force {
        return Err(Failure::plain(format!("{} is there already; `--force` overwrites it", path.display())));
    }
    std::fs::create_dir_all(&args.folder)
        .and_then(|()| std::fs::write(&path, FIRST))
        .map_err(|error| Failure::plain(format!("could not write {}: {error}", path.display())))?;
    let _ = writeln!(std::io::stdout(), "wrote {}; fill it in, then run `seaworthy check`", path.display());
    Ok(ExitCode::SUCCESS)
}
