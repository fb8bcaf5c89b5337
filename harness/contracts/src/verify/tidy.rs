//! What is kept of a difference: no secret, and no more than a person reads.

use seaworthy_core::secret::{masked, names_a_secret, redact, redact_header};

use crate::mismatch::{Mismatch, Part};

/// So many differences of one interaction are kept.
const MOST: usize = 50;
/// So many bytes of a text are kept.
const LONGEST: usize = 1000;

/// The differences without secrets, long texts cut, the surplus counted.
pub(crate) fn tidied(mut mismatches: Vec<Mismatch>) -> Vec<Mismatch> {
    let surplus = mismatches.len().saturating_sub(MOST);
    mismatches.truncate(MOST);
    for mismatch in &mut mismatches {
        let secret = names_a_secret(last_name(&mismatch.path));
        for value in [&mut mismatch.expected, &mut mismatch.actual].into_iter().flatten() {
            let kept = match mismatch.part {
                Part::Header => redact_header(&mismatch.path, value),
                _ if secret => masked(value),
                _ => continue,
            };
            if kept != *value && !value.is_empty() {
                mismatch.message = mismatch.message.replace(value.as_str(), &kept);
                *value = kept;
            }
        }
        for value in [&mut mismatch.expected, &mut mismatch.actual].into_iter().flatten() {
            *value = text(value);
        }
        mismatch.message = text(&mismatch.message);
    }
    if surplus > 0 {
        mismatches.push(Mismatch {
            part: Part::Body,
            path: String::new(),
            expected: None,
            actual: None,
            message: format!("and {surplus} differences more"),
            rule: None,
        });
    }
    mismatches
}

/// The innermost name of a path expression: of `$.user['api_key'][0]` it is `api_key`.
fn last_name(path: &str) -> &str {
    let names = path.split(['.', '[', ']', '\'', '"']);
    names.rev().find(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_')).unwrap_or_default()
}

/// A text without secrets, cut where it is long.
pub(super) fn text(text: &str) -> String {
    // What is redacted must be seen whole, but a body of megabytes is not searched for the sake of its first lines.
    let start = &text[..text.floor_char_boundary(4 * LONGEST)];
    let clean = redact(start).0;
    if clean.len() <= LONGEST && start.len() == text.len() {
        return clean.into_owned();
    }
    format!("{}… ({} bytes)", &clean[..clean.floor_char_boundary(LONGEST)], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(part: Part, path: &str, expected: &str, actual: &str) -> Mismatch {
        Mismatch {
            part,
            path: path.to_owned(),
            expected: Some(expected.to_owned()),
            actual: Some(actual.to_owned()),
            message: format!("expected '{expected}' but got '{actual}'"),
            rule: None,
        }
    }

    #[test]
    fn secrets_are_in_no_part_of_a_difference() {
        let tidied = tidied(vec![
            mismatch(Part::Header, "Set-Cookie", "session=expected-one", "session=actual-one"),
            mismatch(Part::Body, "$", r#"{"password":"expected-one"}"#, "Bearer actual-one-1234"),
            mismatch(Part::Body, "$.user['password'][0]", "\"expected-one\"", "\"actual-one\""),
            mismatch(Part::Query, "access_token", "expected-one", "actual-one"),
        ]);
        let text = format!("{tidied:?}");
        assert!(!text.contains("expected-one") && !text.contains("actual-one"), "{text}");
        assert!(text.contains("redacted"), "{text}");
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_much_is_counted() {
        let long = "ü".repeat(100_000);
        let many: Vec<Mismatch> = (0..60).map(|_| mismatch(Part::Body, "$", &long, "short")).collect();
        let tidied = tidied(many);
        assert_eq!(tidied.len(), 51);
        assert_eq!(tidied[50].message, "and 10 differences more");
        assert!(tidied[0].expected.as_ref().is_some_and(|text| text.ends_with("… (200000 bytes)")));
        assert_eq!(tidied[0].actual.as_deref(), Some("short"));
    }
}
