//! Matching, until the crate's own is there.

use crate::mismatch::{Mismatch, Part};
use crate::model::{HttpRequest, Specification};

pub(super) fn request(expected: &HttpRequest, actual: &HttpRequest, _: Specification) -> Vec<Mismatch> {
    use futures_util::FutureExt as _;
    let pact = |request: &HttpRequest| pact_models::v4::synch_http::SynchronousHttp {
        request: request.clone(),
        ..Default::default()
    };
    let interaction = pact(expected);
    let matched = pact_matching::match_request(
        expected.clone(),
        actual.clone(),
        &pact_models::pact::Pact::boxed(&pact_models::v4::pact::V4Pact::default()),
        &pact_models::interaction::Interaction::boxed(&interaction),
    )
    .now_or_never();
    let mismatches = match matched {
        Some(Ok(result)) => result.mismatches(),
        _ => Vec::new(),
    };
    mismatches
        .into_iter()
        .map(|mismatch| {
            let part = match mismatch.mismatch_type() {
                "MethodMismatch" => Part::Method,
                "PathMismatch" => Part::Path,
                "QueryMismatch" => Part::Query,
                "HeaderMismatch" => Part::Header,
                _ => Part::Body,
            };
            Mismatch {
                part,
                path: String::new(),
                expected: None,
                actual: None,
                message: mismatch.description(),
                rule: None,
            }
        })
        .collect()
}
