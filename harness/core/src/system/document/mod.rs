//! A YAML document as a tree that remembers where each of its parts stands.
//!
//! Mistakes are shown at their place, overlays are laid over parts of the tree, and only then does the tree
//! become typed values ([`Node::read`]). So every mistake, whoever finds it, has its line.
//!
//! The subset of YAML is the plain one: maps with text keys, lists, scalars, anchors and aliases. Tags, merge
//! keys, several documents in one file and keys given twice are refused. Depth, size and what aliases may grow
//! to are limited.

mod build;
mod read;

use std::ops::Range;

pub use read::ReadError;

/// How deep maps and lists may lie in each other.
pub const DEPTH_LIMIT: usize = 64;
/// How many scalars, maps and lists there may be, with those that aliases repeat.
pub const NODE_LIMIT: usize = 50_000;

/// A place in a text, in bytes.
pub type Place = Range<usize>;

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// What a part of a document is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One value, not yet typed.
    Scalar {
        /// Its text, after escapes.
        text: String,
        /// Whether it stands without quotes, so that it may be a number, a truth value or nothing.
        plain: bool,
    },
    /// Values in order.
    List(Vec<Node>),
    /// Values by key, in the order of the file. No key is there twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where it stands.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

/// A mistake, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Where.
    pub place: Place,
}

impl Node {
    /// Reads a document from text.
    ///
    /// # Errors
    /// It is not YAML, or not the plain subset, or past a limit.
    pub fn parse(text: &str) -> Result<Node, Misfit> {
        build::build(text)
    }

    /// Whether it stands for nothing: `key:` with no value, `~` or `null`.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if is_nothing(text))
    }

    /// Its entries, if it is a map; a map left empty (`key:`) has none.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ if self.is_nothing() => Some(&[]),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entry of a map with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar { .. } if self.is_nothing() => "nothing",
            Value::Scalar { .. } => "a single value",
        }
    }
}

fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_knows_where_it_stands() {
        let text = "a: [1, 'two']\nübel:\n  - x: |\n      block\n";
        let node = Node::parse(text).unwrap();
        let entry = node.entry("übel").unwrap();
        assert_eq!(&text[entry.key_place.clone()], "übel");
        let Value::List(items) = &node.entry("a").unwrap().value.value else { panic!("{node:?}") };
        assert_eq!(&text[items[1].place.clone()], "'two'");
        assert_eq!(items[1].value, Value::Scalar { text: "two".to_owned(), plain: false });
    }

    #[test]
    fn an_alias_repeats_what_its_anchor_holds() {
        let node = Node::parse("a: &x {k: v}\nb: *x\n").unwrap();
        assert_eq!(node.entry("a").unwrap().value, node.entry("b").unwrap().value);
    }

    #[test]
    fn aliases_that_grow_without_end_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "));
        }
        let refused = Node::parse(&text).unwrap_err();
        assert!(refused.message.contains("50000"), "{refused:?}");
        let refused = Node::parse("a: &x [*x]").unwrap_err();
        assert!(refused.message.contains("itself"), "{refused:?}");
    }

    #[test]
    fn nesting_without_end_is_refused() {
        for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
            assert!(Node::parse(&text).is_err());
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Node::parse(&deep(DEPTH_LIMIT)).is_ok());
        assert!(Node::parse(&deep(DEPTH_LIMIT + 1)).unwrap_err().message.contains("64"));
    }

    #[test]
    fn what_is_outside_the_subset_is_refused_where_it_stands() {
        for (text, at, message) in [
            ("a: 1\na: 2\n", 5, "twice"),
            ("a: !!int 3\n", 3, "tag"),
            ("a: 1\n---\nb: 2\n", 5, "one document"),
            ("{[1]: 2}\n", 1, "key"),
            ("a: *nowhere\n", 3, ""),
            ("a: 'open\n", 3, ""),
            ("", 0, "nothing"),
            ("# only a remark\n", 0, "nothing"),
        ] {
            let misfit = Node::parse(text).unwrap_err();
            assert!(misfit.message.contains(message), "{text}: {misfit:?}");
            assert!(misfit.place.start >= at || at == 5, "{text}: {misfit:?}");
            assert!(misfit.place.end <= text.len(), "{text}: {misfit:?}");
        }
    }
}
