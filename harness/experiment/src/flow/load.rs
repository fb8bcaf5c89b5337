//! Reading flow files: strictly, and with a place for each complaint.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use miette::{LabeledSpan, NamedSource, SourceCode};
use seaworthy_core::finding::Location;
use seaworthy_core::system::suggest::closest;
use seaworthy_core::system::{RunKind, System};

use super::model::Flow;
use super::source::{Place, Source};
use super::validate;

/// The largest flow file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// How many flow files a system may have.
const MAX_FILES: usize = 10_000;

/// One thing that is wrong in a flow file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Where; line 0 when not known.
    pub location: Location,
    /// Which bytes.
    pub bytes: std::ops::Range<usize>,
}

/// Why flows could not be read.
#[derive(Debug)]
pub enum FlowFileError {
    /// The file could not be read at all.
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than a flow file can reasonably be.
    TooLarge {
        /// Which.
        file: PathBuf,
    },
    /// The system file names flows, and no file goes by that name.
    NoMatch {
        /// What the system file says.
        pattern: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Something in the file is wrong.
    Invalid {
        /// Which file.
        file: PathBuf,
        /// All that is wrong, at least one thing.
        problems: Vec<Problem>,
        /// The file's text, for excerpts.
        text: Box<NamedSource<String>>,
    },
}

impl FlowFileError {
    /// The place of the first thing that is wrong.
    pub fn location(&self) -> Option<Location> {
        match self {
            FlowFileError::Invalid { problems, .. } => {
                problems.first().map(|problem| problem.location.clone())
            }
            FlowFileError::Read { file, .. } | FlowFileError::TooLarge { file } => {
                Some(Location { file: file.display().to_string(), ..Location::default() })
            }
            FlowFileError::NoMatch { .. } => None,
        }
    }

    /// All that is wrong inside the file.
    pub fn problems(&self) -> &[Problem] {
        match self {
            FlowFileError::Invalid { problems, .. } => problems,
            _ => &[],
        }
    }
}

impl fmt::Display for FlowFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowFileError::Read { file, source } => {
                write!(f, "could not read flow file `{}`: {source}", file.display())
            }
            FlowFileError::TooLarge { file } => {
                write!(f, "could not read flow file `{}`: it is larger than 1 MiB", file.display())
            }
            FlowFileError::NoMatch { pattern, folder } => {
                write!(f, "could not find any flow file `{pattern}` in `{}`", folder.display())
            }
            FlowFileError::Invalid { file, problems, .. } => {
                write!(f, "could not use flow file `{}`: ", file.display())?;
                match problems.as_slice() {
                    [problem] => f.write_str(&problem.message),
                    problems => write!(f, "{} things in it are wrong", problems.len()),
                }
            }
        }
    }
}

impl std::error::Error for FlowFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FlowFileError::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl miette::Diagnostic for FlowFileError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        if matches!(self, FlowFileError::NoMatch { .. }) {
            return Some(Box::new(
                "`flows:` in the system file names files relative to it; `*` stands for any part of a file name",
            ));
        }
        let helps: Vec<&str> = self.problems().iter().filter_map(|problem| problem.help.as_deref()).collect();
        (!helps.is_empty()).then(|| Box::new(helps.join("\n")) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            FlowFileError::Invalid { text, .. } => Some(text.as_ref()),
            _ => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |problem: &Problem| {
            LabeledSpan::new(Some(problem.message.clone()), problem.bytes.start, problem.bytes.len())
        };
        Some(Box::new(self.problems().iter().filter(|problem| problem.location.line > 0).map(label)))
    }
}

impl Flow {
    /// Whether it is meant for systems on this runtime.
    pub fn is_for(&self, on: RunKind) -> bool {
        self.only.is_empty() || self.only.contains(&on)
    }

