//! The JSON Schema of the system file, made from the types that read it.

use serde_json::Value;

use super::model::System;

/// The JSON Schema (2020-12) of `seaworthy.yaml`, version 1: for editors, and for `seaworthy schema`. It knows
/// the keys and types; names that must exist and the like are checked when the file is read.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(System);
    schema.insert("title".to_owned(), "seaworthy.yaml, version 1".into());
    schema.to_value()
}
