//! What other programs read.

use seaworthy_core::finding::Location;
use seaworthy_report::{error_json, json, junit, markdown, sarif};
use serde_json::Value;

use crate::scene;

#[test]
fn json_of_each_kind_of_run() {
    insta::assert_snapshot!("json_pass", json(&scene::passed()));
    insta::assert_snapshot!("json_fail", json(&scene::failed()));
    insta::assert_snapshot!("json_inconclusive", json(&scene::inconclusive()));
}

#[test]
fn an_error_has_no_verdict() {
    let place = Location { file: "seaworthy.yaml".to_owned(), line: 3, column: 5, pointer: None };
    let text = error_json("could not use `seaworthy.yaml`: unknown key `servces`", Some(&place));
    insta::assert_snapshot!("json_error", text);
    let bare: Value = serde_json::from_str(&error_json("could not bind", None)).unwrap();
    assert_eq!(bare["error"], serde_json::json!({"message": "could not bind"}));
    assert!(bare.get("verdict").is_none());
}

#[test]
fn findings_stand_only_inside_their_checks() {
    let document: Value = serde_json::from_str(&json(&scene::failed())).unwrap();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schema_version", "verdict", "summary", "checks"]);
    let finding = &document["checks"][6]["findings"][0];
    assert_eq!(finding["edge"], "orders -> payments");
    assert!(finding.get("effect").is_none());
}

#[test]
fn junit_of_each_kind_of_run() {
    insta::assert_snapshot!("junit_pass", junit(&scene::passed()));
    insta::assert_snapshot!("junit_fail", junit(&scene::failed()));
    insta::assert_snapshot!("junit_inconclusive", junit(&scene::inconclusive()));
}

#[test]
fn junit_tells_two_findings_of_one_name_apart() {
    let mut report = scene::failed();
    report.checks[6].findings = vec![scene::untraced("checkout"), scene::untraced("checkout")];
    let text = junit(&report);
    assert!(text.contains("~checkout\"") && text.contains("~checkout (2)\""), "{text}");
}

#[test]
fn sarif_of_each_kind_of_run() {
    insta::assert_snapshot!("sarif_pass", sarif(&scene::passed()));
    insta::assert_snapshot!("sarif_fail", sarif(&scene::failed()));
    insta::assert_snapshot!("sarif_inconclusive", sarif(&scene::inconclusive()));
}

#[test]
fn each_sarif_result_points_at_its_rule() {
    let log: Value = serde_json::from_str(&sarif(&scene::failed())).unwrap();
    let run = &log["runs"][0];
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        // Section 3.27.10: a result that is no failure has level "none".
        assert_eq!(result["level"] == "none", result["kind"] != "fail");
    }
}

#[test]
fn markdown_of_each_kind_of_run() {
    insta::assert_snapshot!("markdown_pass", markdown(&scene::passed()));
    insta::assert_snapshot!("markdown_fail", markdown(&scene::failed()));
    insta::assert_snapshot!("markdown_inconclusive", markdown(&scene::inconclusive()));
}
