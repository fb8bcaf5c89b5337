//! Files of a service whose content lies in a file beside the system file: `{from: databases.sql}`.
//!
//! They are read when the system file is, so that all that follows sees texts.

use std::io::Read;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::document::{Misfit, Node, Value};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// What is written into a service's folder: the text itself, or where it stands.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only the JSON Schema is made from it")]
pub(super) enum FileForm {
    /// The text; placeholders in it are filled in.
    Text(String),
    /// Where the text stands.
    From {
        /// A file of UTF-8 text, relative to the system file, at most 1 MiB. It is taken as it is: no placeholder in
        /// it is filled in.
        from: String,
    },
}

/// Puts the content of files in place of `{from: FILE}`, in all services and their overlays.
///
/// # Errors
/// One cannot be read, is too large, or is not UTF-8 text.
pub(super) fn read_in(document: &mut Node, folder: &Path) -> Result<(), Misfit> {
    let Some(services) = child(document, "services").and_then(entries) else { return Ok(()) };
    for service in services {
        of_service(&mut service.value, folder)?;
        let Some(overlays) = child(&mut service.value, "on").and_then(entries) else { continue };
        for overlay in overlays {
            of_service(&mut overlay.value, folder)?;
        }
    }
    Ok(())
}

fn of_service(service: &mut Node, folder: &Path) -> Result<(), Misfit> {
    let Some(files) = child(service, "files").and_then(entries) else { return Ok(()) };
    for file in files {
        let Some(from) = file.value.entry("from") else { continue };
        let place = from.value.place.clone();
        let wrong = |message: String, help: Option<&str>| Misfit {
            message,
            help: help.map(str::to_owned),
            place: place.clone(),
        };
        if let Some(other) = file.value.entries().unwrap_or_default().iter().find(|entry| entry.key != "from")
        {
            let mut misfit =
                wrong(format!("`{}` has no meaning here", other.key), Some("write `{from: FILE}`"));
            misfit.place = other.key_place.clone();
            return Err(misfit);
        }
        let Some(name) = from.value.text().filter(|name| !name.is_empty()) else {
            return Err(wrong("this names no file".to_owned(), None));
        };
        let path = folder.join(name);
        let unread = |error: std::io::Error| {
            wrong(
                format!("could not read `{}`: {error}", path.display()),
                Some("name a file relative to the system file"),
            )
        };
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
            .map_err(unread)?;
        if bytes.len() as u64 > LIMIT {
            let message = format!("`{}` is larger than {LIMIT} bytes", path.display());
            return Err(wrong(message, Some("put large files into the image")));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| wrong(format!("`{}` is not UTF-8 text", path.display()), None))?;
        // Its `${` is its own.
        file.value.value = Value::Scalar { text: text.replace("${", "$${"), plain: false };
    }
    Ok(())
}

fn child<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    entries(node)?.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}

fn entries(node: &mut Node) -> Option<&mut Vec<super::document::Entry>> {
    match &mut node.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
}
