//! The binary as a process: exit codes, formats, evidence that can be judged again.

use serde_json::Value;

use crate::support::{SHOP, said, seaworthy};

#[test]
fn a_defect_fails_the_run_and_its_evidence_can_be_judged_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    let junit = folder.path().join("report.xml");
    let run = seaworthy()
        .args(["check", SHOP, "--env", "orders.SHOP_DEFECTS=orders.drops-traceparent", "--format", "json"])
        .arg("--format")
        .arg(format!("junit={}", junit.display()))
        .arg("--evidence")
        .arg(&evidence)
        .output()
        .unwrap();
    let (code, stdout, stderr) = said(&run);
    assert_eq!(code, 1, "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["verdict"], "fail");
    let lost = finding(&report, "trace.context-lost").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(lost["edge"], "orders -> payments");
    assert!(std::fs::read_to_string(&junit).unwrap().contains("trace.context-lost"));

    // The same evidence gives the same verdict without a system.
    let again = seaworthy().arg("judge").arg(&evidence).args(["--format", "json"]).output().unwrap();
    let (code, stdout, stderr) = said(&again);
    assert_eq!(code, 1, "{stdout}{stderr}");
    let again: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(again["checks"], report["checks"]);

    // And the finding's experiment can be run again.
    let replay =
        seaworthy().args(["replay", "trace.context-lost", "--evidence"]).arg(&evidence).output().unwrap();
    let (code, stdout, stderr) = said(&replay);
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("orders -> payments"), "{stdout}");

    // No secret is kept, neither the gateway's key nor a client's token.
    for entry in std::fs::read_dir(&evidence).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("fixture-secret-of-the-shop"));
        assert!(!text.contains("eyJhbGciOiJIUzI1NiIs"));
    }
}

fn finding<'r>(report: &'r Value, rule: &str) -> Option<&'r Value> {
    let checks = report["checks"].as_array()?;
    checks
        .iter()
        .flat_map(|check| check["findings"].as_array().into_iter().flatten())
        .find(|each| each["rule"] == rule)
}

#[test]
fn an_unknown_rule_or_check_is_refused_with_a_suggestion() {
    let output = seaworthy().args(["explain", "trace.context-losst"]).output().unwrap();
    let (code, stdout, stderr) = said(&output);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("did you mean `trace.context-lost`?"), "{stderr}");
    // Before anything is built or started.
    let output = seaworthy().args(["check", SHOP, "--only", "retires"]).output().unwrap();
    let (code, stdout, stderr) = said(&output);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("did you mean `retries`?"), "{stderr}");
}

#[test]
fn a_run_that_is_cut_short_is_inconclusive_whoever_judges_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = seaworthy()
        .args(["check", SHOP, "--timeout", "300ms", "--evidence"])
        .arg(folder.path())
        .output()
        .unwrap();
    let (code, stdout, stderr) = said(&run);
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(stdout.contains("not done within 300ms"), "{stdout}");
    let (code, stdout, stderr) = said(&seaworthy().arg("judge").arg(folder.path()).output().unwrap());
    assert_eq!(code, 3, "{stdout}{stderr}");
}

#[test]
fn explain_lists_every_rule_and_explains_each() {
    let (code, list, _) = said(&seaworthy().arg("explain").output().unwrap());
    assert_eq!(code, 0);
    let rules: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(rules.len() > 30, "{list}");
    for rule in rules {
        let (code, page, stderr) = said(&seaworthy().args(["explain", rule]).output().unwrap());
        assert_eq!(code, 0, "{rule}: {stderr}");
        assert!(page.len() > 200, "{rule}: {page}");
    }
}

#[test]
fn what_init_writes_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = said(&seaworthy().arg("init").arg(folder.path()).output().unwrap());
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("seaworthy.yaml"));
    let again = said(&seaworthy().arg("init").arg(folder.path()).output().unwrap());
    assert_eq!(again.0, 2, "an existing file is not overwritten");
    // It loads; what cannot be found is the program that it names.
    let (code, _, stderr) = said(&seaworthy().arg("check").arg(folder.path()).output().unwrap());
    assert_eq!(code, 2);
    assert!(stderr.contains("run-api"), "{stderr}");
}

#[test]
fn the_schemas_are_printed() {
    for surface in ["report", "system", "flow"] {
        let (code, stdout, stderr) = said(&seaworthy().args(["schema", surface]).output().unwrap());
        assert_eq!(code, 0, "{stderr}");
        let schema: Value = serde_json::from_str(&stdout).unwrap();
        assert!(schema["$schema"].is_string(), "{surface}");
    }
}
