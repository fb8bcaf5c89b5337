//! "Did you mean".

use proptest::prelude::*;
use seaworthy_core::system::suggest::{closest, distance};

#[test]
fn what_is_close_is_suggested_and_what_is_far_is_not() {
    let known = ["orders", "payments", "inventory", "http", "grpc"];
    for (word, expected) in [
        ("ordres", Some("orders")),
        ("Orders", Some("orders")),
        ("paymnts", Some("payments")),
        ("htp", Some("http")),
        ("shipping", None),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(closest(word, known), expected, "{word}");
    }
    assert_eq!(closest(&"x".repeat(10_000), known), None);
}

/// The same by trying every edit, exponentially.
fn naive(a: &[char], b: &[char]) -> usize {
    match (a, b) {
        ([], rest) | (rest, []) => rest.len(),
        ([x, a_rest @ ..], [y, b_rest @ ..]) => {
            let replaced = naive(a_rest, b_rest) + usize::from(x != y);
            let mut best = replaced.min(naive(a_rest, b) + 1).min(naive(a, b_rest) + 1);
            if let ([_, x2, a_far @ ..], [_, y2, b_far @ ..]) = (a, b)
                && x == y2
                && x2 == y
            {
                best = best.min(naive(a_far, b_far) + 1);
            }
            best
        }
    }
}

proptest! {
    #[test]
    fn the_distance_is_that_of_the_fewest_edits(a in "[abc]{0,6}", b in "[abc]{0,6}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(distance(&a, &b), naive(&chars(&a), &chars(&b)));
    }
}
