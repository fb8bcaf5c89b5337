//! Where a field lies in a message, as the protobuf plugin writes it: `$.reservation.items[0].sku`, by field names.

use std::fmt;

/// A place in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// What rules are matched against: `$`, `items`, `0`, `sku`.
    fragments: Vec<String>,
    text: String,
}

impl Path {
    /// The message itself: `$`.
    pub(super) fn root() -> Path {
        Path { fragments: vec!["$".to_owned()], text: "$".to_owned() }
    }

    /// A field of it, or an entry of a map.
    pub(super) fn field(&self, name: &str) -> Path {
        let plain = name
            .chars()
            .enumerate()
            .all(|(at, c)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit()));
        let text = if plain && !name.is_empty() {
            format!("{}.{name}", self.text)
        } else {
            format!("{}['{}']", self.text, name.replace('\\', r"\\").replace('\'', r"\'"))
        };
        self.then(name.to_owned(), text)
    }

    /// An item of a repeated field, from 0.
    pub(super) fn index(&self, index: usize) -> Path {
        self.then(index.to_string(), format!("{}[{index}]", self.text))
    }

    fn then(&self, fragment: String, text: String) -> Path {
        let mut fragments = Vec::with_capacity(self.fragments.len() + 1);
        fragments.extend_from_slice(&self.fragments);
        fragments.push(fragment);
        Path { fragments, text }
    }

    pub(super) fn fragments(&self) -> &[String] {
        &self.fragments
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
