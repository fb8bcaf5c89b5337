//! Files of state keys: what is wrong in them is told with its place.

use seaworthy_contracts::verify::{Options, StateKeys, verify};
use serde_json::json;

use super::provider::fine;
use super::{contract, get, given, patient, provider_at};

#[test]
fn what_is_wrong_in_a_file_of_keys_is_told_with_its_place() {
    let mut said = String::new();
    for text in [
        "- a list",
        "a payment exists:\n  key: nested\n",
        "a payment exists: one\na payment is captured: 'payment:${id'\n",
        "{\"a payment exists\": ",
        "a: one\na: two\n",
        "a: [x, {}]",
    ] {
        let error = StateKeys::parse("keys.yaml", text).unwrap_err();
        let place = error.location().unwrap();
        said += &format!("{}:{}: {error}\n", place.file, place.line);
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_parameter_that_an_interaction_does_not_give_is_told_before_anything_is_asked() {
    let provider = fine().await;
    let contract =
        contract([get("/a"), given(get("/b"), &[("a payment exists", json!({ "number": 1, "b": 2 }))])]);
    let keys = "the shop is open: shop\na payment exists: 'payment:${id}'\n";
    let options = Options { state_keys: StateKeys::parse("keys.yaml", keys).unwrap(), ..patient() };
    let error = verify(&[contract], &provider_at(&provider.url), &options, &|_| {}).await.unwrap_err();
    let place = error.location().unwrap();
    insta::assert_snapshot!(format!("{}:{}: {error}\n  {}", place.file, place.line, error.hint()));
    assert!(provider.asked().is_empty());
}

#[test]
fn a_file_of_keys_may_be_json_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, r#"{ "a": "${x}", "b": ["one", "two"], "c": [] }"#).unwrap();
    assert!(StateKeys::read(&file).is_ok());
    let error = StateKeys::read(&folder.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("none could not be read"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z:${}\\[\\]\n \"'-]{0,60}") {
        let _ = StateKeys::parse("keys.yaml", &text);
    }
}
