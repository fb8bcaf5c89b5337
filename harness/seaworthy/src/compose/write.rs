//! YAML with remarks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use seaworthy_core::system::document::{Node, Value};

use super::project::Project;
use super::service::Made;

/// How long a map or list on one line may be, in characters.
const WIDTH: usize = 110;

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Yaml {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// A number or truth value as it stood in another file.
    Plain(String),
    /// Values in order.
    List(Vec<Yaml>),
    /// Values by key, in this order.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    pub(super) fn list(items: impl IntoIterator<Item = String>) -> Self {
        Yaml::List(items.into_iter().map(Yaml::Text).collect())
    }

    pub(super) fn map(items: BTreeMap<String, String>) -> Self {
        Yaml::Map(items.into_iter().map(|(key, value)| (key, Yaml::Text(value))).collect())
    }

    /// A part of another file.
    pub(super) fn of(node: &Node) -> Self {
        match &node.value {
            Value::Scalar { .. } if node.is_nothing() => Yaml::Nothing,
            Value::Scalar { text, plain: true } if is_number_or_truth(text) => Yaml::Plain(text.clone()),
            Value::Scalar { text, .. } => Yaml::Text(text.clone()),
            Value::List(items) => Yaml::List(items.iter().map(Yaml::of).collect()),
            Value::Map(entries) => {
                Yaml::Map(entries.iter().map(|entry| (entry.key.clone(), Yaml::of(&entry.value))).collect())
            }
        }
    }

    /// Whether it is a list or map with nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Yaml::List(items) => items.is_empty(),
            Yaml::Map(items) => items.is_empty(),
            _ => false,
        }
    }

    /// On one line.
    fn flow(&self) -> String {
        match self {
            Yaml::Nothing => "~".to_owned(),
            Yaml::Text(text) => scalar(text),
            Yaml::Plain(text) => text.clone(),
            Yaml::List(items) => {
                let items: Vec<String> = items.iter().map(Yaml::flow).collect();
                format!("[{}]", items.join(", "))
            }
            Yaml::Map(items) => {
                let item = |(key, value): &(String, Yaml)| format!("{}: {}", scalar(key), value.flow());
                let items: Vec<String> = items.iter().map(item).collect();
                format!("{{{}}}", items.join(", "))
            }
        }
    }

    /// Behind `key:`, on this line or below it.
    fn below(&self, out: &mut String, indent: usize, spread: bool) {
        let line = self.flow();
        match self {
            Yaml::Map(items) if !items.is_empty() && (spread || line.len() + indent > WIDTH) => {
                out.push('\n');
                for (key, value) in items {
                    let _ = write!(out, "{:indent$}{}:", "", scalar(key));
                    value.below(out, indent + 2, false);
                }
            }
            Yaml::List(items) if !items.is_empty() && line.len() + indent > WIDTH => {
                out.push('\n');
                for item in items {
                    let _ = writeln!(out, "{:indent$}- {}", "", item.flow());
                }
            }
            Yaml::Nothing => out.push('\n'),
            _ => {
                let _ = writeln!(out, " {line}");
            }
        }
    }
}

/// A line of a service.
#[derive(Debug)]
pub(super) enum Line {
    /// A key with its value.
    Key(String, Yaml),
    /// A remark.
    Remark(String),
}

/// The whole file.
pub(super) fn file(project: &Project, services: &[Made], origin: &str) -> String {
    let mut out = String::new();
    remark(
        &mut out,
        0,
        &format!("Made from {origin} by `seaworthy init --compose`. It is yours now: mend what was guessed."),
    );
    remark(
        &mut out,
        0,
        "Every key is in `seaworthy schema system`; what a rule means is in `seaworthy explain`.",
    );
    for note in &project.notes {
        remark(&mut out, 0, &format!("Note: {note}."));
    }
    let _ = writeln!(out, "version: 1\nname: {}\n\nservices:", scalar(&project.name));
    for (index, service) in services.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "  {}:", scalar(&service.name));
        for note in &service.notes {
            remark(&mut out, 4, &format!("Note: {note}."));
        }
        for line in &service.lines {
            match line {
                Line::Remark(text) => remark(&mut out, 4, text),
                Line::Key(key, value) => {
                    let _ = write!(out, "    {}:", scalar(key));
                    value.below(&mut out, 6, matches!(key.as_str(), "env" | "files" | "calls"));
                }
            }
        }
    }
    out.push('\n');
    let ways_in: Vec<&Made> = services.iter().filter(|service| service.ingress.is_some()).collect();
    if ways_in.is_empty() {
        remark(&mut out, 0, "Where the world comes in: no service publishes a port.");
        remark(&mut out, 0, "ingress:");
        remark(&mut out, 0, "  SERVICE: {port: http}");
    } else {
        remark(&mut out, 0, "Where the world comes in.");
        out.push_str("ingress:\n");
        for service in ways_in {
            let port = service.ingress.as_deref().unwrap_or_default();
            let _ = writeln!(out, "  {}: {{port: {}}}", scalar(&service.name), scalar(port));
        }
    }
    out.push('\n');
    remark(&mut out, 0, "Scripted uses of the system; `seaworthy schema flow` says what they can hold.");
    remark(&mut out, 0, "flows: [\"flows/*.yaml\"]");
    out
}

/// A remark of one line, whatever is in the text.
fn remark(out: &mut String, indent: usize, text: &str) {
    let text: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    let _ = writeln!(out, "{:indent$}# {}", "", text.trim_end());
}

/// A text as YAML writes it: without quotes where it can be nothing else.
fn scalar(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.' | '_'));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    // A port (`8080/http`) is the one value that starts with a digit and is no number.
    let is_port = text.split_once('/').is_some_and(|(number, name)| {
        number.parse::<u16>().is_ok() && !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase())
    });
    if is_port || (starts && text.chars().all(plain) && !is_number_or_truth(text) && !is_word_of_yaml(text)) {
        return text.to_owned();
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_unprintable(c) => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What YAML does not allow as it is, or takes for the end of a line.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn is_number_or_truth(text: &str) -> bool {
    matches!(text, "true" | "false")
        || text.parse::<f64>().is_ok() && text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

/// What some reader of YAML takes for more than a text.
fn is_word_of_yaml(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "null"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "y"
            | "n"
            | "true"
            | "false"
            | ".inf"
            | ".nan"
            | "."
            | ".."
            | "..."
            | "inf"
            | "nan"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_has_quotes_where_it_needs_them() {
        for (text, expected) in [
            ("orders", "orders"),
            ("/var/lib", "/var/lib"),
            ("8080/http", "8080/http"),
            ("8080", "\"8080\""),
            ("true", "\"true\""),
            ("No", "\"No\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("a\n\"b\"\\", "\"a\\n\\\"b\\\"\\\\\""),
            ("\u{85}", "\"\\U00000085\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }

    fn values() -> impl Strategy<Value = Yaml> {
        let leaf = prop_oneof![Just(Yaml::Nothing), any::<String>().prop_map(Yaml::Text)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Yaml::List),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|items| Yaml::Map(items.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in values(), spread in any::<bool>()) {
            let mut text = "key:".to_owned();
            value.below(&mut text, 2, spread);
            let read = Node::parse(&text).unwrap_or_else(|misfit| panic!("{text}\n{misfit:?}"));
            prop_assert_eq!(Yaml::of(&read.entry("key").unwrap().value), value, "{}", text);
        }
    }
}
