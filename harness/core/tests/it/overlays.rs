//! `on:` overlays: what is different on one runtime.

use std::path::Path;

use insta::assert_snapshot;
use seaworthy_core::system::{Overrides, PortProtocol, RunKind, System, SystemFileError, TelemetryMode};

use crate::support::{refused, shop_with, shown};

const OVERLAID: &str = r#"version: 1
name: shop
services:
  orders:
    process: {cargo: orders}
    ports: {http: http}
    env: {PORT: "${port.http}", LEVEL: info, DIR: "."}
    health: {ready: /ready, deadline: 5s}
    calls: {payments: PAYMENTS_URL}
    on:
      docker:
        image: orders:1
        env: {LEVEL: debug, EXTRA: "1"}
        ports: {metrics: http}
        health: {port: metrics}
        after: [payments]
      process:
        process: {command: [orders, "${port.http}"]}
        env:
        telemetry: none
  payments:
    process: {cargo: payments}
    image: payments:1
    ports: {http: http}
    env: {PORT: "${port.http}"}
"#;

fn on(runtime: RunKind, text: &str) -> Result<System, SystemFileError> {
    System::parse(text, Path::new("seaworthy.yaml"), &Overrides { on: runtime, env: Vec::new() })
}

#[test]
fn maps_are_added_to_and_other_keys_replaced() {
    let docker = on(RunKind::Docker, OVERLAID).unwrap();
    let orders = &docker.services["orders"];
    let env: Vec<(&str, &str)> =
        orders.env.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(env, [("DIR", "."), ("EXTRA", "1"), ("LEVEL", "debug"), ("PORT", "${port.http}")]);
    assert_eq!(orders.ports["metrics"], PortProtocol::Http.into());
    assert_eq!(
        (orders.health.ready.as_deref(), orders.health.port.as_deref()),
        (Some("/ready"), Some("metrics"))
    );
    assert_eq!(orders.after, ["payments"]);
    assert_eq!(orders.image.as_deref(), Some("orders:1"));

    let process = on(RunKind::Process, OVERLAID).unwrap();
    let orders = &process.services["orders"];
    assert_eq!(orders.telemetry, TelemetryMode::None);
    assert_eq!(orders.env["LEVEL"], "info", "an `env:` with nothing under it adds nothing");
    assert!(orders.after.is_empty());
}

#[test]
fn a_part_of_an_overlay_is_located_in_the_overlay() {
    let system = on(RunKind::Docker, OVERLAID).unwrap();
    let location = system.locate("/services/orders/env/LEVEL").unwrap();
    assert_eq!(OVERLAID.lines().nth(location.line - 1), Some("        env: {LEVEL: debug, EXTRA: \"1\"}"));
}

#[test]
fn mistakes_in_overlays_are_found_whichever_runtime_is_chosen() {
    let overlay = |text: &str| refused(&shop_with("    after: [payments]", &format!("    on: {text}")));
    assert_snapshot!("overlay in an overlay", overlay("{docker: {on: {process: {}}}}"));
    assert_snapshot!("overlay for an unknown runtime", overlay("{dokcer: {image: x}}"));
    assert_snapshot!("unknown key in an overlay", overlay("{docker: {imge: x}}"));
    assert_snapshot!("overlay that is no map", overlay("{docker: [image]}"));
}

#[test]
fn each_runtime_asks_for_its_own_way_to_run() {
    let refused = |runtime| shown(&on(runtime, OVERLAID).unwrap_err());
    assert_snapshot!("no way to attach", refused(RunKind::Attach));
    let text = OVERLAID.replace("image: payments:1", "image: payments:1\n    url: http://127.0.0.1:99999");
    assert_snapshot!("bad address", shown(&on(RunKind::Docker, &text).unwrap_err()));
    let twice = "version: 1\nname: x\nservices:\n  a: {url: \"http://h:1\", ports: {http: http}}\n  b: {url: \"http://h:1/\", ports: {http: http}}\n";
    assert_snapshot!("one address twice", shown(&on(RunKind::Attach, twice).unwrap_err()));
}
