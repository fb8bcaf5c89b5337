//! The rendering for scripts, and its schema.

use schemars::JsonSchema;
use seaworthy_core::finding::Location;
use seaworthy_core::report::{RunReport, SCHEMA_VERSION};
use serde::Serialize;

/// What the JSON rendering is: the report of a run, or why nothing was judged.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "seaworthy report")]
enum Document<'d> {
    /// Something was judged: exit code 0, 1 or 3.
    Report(&'d RunReport),
    /// Nothing was judged: exit code 2.
    Error(ErrorDocument<'d>),
}

/// Why nothing was judged.
#[derive(Serialize, JsonSchema)]
struct ErrorDocument<'d> {
    /// The version of this format, additive within a major.
    schema_version: &'d str,
    /// What is wrong with input, configuration or environment.
    error: ErrorBody<'d>,
}

/// What is wrong.
#[derive(Serialize, JsonSchema)]
struct ErrorBody<'d> {
    /// What, for people.
    message: &'d str,
    /// Where, in which file.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'d Location>,
}

/// The report as one JSON document. It ends with a line feed.
pub fn json(report: &RunReport) -> String {
    pretty(&Document::Report(report))
}

/// The document for exit code 2: nothing was judged, and this is why. It ends with a line feed.
pub fn error_json(message: &str, location: Option<&Location>) -> String {
    let error = ErrorBody { message, location };
    pretty(&Document::Error(ErrorDocument { schema_version: SCHEMA_VERSION, error }))
}

/// The JSON Schema of both documents.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Document<'_>).to_value()
}

fn pretty(document: &Document<'_>) -> String {
    // Strings, numbers and maps with string keys always serialise; should that change, the tests would see it.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}
