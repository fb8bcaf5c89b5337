//! The rendering for code scanning: SARIF 2.1.0 (OASIS), the part of it that code hosts read.

use seaworthy_core::finding::{Effect, Finding, Severity};
use seaworthy_core::report::RunReport;
use serde_json::{Map, Value, json};

use crate::text::clean;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The report as a SARIF 2.1.0 log with one run. What is undecided is a result of kind `open`, what does not apply
/// one of kind `notApplicable` (section 3.27.9); both have level `none`, as the standard wants it.
pub fn sarif(report: &RunReport) -> String {
    let findings: Vec<&Finding> = report.checks.iter().flat_map(|check| &check.findings).collect();
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &rules)).collect();
    let driver = json!({
        "name": "seaworthy",
        "version": env!("CARGO_PKG_VERSION"),
        "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": rules.iter().map(|rule| json!({
            "id": rule,
            "help": {"text": format!("seaworthy explain {rule}")},
        })).collect::<Vec<_>>(),
    });
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "invocations": [{"executionSuccessful": true}],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn result(finding: &Finding, rules: &[&str]) -> Value {
    let (kind, level) = match (finding.effect, finding.severity) {
        (Effect::Violation, Severity::Error) => ("fail", "error"),
        (Effect::Violation, Severity::Warning) => ("fail", "warning"),
        (Effect::Violation, Severity::Info) => ("fail", "note"),
        (Effect::Undecided, _) => ("open", "none"),
        (Effect::NotApplicable, _) => ("notApplicable", "none"),
    };
    let mut text = clean(&finding.message);
    if !finding.hint.is_empty() {
        text += &format!("\n{}", clean(&finding.hint));
    }
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.binary_search(&finding.rule.as_str()).unwrap_or_default(),
        "kind": kind,
        "level": level,
        "message": {"text": text},
        "partialFingerprints": {"seaworthy/v1": finding.fingerprint()},
    });
    let location = location(finding);
    if let (Some(result), false) = (result.as_object_mut(), location.is_empty()) {
        result.insert("locations".to_owned(), json!([location]));
    }
    result
}

fn location(finding: &Finding) -> Map<String, Value> {
    let mut location = Map::new();
    if let Some(place) = &finding.location {
        let mut physical = json!({"artifactLocation": {"uri": uri(&place.file)}});
        let mut region = Map::new();
        if place.line > 0 {
            region.insert("startLine".to_owned(), place.line.into());
            if place.column > 0 {
                region.insert("startColumn".to_owned(), place.column.into());
            }
        }
        if let (Some(physical), false) = (physical.as_object_mut(), region.is_empty()) {
            physical.insert("region".to_owned(), Value::Object(region));
        }
        location.insert("physicalLocation".to_owned(), physical);
    }
    let name = match (&finding.edge, &finding.service) {
        (Some(edge), _) => Some((edge.to_string(), "resource")),
        (None, Some(service)) => Some((service.to_string(), "module")),
        (None, None) => None,
    };
    if let Some((name, kind)) = name {
        let logical = json!([{"fullyQualifiedName": name, "kind": kind}]);
        location.insert("logicalLocations".to_owned(), logical);
    }
    location
}

/// A file path as a URI reference (RFC 3986): what may not stand in a path is percent-encoded.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
