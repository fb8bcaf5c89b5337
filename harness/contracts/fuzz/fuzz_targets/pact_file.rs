//! Whatever bytes are read as a pact, they are read or refused; and what is read can be written, read again, and filled
//! with values.
//!
//! `cargo +nightly fuzz run pact_file fuzz/corpus/pact_file fuzz/seeds` in `harness/contracts`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_contracts::document;
use seaworthy_contracts::generate::{self, GenerateContext, StateValues};
use seaworthy_contracts::model::Contents;

fuzz_target!(|bytes: &[u8]| {
    match document::parse("fuzz.json", bytes) {
        Ok(contract) => {
            let text = document::to_text(&contract);
            let again = document::parse("fuzz.json", text.as_bytes()).expect("what was written is a pact");
            assert_eq!(contract.interactions.len(), again.interactions.len());
            for interaction in &contract.interactions {
                if let Contents::Http { request, response } = &interaction.contents {
                    let _ = generate::request(request, &StateValues::new());
                    let _ = generate::response(response, &GenerateContext::default());
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
});
