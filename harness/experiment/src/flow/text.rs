//! `${…}` in a flow's texts: what stands there, and filling it in.

use std::collections::BTreeMap;

/// Something that a text refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `${var.NAME}`: a variable of the flow.
    Var(String),
    /// `${capture.NAME}`: kept from an earlier answer.
    Capture(String),
    /// `${env.NAME:-default}`: a variable of the harness's environment.
    Env {
        /// Its name.
        name: String,
        /// What stands for it when it is not set.
        default: Option<String>,
    },
    /// `${trace_id}`: the step's trace.
    TraceId,
    /// `${correlation_id}`: the step's correlation id.
    CorrelationId,
    /// `${unique}`: a text that no other run of a step has.
    Unique,
    /// `${flow}`: the flow's name.
    Flow,
}

/// The names that a `${…}` can have, for complaints.
pub const FORMS: [&str; 7] =
    ["var.NAME", "capture.NAME", "env.NAME", "trace_id", "correlation_id", "unique", "flow"];

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A `${` that is never closed.
    #[error("`${{` without `}}`; write `$${{` for the characters themselves")]
    Open,
    /// A name that means nothing.
    #[error("`${{{0}}}` means nothing")]
    Unknown(String),
    /// Nothing is known under this name.
    #[error("`${{{0}}}` has no value")]
    NoValue(String),
}

enum Part<'t> {
    Plain(&'t str),
    Reference(Reference, &'t str),
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, TextError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        if let Some(kept) = before.strip_suffix('$') {
            // `$${` stands for `${` itself.
            parts.push(Part::Plain(kept));
            parts.push(Part::Plain("${"));
            rest = &found[2..];
            continue;
        }
        let (name, tail) = found[2..].split_once('}').ok_or(TextError::Open)?;
        parts.push(Part::Plain(before));
        parts.push(Part::Reference(reference(name)?, name));
        rest = tail;
    }
    parts.push(Part::Plain(rest));
    Ok(parts)
}

fn reference(text: &str) -> Result<Reference, TextError> {
    Ok(match text.split_once('.') {
        Some(("var", name)) => Reference::Var(name.to_owned()),
        Some(("capture", name)) => Reference::Capture(name.to_owned()),
        Some(("env", name)) => {
            let (name, default) = match name.split_once(":-") {
                Some((name, default)) => (name, Some(default.to_owned())),
                None => (name, None),
            };
            Reference::Env { name: name.to_owned(), default }
        }
        _ => match text {
            "trace_id" => Reference::TraceId,
            "correlation_id" => Reference::CorrelationId,
            "unique" => Reference::Unique,
            "flow" => Reference::Flow,
            _ => return Err(TextError::Unknown(text.chars().take(80).collect())),
        },
    })
}

/// What a text refers to, in order.
///
/// # Errors
/// When a `${…}` is not closed or means nothing.
pub fn references(text: &str) -> Result<Vec<Reference>, TextError> {
    Ok(parts(text)?
        .into_iter()
        .filter_map(|part| match part {
            Part::Reference(reference, _) => Some(reference),
            Part::Plain(_) => None,
        })
        .collect())
}

/// What the names in texts stand for at one point of a flow.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The flow's name.
    pub flow: String,
    /// The flow's variables, filled in.
    pub vars: BTreeMap<String, String>,
    /// What was kept from answers so far.
    pub captures: BTreeMap<String, String>,
    /// The step's trace.
    pub trace_id: String,
    /// The step's correlation id.
    pub correlation_id: String,
    /// A text of this run of the step.
    pub unique: String,
}

impl Scope {
    fn value(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::Var(name) => self.vars.get(name).cloned(),
            Reference::Capture(name) => self.captures.get(name).cloned(),
            Reference::Env { name, default } => std::env::var(name).ok().or_else(|| default.clone()),
            Reference::TraceId => Some(self.trace_id.clone()),
            Reference::CorrelationId => Some(self.correlation_id.clone()),
            Reference::Unique => Some(self.unique.clone()),
            Reference::Flow => Some(self.flow.clone()),
        }
    }

    /// The text with each `${…}` replaced by what it stands for. Values are taken as they are, not looked
    /// through again.
    ///
    /// # Errors
    /// When a `${…}` is broken or has no value here.
    pub fn fill(&self, text: &str) -> Result<String, TextError> {
        let mut out = String::with_capacity(text.len());
        for part in parts(text)? {
            match part {
                Part::Plain(plain) => out.push_str(plain),
                Part::Reference(reference, name) => {
                    let value = self.value(&reference).ok_or_else(|| TextError::NoValue(name.to_owned()))?;
                    out.push_str(&value);
                }
            }
        }
        Ok(out)
    }

    /// The JSON value with each text in it filled in.
    ///
    /// # Errors
    /// As [`Scope::fill`].
    pub fn fill_json(&self, value: &serde_json::Value) -> Result<serde_json::Value, TextError> {
        use serde_json::Value;
        Ok(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill_json(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => {
                let filled = entries.iter().map(|(key, value)| Ok((self.fill(key)?, self.fill_json(value)?)));
                Value::Object(filled.collect::<Result<_, TextError>>()?)
            }
            other => other.clone(),
        })
    }

    /// Each text of the map filled in.
    ///
    /// # Errors
    /// As [`Scope::fill`].
    pub fn fill_map(&self, map: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, TextError> {
        map.iter().map(|(key, value)| Ok((key.clone(), self.fill(value)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope() -> Scope {
        Scope {
            flow: "buy".to_owned(),
            vars: BTreeMap::from([("token".to_owned(), "t".to_owned())]),
            captures: BTreeMap::from([("order".to_owned(), "ord_${flow}".to_owned())]),
            trace_id: "0af7".to_owned(),
            correlation_id: "sw-1".to_owned(),
            unique: "u1".to_owned(),
        }
    }

    #[test]
    fn each_form_is_filled_in() {
        let text = "${var.token} ${capture.order} ${env.SW_IS_NEVER_SET:-d} ${trace_id} ${correlation_id} ${unique} ${flow}";
        assert_eq!(scope().fill(text).unwrap(), "t ord_${flow} d 0af7 sw-1 u1 buy");
    }

    #[test]
    fn a_doubled_dollar_stands_for_itself() {
        assert_eq!(scope().fill("$5 $${flow} $").unwrap(), "$5 ${flow} $");
    }

    #[test]
    fn what_has_no_value_is_refused() {
        assert_eq!(scope().fill("${var.nope}"), Err(TextError::NoValue("var.nope".to_owned())));
        assert_eq!(scope().fill("${capture.nope}"), Err(TextError::NoValue("capture.nope".to_owned())));
        assert_eq!(
            scope().fill("${env.SW_IS_NEVER_SET}"),
            Err(TextError::NoValue("env.SW_IS_NEVER_SET".to_owned()))
        );
        assert_eq!(references("${traceid}"), Err(TextError::Unknown("traceid".to_owned())));
        assert_eq!(references("${flow"), Err(TextError::Open));
    }

    #[test]
    fn json_is_filled_in_to_the_leaves() {
        let json = serde_json::json!({"a": ["${flow}", 1], "${unique}": null});
        assert_eq!(scope().fill_json(&json).unwrap(), serde_json::json!({"a": ["buy", 1], "u1": null}));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = references(&text);
            let _ = scope().fill(&text);
        }

        #[test]
        fn text_without_references_stays_as_it_is(text in "[^$]*") {
            prop_assert_eq!(scope().fill(&text), Ok(text));
        }
    }
}
