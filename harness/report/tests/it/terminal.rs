//! What a person reads.

use seaworthy_core::evidence::Finality;
use seaworthy_core::finding::{EvidenceRef, Finding, Verdict};
use seaworthy_core::report::{RunReport, Summary};
use seaworthy_report::{Style, terminal};

use crate::scene::{self, check, evidence};

fn plain() -> Style {
    Style::default()
}

#[test]
fn a_run_that_passed_is_short() {
    insta::assert_snapshot!(terminal(&scene::passed(), &evidence(), &plain()));
}

#[test]
fn a_run_that_failed_says_what_where_and_why() {
    let style = Style { evidence: Some("target/my evidence".to_owned()), ..plain() };
    insta::assert_snapshot!(terminal(&scene::failed(), &evidence(), &style));
}

#[test]
fn an_undecided_run_says_what_would_decide_it() {
    insta::assert_snapshot!(terminal(&scene::inconclusive(), &evidence(), &plain()));
}

#[test]
fn those_who_want_it_quiet_get_one_line_for_each_thing() {
    insta::assert_snapshot!(terminal(&scene::failed(), &evidence(), &Style { quiet: true, ..plain() }));
}

#[test]
fn those_who_want_everything_get_it() {
    let mut report = scene::failed();
    let info = Finding::not_applicable("x", "y");
    report.checks.push(check("x", Verdict::Skipped, vec![info]));
    let everything = terminal(&report, &scene::long_evidence(), &Style { verbose: true, ..plain() });
    assert!(everything.contains("statement 40"), "{everything}");
    assert!(!everything.contains("-v shows"), "{everything}");
}

#[test]
fn a_long_trace_is_folded_round_what_matters() {
    let report = RunReport::new(
        vec![check("trace-completeness", Verdict::Fail, vec![scene::untraced("checkout")])],
        Summary::default(),
        false,
    );
    insta::assert_snapshot!(terminal(&report, &scene::long_evidence(), &plain()));
}

#[test]
fn a_narrow_terminal_is_kept_to() {
    let style = Style { width: 50, ..plain() };
    let text = terminal(&scene::failed(), &evidence(), &style);
    for line in text.lines().filter(|line| !line.contains("replay  ")) {
        assert!(line.chars().count() <= 50, "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn colours_say_nothing_that_words_do_not() {
    let style = Style { color: true, ..plain() };
    let colored = terminal(&scene::failed(), &evidence(), &style);
    assert!(colored.starts_with("\u{1b}[1;31mFAIL\u{1b}[0m · shop"), "{colored}");
    let mut bare = colored;
    for code in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, terminal(&scene::failed(), &evidence(), &plain()));
}

#[test]
fn nothing_judged_is_not_a_success() {
    let report = RunReport::new(Vec::new(), Summary::default(), false);
    insta::assert_snapshot!(terminal(&report, &evidence(), &plain()));
}

#[test]
fn a_provisional_verdict_says_so() {
    let mut evidence = evidence();
    evidence.finality = Finality::Provisional;
    let text = terminal(&scene::passed(), &evidence, &plain());
    assert!(text.lines().nth(1).unwrap().starts_with("provisional: "), "{text}");
}

#[test]
fn more_evidence_than_fits_is_counted() {
    let mut finding = Finding::error("golden-signals", "counted 3 of 12 requests").service(&"orders".into());
    for number in 1..=12 {
        finding =
            finding.evidence(EvidenceRef::other("metric", format!("m{number}"), format!("point {number}")));
    }
    let report = RunReport::new(
        vec![check("golden-signals", Verdict::Fail, vec![finding])],
        Summary::default(),
        false,
    );
    let text = terminal(&report, &evidence(), &plain());
    assert!(text.contains("point 6\n") && !text.contains("point 7"), "{text}");
    assert!(text.contains("… 6 more, -v shows them"), "{text}");
}

#[test]
fn no_control_character_reaches_the_terminal() {
    let text = terminal(&scene::failed(), &evidence(), &plain());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}
