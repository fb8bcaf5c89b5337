//! Name, flows, variables, telemetry, checks.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Review;
use crate::ids::is_name;
use crate::time::HumanDuration;

/// What OTEL_EXPORTER_OTLP_PROTOCOL may be.
const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

pub(super) fn review(review: &mut Review<'_>) {
    let system = review.system;
    if system.name.trim().is_empty() {
        review.value(
            &["name"],
            "the system has no name",
            "reports show it; the folder's name is a good one".to_owned(),
        );
    }
    for (index, flow) in system.flows.iter().enumerate() {
        if let Some(reason) = glob_mistake(flow) {
            let help =
                "paths are relative to this file, and `*` stands for any part of a file name: `flows/*.yaml`";
            review.value(&["flows", &index.to_string()], reason, help.to_owned());
        }
    }
    for name in system.vars.keys().filter(|name| !is_name(name)) {
        review.key(
            &["vars", name],
            format!("`{name}` cannot name a variable"),
            "use letters, digits, `-` and `_`, starting with a letter".to_owned(),
        );
    }
    telemetry(review);
    checks(review);
}

fn glob_mistake(flow: &str) -> Option<String> {
    if flow.is_empty() {
        return Some("this names no file".to_owned());
    }
    if flow.starts_with('/') {
        return Some(format!("`{flow}` does not start at this file's folder"));
    }
    let (folder, name) = flow.rsplit_once('/').unwrap_or(("", flow));
    if folder.contains('*') {
        return Some(format!("`{flow}` has a `*` in the name of a folder"));
    }
    if name.contains("**") {
        return Some(format!("`{flow}` has a `**`, which has no meaning here"));
    }
    if let Some(sign) = flow.chars().find(|c| "?[]{}\\".contains(*c)) {
        return Some(format!("`{flow}` has a `{sign}`, which has no meaning here"));
    }
    (name.is_empty() || name == "." || name == "..").then(|| format!("`{flow}` names a folder"))
}

fn telemetry(review: &mut Review<'_>) {
    let telemetry = &review.system.telemetry;
    if !PROTOCOLS.contains(&telemetry.protocol.as_str()) {
        review.value(
            &["telemetry", "protocol"],
            format!("`{}` is not a protocol of OTLP", telemetry.protocol),
            review.meant(&telemetry.protocol, PROTOCOLS),
        );
    }
    for (key, value) in
        [("export-delay", telemetry.export_delay), ("metric-interval", telemetry.metric_interval)]
    {
        above_zero(review, &["telemetry", key], value);
    }
}

/// Refuses a length of time that is none.
pub(super) fn above_zero(review: &mut Review<'_>, path: &[&str], value: HumanDuration) {
    if value.0 == Duration::ZERO {
        review.value(path, "this takes more than no time", "write `250ms`, `5s` or `2m`".to_owned());
    }
}

fn checks(review: &mut Review<'_>) {
    let checks = &review.system.checks;
    let thresholds = &checks.thresholds;
    for (key, value, sound, range) in [
        ("duration-factor", thresholds.duration_factor, thresholds.duration_factor > 1.0, "more than 1"),
        (
            "count-tolerance",
            thresholds.count_tolerance,
            (0.0..=1.0).contains(&thresholds.count_tolerance),
            "from 0 to 1",
        ),
        (
            "backoff-share",
            thresholds.backoff_share,
            (0.0..=1.0).contains(&thresholds.backoff_share),
            "from 0 to 1",
        ),
    ] {
        if !sound {
            review.value(
                &["checks", "thresholds", key],
                format!("`{value}` is out of range"),
                format!("it is {range}"),
            );
        }
    }
    let mut seen = BTreeSet::new();
    for (index, custom) in checks.custom.iter().enumerate() {
        let index = index.to_string();
        let path = ["checks", "custom", index.as_str(), "id"];
        if !is_name(&custom.id) {
            let help = "use letters, digits, `-` and `_`, starting with a letter".to_owned();
            review.value(&path, format!("`{}` cannot name a check", custom.id), help);
        } else if !seen.insert(custom.id.as_str()) {
            let help = "give each its own name".to_owned();
            review.value(&path, format!("there are two checks `{}`", custom.id), help);
        }
        if custom.query.trim().is_empty() {
            let help = "write a TraceQL expression, `{ status = error }`".to_owned();
            review.value(&["checks", "custom", &index, "query"], "this check asks nothing", help);
        }
    }
}
