//! Where the result goes, in which format.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use seaworthy_core::evidence::EvidenceSet;
use seaworthy_core::report::RunReport;
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
    let printed = common.format.iter().find(|to| to.file.is_none()).map_or(Format::Terminal, |to| to.format);
    let text = render(printed, report, evidence, kept, common, colored_stdout(common.color));
    // A reader that hung up (`| head`) wants no more; the verdict stands.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    for to in common.format.iter().filter(|to| to.file.is_some()) {
        let Some(file) = &to.file else { continue };
        let text = render(to.format, report, evidence, kept, common, false);
        std::fs::write(file, text)
            .map_err(|error| Failure::plain(format!("could not write {}: {error}", file.display())))?;
    }
    Ok(ExitCode::from(report.verdict.exit_code()))
}

/// Prints a report that has no evidence behind it: for a terminal the text that is given, in every other format as any
/// report. Gives the exit code that its verdict has.
pub(super) fn deliver_text(report: &RunReport, text: &str, common: &Common) -> Result<ExitCode, Failure> {
    let render = |format| match format {
        Format::Terminal => text.to_owned(),
        Format::Json => seaworthy_report::json(report),
        Format::Junit => seaworthy_report::junit(report),
        Format::Sarif => seaworthy_report::sarif(report),
        Format::Markdown => seaworthy_report::markdown(report),
    };
    let printed: Vec<Format> =
        common.format.iter().filter(|to| to.file.is_none()).map(|to| to.format).collect();
    if printed.len() > 1 {
        return Err(Failure::plain(
            "only one format can go to stdout; give the others a file: `--format junit=FILE`".to_owned(),
        ));
    }
    let printed = printed.first().copied().unwrap_or(Format::Terminal);
    // A reader that hung up (`| head`) wants no more; the verdict stands.
    let _ = writeln!(std::io::stdout(), "{}", render(printed).trim_end());
    for to in &common.format {
        let Some(file) = &to.file else { continue };
        std::fs::write(file, render(to.format))
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
