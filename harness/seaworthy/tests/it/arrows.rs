//! Which room may depend on which: the arrows of the architecture, held by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::support::root;

/// Each room with the rooms that it may depend on. `core` is vocabulary; engines do not know each other; what needs
/// two of them is composed in `experiment` or in the façade.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("seaworthy-core", &[]),
    ("seaworthy-wire", &["seaworthy-core"]),
    ("seaworthy-telemetry", &["seaworthy-core"]),
    ("seaworthy-runtime", &["seaworthy-core"]),
    ("seaworthy-checks", &["seaworthy-core"]),
    ("seaworthy-report", &["seaworthy-core"]),
    ("seaworthy-contracts", &["seaworthy-core"]),
    (
        "seaworthy-experiment",
        &["seaworthy-core", "seaworthy-wire", "seaworthy-telemetry", "seaworthy-runtime"],
    ),
    (
        "seaworthy",
        &[
            "seaworthy-core",
            "seaworthy-wire",
            "seaworthy-telemetry",
            "seaworthy-runtime",
            "seaworthy-checks",
            "seaworthy-experiment",
            "seaworthy-report",
            "seaworthy-contracts",
        ],
    ),
];

/// What a room must not pull in, so that it stays usable alone.
const NEVER: [(&str, &[&str]); 3] = [
    ("seaworthy-core", &["tokio", "hyper", "reqwest"]),
    ("seaworthy-checks", &["tokio", "hyper", "reqwest"]),
    ("seaworthy-report", &["tokio", "hyper", "reqwest"]),
];

#[test]
fn arrows_point_one_way() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut rooms = BTreeSet::new();
    for package in &metadata.packages {
        let ours: Vec<&str> = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.as_str())
            .filter(|name| name.starts_with("seaworthy"))
            .collect();
        let name = package.name.as_str();
        if name.starts_with("shop-") {
            assert!(ours.is_empty(), "{name} knows the harness ({ours:?}); it must be a stranger to it");
            continue;
        }
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("the room {name} is not on the map"));
        for other in ours {
            assert!(allowed.contains(&other), "{name} -> {other} is no arrow of the architecture");
        }
        rooms.insert(name.to_owned());
    }
    assert_eq!(rooms.len(), ALLOWED.len(), "a room of the map is missing: {rooms:?}");
}

#[test]
fn engines_without_sockets_stay_without() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let mut looked_at = 0;
    for (room, never) in NEVER {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == room).unwrap();
        for dependency in package.dependencies.iter().filter(|each| each.kind == DependencyKind::Normal) {
            assert!(
                !never.contains(&dependency.name.as_str()),
                "{room} must not depend on {}",
                dependency.name
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 0);
}
