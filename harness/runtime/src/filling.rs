//! Fills the ports that a runtime chose into what is to be launched.

use std::collections::BTreeMap;
use std::io;

use seaworthy_core::runtime::{Launch, Program, RuntimeError};
use seaworthy_core::system::interpolate::{self, Placeholder};

/// Command, environment and files without placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) command: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<String, String>,
}

/// Replaces `${port.NAME}` by the number that `port` gives for the name.
pub(crate) fn fill(launch: &Launch, port: impl Fn(&str) -> Option<u16>) -> Result<Filled, RuntimeError> {
    let known = |placeholder: &Placeholder| match placeholder {
        Placeholder::Port(name) => port(name).map(|number| number.to_string()),
        _ => None,
    };
    let fill = |place: &str, text: &str| {
        interpolate::resolve(text, &known).map_err(|error| RuntimeError::Io {
            what: format!("fill in {place} of `{}`", launch.service),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })
    };
    let each = |kind: &str, values: &BTreeMap<String, String>| {
        let filled =
            |(name, text): (&String, &String)| Ok((name.clone(), fill(&format!("{kind} {name}"), text)?));
        values.iter().map(filled).collect::<Result<_, RuntimeError>>()
    };
    let (Program::Command(command) | Program::Image { command, .. }) = &launch.program;
    Ok(Filled {
        command: command.iter().map(|part| fill("the command", part)).collect::<Result<_, _>>()?,
        env: each("the variable", &launch.env)?,
        files: each("the file", &launch.files)?,
    })
}
