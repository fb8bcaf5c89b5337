//! A folder of contracts that many tests write at once, or that is held against what they say.

use std::path::Path;
use std::process::{Command, Stdio};

use seaworthy_contracts::consumer::Pact;
use seaworthy_contracts::consumer::pattern::*;
use seaworthy_contracts::json_pattern;
use seaworthy_contracts::merge::Conflict;
use seaworthy_contracts::model::Contract;
use seaworthy_contracts::write::{self, Mode, WriteError};

const WRITERS: usize = 20;
const FOLDER: &str = "SEAWORTHY_TEST_WRITER_FOLDER";
const NUMBER: &str = "SEAWORTHY_TEST_WRITER_NUMBER";

/// What writer number `number` has to say: one interaction of its own and one that all have.
fn contract(number: usize) -> Contract {
    let mut pact = Pact::new("orders", "payments");
    pact.interaction(format!("payment {number}"))
        .given(format!("{} payments exist", number % 3))
        .request(|it| it.get(regex("^/payments/\\d+$", "/payments/1")).header("Accept", "application/json"))
        .response(|it| {
            it.json(json_pattern!({ "id": like(format!("{number}").as_str()), "amount": integer(1) }))
        });
    pact.interaction("health").request(|it| it.get("/health")).response(|it| it.status(200));
    pact.contract().unwrap()
}

#[test]
fn twenty_processes_at_once_write_the_same_bytes_as_one_after_the_other() {
    let (together, alone) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "consumer::writing::one_writer_of_many"])
                .env(FOLDER, together.path())
                .env(NUMBER, number.to_string())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
    }
    for number in (0..WRITERS).rev() {
        write::merge_into(alone.path(), &contract(number)).unwrap();
    }
    let read = |folder: &Path| std::fs::read_to_string(folder.join("orders-payments.json")).unwrap();
    assert_eq!(read(together.path()), read(alone.path()));
    assert_eq!(read(alone.path()).matches("\"description\": \"payment ").count(), WRITERS);
    assert_eq!(std::fs::read_dir(together.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
#[ignore = "a process of twenty_processes_at_once_write_the_same_bytes_as_one_after_the_other"]
fn one_writer_of_many() {
    let folder = std::env::var_os(FOLDER).expect("only started by the other test");
    let number: usize = std::env::var(NUMBER).unwrap().parse().unwrap();
    write::merge_into(Path::new(&folder), &contract(number)).unwrap();
}

/// The same interaction, changed.
fn changed() -> Contract {
    let mut pact = Pact::new("orders", "payments");
    pact.interaction("payment 1")
        .given("1 payments exist")
        .request(|it| it.get("/payments/1").header("Accept", "application/json"))
        .response(|it| {
            it.status(203).json(json_pattern!({ "id": "p-1", "amount": decimal(1.5), "paid": [true] }))
        });
    pact.contract().unwrap()
}

/// Lines and temporary folders differ from run to run.
fn steady(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    regex::Regex::new(r"writing\.rs:\d+").unwrap().replace_all(&text, "writing.rs:LINE").into_owned()
}

#[test]
fn an_interaction_that_says_something_else_is_a_conflict_unless_it_is_an_update() {
    let folder = tempfile::tempdir().unwrap();
    let file = write::merge_into(folder.path(), &contract(1)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let error = write::keep(folder.path(), &changed(), Mode::Merge).unwrap_err();
    let WriteError::Conflict { conflict, .. } = &error else { panic!("{error}") };
    assert!(matches!(**conflict, Conflict::Interactions { .. }));
    assert_eq!(error.location().unwrap().file, file.display().to_string());
    insta::assert_snapshot!("a conflict", steady(&error.to_string(), folder.path()));
    assert_eq!(std::fs::read(&file).unwrap(), before, "the file is as it was");

    write::keep(folder.path(), &changed(), Mode::Update).unwrap();
    write::keep(folder.path(), &changed(), Mode::Check).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"status\": 203") && text.contains("health"), "{text}");
}

#[test]
fn a_stale_contract_is_told_with_its_differences_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let missing = write::keep(folder.path(), &contract(1), Mode::Check).unwrap_err();
    assert!(matches!(missing, WriteError::Missing { .. }), "{missing}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");

    let file = write::merge_into(folder.path(), &contract(1)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let mut other = changed();
    other.interactions.extend(contract(2).interactions);
    let error = write::keep(folder.path(), &other, Mode::Check).unwrap_err();
    insta::assert_snapshot!("a stale contract", steady(&error.to_string(), folder.path()));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn what_other_tests_have_written_does_not_make_a_contract_stale() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3 {
        write::merge_into(folder.path(), &contract(number)).unwrap();
    }
    for number in 0..3 {
        write::check(folder.path(), &contract(number)).unwrap();
    }
}

#[test]
fn a_file_that_is_no_contract_is_an_error_with_its_place_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders-payments.json");
    std::fs::write(&file, "{\n  \"interactions\": 1\n").unwrap();
    for mode in [Mode::Check, Mode::Merge, Mode::Update] {
        let error = write::keep(folder.path(), &contract(1), mode).unwrap_err();
        assert!(matches!(error, WriteError::Read { .. }), "{error:?}");
        assert_eq!(error.location().unwrap().file, file.display().to_string());
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\n  \"interactions\": 1\n");
}

#[test]
fn a_file_between_others_is_not_merged_into() {
    let folder = tempfile::tempdir().unwrap();
    let named = |consumer: &str, provider: &str| Contract {
        consumer: consumer.into(),
        provider: provider.into(),
        ..contract(1)
    };
    write::merge_into(folder.path(), &named("a-b", "c")).unwrap();
    let error = write::merge_into(folder.path(), &named("a", "b-c")).unwrap_err();
    assert!(error.to_string().contains("contract of a with b-c into that of a-b with c"), "{error}");
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["../../etc/x", "/etc/x", "..", "a/b", "nul\0"] {
        let contract = Contract { consumer: name.into(), ..contract(1) };
        let file = write::file_of(folder.path(), &contract);
        assert_eq!(file.parent().unwrap(), folder.path(), "{name:?}");
        assert!(!file.file_name().unwrap().to_string_lossy().starts_with('.'), "{name:?}");
        assert_eq!(write::merge_into(folder.path(), &contract).unwrap(), file);
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = write::merge_into(&file.join("pacts"), &contract(1)).unwrap_err();
    assert!(matches!(error, WriteError::Io { doing: "make", .. }), "{error:?}");
}
