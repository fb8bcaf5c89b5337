//! Services that run already: their addresses, one or one for each port.

use std::path::Path;

use insta::assert_snapshot;
use seaworthy_core::system::{Endpoint, Overrides, RunKind, System, SystemFileError, json_schema};

use crate::support::shown;

fn attach(url: &str) -> Result<System, SystemFileError> {
    let text = format!(
        "version: 1\nname: x\nservices:\n  inventory:\n    ports: {{http: http, grpc: grpc, db: tcp}}\n    url: {url}\n"
    );
    parse(&text)
}

fn parse(text: &str) -> Result<System, SystemFileError> {
    let overrides = Overrides { on: RunKind::Attach, env: Vec::new() };
    System::parse(text, Path::new("seaworthy.yaml"), &overrides)
}

#[test]
fn a_service_may_be_at_one_address_or_at_one_for_each_port() {
    let one =
        parse("version: 1\nname: x\nservices:\n  a: {url: \"http://h:1\", ports: {web: http}}\n").unwrap();
    let endpoint = |host: &str, port, bytes| Endpoint { host: host.to_owned(), port, bytes };
    assert_eq!(one.services["a"].endpoints(), [("web".to_owned(), endpoint("h", 1, false))].into());
    let several = attach("{http: \"http://h:1\", grpc: \"http://h:2\", db: \"tcp://[::1]:5432\"}").unwrap();
    let expected = [
        ("db".to_owned(), endpoint("::1", 5432, true)),
        ("grpc".to_owned(), endpoint("h", 2, false)),
        ("http".to_owned(), endpoint("h", 1, false)),
    ];
    assert_eq!(several.services["inventory"].endpoints(), expected.into());
    // What has no ports is reached by nobody, so nobody needs to know where it is.
    parse("version: 1\nname: x\nservices: {worker: {}}\n").unwrap();
}

#[test]
fn what_is_no_address_is_refused() {
    let refused = |url: &str| shown(&attach(url).unwrap_err());
    assert_snapshot!("several ports and one address", refused("http://h:1"));
    assert_snapshot!(
        "addresses of the wrong ports",
        refused("{htp: \"http://h:1\", grpc: \"tcp://h:2\", db: \"https://h:3\"}")
    );
    assert_snapshot!(
        "an address with a path",
        refused("{http: \"http://h:1/api\", grpc: \"http://h:2\", db: \"tcp://h:3\"}")
    );
    assert_snapshot!("an address that is a list", refused("[\"http://h:1\"]"));
    // One port may speak both.
    attach("{http: \"http://h:1\", grpc: \"http://h:1\", db: \"tcp://h:3\"}").unwrap();
}

#[test]
fn the_schema_knows_both_forms() {
    let schema = serde_json::to_value(json_schema()).unwrap();
    let forms = schema.pointer("/$defs/Address/anyOf").and_then(|forms| forms.as_array()).unwrap();
    let types: Vec<_> = forms.iter().map(|form| form["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["string", "object"]);
}
