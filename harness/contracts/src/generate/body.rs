//! Generators applied to bodies.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use futures_util::FutureExt;
use pact_matching::generators::DefaultVariantMatcher;
use pact_matching::generators::bodies::generators_process_body;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::{Generator, GeneratorTestMode};
use pact_models::path_exp::{DocPath, PathToken};
use serde_json::Value;

use super::{GenerateContext, GenerateError, value};
use crate::matching::xml;
use crate::mismatch::Part;

/// The body with new values; `None` where it stays as it is.
pub(super) fn make(
    bytes: &Bytes,
    content_type: Option<&ContentType>,
    generators: &[(&DocPath, &Generator)],
    context: &GenerateContext,
) -> Result<Option<Bytes>, GenerateError> {
    let Some(content_type) = content_type else { return Ok(None) };
    if content_type.is_json() {
        let Ok(mut document) = serde_json::from_slice(bytes) else { return Ok(None) };
        for (path, generator) in generators {
            in_json(&mut document, path.tokens(), generator, context)
                .map_err(|error| error.at(Part::Body, path))?;
        }
        return Ok(Some(document.to_string().into()));
    }
    by_pact(bytes, content_type, generators, context)
}

/// Goes down a path and puts a new value wherever it leads.
fn in_json(
    at: &mut Value,
    path: &[PathToken],
    generator: &Generator,
    context: &GenerateContext,
) -> Result<(), value::Failure> {
    let Some((token, rest)) = path.split_first() else {
        if let Some(value) = value::make(generator, at, context)? {
            *at = value;
        }
        return Ok(());
    };
    let children: Vec<&mut Value> = match (token, at) {
        (PathToken::Root, at) => vec![at],
        (PathToken::Field(name), Value::Object(map)) => map.get_mut(name).into_iter().collect(),
        (PathToken::Index(index), Value::Array(items)) => items.get_mut(*index).into_iter().collect(),
        (PathToken::Star, Value::Object(map)) => map.values_mut().collect(),
        (PathToken::Star | PathToken::StarIndex, Value::Array(items)) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    children.into_iter().try_for_each(|child| in_json(child, rest, generator, context))
}

/// XML and forms, by `pact_matching`. It says nothing of values that it could not make, so each is made once before.
fn by_pact(
    bytes: &Bytes,
    content_type: &ContentType,
    generators: &[(&DocPath, &Generator)],
    context: &GenerateContext,
) -> Result<Option<Bytes>, GenerateError> {
    if content_type.is_xml() && xml::is_too_deep(bytes) {
        return Ok(None);
    }
    let mut fitting = HashMap::new();
    for (path, generator) in generators {
        value::make(generator, &Value::from(""), context).map_err(|error| error.at(Part::Body, path))?;
        if let Some(generator) =
            value::fitting(generator, context).map_err(|error| error.at(Part::Body, path))?
        {
            fitting.insert((*path).clone(), generator);
        }
    }
    let mut made = OptionalBody::Present(bytes.clone(), Some(content_type.clone()), None);
    let values = value::known(context);
    // Generators for provider states belong to one mode, those for a mock's address to the other.
    for mode in [GeneratorTestMode::Provider, GeneratorTestMode::Consumer] {
        let generators: HashMap<DocPath, Generator> = fitting
            .iter()
            .filter(|(_, generator)| {
                generator.corresponds_to_mode(&mode)
                    && (mode == GeneratorTestMode::Provider
                        || !generator.corresponds_to_mode(&GeneratorTestMode::Provider))
            })
            .map(|(path, generator)| (path.clone(), generator.clone()))
            .collect();
        if generators.is_empty() {
            continue;
        }
        let applied = catch_unwind(AssertUnwindSafe(|| {
            generators_process_body(
                &mode,
                &made,
                Some(content_type.clone()),
                &values,
                &generators,
                &DefaultVariantMatcher,
                &Vec::new(),
                &HashMap::new(),
            )
            .now_or_never()
        }));
        if let Ok(Some(Ok(body))) = applied {
            made = body;
        }
    }
    Ok(made.value())
}
