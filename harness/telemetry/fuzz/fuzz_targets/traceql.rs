//! No text makes the parser panic or hang, and what it reads prints as text that reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_telemetry::traceql::Query;

fuzz_target!(|text: &str| {
    if let Ok(query) = text.parse::<Query>() {
        assert_eq!(query.to_string().parse::<Query>().as_ref(), Ok(&query));
        assert!(query.evaluate(&[]).is_empty());
    }
});
