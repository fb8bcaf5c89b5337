//! Where something that came differs from what was agreed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The part of a request, a response or a message in which a difference lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The request's method.
    Method,
    /// The request's path.
    Path,
    /// A parameter of the request's query.
    Query,
    /// The response's status.
    Status,
    /// A header of a request or response, or its trailers (gRPC status).
    Header,
    /// The body, or a message's contents.
    Body,
    /// A message's metadata.
    Metadata,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Part::Method => "method",
            Part::Path => "path",
            Part::Query => "query",
            Part::Status => "status",
            Part::Header => "header",
            Part::Body => "body",
            Part::Metadata => "metadata",
        })
    }
}

/// One difference between what was agreed and what came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mismatch {
    /// The part in which it lies.
    pub part: Part,
    /// Where in it: a path expression in a body (`$.items[0].price`), a header's or parameter's name; empty for the
    /// whole part.
    pub path: String,
    /// What was agreed, as text; `None` where nothing was.
    pub expected: Option<String>,
    /// What came, as text; `None` where nothing did.
    pub actual: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The matching rule that was applied (`type`, `regex "\d+"`); `None` for plain equality.
    pub rule: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.part)?;
        if !self.path.is_empty() {
            write!(formatter, " {}", self.path)?;
        }
        write!(formatter, ": {}", self.message)
    }
}
