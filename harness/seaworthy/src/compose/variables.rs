//! `$VAR` and `${VAR:-default}` in the values of a Compose file, and the `.env` file that gives them values.

use std::collections::BTreeMap;
use std::ops::Range;

/// A text, and which parts of it came from variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Text {
    /// The text with every variable filled in; one without a value is empty.
    pub(super) whole: String,
    /// The parts that are variables' values, in order.
    pub(super) variables: Vec<Variable>,
}

/// A part of a text that is a variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// Where the value stands in the text.
    pub(super) range: Range<usize>,
    /// The variable's name.
    pub(super) name: String,
    /// Whether Compose would refuse to go on without a value.
    pub(super) required: bool,
}

impl Text {
    pub(super) fn plain(text: &str) -> Self {
        Self { whole: text.to_owned(), variables: Vec::new() }
    }
}

/// Fills the variables of a text in.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<Text, (String, String)> {
    let mut out = Text::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.whole.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.whole.push('$');
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let Some(end) = closing(inner) else {
                let help = "close it with `}`, or write `$$` for a literal `$`".to_owned();
                return Err((format!("`${{{}` has no closing `}}`", shown(inner)), help));
            };
            put(&mut out, &inner[..end], values)?;
            rest = &inner[end + 1..];
        } else {
            let end = rest.find(|c: char| !is_name_part(c)).unwrap_or(rest.len());
            if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
                let help = "write `$$` for a literal `$`".to_owned();
                return Err((format!("`${}` names no variable", shown(rest)), help));
            }
            put(&mut out, &rest[..end], values)?;
            rest = &rest[end..];
        }
    }
    out.whole.push_str(rest);
    Ok(out)
}

/// Where the `}` stands that belongs to a `{` before this text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Puts what stands between the braces: a name, and what is to be done without a value.
fn put(out: &mut Text, inner: &str, values: &BTreeMap<String, String>) -> Result<(), (String, String)> {
    let end = inner.find(|c: char| !is_name_part(c)).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        let help = "write `$$` for a literal `$`".to_owned();
        return Err((format!("`${{{}}}` names no variable", shown(inner)), help));
    }
    // `:-` and `:?` take an empty value for none.
    let (rest, empty_counts) = match rest.strip_prefix(':') {
        Some(rest) => (rest, false),
        None => (rest, true),
    };
    let value = values.get(name).filter(|value| empty_counts || !value.is_empty());
    let (value, required) = match (rest.chars().next(), value) {
        (None, Some(value)) if empty_counts => (value.clone(), false),
        (None, None) if empty_counts => (String::new(), false),
        (Some('-'), Some(value)) => (value.clone(), false),
        (Some('-'), None) if rest.contains('$') => {
            let help = "write the default as a plain text".to_owned();
            return Err((format!("`${{{}}}` has a default with a variable in it", shown(inner)), help));
        }
        (Some('-'), None) => (rest[1..].to_owned(), false),
        (Some('?'), value) => (value.cloned().unwrap_or_default(), true),
        _ => {
            let help = "`${NAME}`, `${NAME:-default}` and `${NAME:?reason}` are understood".to_owned();
            return Err((format!("`${{{}}}` is not understood", shown(inner)), help));
        }
    };
    let start = out.whole.len();
    out.whole.push_str(&value);
    out.variables.push(Variable { range: start..out.whole.len(), name: name.to_owned(), required });
    Ok(())
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The variables of an env file: `NAME=value` lines, remarks, quotes. A name without `=` is passed on from the
/// environment that Compose was started in, and is left out here.
///
/// # Errors
/// The number of the first line that is none of this.
pub(super) fn env_file(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (line, None),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(index + 1);
        }
        if let Some(value) = value {
            values.insert(name.to_owned(), unquoted(value).ok_or(index + 1)?);
        }
    }
    Ok(values)
}

/// A value without its quotes, or without the remark behind it; nothing when a quote is left open.
fn unquoted(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.split_once('\'').map(|(value, _)| value.to_owned());
    }
    let Some(rest) = value.strip_prefix('"') else {
        return Some(value.split(" #").next().unwrap_or_default().trim_end().to_owned());
    };
    let mut out = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(out),
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<String, String> {
        BTreeMap::from([("A".to_owned(), "1".to_owned()), ("EMPTY".to_owned(), String::new())])
    }

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        for (text, whole) in [
            ("x", "x"),
            ("$A-${A}", "1-1"),
            ("${NONE}|$NONE", "|"),
            ("${A:-2} ${NONE:-2} ${EMPTY:-2} ${EMPTY-2}", "1 2 2 "),
            ("$$A $${A}", "$A ${A}"),
            ("${A:?needed}", "1"),
            ("${NONE:-a{b}c}", "a{b}c"),
        ] {
            assert_eq!(fill(text, &values()).unwrap().whole, whole, "{text}");
        }
        let text = fill("a${A}b${NONE:?why}", &values()).unwrap();
        let told: Vec<_> = text.variables.iter().map(|v| (v.range.clone(), &*v.name, v.required)).collect();
        assert_eq!(told, [(1..2, "A", false), (3..3, "NONE", true)]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, said) in [
            ("${A", "`${A` has no closing `}`"),
            ("a $ b", "`$ b` names no variable"),
            ("${1}", "`${1}` names no variable"),
            ("${}", "`${}` names no variable"),
            ("${A:+x}", "`${A:+x}` is not understood"),
            ("${A:}", "`${A:}` is not understood"),
            ("${NONE:-${A}}", "`${NONE:-${A}}` has a default with a variable in it"),
        ] {
            assert_eq!(fill(text, &values()).unwrap_err().0, said);
        }
    }

    #[test]
    fn an_env_file_has_names_and_values_quoted_or_not() {
        let text = "# remark\n\nA=1 # not this\nexport B = 'x # y'\nC=\"a\\nb\\\"\"\nD=\nPASSED_ON\n";
        let expected = [("A", "1"), ("B", "x # y"), ("C", "a\nb\""), ("D", "")];
        let expected: BTreeMap<_, _> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(env_file(text), Ok(expected));
        assert_eq!(env_file("A=1\n=2\n"), Err(2));
        assert_eq!(env_file("A=1\n\nB='open\n"), Err(3));
    }
}
