//! A system file as people write it, and every mistake in it as people are told of it.

use std::path::Path;

use insta::assert_snapshot;
use seaworthy_core::system::{
    Call, FILE_LIMIT, Overrides, PortProtocol, Process, RunKind, System, SystemFileError,
};

use crate::support::{SHOP, parse, refused, shop_with, shown};

/// A snapshot for each case: its name, the part of the shop that is replaced, and by what.
macro_rules! mistakes {
    ($($(#[$doc:meta])* $test:ident { $($name:literal: $part:expr => $by:expr,)+ })+) => {
        $($(#[$doc])* #[test] fn $test() {
            $(assert_snapshot!($name, refused(&shop_with($part, $by)));)+
        })+
    };
}

#[test]
fn a_system_is_read_as_it_is_written() {
    let system = parse(SHOP).unwrap();
    let orders = &system.services["orders"];
    assert_eq!(orders.process, Some(Process::Cargo { cargo: "shop-orders".to_owned() }));
    assert_eq!(orders.calls["payments"], Call::Env("PAYMENTS_URL".to_owned()));
    assert_eq!(orders.ports["http"], PortProtocol::Http.into());
    let edges: Vec<String> = system.edges().iter().map(ToString::to_string).collect();
    assert_eq!(edges, ["ingress -> orders", "orders -> inventory.grpc", "orders -> payments"]);
    let named = |id: &str| system.edge_named(&"orders".into(), id).map(|edge| edge.to_string());
    assert_eq!(named("payments"), Some("orders -> payments".to_owned()));
    assert_eq!(named("payments.http"), Some("orders -> payments".to_owned()));
    assert_eq!(named("inventory.grpc"), Some("orders -> inventory.grpc".to_owned()));
    assert_eq!(named("ingress -> orders"), Some("ingress -> orders".to_owned()));
    assert_eq!(named("inventory"), None);
}

#[test]
fn the_file_of_the_shop_is_sound() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/shop/seaworthy.yaml");
    if let Err(error) = System::load(&file, &Overrides::default()) {
        panic!("{}", shown(&error));
    }
}

#[test]
fn the_other_ways_to_write_a_call_are_understood() {
    let text = shop_with(
        "payments: PAYMENTS_URL",
        "payments: {env: PAYMENTS, value: \"pay://${host}:${port}?x=${env.X:-1}\"}",
    );
    let value = "pay://${host}:${port}?x=${env.X:-1}".to_owned();
    let call = Call::Template { env: "PAYMENTS".to_owned(), value };
    assert_eq!(parse(&text).unwrap().services["orders"].calls["payments"], call);
    let silent = parse(&shop_with("payments: PAYMENTS_URL", "payments:")).unwrap();
    assert_eq!(silent.services["orders"].calls["payments"], Call::None(()));
}

#[test]
fn calls_may_go_in_circles() {
    let text =
        shop_with("  payments:\n    process", "  payments:\n    calls: {orders: ORDERS_URL}\n    process");
    let edges = parse(&text).unwrap().edges();
    assert!(edges.contains(&"payments -> orders".parse().unwrap()), "{edges:?}");
}

mistakes! {
    keys_and_types_are_strict {
        "unknown key": "health: {ready" => "helth: {ready",
        "unknown key far from any": "health: {ready" => "colour: {ready",
        "unknown key at the top": "flows: [" => "flow: [",
        "unknown key in a process": "process: {cargo: shop-orders}" => "process: {crate: shop-orders}",
        "both forms of a process": "process: {cargo: shop-orders}" => "process: {cargo: shop-orders, command: [x]}",
        "neither form of a process": "process: {cargo: shop-orders}" => "process: {}",
        "wrong type": "flows: [flows/*.yaml]" => "flows: flows/*.yaml",
        "wrong type of a process": "process: {cargo: shop-orders}" => "process: shop-orders",
        "wrong type of a call": "payments: PAYMENTS_URL" => "payments: [PAYMENTS_URL]",
        "unknown protocol": "ports: {http: http, grpc: grpc}" => "ports: {http: http, grpc: grcp}",
        "text left empty": "name: shop" => "name:",
        "bad duration": "orders -> payments: 2s" => "orders -> payments: 2 parsecs",
        "bad edge": "orders -> payments: 2s" => "orders to payments: 2s",
        "key given twice": "ports: {http: http, grpc: grpc}" => "ports: {http: http, http: grpc}",
        "missing key": "name: shop\n" => "",
        "not YAML": "after: [payments]" => "after: [payments",
        "tab": "    after: [payments]" => "\tafter: [payments]",
        "tag": "name: shop" => "name: !!str shop",
    }
    the_version_is_looked_at_first {
        "newer version": "version: 1" => "version: 2\nnew-key: 5",
        "older version": "version: 1" => "version: 0",
        "version in quotes": "version: 1" => "version: \"1\"",
    }
    names_must_be_those_of_something {
        "call of an unknown service": "payments: PAYMENTS_URL" => "paiments: PAYMENTS_URL",
        "call of an unknown port": "inventory.grpc: INVENTORY_URL" => "inventory.grcp: INVENTORY_URL",
        "call that leaves the port open": "inventory.grpc: INVENTORY_URL" => "inventory: INVENTORY_URL",
        "after an unknown service": "after: [payments]" => "after: [payment]",
        "ingress of an unknown service": "  orders: {}" => "  order: {}",
        "ingress of an unknown port": "  orders: {}" => "  orders: {port: htpp}",
        "ingress that leaves the port open": "  orders: {}" => "  inventory: {}",
        "unknown health port": "health: {ready: /health/ready}" => "health: {ready: /health/ready, port: web}",
        "budget of an unknown edge": "orders -> payments: 2s" => "order -> payments: 2s",
        "budget of an edge that is not declared": "orders -> payments: 2s" => "payments -> inventory: 2s",
        "unknown port in a placeholder": "PORT: \"${port.http}\"\n    calls" => "PORT: \"${port.http}\"\n      OTHER: ${port.htp}\n    calls",
        "unknown edge in a placeholder": "PORT: \"${port.http}\"\n    calls" => "PORT: \"${port.http}\"\n      PAY: ${edge.paymets.url}\n    calls",
        "no placeholder": "PORT: \"${port.http}\"\n    calls" => "PORT: \"${port.http}\"\n      HOME_DIR: \"x ${HOME}\"\n    calls",
        "part of a call outside of one": "PORT: \"${port.http}\"\n    calls" => "PORT: \"${port.http}\"\n      OTHER: ${port}\n    calls",
        "placeholder without an end": "--port=${port.http}" => "--port=${port.http",
    }
    order_and_addresses_must_be_possible {
        "circle": "    ports: {http: http}\n  inventory:" => "    ports: {http: http}\n    after: [inventory]\n  inventory:\n    after: [orders]",
        "after itself": "after: [payments]" => "after: [orders]",
        "port fixed twice": "  inventory:\n" => "  a:\n    process: {cargo: a}\n    env: {PORT: 8080}\n  b:\n    process: {cargo: b}\n    env: {HTTP_LISTEN: \"0.0.0.0:8080\"}\n  inventory:\n",
        "one variable for two calls": "inventory.grpc: INVENTORY_URL" => "inventory.grpc: PAYMENTS_URL",
        "one variable for a call and a value": "PORT: \"${port.http}\"\n    calls" => "PORT: \"${port.http}\"\n      PAYMENTS_URL: http://elsewhere\n    calls",
        "one edge twice": "payments: PAYMENTS_URL" => "payments: PAYMENTS_URL\n      payments.http: PAYMENTS",
        "port that nobody tells": "env: {PORT: \"${port.http}\", GRPC: \"${port.grpc}\"}" => "env: {PORT: \"${port.http}\"}",
    }
    values_must_be_possible {
        "service name": "  payments:\n" => "  pay ments: {process: {cargo: x}}\n  payments:\n",
        "reserved service name": "  payments:\n" => "  probe: {process: {cargo: x}}\n  payments:\n",
        "no way to run": "process: {cargo: shop-inventory}" => "image: inventory:1",
        "no program": "process: {command: [./payments, \"--port=${port.http}\"]}" => "process: {command: []}\n    env: {P: \"${port.http}\"}",
        "health path": "health: {ready: /health/ready}" => "health: {ready: health/ready}",
        "health without HTTP": "ports: {http: http}\n    health:" => "ports: {http: grpc}\n    health:",
        "flow pattern": "flows/*.yaml" => "flows/**/*.yaml",
        "flow path": "flows/*.yaml" => "/flows/x.yaml",
        "file elsewhere": "after: [payments]" => "after: [payments]\n    files: {../x: y}",
    }
    facts_must_be_possible {
        "protected edge": "facts:" => "facts:\n  protected: [{edge: orders -> payments, route: POST /x}]",
        "bad route": "facts:" => "facts:\n  protected: [{edge: ingress -> orders, route: post /x}]",
        "bad operation": "facts:" => "facts:\n  idempotent: [orders -> payments]",
        "saga": "facts:" => "facts:\n  sagas: [{name: order, owner: oders, steps: []}]",
        "breaker": "facts:" => "facts:\n  breakers: {orders -> payments: {open: 0s, failure-ratio: 1.5, window: 0, trials: 0}}",
        "retries": "facts:" => "facts:\n  retries: {least-delay: 10ms, max-attempts: 0}",
        "headers": "facts:" => "facts:\n  correlation: {headers: [], attributes: [x]}\n  idempotency-key: \"Idempotency Key\"",
        "telemetry": "facts:" => "telemetry: {protocol: http/protobuff, export-delay: 0s}\nfacts:",
        "checks": "facts:" => "checks: {thresholds: {duration-factor: 1, backoff-share: 2}, custom: [{id: a, query: \"\"}, {id: a, query: \"{}\"}]}\nfacts:",
    }
}

#[test]
fn a_file_without_services_says_how_to_add_one() {
    assert_snapshot!("no services", refused("version: 1\nname: shop\nservices: {}\n"));
    assert_snapshot!("services left empty", refused("version: 1\nname: shop\nservices:\n"));
    assert_snapshot!("services left out", refused("version: 1\nname: shop\n"));
    assert_snapshot!("empty file", refused(""));
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = shop_with("payments: PAYMENTS_URL", "paiments: PAYMENTS_URL")
        .replace("after: [payments]", "after: [paymens]")
        .replace("orders -> payments: 2s", "orders -> shipping: 2s");
    assert_snapshot!("several mistakes", refused(&text));
    let error = parse(&text).unwrap_err();
    let lines: Vec<usize> = error.mistakes().map(|mistake| mistake.location.line).collect();
    assert!(lines.is_sorted() && lines.len() == 3, "{lines:?}");
    assert_eq!(error.location().unwrap().line, lines[0]);
}

#[test]
fn a_variable_for_an_unknown_service_is_refused() {
    let over = |service: &str, key: &str, value: &str| {
        let env = vec![(service.into(), key.to_owned(), value.to_owned())];
        System::parse(SHOP, Path::new("seaworthy.yaml"), &Overrides { on: RunKind::Process, env })
    };
    assert_snapshot!("override of an unknown service", shown(&over("oders", "A", "b").unwrap_err()));
    assert_snapshot!(
        "override with a bad placeholder",
        shown(&over("orders", "A", "${prt.http}").unwrap_err())
    );
    assert_snapshot!("override without a name", shown(&over("orders", "", "b").unwrap_err()));
    assert_eq!(over("orders", "A", "b").unwrap().services["orders"].env["A"], "b");
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| System::load(&folder.path().join(name), &Overrides::default());
    std::fs::write(folder.path().join("seaworthy.yaml"), SHOP).unwrap();
    assert!(load("").is_ok(), "a folder that holds one");
    let missing = load("seaworthi.yaml").unwrap_err().to_string();
    assert!(missing.ends_with("there is no such file; did you mean `seaworthy.yaml`?"), "{missing}");

    std::fs::write(folder.path().join("large.yaml"), "#".repeat(FILE_LIMIT + 1)).unwrap();
    let large = load("large.yaml").unwrap_err();
    assert!(matches!(large, SystemFileError::TooLarge { limit: FILE_LIMIT, .. }), "{large}");
    std::fs::write(folder.path().join("bytes.yaml"), b"name: \xff").unwrap();
    let bytes = load("bytes.yaml").unwrap_err().to_string();
    assert!(bytes.ends_with("it is not UTF-8 text from byte 6 on"), "{bytes}");
}

#[test]
fn a_part_is_located_by_its_pointer_or_by_what_is_round_it() {
    let system = parse(SHOP).unwrap();
    let line = |pointer: &str| {
        let location = system.locate(pointer).unwrap();
        assert_eq!(location.pointer.as_deref(), Some(pointer));
        SHOP.lines().nth(location.line - 1).unwrap().get(location.column - 1..).unwrap().to_owned()
    };
    assert_eq!(line("/services/orders"), "orders:");
    assert_eq!(line("/services/orders/env/PORT"), "PORT: \"${port.http}\"");
    assert_eq!(line("/services/orders/logs"), "orders:", "what is missing is added here");
    assert_eq!(line("/facts/budgets/orders -> payments"), "orders -> payments: 2s");
    assert_eq!(line("/facts/breakers/orders -> payments"), "facts:");
    assert_eq!(line("/flows/0"), "flows/*.yaml]");
    assert_eq!(line("/checks/custom"), "version: 1", "the file itself");
    let json = serde_json::to_string(&system).unwrap();
    let unread: System = serde_json::from_str(&json).unwrap();
    assert_eq!(unread.locate("/facts"), None);
}

#[test]
fn a_file_full_of_mistakes_is_refused_like_any_other() {
    let mut text = "version: 1\nname: shop\nservices:\n".to_owned();
    for number in 0..400 {
        text += &format!(
            "  service-{number}: {{process: {{cargo: x}}, calls: {{servise-{number}: A}}, after: [servixe-{number}]}}\n"
        );
    }
    text += "facts:\n  optional:\n";
    for number in 0..400 {
        text += &format!("  - service-{number} -> servive-{number}\n");
    }
    let error = parse(&text).unwrap_err();
    assert_eq!(error.mistakes().count(), 20);
}
