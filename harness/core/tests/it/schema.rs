//! The committed JSON Schema is the one that the types make.

use std::path::Path;

use seaworthy_core::system::json_schema;

#[test]
fn the_committed_schema_is_what_the_types_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/seaworthy.schema.json");
    let made = format!("{:#}\n", json_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == made,
        "the schema has drifted; run this test with UPDATE_SCHEMA=1 and commit {}",
        file.display()
    );
}
