//! What ends a command before anything was judged: exit code 2.

use std::io::Write;
use std::process::ExitCode;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use seaworthy_contracts::document::ReadError;
use seaworthy_contracts::grpc::CallerError;
use seaworthy_contracts::ledger::LedgerError;
use seaworthy_contracts::verify::VerifyError;
use seaworthy_contracts::write::WriteError;
use seaworthy_core::finding::Location;

use super::args::{Common, Format};
use super::output::colored_stderr;
use crate::check::KeptError;
use crate::compose::ComposeError;
use crate::judge::JudgeError;
use crate::launch::LaunchError;

/// A diagnostic for people, and what of it goes into a JSON document.
pub(super) struct Failure {
    message: String,
    location: Option<Box<Location>>,
    /// What else people are told: the place, what to do.
    note: String,
    diagnostic: Option<Box<dyn Diagnostic + Send + Sync>>,
}

impl Failure {
    /// Just a message.
    pub(super) fn plain(message: String) -> Self {
        Self { message, location: None, note: String::new(), diagnostic: None }
    }

    /// A message with its place in a file and what to do.
    pub(super) fn placed(message: String, location: Option<Location>, hint: &str) -> Self {
        let mut note = String::new();
        let place =
            location.as_ref().filter(|place| !place.file.is_empty() && !message.contains(&place.file));
        if let Some(place) = place {
            note += &format!("\n  at {}", place.file);
            if place.line > 0 {
                note += &format!(":{}", place.line);
            }
        }
        if !hint.is_empty() {
            note += &format!("\n  help: {hint}");
        }
        Self { message, location: location.map(Box::new), diagnostic: None, note }
    }

    /// Prints it (to stderr for people; as a JSON document on stdout where JSON was asked for) and gives the exit code.
    pub(super) fn report(&self, common: &Common) -> ExitCode {
        let json = common.format.iter().find(|to| to.format == Format::Json);
        if let Some(to) = json {
            let document = seaworthy_report::error_json(&self.message, self.location.as_deref());
            // Where even that cannot be written, the diagnostic below still says what is wrong.
            let _ = match &to.file {
                Some(file) => std::fs::write(file, document),
                None => writeln!(std::io::stdout(), "{document}"),
            };
        }
        let text = match &self.diagnostic {
            Some(diagnostic) => self.render(&**diagnostic, common),
            None => format!("error: {}{}", self.message, self.note),
        };
        let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
        ExitCode::from(2)
    }

    fn render(&self, diagnostic: &dyn Diagnostic, common: &Common) -> String {
        let theme = if colored_stderr(common.color) {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let mut text = String::new();
        match GraphicalReportHandler::new_themed(theme).with_width(110).render_report(&mut text, diagnostic) {
            Ok(()) => text,
            Err(_) => format!("error: {}", self.message),
        }
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let location = match &error {
            LaunchError::System(error) => error.location(),
            LaunchError::Flow(error) => error.location(),
            LaunchError::Contracts(error) => error.location(),
            _ => None,
        };
        Self {
            message: error.to_string(),
            location: location.map(Box::new),
            note: String::new(),
            diagnostic: Some(Box::new(error)),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::placed(error.to_string(), Some(error.location()), &error.hint())
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::placed(error.to_string(), error.location(), "")
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self::placed(error.to_string(), error.location(), error.hint())
    }
}

impl From<CallerError> for Failure {
    fn from(error: CallerError) -> Self {
        let (location, hint) = match &error {
            CallerError::Contract(error) => (Some(error.location().clone()), error.hint()),
            _ => (None, ""),
        };
        Self::placed(error.to_string(), location, hint)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::placed(error.to_string(), error.location().cloned(), "")
    }
}

impl From<ComposeError> for Failure {
    fn from(error: ComposeError) -> Self {
        Self {
            message: error.to_string(),
            location: error.location().map(Box::new),
            note: String::new(),
            diagnostic: Some(Box::new(error)),
        }
    }
}

impl From<JudgeError> for Failure {
    fn from(error: JudgeError) -> Self {
        Self::plain(error.to_string())
    }
}

impl From<KeptError> for Failure {
    fn from(error: KeptError) -> Self {
        Self::plain(error.to_string())
    }
}
