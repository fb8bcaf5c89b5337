//! Between a contract's values and those of a real exchange: what came becomes a request to match, what is agreed
//! becomes a response to send.

use std::collections::HashMap;

use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::headers::parse_header;
use seaworthy_core::secret;
use wiremock::{Request, ResponseTemplate};

use super::error::ConsumerError;
use crate::document::query;
use crate::generate::{self, GenerateContext};
use crate::matching;
use crate::mismatch::{Mismatch, Part};
use crate::model::{Contents, Contract, HttpRequest, HttpResponse, MessageContents};

/// The request as it came, in the words of a contract.
pub(super) fn request_of(request: &Request) -> HttpRequest {
    let mut headers: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers.entry(name.to_string()).or_default().extend(parse_header(name.as_str(), &value));
    }
    let content_type = headers
        .get("content-type")
        .and_then(|values| values.first())
        .and_then(|value| ContentType::parse(value.as_str()).ok());
    HttpRequest {
        method: request.method.to_string(),
        path: request.url.path().to_owned(),
        query: request.url.query().and_then(query::parse),
        headers: (!headers.is_empty()).then_some(headers),
        body: if request.body.is_empty() {
            OptionalBody::Missing
        } else {
            OptionalBody::Present(request.body.clone().into(), content_type, None)
        },
        ..HttpRequest::default()
    }
}

/// The response as it goes out; it must be servable.
fn template(response: &HttpResponse) -> ResponseTemplate {
    let mut template = ResponseTemplate::new(response.status);
    for (name, values) in response.headers.iter().flatten() {
        for value in values {
            template = template.append_header(name.as_str(), value.as_str());
        }
    }
    match response.body.value() {
        Some(body) => template.set_body_bytes(body.to_vec()),
        None => template,
    }
}

/// The request as a line for the shell, secrets redacted, long bodies cut.
pub(super) fn as_curl(request: &HttpRequest) -> String {
    use std::fmt::Write as _;
    const LIMIT: usize = 1000;
    let mut target = request.path.clone();
    if let Some(query) = &request.query {
        let query = query::to_text(query);
        let _ = write!(target, "?{query}");
    }
    // The mock is gone when somebody reads this; the provider's address is theirs to fill in.
    let target = quoted(&secret::redact(&target).0);
    let mut line = format!("curl -X {} \"$PROVIDER\"{target}", request.method);
    let mut headers: Vec<_> = request.headers.iter().flatten().collect();
    headers.sort();
    for (name, values) in headers {
        // What every client adds says nothing of this request.
        if matches!(name.as_str(), "host" | "content-length" | "accept-encoding" | "user-agent") {
            continue;
        }
        for value in values {
            let _ =
                write!(line, " -H {}", quoted(&format!("{name}: {}", secret::redact_header(name, value))));
        }
    }
    if let Some(body) = request.body.value() {
        let text = String::from_utf8_lossy(&body);
        let (text, _) = secret::redact(&text);
        let cut: String = text.chars().take(LIMIT).collect();
        let _ = write!(line, " -d {}", quoted(&cut));
        if cut.len() < text.len() {
            let _ = write!(line, " (the first {LIMIT} characters of {} bytes)", body.len());
        }
    }
    line
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A difference as it may be kept: without the values of secrets.
pub(super) fn redacted(mut mismatch: Mismatch) -> Mismatch {
    let is_secret =
        mismatch.part == Part::Header && secret::redact_header(&mismatch.path, "value") != "value";
    if is_secret {
        mismatch.message =
            "it is missing or its value differs; it is a secret, so neither is shown".to_owned();
        mismatch.expected = mismatch.expected.as_deref().map(secret::masked);
        mismatch.actual = mismatch.actual.as_deref().map(secret::masked);
        return mismatch;
    }
    let Mismatch { message, expected, actual, .. } = &mut mismatch;
    for text in expected.iter_mut().chain(actual).chain([message]) {
        *text = secret::redact(text).0.into_owned();
    }
    mismatch
}

/// What is wrong with the examples of a contract: one that does not keep its own rules would be served to the
/// consumer although no provider may answer so.
pub(super) fn check_examples(contract: &Contract) -> Result<(), ConsumerError> {
    for interaction in &contract.interactions {
        let declaration = |message: String| ConsumerError::Declaration {
            name: interaction.name(),
            location: interaction.location.clone(),
            message,
        };
        let specification = contract.specification;
        let wrong = match &interaction.contents {
            Contents::Http { request, response } => {
                servable(response).map_err(declaration)?;
                let mut wrong = matching::request(request, request, specification);
                wrong.extend(matching::response(response, response, specification));
                wrong
            }
            Contents::Message(message) => matching::message(message, message, specification),
            Contents::SynchronousMessage { .. } => Vec::new(),
        };
        if let Some(mismatch) = wrong.first() {
            return Err(declaration(format!("its example does not keep its own rules: {mismatch}")));
        }
    }
    Ok(())
}

/// Whether a response can be sent at all.
fn servable(response: &HttpResponse) -> Result<(), String> {
    if !(200..=999).contains(&response.status) {
        return Err(format!("a mock cannot answer with status {}; use 200 to 999", response.status));
    }
    for (name, values) in response.headers.iter().flatten() {
        http::HeaderName::try_from(name).map_err(|_| format!("{name:?} is no name of a header"))?;
        for value in values {
            http::HeaderValue::try_from(value)
                .map_err(|_| format!("header {name} cannot have the value {value:?}"))?;
        }
    }
    Ok(())
}

/// What is answered: values with generators are generated. `base` is the mock's own address.
pub(super) fn response(response: &HttpResponse, base: &str) -> Result<ResponseTemplate, String> {
    let context = GenerateContext { mock_server_url: Some(base.to_owned()), ..GenerateContext::default() };
    let made = generate::response(response, &context).map_err(|error| error.to_string())?;
    servable(&made)?;
    Ok(template(&made))
}

/// The message as it is handed over: values with generators are generated.
pub(super) fn message(name: &str, message: &MessageContents) -> Result<MessageContents, ConsumerError> {
    generate::message(message, &generate::StateValues::new())
        .map_err(|error| ConsumerError::Generate { name: name.to_owned(), message: error.to_string() })
}
