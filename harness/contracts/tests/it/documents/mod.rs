//! Pact files read and written.

mod faults;
mod round_trip;

use std::path::PathBuf;

use seaworthy_contracts::document;
use seaworthy_contracts::model::{Contents, Specification};

fn pact(version: &str, interactions: &str) -> String {
    format!(
        r#"{{"consumer": {{"name": "orders"}}, "provider": {{"name": "payments"}},
  "interactions": [{interactions}],
  "metadata": {{"tool": {{"version": "7"}}, "pactSpecification": {{"version": "{version}"}}}}}}"#
    )
}

const GET: &str =
    r#"{"description": "a get", "request": {"method": "get", "path": "/a"}, "response": {"status": 204}}"#;

#[test]
fn the_version_is_found_under_each_name_that_tools_have_given_it() {
    for (metadata, expected) in [
        (r#"{"pactSpecification": {"version": "1.0.0"}}"#, Specification::V1),
        (r#"{"pactSpecification": {"version": "1.1.0"}}"#, Specification::V1_1),
        (r#"{"pact-specification": {"version": "2.0.0"}}"#, Specification::V2),
        (r#"{"pactSpecificationVersion": "2.0"}"#, Specification::V2),
        (r#"{"pactSpecification": {"version": "3.0.0"}}"#, Specification::V3),
        (r#"{"pactSpecification": {"version": 3}}"#, Specification::V3),
        (r#"{"pactSpecification": {"version": "V3"}}"#, Specification::V3),
        ("{}", Specification::V3),
    ] {
        let text = format!(
            r#"{{"consumer": {{"name": "a"}}, "provider": {{"name": "b"}}, "interactions": [{GET}], "metadata": {metadata}}}"#
        );
        let contract = document::parse("p.json", text.as_bytes()).unwrap();
        assert_eq!(contract.specification, expected, "{metadata}");
        assert!(contract.metadata.is_empty());
    }
}

#[test]
fn a_file_without_a_version_whose_interactions_have_types_is_v4() {
    let typed = r#"{"type": "Asynchronous/Messages", "description": "m", "contents": {"content": "x"}}"#;
    let text =
        format!(r#"{{"consumer": {{"name": "a"}}, "provider": {{"name": "b"}}, "interactions": [{typed}]}}"#);
    let contract = document::parse("p.json", text.as_bytes()).unwrap();
    assert_eq!(contract.specification, Specification::V4);
    assert!(matches!(contract.interactions[0].contents, Contents::Message(_)));
}

#[test]
fn each_interaction_knows_its_place() {
    let text = format!("\u{feff}{}", pact("3.0.0", &format!("\n    {GET},\n\n      {GET}\n  ")));
    let contract = document::parse("pacts/a.json", text.as_bytes()).unwrap();
    let places: Vec<_> = (contract.interactions.iter())
        .map(|interaction| &interaction.location)
        .map(|place| (place.file.as_str(), place.line, place.column, place.pointer.as_deref().unwrap()))
        .collect();
    assert_eq!(
        places,
        [("pacts/a.json", 3, 5, "/interactions/0"), ("pacts/a.json", 5, 7, "/interactions/1")]
    );
}

#[test]
fn messages_of_v3_stand_beside_interactions() {
    let text = r#"{"consumer": {"name": "a"}, "provider": {"name": "b"}, "interactions": [],
      "messages": [{"description": "paid", "providerStates": [{"name": "s", "params": {"id": 1}}],
        "metaData": {"contentType": "application/json"}, "contents": {"id": 7},
        "matchingRules": {"body": {"$.id": {"matchers": [{"match": "integer"}]}}},
        "generators": {"body": {"$.id": {"type": "RandomInt"}}}}],
      "metadata": {"pactSpecification": {"version": "3.0.0"}}}"#;
    let contract = document::parse("p.json", text.as_bytes()).unwrap();
    let written = document::to_json(&contract);
    assert_eq!(written["messages"][0]["matchingRules"]["body"]["$.id"]["matchers"][0]["match"], "integer");
    assert_eq!(written["messages"][0]["generators"]["body"]["$.id"]["type"], "RandomInt");
    assert_eq!(written["messages"][0]["contents"]["id"], 7);
    assert_eq!(contract.interactions[0].location.pointer.as_deref(), Some("/messages/0"));
    assert_eq!(contract.interactions[0].name(), "given s, paid");
}

#[test]
fn what_is_written_is_always_the_same() {
    let interaction = r#"{"type": "Synchronous/HTTP", "key": "k", "description": "d", "pending": true,
      "providerStates": [{"name": "s", "params": {"b": 2, "a": 1}}], "comments": {"text": ["t"]},
      "request": {"method": "POST", "path": "/p", "query": {"z": ["1"], "a": ["2", null]},
        "headers": {"B": ["2"], "A": ["1", "3"]},
        "body": {"content": {"z": 1, "a": 2}, "contentType": "application/json"},
        "matchingRules": {"query": {"z": {"matchers": [{"match": "regex", "regex": "\\d"}]}},
          "body": {"$.z": {"matchers": [{"match": "type"}]}, "$.a": {"matchers": [{"match": "type"}]}}}},
      "response": {"status": 200, "body": {"content": "AAE=", "encoded": "base64", "contentType": "image/png"}}}"#;
    let contract = document::parse("p.json", pact("4.0", interaction).as_bytes()).unwrap();
    insta::assert_snapshot!(document::to_text(&contract));
}

#[test]
fn folders_are_looked_through_in_order() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("b/deep")).unwrap();
    for (file, version) in [("z.json", "2.0.0"), ("a.json", "3.0.0"), ("b/deep/c.JSON", "1.0.0")] {
        std::fs::write(folder.path().join(file), pact(version, GET)).unwrap();
    }
    std::fs::write(folder.path().join("README.md"), "no pact").unwrap();
    let contracts = document::collect(&[folder.path().to_owned(), folder.path().join("z.json")]).unwrap();
    let versions: Vec<_> = contracts.iter().map(|contract| contract.specification.to_string()).collect();
    assert_eq!(versions, ["3.0", "1.0", "2.0", "2.0"]);

    let empty = tempfile::tempdir().unwrap();
    let error = document::collect(&[empty.path().to_owned()]).unwrap_err();
    assert!(error.to_string().starts_with("no pact could be found in "), "{error}");
    let error = document::collect(&[PathBuf::from("there/is/none.json")]).unwrap_err();
    assert!(error.to_string().starts_with("there/is/none.json could not be read: "), "{error}");
}

#[test]
fn a_contract_of_a_hundred_thousand_interactions_is_read() {
    let mut interactions = String::new();
    for number in 0..100_000 {
        let comma = if number == 0 { "" } else { ",\n" };
        interactions.push_str(&format!(
            r#"{comma}{{"description": "{number}", "request": {{"path": "/{number}"}}, "response": {{"status": 200}}}}"#
        ));
    }
    let contract = document::parse("big.json", pact("3.0.0", &interactions).as_bytes()).unwrap();
    assert_eq!(contract.interactions.len(), 100_000);
    assert_eq!(contract.interactions[99_999].location.line, 100_001);
}
