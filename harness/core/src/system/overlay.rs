//! `on:` overlays: what is different about a service on one runtime.

use super::document::{Misfit, Node, Value};
use super::model::RunKind;

/// Keys of a service whose values are maps of things that stand for themselves: an overlay adds to them. Any
/// other key it replaces.
const MERGED: [&str; 5] = ["ports", "env", "files", "health", "calls"];

impl RunKind {
    /// The name as files and command lines write it.
    pub fn as_str(self) -> &'static str {
        match self {
            RunKind::Process => "process",
            RunKind::Docker => "docker",
            RunKind::Attach => "attach",
        }
    }
}

/// Lays the overlays for the runtime `on` over the services of a document.
///
/// # Errors
/// An overlay in an overlay, of whichever runtime.
pub(super) fn lay(document: &mut Node, on: RunKind) -> Result<(), Misfit> {
    let Some(services) = child(document, "services") else { return Ok(()) };
    let Value::Map(services) = &mut services.value else { return Ok(()) };
    for service in services {
        let Some(overlays) = service.value.entry("on").map(|entry| entry.value.clone()) else { continue };
        for overlay in overlays.entries().unwrap_or_default() {
            if let Some(inner) = overlay.value.entry("on") {
                return Err(Misfit {
                    message: "an overlay has no overlays of its own".to_owned(),
                    help: Some("move this `on:` out to the service".to_owned()),
                    place: inner.key_place.clone(),
                });
            }
            if overlay.key == on.as_str() {
                merge(&mut service.value, &overlay.value);
            }
        }
    }
    Ok(())
}

fn merge(service: &mut Node, overlay: &Node) {
    let Value::Map(entries) = &mut service.value else { return };
    for over in overlay.entries().unwrap_or_default() {
        match entries.iter_mut().find(|entry| entry.key == over.key) {
            None => entries.push(over.clone()),
            Some(entry) => match (&mut entry.value.value, &over.value.value) {
                (Value::Map(inner), Value::Map(additions)) if MERGED.contains(&over.key.as_str()) => {
                    for addition in additions {
                        inner.retain(|entry| entry.key != addition.key);
                        inner.push(addition.clone());
                    }
                }
                // `env:` with nothing under it adds nothing.
                _ if MERGED.contains(&over.key.as_str()) && over.value.is_nothing() => {}
                _ => *entry = over.clone(),
            },
        }
    }
}

fn child<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}
