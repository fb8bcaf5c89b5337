//! What a text looks like: an id, a time, a token, a secret. Such texts differ from run to run, so a contract agrees
//! on their look, and gives an example that nobody has seen.

use std::sync::LazyLock;

use regex::Regex;
use seaworthy_core::secret;

/// What a text looks like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Digits only.
    Digits,
    /// `550e8400-e29b-41d4-a716-446655440000`.
    Uuid,
    /// A date with time, by RFC 3339.
    Time,
    /// A date, by RFC 3339.
    Date,
    /// A word or several, then something with digits: `o-123`, `pay_673d85fc2aab`. Holds the part that stays, with
    /// its separator.
    Prefixed(String),
    /// 16 hex digits or more, letters among them.
    Hex,
    /// Letters and digits in no order that means anything.
    Opaque,
    /// Several of the above.
    Mixed,
    /// Something that must not be written down, or was not kept in the first place.
    Secret,
}

/// The example that stands for every secret. Shorter than anything that is taken for one.
const MASKED: &str = "***";

static UUID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$").ok());
static TIME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("^{}$", Kind::Time.pattern())).ok());
static DATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("^{}$", Kind::Date.pattern())).ok());
static PREFIXED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^((?:[A-Za-z]{1,24}[-_]){1,3})([0-9A-Za-z-]+)$").ok());
/// What ids and times look like inside a longer text.
static WITHIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("{}|[0-9A-Za-z]+(?:[-_][0-9A-Za-z]+)*", Kind::Time.pattern())).ok());

fn is(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

impl Kind {
    /// What `text` looks like; `None` for one that is just text.
    pub(super) fn of(text: &str) -> Option<Self> {
        if is_secret(text) {
            return Some(Kind::Secret);
        }
        if text.is_empty() || text.len() > 256 || !text.is_ascii() {
            return None;
        }
        let bytes = text.as_bytes();
        let has = |what: fn(&u8) -> bool| bytes.iter().any(what);
        let all = |what: fn(&u8) -> bool| bytes.iter().all(what);
        if all(u8::is_ascii_digit) {
            return Some(Kind::Digits);
        }
        if is(&UUID, text) {
            return Some(Kind::Uuid);
        }
        if is(&TIME, text) {
            return Some(Kind::Time);
        }
        if is(&DATE, text) {
            return Some(Kind::Date);
        }
        let mingled = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
        if mingled && bytes.len() >= 16 && all(u8::is_ascii_hexdigit) {
            return Some(Kind::Hex);
        }
        if mingled && bytes.len() >= 16 && all(u8::is_ascii_alphanumeric) {
            return Some(Kind::Opaque);
        }
        if let Some(prefix) = prefix(text) {
            return Some(Kind::Prefixed(prefix));
        }
        let in_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+/=.~".contains(byte);
        let is_opaque = mingled
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && bytes.len() >= 20
            && bytes.iter().all(in_base64);
        is_opaque.then_some(Kind::Opaque)
    }

    /// The kind that covers both.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Kind::Secret, _) | (_, Kind::Secret) => Kind::Secret,
            (one, another) if one == another => one,
            _ => Kind::Mixed,
        }
    }

    /// The kind that covers all of these texts; `None` where one of them is just text.
    pub(super) fn of_all<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<Self> {
        let mut kinds = texts.into_iter().map(Kind::of);
        let mut all = kinds.next()?;
        for kind in kinds {
            all = match (all, kind) {
                // One that must not be written down decides for all.
                (Some(Kind::Secret), _) | (_, Some(Kind::Secret)) => Some(Kind::Secret),
                (Some(one), Some(another)) => Some(one.join(another)),
                _ => None,
            };
        }
        all
    }

    /// A regular expression that texts of this kind match, without anchors. It uses nothing that another
    /// implementation of Pact would not know.
    pub(super) fn pattern(&self) -> String {
        match self {
            Kind::Digits => "[0-9]+".to_owned(),
            Kind::Uuid => "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}".to_owned(),
            Kind::Time => {
                "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
                    .to_owned()
            }
            Kind::Date => "[0-9]{4}-[0-9]{2}-[0-9]{2}".to_owned(),
            // Letters, `-` and `_`: nothing in it has a meaning of its own.
            Kind::Prefixed(prefix) => format!("{prefix}[0-9A-Za-z-]+"),
            Kind::Hex => "[0-9a-fA-F]+".to_owned(),
            Kind::Opaque | Kind::Mixed => "[^/?#]+".to_owned(),
            Kind::Secret => "[^/?#]+".to_owned(),
        }
    }

    /// The same for a value that stands alone.
    pub(super) fn whole_pattern(&self) -> String {
        match self {
            Kind::Opaque | Kind::Mixed | Kind::Secret => "^[\\s\\S]+$".to_owned(),
            _ => format!("^{}$", self.pattern()),
        }
    }

    /// An example that is the same for all texts of the kind, so that what is recorded twice reads the same.
    pub(super) fn example(&self) -> String {
        match self {
            Kind::Digits | Kind::Mixed => "1".to_owned(),
            Kind::Uuid => "00000000-0000-4000-8000-000000000001".to_owned(),
            Kind::Time => "2000-01-01T00:00:00Z".to_owned(),
            Kind::Date => "2000-01-01".to_owned(),
            Kind::Prefixed(prefix) => format!("{prefix}1"),
            Kind::Hex | Kind::Opaque => "0000000000000001".to_owned(),
            Kind::Secret => MASKED.to_owned(),
        }
    }
}

