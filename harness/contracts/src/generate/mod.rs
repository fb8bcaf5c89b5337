//! Values that are made anew each time: what generators of the specification put into requests, responses and
//! messages, among them what setting up a provider state gave.
//!
//! A generator that needs what is not known here (a provider state's value, a mock's address) leaves the example as
//! it is, as Pact tools do. One that can never work is an error.

mod body;
pub(crate) mod value;

use std::collections::HashMap;

use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::{Generator, GeneratorCategory, Generators};
use pact_models::path_exp::DocPath;
use serde_json::Value;

use crate::mismatch::Part;
use crate::model::{HttpRequest, HttpResponse, MessageContents};

/// What setting up provider states gave, by name.
pub type StateValues = HashMap<String, Value>;

/// What generators may draw upon.
#[derive(Debug, Clone, Default)]
pub struct GenerateContext {
    /// Where the mock is reached (`http://127.0.0.1:4711`, without a path), for generators of type `MockServerURL`.
    pub mock_server_url: Option<String>,
    /// Values of provider states by name, for generators of type `ProviderState`.
    pub values: StateValues,
}

/// Why a value could not be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the generator {generator} for {part} {path} could not be applied: {reason}")]
pub struct GenerateError {
    /// The part that it is for.
    pub part: Part,
    /// Where in it: a path expression in a body, a header's or parameter's name; `-` for the whole part.
    pub path: String,
    /// Its type (`RandomInt`, `Regex`, …).
    pub generator: String,
    /// Why.
    pub reason: String,
}

/// The request as it is sent to a provider.
///
/// # Errors
/// A generator that can never work; see [`GenerateError`].
pub fn request(request: &HttpRequest, values: &StateValues) -> Result<HttpRequest, GenerateError> {
    request_in(request, &GenerateContext { mock_server_url: None, values: values.clone() })
}

/// The request with all that the context can give.
///
/// # Errors
/// A generator that can never work; see [`GenerateError`].
pub fn request_in(request: &HttpRequest, context: &GenerateContext) -> Result<HttpRequest, GenerateError> {
    let mut made = request.clone();
    for (path, generator) in of(&request.generators, GeneratorCategory::PATH) {
        let example = Value::from(made.path.as_str());
        if let Some(value) = value::make(generator, &example, context).map_err(|e| e.at(Part::Path, path))? {
            made.path = text(&value);
        }
    }
    for (path, generator) in of(&request.generators, GeneratorCategory::QUERY) {
        let Some(name) = path.first_field() else { continue };
        let values = made.query.get_or_insert_default().entry(name.to_owned()).or_insert_with(|| vec![None]);
        for parameter in values {
            let example = Value::from(parameter.clone().unwrap_or_default());
            if let Some(value) =
                value::make(generator, &example, context).map_err(|e| e.at(Part::Query, path))?
            {
                *parameter = Some(text(&value));
            }
        }
    }
    in_headers(&mut made.headers, &request.generators, context)?;
    let content_type = pact_models::http_parts::HttpPart::content_type(request);
    in_body(&mut made.body, content_type, &request.generators, context)?;
    Ok(made)
}

/// The response as a mock serves it.
///
/// # Errors
/// A generator that can never work; see [`GenerateError`].
pub fn response(response: &HttpResponse, context: &GenerateContext) -> Result<HttpResponse, GenerateError> {
    let mut made = response.clone();
    for (path, generator) in of(&response.generators, GeneratorCategory::STATUS) {
        let example = Value::from(made.status);
        if let Some(value) =
            value::make(generator, &example, context).map_err(|e| e.at(Part::Status, path))?
        {
            made.status = status(&value).ok_or_else(|| {
                value::Failure::new(generator, format!("{value} is no status")).at(Part::Status, path)
            })?;
        }
    }
    in_headers(&mut made.headers, &response.generators, context)?;
    let content_type = pact_models::http_parts::HttpPart::content_type(response);
    in_body(&mut made.body, content_type, &response.generators, context)?;
    Ok(made)
}

/// The message as it is sent.
///
/// # Errors
/// A generator that can never work; see [`GenerateError`].
pub fn message(message: &MessageContents, values: &StateValues) -> Result<MessageContents, GenerateError> {
    let context = GenerateContext { mock_server_url: None, values: values.clone() };
    let mut made = message.clone();
    for (path, generator) in of(&message.generators, GeneratorCategory::METADATA) {
        let Some(name) = path.first_field() else { continue };
        let example = made.metadata.get(name).cloned().unwrap_or_default();
        if let Some(value) =
            value::make(generator, &example, &context).map_err(|e| e.at(Part::Metadata, path))?
        {
            made.metadata.insert(name.to_owned(), value);
        }
    }
    in_body(&mut made.contents, message.message_content_type(), &message.generators, &context)?;
    Ok(made)
}

fn in_headers(
    headers: &mut Option<HashMap<String, Vec<String>>>,
    generators: &Generators,
    context: &GenerateContext,
) -> Result<(), GenerateError> {
    for (path, generator) in of(generators, GeneratorCategory::HEADER) {
        let Some(name) = path.first_field() else { continue };
        let known =
            headers.iter().flat_map(HashMap::keys).find(|known| known.eq_ignore_ascii_case(name)).cloned();
        let name = known.unwrap_or_else(|| name.to_owned());
        let example =
            headers.as_ref().and_then(|headers| headers.get(&name)?.first().cloned()).unwrap_or_default();
        let value =
            value::make(generator, &Value::from(example), context).map_err(|e| e.at(Part::Header, path))?;
        if let Some(value) = value {
            headers.get_or_insert_default().insert(name, vec![text(&value)]);
        }
    }
    Ok(())
}

fn in_body(
    body: &mut OptionalBody,
    content_type: Option<ContentType>,
    generators: &Generators,
    context: &GenerateContext,
) -> Result<(), GenerateError> {
    let generators = of(generators, GeneratorCategory::BODY);
    if let (OptionalBody::Present(bytes, own, hint), false) = (&*body, generators.is_empty())
        && let Some(made) = body::make(bytes, content_type.as_ref(), &generators, context)?
    {
        *body = OptionalBody::Present(made, own.clone(), *hint);
    }
    Ok(())
}

/// The generators for a part, always in the same order: shallow paths first, for one may make what another fills in.
fn of(generators: &Generators, category: GeneratorCategory) -> Vec<(&DocPath, &Generator)> {
    let mut found: Vec<_> = generators.categories.get(&category).into_iter().flatten().collect();
    found.sort_by(|(one, _), (other, _)| (one.len(), *one).cmp(&(other.len(), *other)));
    found
}

/// A value as text: strings as they are.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn status(value: &Value) -> Option<u16> {
    let status: u16 = text(value).parse().ok()?;
    (100..=999).contains(&status).then_some(status)
}
