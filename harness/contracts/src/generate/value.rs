//! One value from one generator.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pact_matching::generators::DefaultVariantMatcher;
use pact_models::generators::{GenerateValue, Generator, VariantMatcher};
use pact_models::path_exp::DocPath;
use serde_json::{Value, json};

use super::{GenerateContext, GenerateError};
use crate::mismatch::Part;

/// Why a generator could not be applied, before it is said where.
#[derive(Debug)]
pub(crate) struct Failure {
    generator: String,
    reason: String,
}

impl Failure {
    pub(super) fn new(generator: &Generator, reason: impl Into<String>) -> Self {
        Self { generator: generator.name(), reason: reason.into() }
    }

    pub(crate) fn at(self, part: Part, path: &DocPath) -> GenerateError {
        let path = match (part, path.first_field()) {
            _ if path.len() == 0 => "-".to_owned(),
            (Part::Body, _) | (_, None) => path.to_string(),
            (_, Some(name)) => name.to_owned(),
        };
        GenerateError { part, path, generator: self.generator, reason: self.reason }
    }
}

/// A new value in place of an example; `None` where what the generator needs is not known, so that the example stays.
pub(crate) fn make(
    generator: &Generator,
    example: &Value,
    context: &GenerateContext,
) -> Result<Option<Value>, Failure> {
    let Some(generator) = fitting(generator, context)? else { return Ok(None) };
    let values = known(context);
    let made = catch_unwind(AssertUnwindSafe(|| {
        generator.generate_value(example, &values, &DefaultVariantMatcher.boxed())
    }));
    match made {
        Ok(Ok(value)) => Ok(Some(value)),
        Ok(Err(error)) => Err(Failure::new(&generator, in_one_line(&format!("{error:#}")))),
        Err(_) => Err(Failure::new(&generator, "its settings are beyond what can be generated")),
    }
}

/// What went wrong, without the drawing that parsers put round it.
fn in_one_line(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default().trim_start_matches("Error: ");
    match error.lines().last().and_then(|last| last.strip_prefix("error: ")) {
        Some(last) => format!("{}: {last}", first.trim_end_matches(" - regex parse error:")),
        None => first.to_owned(),
    }
}

/// What `pact_models` looks values up in.
pub(super) fn known(context: &GenerateContext) -> HashMap<&str, Value> {
    let mut known: HashMap<&str, Value> =
        context.values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    if let Some(url) = &context.mock_server_url {
        known.insert("mockServer", json!({ "href": url, "url": url }));
    }
    known
}

/// The generator as it can be carried out; `None` where what it needs is not known.
pub(super) fn fitting(
    generator: &Generator,
    context: &GenerateContext,
) -> Result<Option<Generator>, Failure> {
    let fitting = match generator {
        Generator::RandomInt(min, max) if min > max => {
            return Err(Failure::new(generator, format!("min {min} is greater than max {max}")));
        }
        // Its own way never repeats a digit, and ends after sixteen.
        Generator::RandomHexadecimal(digits) => Generator::Regex(format!("[0-9A-F]{{{digits}}}")),
        // What is generated is the whole value, so anchors say nothing. The group keeps `pact_models` from taking a
        // dollar sign at the end for one.
        Generator::Regex(regex) => {
            let regex = regex.strip_prefix('^').unwrap_or(regex);
            let anchored = regex.ends_with('$') && !regex.ends_with("\\$");
            let inner = if anchored { &regex[..regex.len() - 1] } else { regex };
            Generator::Regex(format!("(?:{inner})"))
        }
        Generator::ProviderStateGenerator(expression, _) => {
            if !names(expression).iter().all(|name| context.values.contains_key(*name)) {
                return Ok(None);
            }
            generator.clone()
        }
        Generator::MockServerURL(..) if context.mock_server_url.is_none() => return Ok(None),
        Generator::Plugin { name, .. } => {
            return Err(Failure::new(generator, format!("'{name}' is no generator of the specification")));
        }
        generator => generator.clone(),
    };
    Ok(Some(fitting))
}

/// The names that an expression refers to: those in `${…}`, or the whole is a name.
fn names(expression: &str) -> Vec<&str> {
    if !expression.contains("${") {
        return vec![expression];
    }
    expression.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.trim())).collect()
}
