//! Where the result goes, in which format.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::report::RunReport;
use seaworthy_core::system::System;
use seaworthy_report::Style;

use super::args::{Color, Common, Format};
use super::failure::Failure;

/// Prints a report in every format asked for and gives the exit code that its verdict has.
pub(super) fn deliver(
    report: &RunReport,
    evidence: &EvidenceSet,
    kept: Option<&Path>,
    common: &Common,
) -> Result<ExitCode, Failure> {
    put(report, common, |format, color| render(format, report, evidence, kept, common, color))
}

/// Prints what was judged without a system, in every format asked for, and gives the exit code of its verdict. `about`
/// stands where a system's name does.
pub(super) fn deliver_alone(report: &RunReport, about: &str, common: &Common) -> Result<ExitCode, Failure> {
    deliver(report, &EvidenceSet::empty(System::named(about)), None, common)
}

/// The same, where people are told `text` and only machines get the report.
pub(super) fn deliver_text(report: &RunReport, text: &str, common: &Common) -> Result<ExitCode, Failure> {
    let evidence = EvidenceSet::empty(System::named(""));
    put(report, common, |format, color| match format {
        Format::Terminal => text.to_owned(),
        other => render(other, report, &evidence, None, common, color),
    })
}

/// Whether what goes to stdout is one thing. Commands that take long say so before they begin.
pub(super) fn one_to_stdout(common: &Common) -> Result<(), Failure> {
    if common.format.iter().filter(|to| to.file.is_none()).count() > 1 {
        return Err(Failure::plain(
            "only one format can go to stdout; give the others a file: `--format junit=FILE`".to_owned(),
        ));
    }
    Ok(())
}

fn put(
    report: &RunReport,
    common: &Common,
    render: impl Fn(Format, bool) -> String,
) -> Result<ExitCode, Failure> {
    one_to_stdout(common)?;
    let printed = common.format.iter().find(|to| to.file.is_none()).map_or(Format::Terminal, |to| to.format);
    // A reader that hung up (`| head`) wants no more; the verdict stands.
    let _ = writeln!(std::io::stdout(), "{}", render(printed, colored_stdout(common.color)).trim_end());
    for to in &common.format {
        let Some(file) = &to.file else { continue };
        std::fs::write(file, render(to.format, false))
            .map_err(|error| Failure::plain(format!("could not write {}: {error}", file.display())))?;
    }
    Ok(ExitCode::from(report.verdict.exit_code()))
}

fn render(
    format: Format,
    report: &RunReport,
    evidence: &EvidenceSet,
    kept: Option<&Path>,
    common: &Common,
    color: bool,
) -> String {
    match format {
        Format::Terminal => {
            let style = Style {
                color,
                quiet: common.quiet,
                verbose: common.verbose > 0,
                evidence: kept.map(|folder| folder.display().to_string()),
                ..Style::default()
            };
            seaworthy_report::terminal(report, evidence, &style)
        }
        Format::Json => seaworthy_report::json(report),
        Format::Junit => seaworthy_report::junit(report),
        Format::Sarif => seaworthy_report::sarif(report),
        Format::Markdown => seaworthy_report::markdown(report),
    }
}

fn colored(color: Color, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Whether stdout gets colour.
pub(super) fn colored_stdout(color: Color) -> bool {
    colored(color, std::io::stdout().is_terminal())
}

/// Whether stderr gets colour.
pub(super) fn colored_stderr(color: Color) -> bool {
    colored(color, std::io::stderr().is_terminal())
}
