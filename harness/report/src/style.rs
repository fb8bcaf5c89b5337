//! How a rendering for people looks: colours, width, how much of it.

use std::fmt::Display;

/// How the terminal rendering looks. Whether colours are wanted (`--color`, `NO_COLOR`, is it a terminal) is for
/// the caller to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Columns; texts are wrapped and lines of evidence cut to it. Less than 40 is taken for 40.
    pub width: usize,
    /// Shows everything: all evidence, whole trees, skipped checks with their hints, infos.
    pub verbose: bool,
    /// Shows the verdict and one line for each thing that is wrong or undecided.
    pub quiet: bool,
    /// Where the run's evidence is kept, for the replay commands.
    pub evidence: Option<String>,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 100, verbose: false, quiet: false, evidence: None }
    }
}

/// What a piece of text is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Good,
    Bad,
    Unsure,
    Name,
    Faint,
}

impl Style {
    pub(crate) fn columns(&self) -> usize {
        self.width.max(40)
    }

    /// The text in its colour, or as it is.
    pub(crate) fn paint(&self, ink: Ink, text: impl Display) -> String {
        if !self.color {
            return text.to_string();
        }
        let code = match ink {
            Ink::Good => "1;32",
            Ink::Bad => "1;31",
            Ink::Unsure => "1;33",
            Ink::Name => "1",
            Ink::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
