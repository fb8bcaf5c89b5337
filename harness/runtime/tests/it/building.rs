//! Building binaries of a workspace.

use std::fs;
use std::path::Path;
use std::process::Command;

use seaworthy_runtime::cargo::{BuildError, build_with};

use crate::stand_in;

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn package(folder: &Path, name: &str, bins: &[(&str, &str)]) {
    write(
        folder,
        &format!("{name}/Cargo.toml"),
        &format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n"),
    );
    for (bin, code) in bins {
        write(folder, &format!("{name}/src/bin/{bin}.rs"), code);
    }
}

#[test]
fn binaries_are_built_wherever_they_are_and_mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("workspace");
    // `tool` alone is a default member, so that a plain `cargo build` would not see the others.
    write(
        &root,
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\nexclude = [\"docs\", \"src\"]\ndefault-members = [\"tool\"]\n",
    );
    package(&root, "tool", &[("tool", "fn main() {}"), ("twin", "fn main() {}")]);
    package(&root, "orders", &[("shop-orders", "fn main() { println!(\"{}\", env!(\"CARGO_PKG_NAME\")); }")]);
    package(&root, "payments", &[("shop-payments", "fn main() {}"), ("twin", "fn main() {}")]);
    package(&root, "broken", &[("shop-broken", "fn main() { let sum: u32 = \"two\"; }")]);
    let output = stand_in::command("builder")
        .env("WORKSPACE", &root)
        // Neither the outer build's folder nor its lock.
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("RUSTC_WRAPPER")
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Run by [`stand_in::builder`].
pub(crate) fn in_a_workspace(root: &Path) {
    let build = |folder: &Path, bins: &[&str]| {
        let bins: Vec<String> = bins.iter().map(|bin| (*bin).to_owned()).collect();
        let mut progress = Vec::new();
        let built = build_with(folder, &bins, false, &mut |line| progress.push(line.to_owned()));
        // Other cargos on this machine may hold the lock of the registry meanwhile.
        progress.retain(|line| !line.trim_start().starts_with("Blocking "));
        (built, progress.join("\n"))
    };

    let (built, progress) = build(root, &["shop-orders", "shop-payments"]);
    let built = built.unwrap();
    assert_eq!(built.keys().collect::<Vec<_>>(), ["shop-orders", "shop-payments"]);
    assert!(progress.contains("Compiling orders") && !progress.contains("Compiling tool"), "{progress}");
    let said = Command::new(&built["shop-orders"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&said), "orders\n");

    let (again, progress) = build(&root.join("orders/src"), &["shop-orders"]);
    assert_eq!(again.unwrap()["shop-orders"], built["shop-orders"]);
    assert_eq!(progress, "", "what is fresh is built in silence");

    let (unknown, _) = build(root, &["shop-ordres"]);
    let unknown = unknown.unwrap_err();
    assert!(unknown.to_string().ends_with("; did you mean `shop-orders`?"), "{unknown}");

    let (twin, _) = build(root, &["twin"]);
    assert!(
        matches!(twin, Err(BuildError::Ambiguous { ref packages, .. }) if packages == &["payments", "tool"]),
        "{twin:?}"
    );

    let (broken, progress) = build(root, &["shop-broken"]);
    let Err(BuildError::Failed { output, .. }) = &broken else { panic!("{broken:?}") };
    assert!(output.contains("error[E0308]") && output.contains("shop-broken.rs:1"), "{output}");
    assert!(progress.contains("error[E0308]"), "the compiler's words are shown as they come: {progress}");

    let (nowhere, _) = build(root.parent().unwrap(), &["shop-orders"]);
    assert!(
        matches!(&nowhere, Err(BuildError::Workspace { output, .. }) if output.contains("Cargo.toml")),
        "{nowhere:?}"
    );
    let (missing, _) = build(&root.join("no/such/folder"), &["shop-orders"]);
    assert!(matches!(missing, Err(BuildError::Cargo { .. })), "{missing:?}");
    let (nothing, _) = build(Path::new("/no/such/folder"), &[]);
    assert!(nothing.unwrap().is_empty());
}
