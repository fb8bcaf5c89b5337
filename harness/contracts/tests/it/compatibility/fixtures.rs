//! Tables and fixtures: how the features write requests, bodies and rules.

use std::collections::HashMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cucumber::gherkin::Step;
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::{Generators, generators_from_json};
use pact_models::headers::parse_header;
use pact_models::matchingrules::{MatchingRules, matchers_from_json};
use seaworthy_contracts::document::query;
use seaworthy_contracts::model::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// One row of a table by its column's name.
pub(crate) type Row = HashMap<String, String>;

/// All rows of a step's table, under its first as the names of columns.
pub(crate) fn rows(step: &Step) -> Vec<Row> {
    let table = &step.table.as_ref().expect("the step has a table").rows;
    let (names, rows) = table.split_first().expect("the table has a head");
    rows.iter().map(|row| names.iter().cloned().zip(row.iter().cloned()).collect()).collect()
}

/// The first row of a step's table.
pub(crate) fn row(step: &Step) -> Row {
    rows(step).swap_remove(0)
}

/// A cell that is not empty.
pub(crate) fn cell<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.get(name).map(String::as_str).filter(|cell| !cell.is_empty())
}

/// A string of a step as it was meant: quotes in it are escaped.
pub(crate) fn unescaped(text: &str) -> String {
    text.replace("\\\"", "\"")
}

/// The bytes of a fixture.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(std::env::var_os("SEAWORTHY_CONFORMANCE").unwrap());
    std::fs::read(folder.join("pact-compatibility-suite/fixtures").join(name))
        .unwrap_or_else(|error| panic!("fixture {name}: {error}"))
}

/// A body with its content type, as a cell writes it: `JSON: …`, `XML: …`, `file: …`, `EMPTY` or plain text, which has
/// the type that was known before.
pub(crate) fn body(cell: &str) -> (OptionalBody, Option<ContentType>) {
    let (bytes, content_type) = if cell == "EMPTY" {
        return (OptionalBody::Present(bytes::Bytes::new(), None, None), None);
    } else if let Some(json) = cell.strip_prefix("JSON:") {
        (json.trim().as_bytes().to_vec(), "application/json".to_owned())
    } else if let Some(xml) = cell.strip_prefix("XML:") {
        (xml.trim().as_bytes().to_vec(), "application/xml".to_owned())
    } else if let Some(name) = cell.strip_prefix("file:") {
        file(name.trim())
    } else {
        return (OptionalBody::Present(cell.to_owned().into(), None, None), None);
    };
    let content_type = ContentType::parse(content_type.as_str()).unwrap();
    (OptionalBody::Present(bytes.into(), Some(content_type.clone()), None), Some(content_type))
}

fn file(name: &str) -> (Vec<u8>, String) {
    let bytes = bytes(name);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "xml" => described(std::str::from_utf8(&bytes).unwrap()),
        "json" => (bytes, "application/json".to_owned()),
        "jpg" => (bytes, "image/jpeg".to_owned()),
        "pdf" => (bytes, "application/pdf".to_owned()),
        _ => (bytes, "text/plain".to_owned()),
    }
}

/// A body that a file describes: `<body><contentType/><contents encoding eol/></body>`.
fn described(xml: &str) -> (Vec<u8>, String) {
    let within = |tag: &str| {
        let (_, rest) = xml.split_once(&format!("<{tag}")).unwrap();
        let (attributes, rest) = rest.split_once('>').unwrap();
        let end = rest.rfind(&format!("</{tag}>")).unwrap();
        (attributes.to_owned(), rest[..end].to_owned())
    };
    let (_, content_type) = within("contentType");
    let (attributes, contents) = within("contents");
    let contents = match contents.split_once("<![CDATA[") {
        Some((_, rest)) => rest.split_once("]]>").unwrap().0.to_owned(),
        None => contents,
    };
    let contents = if attributes.contains("encoding=\"base64\"") {
        BASE64.decode(contents.trim()).unwrap()
    } else if attributes.contains("eol=\"CRLF\"") {
        contents.trim_start_matches('\n').replace('\n', "\r\n").into_bytes()
    } else {
        contents.trim().as_bytes().to_vec()
    };
    (contents, content_type.trim().to_owned())
}

