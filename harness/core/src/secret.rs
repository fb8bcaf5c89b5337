//! Secrets are looked for where evidence comes in; only their fingerprints are kept.
//!
//! What counts: bearer and basic credentials, JSON Web Tokens, values of keys that name a secret
//! (`password=…`, `"client_secret": "…"`), private key blocks, well-known token shapes, passwords in URLs.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{InstanceId, ServiceName, TraceId};

/// Headers whose whole value is a secret.
const SECRET_HEADERS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-csrf-token",
];

struct Shape {
    kind: &'static str,
    pattern: Regex,
    /// Which capture group is the secret; the rest of the match stays.
    secret: usize,
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    [
        ("private-key", r"(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))", 1),
        ("jwt", r"\b(eyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,})", 1),
        ("bearer", r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})", 1),
        ("basic", r"(?i)\bbasic\s+([A-Za-z0-9+/]{12,}={0,2})", 1),
        ("url-password", r"\b[a-z][a-z0-9+.-]*://[^\s:/@]*:([^\s:/@]{1,256})@", 1),
        ("token", r"\b((?:gh[pousr]|github_pat|glpat|xox[abprs]|sk_live|rk_live)[_-][A-Za-z0-9_-]{16,})", 1),
        ("aws-key", r"\b(AKIA[0-9A-Z]{16})\b", 1),
        (
            "named",
            r#"(?i)["']?\b(?:[a-z0-9_-]*(?:password|passwd|secret|api[_-]?key|access[_-]?token|refresh[_-]?token|private[_-]?key))["']?\s*[:=]\s*(?:"((?:[^"\\]|\\.){4,}?)"|'([^']{4,}?)'|([^\s"',;&}{\[\]]{4,}))"#,
            0,
        ),
    ]
    .into_iter()
    .filter_map(|(kind, pattern, secret)| Some(Shape { kind, pattern: Regex::new(pattern).ok()?, secret }))
    .collect()
});

/// Something in a text that must not be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// What it looks like: `jwt`, `bearer`, `named`, …
    pub kind: String,
    /// The first 8 hex digits of its SHA-256: tells two secrets apart, gives none away.
    pub fingerprint: String,
}

/// Where a secret was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHit {
    /// What.
    pub secret: Secret,
    /// Where: `log body`, `log attribute user.token`, `stdout`, `span attribute …`.
    pub place: String,
    /// Who exposed it.
    pub service: ServiceName,
    /// Which copy of it.
    pub instance: Option<InstanceId>,
    /// In which trace, where known.
    pub trace_id: Option<TraceId>,
    /// The text round it, redacted, at most 200 characters.
    pub excerpt: String,
}

/// The fingerprint of a secret.
pub fn fingerprint(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn mask(kind: &str, fingerprint: &str) -> String {
    format!("[redacted {kind} {fingerprint}]")
}

/// Whether a variable of this name is meant to hold a secret: `DB_PASSWORD`, `AUTH_TOKEN`, `AWS_SECRET_ACCESS_KEY`.
/// For names of variables only, where one too many masked does no harm; in running text such words are too common.
pub fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["pass", "passwd", "password", "passphrase", "pwd", "secret", "token", "credential", "credentials"];
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| WORDS.contains(&word) || word.ends_with("password") || word.ends_with("token"))
        || ["api_key", "apikey", "access_key", "signing_key", "private_key", "encryption_key"]
            .iter()
            .any(|key| name.replace('-', "_").contains(key))
}

/// What is kept of a text that is a secret as a whole.
pub fn masked(secret: &str) -> String {
    mask("value", &fingerprint(secret))
}

