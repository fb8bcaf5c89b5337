//! Whatever bytes are run as a case file, there is an answer: rules and bodies of any kind meet here.
//!
//! `cargo +nightly fuzz run case_file fuzz/corpus/case_file fuzz/seeds` in `harness/contracts`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_contracts::casefile::{self, Kind};
use seaworthy_contracts::model::Specification;

fuzz_target!(|bytes: &[u8]| {
    for version in [Specification::V1, Specification::V2, Specification::V3, Specification::V4] {
        for kind in [Kind::Request, Kind::Response, Kind::Message] {
            let _ = casefile::run(kind, version, "fuzz.json", bytes);
        }
    }
});
