//! A last line of defence round code that was not written for input that anyone may send.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mismatch::{Mismatch, Part};

/// Runs a comparison. Should it panic (expressions and documents come from files and from the wire), that is said as
/// a mismatch, and nothing is taken down with it.
pub(super) fn guarded(compare: impl FnOnce() -> Vec<Mismatch>) -> Vec<Mismatch> {
    // What the closure holds is only read, so nothing can be left half done.
    catch_unwind(AssertUnwindSafe(compare)).unwrap_or_else(|_| {
        vec![Mismatch {
            part: Part::Body,
            path: String::new(),
            expected: None,
            actual: None,
            message: "it could not be compared: a rule or a document is beyond what the matching can read"
                .to_owned(),
            rule: None,
        }]
    })
}