/// Headers as a cell writes them: `'A: 1', 'B: 2'`.
pub(crate) fn headers(cell: &str) -> HashMap<String, Vec<String>> {
    let mut headers: HashMap<String, Vec<String>> = HashMap::new();
    for quoted in cell.split(',').map(|header| header.trim().trim_matches('\'')) {
        let (name, value) = quoted.split_once(':').expect("a header has a colon");
        headers.entry(name.trim().to_owned()).or_default().extend(parse_header(name.trim(), value.trim()));
    }
    headers
}

/// JSON of a cell: `JSON: …` or the name of a fixture.
pub(crate) fn json_of(cell: &str) -> Value {
    match cell.strip_prefix("JSON:") {
        Some(text) => serde_json::from_str(&unescaped(text.trim())).unwrap(),
        None => serde_json::from_slice(&bytes(cell.trim())).unwrap(),
    }
}

/// A value of a cell: `JSON: …` or a string.
pub(crate) fn value_of(cell: &str) -> Value {
    match cell.starts_with("JSON:") {
        true => json_of(cell),
        false => Value::from(unescaped(cell)),
    }
}

/// Matching rules of a cell.
pub(crate) fn rules(cell: &str) -> MatchingRules {
    matchers_from_json(&json!({ "matchingRules": json_of(cell) }), &None).unwrap()
}

/// Generators of a cell.
pub(crate) fn generators(cell: &str) -> Generators {
    generators_from_json(&json!({ "generators": json_of(cell) })).unwrap()
}

/// Changes a request as a row says.
pub(crate) fn change_request(request: &mut HttpRequest, row: &Row) {
    if let Some(method) = cell(row, "method") {
        request.method = method.to_uppercase();
    }
    if let Some(path) = cell(row, "path") {
        request.path = path.to_owned();
    }
    if let Some(text) = cell(row, "query") {
        request.query = query::parse(text);
    }
    if let Some(text) = cell(row, "headers") {
        request.headers = Some(headers(text));
    }
    for (name, values) in cell(row, "raw headers").map(headers).unwrap_or_default() {
        request.headers.get_or_insert_default().entry(name).or_default().extend(values);
    }
    if let Some(text) = cell(row, "body") {
        let (new, detected) = body(text);
        set_body(&mut request.body, &mut request.headers, new, detected, cell(row, "content type"));
    }
    if let Some(text) = cell(row, "matching rules") {
        request.matching_rules = rules(text);
    }
    if let Some(text) = cell(row, "generators") {
        request.generators = generators(text);
    }
}

/// Changes a response as a row says.
pub(crate) fn change_response(response: &mut HttpResponse, row: &Row) {
    if let Some(status) = cell(row, "response").or_else(|| cell(row, "status")) {
        response.status = status.parse().unwrap();
    }
    if let Some(text) = cell(row, "response headers") {
        response.headers.get_or_insert_default().extend(headers(text));
    }
    if let Some(text) = cell(row, "response body").or_else(|| cell(row, "body")) {
        let (new, detected) = body(text);
        set_body(&mut response.body, &mut response.headers, new, detected, cell(row, "response content"));
    }
    if let Some(text) = cell(row, "response matching rules").or_else(|| cell(row, "matching rules")) {
        response.matching_rules = rules(text);
    }
    if let Some(text) = cell(row, "generators") {
        response.generators = generators(text);
    }
}

/// A body brings its content type with it, as a header too.
fn set_body(
    body: &mut OptionalBody,
    headers: &mut Option<HashMap<String, Vec<String>>>,
    mut new: OptionalBody,
    detected: Option<ContentType>,
    named: Option<&str>,
) {
    let known = || body.content_type().or_else(|| new.is_present().then(|| "text/plain".into()));
    let content_type = named.map(|named| ContentType::parse(named).unwrap()).or(detected).or_else(known);
    if let Some(content_type) = content_type {
        new.set_content_type(&content_type);
        let headers = headers.get_or_insert_default();
        headers.retain(|name, _| !name.eq_ignore_ascii_case("content-type"));
        headers.insert(
            "Content-Type".to_owned(),
            vec![named.map_or_else(|| content_type.to_string(), str::to_owned)],
        );
    }
    *body = new;
}

/// `first` is 0.
pub(crate) fn ordinal(word: &str) -> usize {
    ["first", "second", "third", "fourth", "fifth"]
        .iter()
        .position(|known| *known == word)
        .expect("an ordinal")
}
