//! Case files of the Pact specification: `{match, comment, expected, actual}`, each saying whether a request,
//! response or message that came is the one that was agreed.

use seaworthy_core::finding::Location;
use serde_json::{Map, Value};

use crate::document::{self, Fault, ReadError};
use crate::matching;
use crate::mismatch::{Mismatch, Part};
use crate::model::Specification;

/// What a case file compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Two requests.
    Request,
    /// Two responses.
    Response,
    /// Two messages (V3, V4).
    Message,
}

/// What came of a case file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseOutcome {
    /// What the file says: whether the two match.
    pub expected_match: bool,
    /// What the file says about itself; empty where it says nothing.
    pub comment: String,
    /// What was found. The case is right if this is empty just when they are said to match.
    pub mismatches: Vec<Mismatch>,
}

impl CaseOutcome {
    /// Whether what was found is what the file says.
    pub fn is_right(&self) -> bool {
        self.mismatches.is_empty() == self.expected_match
    }
}

/// Runs a case file. `name` is what places in it are called by.
///
/// # Errors
/// It is not JSON or not a case file of this kind; see [`ReadError`].
pub fn run(kind: Kind, version: Specification, name: &str, bytes: &[u8]) -> Result<CaseOutcome, ReadError> {
    let text = document::text_of(name, bytes)?;
    let json: Value =
        serde_json::from_str(text).map_err(|error| document::json_error(name, (1, 1), &error))?;
    compare(kind, version, &json).map_err(|Fault { pointer, reason }| ReadError::NotAPact {
        location: Location {
            file: name.to_owned(),
            line: 1,
            column: 1,
            pointer: (!pointer.is_empty()).then_some(pointer),
        },
        reason: format!("a case file has match, expected and actual: {reason}"),
    })
}

fn compare(kind: Kind, version: Specification, json: &Value) -> Result<CaseOutcome, Fault> {
    let case = json.as_object().ok_or_else(|| Fault::new("it is not an object"))?;
    let expected_match = case
        .get("match")
        .and_then(Value::as_bool)
        .ok_or_else(|| Fault::new("match is true or false").under("match"))?;
    let part = |key: &str| case.get(key).ok_or_else(|| Fault::new(format!("{key} is missing")).under(key));
    let (expected, actual) = (part("expected")?, part("actual")?);
    let mismatches = match kind {
        Kind::Request => {
            let one = document::request(expected, version).map_err(|fault| fault.under("expected"))?;
            let other = document::request(actual, version).map_err(|fault| fault.under("actual"))?;
            let mut mismatches = matching::request(&one, &other, version);
            if version == Specification::V1 {
                mismatches.retain(|mismatch| mismatch.part != Part::Query);
                mismatches.extend(whole_query(expected.as_object(), actual.as_object()));
                mismatches.sort();
            }
            mismatches
        }
        Kind::Response => matching::response(
            &document::response(expected, version).map_err(|fault| fault.under("expected"))?,
            &document::response(actual, version).map_err(|fault| fault.under("actual"))?,
            version,
        ),
        Kind::Message => matching::message(
            &document::message(expected, version).map_err(|fault| fault.under("expected"))?,
            &document::message(actual, version).map_err(|fault| fault.under("actual"))?,
            version,
        ),
    };
    let comment = case.get("comment").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(CaseOutcome { expected_match, comment, mismatches })
}

/// In V1 a query string is compared as a whole, with its order, percent-decoded.
fn whole_query(
    expected: Option<&Map<String, Value>>,
    actual: Option<&Map<String, Value>>,
) -> Option<Mismatch> {
    let text = |request: Option<&Map<String, Value>>| {
        request?.get("query")?.as_str().filter(|query| !query.is_empty()).map(str::to_owned)
    };
    matching::query_text(text(expected).as_deref(), text(actual).as_deref())
}