    /// Reads a flow from its text and checks what can be checked without a system.
    ///
    /// # Errors
    /// All that is wrong in it, with places.
    pub fn parse(text: &str, file: impl Into<PathBuf>) -> Result<Self, FlowFileError> {
        let source = Source::new(file, text);
        // Excerpts are miette's business; serde-saphyr's own would print the text twice.
        let options = serde_saphyr::options! { with_snippet: false };
        let mut flow: Flow = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| invalid(&source, vec![shape_problem(&error, &source)]))?;
        flow.source = source;
        let problems = validate::alone(&flow);
        if problems.is_empty() { Ok(flow) } else { Err(invalid(&flow.source, problems)) }
    }

    /// Checks what can only be checked against the system that the flow is for: edges, services, variables of
    /// the environment.
    ///
    /// # Errors
    /// All that does not fit, with places.
    pub fn check_against(&self, system: &System) -> Result<(), FlowFileError> {
        let problems = validate::against(self, system);
        if problems.is_empty() { Ok(()) } else { Err(invalid(&self.source, problems)) }
    }
}

/// Reads a flow from a file and checks it against the system.
///
/// # Errors
/// When the file cannot be read or used.
pub fn load(path: &Path, system: &System) -> Result<Flow, FlowFileError> {
    let unread = |source| FlowFileError::Read { file: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unread)?.len() > MAX_BYTES {
        return Err(FlowFileError::TooLarge { file: path.to_owned() });
    }
    let flow = Flow::parse(&std::fs::read_to_string(path).map_err(unread)?, path)?;
    // Edges and services may be missing on a runtime that it is not for.
    if flow.is_for(system.on) {
        flow.check_against(system)?;
    }
    Ok(flow)
}

/// Reads every flow that the system file names, in the order of the patterns and then of the file names, and leaves
/// out those that are not for the system's runtime.
///
/// # Errors
/// When a pattern names no file, a file cannot be used, or two flows have one name.
pub fn load_all(system: &System) -> Result<Vec<Flow>, FlowFileError> {
    let mut flows: Vec<Flow> = Vec::new();
    for pattern in &system.flows {
        let paths = matching_files(&system.folder, pattern)?;
        if paths.is_empty() {
            return Err(FlowFileError::NoMatch { pattern: pattern.clone(), folder: system.folder.clone() });
        }
        for path in paths {
            if flows.iter().any(|flow| flow.source.file() == path) {
                continue;
            }
            let flow = load(&path, system)?;
            if let Some(other) = flows.iter().find(|other| other.name == flow.name) {
                let message = format!(
                    "another flow is named `{}` already: `{}`",
                    flow.name,
                    other.source.file().display()
                );
                return Err(invalid(&flow.source, vec![problem(&flow.source, "/flow", message, None)]));
            }
            flows.push(flow);
        }
    }
    flows.retain(|flow| flow.is_for(system.on));
    Ok(flows)
}

/// Files below `folder` that the pattern names. `*` in its last part stands for any characters.
fn matching_files(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, FlowFileError> {
    let path = tidy(&folder.join(pattern));
    let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains('*')) else {
        return Ok(vec![path]);
    };
    let parent = path.parent().unwrap_or(folder);
    let unread = |source| FlowFileError::Read { file: parent.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(unread)?.take(MAX_FILES) {
        let entry = entry.map_err(unread)?;
        if entry.file_name().to_str().is_some_and(|file| glob(name, file)) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The path as people are told of it: `..` resolved by name, and relative to where the tool was started if it lies
/// below.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match (part, tidy.components().next_back()) {
            (Component::ParentDir, Some(Component::Normal(_))) => drop(tidy.pop()),
            (Component::CurDir, _) => {}
            _ => tidy.push(part),
        }
    }
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| tidy.strip_prefix(here).ok()).map(Path::to_owned);
    below.unwrap_or(tidy)
}

/// Whether a file name is what the pattern says, in which `*` stands for any characters.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    true
}

/// "did you mean `x`?" for the known name that is closest.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    closest(word, known).map(|name| format!("did you mean `{name}`?"))
}

fn invalid(source: &Source, problems: Vec<Problem>) -> FlowFileError {
    FlowFileError::Invalid {
        file: source.file().to_owned(),
        problems,
        text: Box::new(NamedSource::new(source.file().display().to_string(), source.text().to_owned())),
    }
}

