//! No JSON body makes the intake panic, hang or grow past its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_core::time::{Nanos, RunClock};
use seaworthy_telemetry::otlp::{self, Format};
use seaworthy_telemetry::{Store, StoreLimits};

fuzz_target!(|body: &[u8]| {
    let store = Store::new(RunClock::start(), StoreLimits { bytes: 1 << 20, ..StoreLimits::default() });
    if let Ok(decoded) = otlp::spans(body, Format::Json, 10_000, Nanos(1)) {
        store.add_spans(decoded.items);
    }
    if let Ok(decoded) = otlp::logs(body, Format::Json, 10_000, Nanos(1)) {
        store.add_logs(decoded.items);
    }
    if let Ok(decoded) = otlp::metrics(body, Format::Json, 10_000, Nanos(1)) {
        store.add_metrics(decoded.items);
    }
    assert!(store.counts().bytes <= 1 << 20);
});
