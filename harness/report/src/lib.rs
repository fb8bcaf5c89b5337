//! One verdict, rendered for whoever reads it.
//!
//! Every rendering is a function from a [`RunReport`](seaworthy_core::report::RunReport) to text; nothing is judged
//! here and nothing is printed here.
//!
//! | function | for | format |
//! |---|---|---|
//! | [`terminal`] | a person, maybe at 3 a.m. | text, with the trace behind each finding |
//! | [`json`], [`error_json`] | scripts | one document, by the schema in `schema/report.schema.json` |
//! | [`junit`] | test reports of CI systems | JUnit XML: a suite per check |
//! | [`sarif`] | code scanning | SARIF 2.1.0 |
//! | [`markdown`] | the summary of a GitHub run | GitHub's Markdown |
//!
//! ```
//! use seaworthy_core::finding::{Finding, Verdict};
//! use seaworthy_core::report::{CheckReport, RunReport, Summary};
//!
//! let finding = Finding::error("outbox", "an event was announced for an order that does not exist")
//!     .service(&"orders".into())
//!     .hint("store the event in the transaction that stores the order");
//! let check = CheckReport { id: "outbox".to_owned(), verdict: Verdict::Fail, findings: vec![finding] };
//! let report = RunReport::new(vec![check], Summary::default(), false);
//! assert!(seaworthy_report::json(&report).contains("\"verdict\": \"fail\""));
//! ```

mod group;
mod json;
mod junit;
mod markdown;
mod sarif;
mod style;
mod terminal;
mod text;

pub use json::{error_json, json, json_schema};
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub use style::Style;
pub use terminal::terminal;