/// A problem at the value that the JSON pointer names.
pub(super) fn problem(source: &Source, pointer: &str, message: String, help: Option<String>) -> Problem {
    let bytes = source.place(pointer).map(|place: &Place| place.bytes.clone()).unwrap_or_default();
    let location = source.locate(pointer).unwrap_or_default();
    Problem { message, help, location, bytes }
}

/// A problem with the key under which the value that the JSON pointer names stands.
pub(super) fn key_problem(source: &Source, pointer: &str, message: String, help: Option<String>) -> Problem {
    match source.key_place(pointer) {
        Some(place) => {
            let location = source.location(place, pointer);
            Problem { message, help, location, bytes: place.bytes.clone() }
        }
        None => problem(source, pointer, message, help),
    }
}

impl Problem {
    /// Points at the character numbered `column` (from 1) of the text that the problem is with.
    pub(super) fn at_column(mut self, source: &Source, text: &str, column: usize) -> Self {
        let Location { line, column: start, .. } = self.location;
        let whole = Place { line, column: start, bytes: self.bytes.clone() };
        if let Some(place) = source.inside(&whole, text, column) {
            self.location.column = place.column;
            self.bytes = place.bytes;
        }
        self
    }
}

/// What the YAML reader has to say, with a suggestion where it lists what would have been known.
fn shape_problem(error: &serde_saphyr::Error, source: &Source) -> Problem {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let (message, help) = match error {
        Error::SerdeUnknownField { field, expected, .. } => (
            format!("unknown key `{field}`"),
            did_you_mean(field, expected.iter().copied())
                .or_else(|| Some(format!("known here: {}", expected.join(", ")))),
        ),
        Error::SerdeUnknownVariant { variant, expected, .. } => (
            format!("unknown value `{variant}`"),
            did_you_mean(variant, expected.iter().copied())
                .or_else(|| Some(format!("known here: {}", expected.join(", ")))),
        ),
        Error::SerdeMissingField { field, .. } => (format!("`{field}` is missing"), None),
        other => (plain_message(other), None),
    };
    let location = error.location();
    let start = location.as_ref().and_then(|location| {
        let line = usize::try_from(location.line()).ok()?;
        let column = usize::try_from(location.column()).ok()?;
        Some((line, column))
    });
    let Some((line, column)) = start.filter(|(line, _)| *line > 0) else {
        return problem(source, "", message, help);
    };
    let bytes = bytes_at(source.text(), line, column);
    let location = Location { file: source.file().display().to_string(), line, column, pointer: None };
    Problem { message, help, location, bytes }
}

/// The message without the place that the reader puts behind it.
fn plain_message(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    match text.rsplit_once(" at line ") {
        Some((message, place)) if place.chars().all(|c| c.is_ascii_digit() || ", column".contains(c)) => {
            message.to_owned()
        }
        _ => text.to_owned(),
    }
}

/// The word at a line and column, as bytes.
fn bytes_at(text: &str, line: usize, column: usize) -> std::ops::Range<usize> {
    let mut start = 0;
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            let at = content.char_indices().nth(column.saturating_sub(1)).map_or(content.len(), |(at, _)| at);
            let word = content[at..].find([':', ',', '}', ']', '\n', ' ']).unwrap_or(content.len() - at);
            return start + at..start + at + word.max(usize::from(at < content.len()));
        }
        start += content.len();
    }
    text.len()..text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, name), fits, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn the_star_means_what_a_regular_expression_says(pattern in "[ab*]{0,6}", name in "[ab]{0,6}") {
            let regex = regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).unwrap();
            prop_assert_eq!(glob(&pattern, &name), regex.is_match(&name));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-z:\\-\\[\\]{},\"&*!|>\n é]{0,80}") {
            if let Err(error) = Flow::parse(&text, "f.yaml") {
                let _ = format!("{:?}", miette::Report::new(error));
            }
        }
    }
}
