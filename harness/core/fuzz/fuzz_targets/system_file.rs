//! Whatever text is read as a system file, it is read or refused, and what people are told of it can be shown.
//!
//! `cargo +nightly fuzz run system_file fuzz/corpus fuzz/seeds` in `harness/core`.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use miette::{GraphicalReportHandler, GraphicalTheme};
use seaworthy_core::system::{Overrides, RunKind, System};

fuzz_target!(|text: &str| {
    for on in [RunKind::Process, RunKind::Docker, RunKind::Attach] {
        match System::parse(text, Path::new("seaworthy.yaml"), &Overrides { on, env: Vec::new() }) {
            Ok(system) => {
                for edge in system.edges() {
                    assert!(!system.edges_like(&edge).is_empty());
                }
                assert!(system.locate("/facts/none").is_some());
            }
            Err(error) => {
                let mut shown = String::new();
                let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
                handler.render_report(&mut shown, &error).expect("what is refused can be shown");
            }
        }
    }
});
