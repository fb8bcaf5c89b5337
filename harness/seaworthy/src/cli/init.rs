//! `seaworthy init`: a first system file.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::InitArgs;
use super::failure::Failure;
use crate::compose;
use crate::launch::FILE_NAME;

/// A system file that says what to fill in. It is sound as it stands, and runs once its command exists.
const FIRST: &str = include_str!("first.yaml");

pub(super) fn init(args: &InitArgs) -> Result<ExitCode, Failure> {
    let path = args.folder.join(FILE_NAME);
    if path.exists() && !args.force {
        return Err(Failure::plain(format!("{} is there already; `--force` overwrites it", path.display())));
    }
    let Some(compose) = &args.compose else {
        write(&path, FIRST)?;
        let _ =
            writeln!(std::io::stdout(), "wrote {}; fill it in, then run `seaworthy check`", path.display());
        return Ok(ExitCode::SUCCESS);
    };
    let imported = compose::import(compose, &path)?;
    write(&path, &imported.yaml)?;
    for note in &imported.notes {
        let _ = writeln!(std::io::stderr(), "note: {note}");
    }
    let _ = writeln!(
        std::io::stdout(),
        "wrote {}; look through it, then run `seaworthy up --on docker`",
        path.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Failure::plain(format!("could not write {}: {error}", path.display())))
}
