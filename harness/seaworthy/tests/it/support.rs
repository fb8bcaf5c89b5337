//! What the tests share: the shop, an order, the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// The shop's system file, relative to this package.
pub(crate) const SHOP: &str = "../../fixtures/shop";

/// A token that may read and write orders; the shop's system file has it.
pub(crate) const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsInNjb3BlIjoib3JkZXJzOnJlYWQgb3JkZXJzOndyaXRlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.kECZVZnIyNvogtGt5hktnmSGTUU6I1KPXTpYEgZUtLA";

/// An order with a reference of its own.
pub(crate) fn order() -> Value {
    json!({
        "reference": seaworthy::core::ids::TraceId::random().to_string(),
        "customer": "alice",
        "items": [{"sku": "book", "quantity": 1}],
        "paymentToken": "tok_visa",
        "address": "1 Harbour Road",
    })
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The binary with a cleaned environment: what the developer's shell has set must not matter.
pub(crate) fn seaworthy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seaworthy"));
    command.env_clear();
    for kept in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR", "TMPDIR", "RUSTFLAGS"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// Exit code, stdout, stderr.
pub(crate) fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
