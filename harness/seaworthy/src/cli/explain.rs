//! `seaworthy explain`, `schema` and `completions`: what the tool can say without a system.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;
use seaworthy_core::page::Page;
use seaworthy_core::system::suggest;

use super::args::{Args, ExplainArgs, SchemaArgs, Surface};
use super::failure::Failure;

pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let pages: Vec<&Page> =
        seaworthy_checks::pages().iter().chain(seaworthy_contracts::pages::pages()).collect();
    let page =
        |rule: &str| seaworthy_checks::explain(rule).or_else(|| seaworthy_contracts::pages::explain(rule));
    let text = match &args.rule {
        None => {
            let width = pages.iter().map(|page| page.rule.len()).max().unwrap_or(0);
            let lines = pages.iter().map(|page| {
                format!("{:width$}  {}", page.rule, page.summary().lines().next().unwrap_or_default())
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Some(rule) => match page(rule) {
            Some(page) => page.text.clone().into_owned(),
            None => {
                let known = pages.iter().map(|page| page.rule);
                let hint = match suggest::closest(rule, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "`seaworthy explain` lists all rules".to_owned(),
                };
                return Err(Failure::plain(format!("could not find a rule `{rule}`; {hint}")));
            }
        },
    };
    print(&text)
}

pub(super) fn schema(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let schema = match args.surface {
        Surface::Report => seaworthy_report::json_schema(),
        Surface::System => seaworthy_core::system::json_schema(),
        Surface::Flow => seaworthy_experiment::flow::json_schema(),
    };
    print(&format!("{schema:#}"))
}

pub(super) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "seaworthy", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// Prints to stdout; a reader that hung up wants no more.
fn print(text: &str) -> Result<ExitCode, Failure> {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    Ok(ExitCode::SUCCESS)
}