/// The part of a prefixed id that stays: `o-` of `o-123`.
fn prefix(text: &str) -> Option<String> {
    let captures = PREFIXED.as_ref()?.captures(text)?;
    let (prefix, rest) = (captures.get(1)?.as_str(), captures.get(2)?.as_str());
    let has_digit = rest.bytes().any(|byte| byte.is_ascii_digit());
    let is_id = has_digit && (!rest.contains('-') || is(&UUID, rest));
    is_id.then(|| prefix.to_owned())
}

/// Whether `text` is, or holds, something that must not be written down.
pub(super) fn is_secret(text: &str) -> bool {
    text.contains("[redacted") || !secret::redact(text).1.is_empty()
}

/// Whether what goes by this name is a secret: `password`, `clientSecret`, `tokens`.
pub(super) fn names_secret(name: &str) -> bool {
    let one = name.strip_suffix('s').unwrap_or(name);
    [name, one].into_iter().any(|name| {
        // What is looked for in running text counts here, too: there it takes a value of some length.
        secret::names_a_secret(name) || is_secret(&format!("{name}=xxxxxxxx"))
    })
}

/// The text with the ids and times in it replaced by examples.
pub(super) fn neutral(text: &str) -> String {
    match (Kind::of(text), WITHIN.as_ref()) {
        (Some(kind), _) => kind.example(),
        (None, None) => text.to_owned(),
        (None, Some(within)) => within
            .replace_all(text, |found: &regex::Captures<'_>| {
                let word = found.get(0).map_or("", |word| word.as_str());
                match Kind::of(word) {
                    // A number in a sentence is as good as another.
                    None | Some(Kind::Digits | Kind::Date) => word.to_owned(),
                    Some(kind) => kind.example(),
                }
            })
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_times_and_tokens_are_told_from_words() {
        let prefixed = |prefix: &str| Some(Kind::Prefixed(prefix.to_owned()));
        for (text, kind) in [
            ("42", Some(Kind::Digits)),
            ("550e8400-e29b-41d4-a716-446655440000", Some(Kind::Uuid)),
            ("2026-11-20T18:46:41.409Z", Some(Kind::Time)),
            ("2026-11-20T18:46:41+01:00", Some(Kind::Time)),
            ("2026-11-20", Some(Kind::Date)),
            ("o-123", prefixed("o-")),
            ("pay_673d85fc2aab4d848478887c8f9a5438", prefixed("pay_")),
            ("ord-550e8400-e29b-41d4-a716-446655440000", prefixed("ord-")),
            ("order_item_7", prefixed("order_item_")),
            ("659be83d98f4b957", Some(Kind::Hex)),
            ("dGhpcyBpcyBub3QgYSB3b3JkIDEyMw", Some(Kind::Opaque)),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLWhlcmU", Some(Kind::Secret)),
            ("[redacted named 0a1b2c3d]", Some(Kind::Secret)),
            ("", None),
            ("orders", None),
            ("v1", None),
            ("tok_visa", None),
            ("out-of-stock", None),
            ("1 Harbour Road", None),
            ("2 books", None),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn what_stands_within_a_text_is_made_neutral() {
        assert_eq!(
            neutral("We have order ord_604838348133439e81f7ea866e95e647 since 2026-11-20T18:46:41.409Z."),
            "We have order ord_1 since 2000-01-01T00:00:00Z."
        );
        assert_eq!(neutral("1 Harbour Road"), "1 Harbour Road");
    }

    #[test]
    fn every_example_is_of_its_kind_and_no_secret() {
        for kind in [
            Kind::Digits,
            Kind::Uuid,
            Kind::Time,
            Kind::Date,
            Kind::Prefixed("o-".to_owned()),
            Kind::Hex,
            Kind::Opaque,
            Kind::Mixed,
            Kind::Secret,
        ] {
            let pattern = Regex::new(&kind.whole_pattern()).unwrap();
            assert!(pattern.is_match(&kind.example()), "{kind:?}");
            assert!(
                Regex::new(&format!("^{}$", kind.pattern())).unwrap().is_match(&kind.example()),
                "{kind:?}"
            );
            assert!(!is_secret(&kind.example()), "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_the_pattern_of_its_kind(text in "[a-zA-Z0-9_.:/+-]{0,40}") {
            if let Some(kind) = Kind::of(&text) {
                prop_assert!(Regex::new(&kind.whole_pattern()).unwrap().is_match(&text), "{:?}", kind);
            }
        }

        #[test]
        fn no_text_makes_it_panic_and_neutral_text_stays_neutral(text in ".{0,80}") {
            let once = neutral(&text);
            prop_assert_eq!(neutral(&once), once);
        }
    }
}