/// The text with each secret replaced by `[redacted KIND FINGERPRINT]`, and what was found. Text without a
/// secret comes back as it is.
pub fn redact(text: &str) -> (Cow<'_, str>, Vec<Secret>) {
    let mut out = Cow::Borrowed(text);
    let mut found = Vec::new();
    for shape in SHAPES.iter() {
        if !shape.pattern.is_match(&out) {
            continue;
        }
        let replaced = shape.pattern.replace_all(&out, |captures: &Captures<'_>| {
            let whole = captures.get(0).map_or("", |whole| whole.as_str());
            let secret = match shape.secret {
                0 => captures.iter().skip(1).flatten().next(),
                group => captures.get(group),
            };
            match (captures.get(0), secret) {
                (Some(all), Some(secret)) if !secret.as_str().starts_with("[redacted") => {
                    let fingerprint = fingerprint(secret.as_str());
                    let (before, after) = (secret.start() - all.start(), secret.end() - all.start());
                    let text =
                        format!("{}{}{}", &whole[..before], mask(shape.kind, &fingerprint), &whole[after..]);
                    found.push(Secret { kind: shape.kind.to_owned(), fingerprint });
                    text
                }
                _ => whole.to_owned(),
            }
        });
        out = Cow::Owned(replaced.into_owned());
    }
    if found.is_empty() { (Cow::Borrowed(text), found) } else { (out, found) }
}

/// The value of a header as it may be kept: whole secrets by fingerprint, the rest looked through.
pub fn redact_header(name: &str, value: &str) -> String {
    if SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
        let (scheme, secret) = match value.split_once(' ') {
            Some((scheme, secret)) if name.to_ascii_lowercase().ends_with("authorization") => {
                (Some(scheme), secret)
            }
            _ => (None, value),
        };
        let masked = mask("header", &fingerprint(secret));
        return scheme.map_or_else(|| masked.clone(), |scheme| format!("{scheme} {masked}"));
    }
    redact(value).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLWhlcmU";
        for (text, kind) in [
            (format!("authorization: Bearer {jwt}"), "jwt"),
            ("got header Bearer abcdef0123456789".to_owned(), "bearer"),
            ("Basic YWxpY2U6c2VjcmV0cw==".to_owned(), "basic"),
            ("db=postgres://shop:hunter2@localhost/x".to_owned(), "url-password"),
            (r#"{"client_secret": "abc 123 xyz"}"#.to_owned(), "named"),
            ("password=correct-horse&user=a".to_owned(), "named"),
        ] {
            let (clean, found) = redact(&text);
            assert_eq!(found.first().map(|secret| secret.kind.as_str()), Some(kind), "{text} → {clean}");
            assert!(clean.contains("[redacted"), "{clean}");
            for leaked in [jwt, "abcdef0123456789", "YWxpY2U6", "hunter2", "abc 123", "correct-horse"] {
                assert!(!clean.contains(leaked), "{clean}");
            }
        }
    }

    #[test]
    fn variables_tell_by_their_name_that_they_hold_a_secret() {
        for name in [
            "DB_PASSWORD",
            "AUTH_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "SECRET_KEY_BASE",
            "token",
            "DB_PASS",
            "X-Api-Key",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in ["PORT", "COMPASS", "SHOP_RETRY_BASE_MS", "KEYBOARD", "PASSENGERS", "MONKEY"] {
            assert!(!names_a_secret(name), "{name}");
        }
    }

    #[test]
    fn plain_text_is_left_alone() {
        for text in
            ["request handled", "the bearer of news", "basic needs", "http://localhost:80/a@b", "secret: no"]
        {
            let (clean, found) = redact(text);
            assert_eq!((clean.as_ref(), found.len()), (text, 0));
        }
    }

    #[test]
    fn a_secret_header_keeps_its_scheme_only() {
        assert_eq!(
            redact_header("Authorization", "Bearer abc"),
            format!("Bearer {}", mask("header", &fingerprint("abc")))
        );
        assert!(!redact_header("cookie", "session=abc").contains("abc"));
        assert_eq!(redact_header("accept", "text/html"), "text/html");
    }

    proptest! {
        #[test]
        fn redacting_twice_changes_nothing_more(text in ".{0,200}") {
            let once = redact(&text).0.into_owned();
            prop_assert_eq!(redact(&once).0.into_owned(), once);
        }
    }
}
