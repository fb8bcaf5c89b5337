//! The case files of the Pact specification.

use std::path::{Path, PathBuf};

use seaworthy_contracts::casefile::{self, Kind};
use seaworthy_contracts::model::Specification;

#[test]
fn every_case_file_comes_out_as_it_says() {
    let Some(folder) = std::env::var_os("SEAWORTHY_CONFORMANCE").map(PathBuf::from) else {
        println!("case files: SEAWORTHY_CONFORMANCE is not set, none were run");
        return;
    };
    let mut right = 0;
    let mut wrong = Vec::new();
    for (version, specification) in [
        ("v1", Specification::V1),
        ("v1.1", Specification::V1_1),
        ("v2", Specification::V2),
        ("v3", Specification::V3),
        ("v4", Specification::V4),
    ] {
        for (kind, folder_name) in
            [(Kind::Request, "request"), (Kind::Response, "response"), (Kind::Message, "message")]
        {
            let mut files = Vec::new();
            json_files(&folder.join("pact").join(version).join(folder_name), &mut files);
            files.sort();
            for file in files {
                let bytes = std::fs::read(&file).unwrap();
                match casefile::run(kind, specification, &file.to_string_lossy(), &bytes) {
                    Ok(outcome) if outcome.is_right() => right += 1,
                    other => wrong.push(format!("{}: {other:#?}", file.display())),
                }
            }
        }
    }
    println!("case files: {right}/{}", right + wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right > 0, "no case files below {}", folder.display());
}

fn json_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}
