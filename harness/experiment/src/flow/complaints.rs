//! Tests: what the reader says of files that are wrong, and that the shop's own are right.

use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::{Overrides, System};

use super::{Flow, FlowFileError, Isolation, load, load_all};

const SYSTEM: &str = r#"
version: 1
name: small
services:
  gateway: {process: {command: [gateway, "${port.http}"]}, ports: {http: http}, calls: {orders: ORDERS_URL}}
  orders: {process: {command: [orders, "${port.http}"]}, ports: {http: http}, calls: {payments: PAYMENTS_URL, inventory.grpc: INVENTORY_URL}}
  payments: {process: {command: [payments, "${port.http}"]}, ports: {http: http}}
  inventory: {process: {command: [inventory, "${port.http}", "${port.grpc}"]}, ports: {http: http, grpc: grpc}}
ingress: {gateway: {}}
vars: {token: t}
facts:
  budgets: {"orders -> payments": 1s}
  breakers: {"orders -> payments": {open: 1s}, "gateway -> orders": {open: 1s}}
"#;

fn system() -> System {
    System::parse(SYSTEM, Path::new("seaworthy.yaml"), &Overrides::default()).unwrap()
}

fn read(text: &str) -> Result<Flow, FlowFileError> {
    let flow = Flow::parse(text, "flows/f.yaml")?;
    flow.check_against(&system())?;
    Ok(flow)
}

/// What a person sees.
fn complaint(text: &str) -> String {
    let error = read(text).unwrap_err();
    assert!(error.location().is_some());
    let mut out = String::new();
    // Where lines would break depends on what else is built.
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_wrap_lines(false);
    handler.render_report(&mut out, &error).unwrap();
    out
}

fn with_step(rest: &str) -> String {
    format!("flow: f\nsteps:\n  - name: order\n    request: {{method: POST, path: /orders}}\n{rest}")
}

#[test]
fn an_unknown_key_is_named_with_what_was_meant() {
    insta::assert_snapshot!(complaint(&with_step("    expct: {status: 201}\n")));
}

#[test]
fn a_bad_json_path_is_placed() {
    insta::assert_snapshot!(complaint(&with_step("    expect: {json: {\"$.items[?@.sku='book']\": 1}}\n")));
}

#[test]
fn a_bad_query_is_placed() {
    insta::assert_snapshot!(complaint(&with_step("    trace:\n      - some: '{ name = }'\n")));
}

#[test]
fn an_unknown_edge_is_named_with_what_was_meant() {
    insta::assert_snapshot!(complaint(&with_step(
        "    faults:\n      - {on: \"orders -> payment POST /payments\", action: {kind: reset}}\n"
    )));
}

#[test]
fn a_bad_route_is_placed() {
    insta::assert_snapshot!(complaint(&with_step(
        "    wait-until:\n      - exchange: \"orders -> payments post /payments\"\n"
    )));
}

#[test]
fn every_mistake_is_told_at_once() {
    insta::assert_snapshot!(complaint(
        r#"
flow: "every thing"
steps:
  - name: order
    request: {method: post, path: orders, headers: {traceparent: x, A: "${capture.later} ${traceid}"}, json: {}, body: ""}
    repeat: 0
    capture: {later: "id"}
  - name: order
    request: {path: "/${capture.later}"}
    faults:
      - {on: "orders -> payments", action: {kind: refuse}}
      - {on: "orders -> payments POST /x", action: {kind: refuse}, whole-edge: true}
      - {on: "orders -> payments", action: {kind: abort, status: 200}}
      - {on: "orders -> payments", action: {kind: hold}}
    wait-until:
      - {exchange: "orders -> payments", count: 0, within: 0s}
"#
    ));
}

#[test]
fn what_the_system_has_not_is_told_at_once() {
    insta::assert_snapshot!(complaint(
        r#"
flow: f
vars: {home: "${env.SW_IS_NEVER_SET}"}
steps:
  - name: order
    request: {edge: "ingress -> gatewy", path: "/${var.tokn}"}
    instance: {service: order, fault: kill, held: {on: "orders -> inventory.http /x"}}
"#
    ));
}

#[test]
fn a_wait_is_for_one_thing() {
    insta::assert_snapshot!(complaint(&with_step(
        "    wait-until:\n      - {span: '{ name = \"x\" }', count: 2}\n"
    )));
}

#[test]
fn an_unknown_fault_is_named_with_what_was_meant() {
    insta::assert_snapshot!(complaint(&with_step(
        "    faults:\n      - {on: \"orders -> payments\", action: {kind: abor, status: 503}}\n"
    )));
}

#[test]
fn an_unknown_operator_is_named_with_what_was_meant() {
    insta::assert_snapshot!(complaint(&with_step("    expect: {json: {\"$.id\": {match: \"^ord_\"}}}\n")));
}

#[test]
fn a_bad_status_is_told() {
    insta::assert_snapshot!(complaint(&with_step("    expect: {status: 2xy}\n")));
}

#[test]
fn a_file_that_is_not_yaml_is_told() {
    insta::assert_snapshot!(complaint("flow: [\n"));
}

#[test]
fn every_flow_of_the_shop_can_be_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let system = System::load(&root.join("fixtures/shop/seaworthy.yaml"), &Overrides::default()).unwrap();
    let flows = load_all(&system).unwrap_or_else(|error| panic!("{:?}", miette::Report::new(error)));
    assert!(flows.len() >= 15, "{}", flows.len());
}

#[test]
fn files_that_are_not_there_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut system = system();
    system.folder = folder.path().to_owned();
    system.flows = vec!["*.yaml".to_owned()];
    assert!(load_all(&system).unwrap_err().to_string().starts_with("could not find any flow file `*.yaml`"));
    assert!(
        load(&folder.path().join("x.yaml"), &system).unwrap_err().to_string().starts_with("could not read")
    );
}

#[test]
fn two_flows_of_one_name_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["a.yaml", "b.yaml"] {
        std::fs::write(folder.path().join(file), with_step("")).unwrap();
    }
    let mut system = system();
    system.folder = folder.path().to_owned();
    system.flows = vec!["*.yaml".to_owned()];
    let error = load_all(&system).unwrap_err();
    assert!(error.to_string().contains("another flow is named `f` already"), "{error}");
    assert_eq!(error.location().unwrap().line, 1);
}

fn isolation(faults: &str) -> Isolation {
    read(&with_step(faults)).unwrap().isolation(&system())
}

fn edges(texts: &[&str]) -> Vec<EdgeId> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_flow_runs_beside_those_whom_it_cannot_disturb() {
    assert_eq!(isolation(""), Isolation::Shared);
    let fault = |action: &str| {
        isolation(&format!("    faults:\n      - {{on: \"orders -> payments\", action: {{{action}}}}}\n"))
    };
    assert_eq!(fault("kind: delay, by: 100ms"), Isolation::Shared);
    assert_eq!(fault("kind: abort, status: 400"), Isolation::Shared);
    // The caller's own breaker on orders sees the failure come through.
    let lane = Isolation::Lane(edges(&["gateway -> orders", "orders -> payments"]));
    assert_eq!(fault("kind: abort, status: 503"), lane);
    assert_eq!(fault("kind: delay, by: 900ms, jitter: 200ms"), lane);
    assert_eq!(
        isolation(
            "    faults:\n      - {on: \"orders -> payments\", action: {kind: refuse}, whole-edge: true}\n"
        ),
        Isolation::Alone
    );
    assert_eq!(isolation("    instance: {service: orders, fault: kill}\n"), Isolation::Alone);
}

#[test]
fn a_fault_on_every_port_is_one_on_each() {
    let flow =
        read(&with_step("    faults:\n      - {on: \"orders -> inventory\", action: {kind: reset}}\n"))
            .unwrap();
    let edge = "orders -> inventory.grpc".parse().unwrap();
    assert!(flow.can_trip(&edge, &system()));
    assert!(!flow.can_trip(&"orders -> payments".parse().unwrap(), &system()));
}

#[test]
fn a_flow_reads_back_as_it_is_written() {
    let flow = read(
        r#"
flow: f
vars: {a: b}
steps:
  - name: order
    request: {method: POST, path: "/orders?x=1", query: {y: "2"}, headers: {A: b}, json: {items: [1]}, timeout: 3s}
    repeat: 3
    until: {expect: {status: [201, 503]}, within: 2s, every: 10ms}
    faults:
      - {on: "orders -> payments POST /payments", action: {kind: stall, for: 1s}, first: 2, until: flow, must-fire: false}
    expect: {status: 2xx, headers: {B: c}, json: {"$.a": 1, "$.b": {count: 2}, "$.c": {equals: {d: 1}}}, within: 1s}
    capture: {order: "$.id", loc: {header: location}}
    wait-until:
      - {exchange: "orders -> payments", count: 2, succeeded: true, status: 200, headers: {c: d}, within: 1s}
      - {span: '{ name = "x" }'}
      - {poll: {request: {path: "/${capture.order}"}, expect: {status: none}}}
    trace:
      - some: '{ name = "x" }'
      - none: '{ name = "y" }'
      - each: {of: '{ kind = server }', has: '{ status = ok }'}
  - name: crash
    request: {path: /x}
    instance: {service: orders, fault: term, held: {on: "orders -> payments", when: after}, then: leave}
"#,
    )
    .unwrap();
    let text = serde_json::to_string(&flow).unwrap();
    assert_eq!(serde_json::from_str::<Flow>(&text).unwrap(), flow);
}

#[test]
fn the_schema_names_every_key() {
    let schema = super::json_schema();
    assert_eq!(schema["additionalProperties"], false);
    for key in ["flow", "steps", "vars", "description"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    for name in ["Step", "TraceAssertion", "StepFault", "FaultAction"] {
        assert!(schema["$defs"].get(name).is_some(), "{name}");
    }
}

/// `orders` publishes to `mail` over a broker and keeps its data in `db`.
const CONTAINERS: &str = r#"
version: 1
name: small
services:
  orders:
    image: orders
    ports: {http: http}
    calls: {mail: {broker: events}, db: {env: DB, value: "${host}"}, rabbit: {env: RABBIT, value: "${host}"}}
  mail: {image: mail, ports: {http: http}}
  db: {image: db, ports: {sql: tcp}}
  rabbit: {image: rabbit, ports: {amqp: tcp}}
brokers:
  events: {service: rabbit, url: "amqp://${host}:${port}", dead-letters: {mail: mail.dead}}
ingress: {orders: {}}
"#;

fn in_containers(rest: &str) -> Result<Flow, Vec<String>> {
    let on = seaworthy_core::system::RunKind::Docker;
    let overrides = Overrides { on, ..Overrides::default() };
    let system = System::parse(CONTAINERS, Path::new("seaworthy.yaml"), &overrides).unwrap();
    let flow = Flow::parse(&with_step(rest), "flows/f.yaml").unwrap();
    match flow.check_against(&system) {
        Ok(()) => Ok(flow),
        Err(error) => Err(error.problems().iter().map(|problem| problem.message.clone()).collect()),
    }
}

#[test]
fn a_fault_must_suit_what_its_edge_carries() {
    let fault = |on: &str, action: &str, rest: &str| {
        in_containers(&format!("    faults:\n      - {{on: \"{on}\", action: {{{action}}}{rest}}}\n"))
            .map(drop)
    };
    let whole = ", whole-edge: true";
    for action in
        ["kind: poison", "kind: drop", "kind: duplicate, copies: 2", "kind: reorder", "kind: delay, by: 1s"]
    {
        assert_eq!(fault("orders -> mail", action, ""), Ok(()), "{action}");
    }
    for action in ["kind: refuse", "kind: throttle, bytes-per-second: 10", "kind: stall, for: 1s"] {
        assert_eq!(fault("orders -> db", action, whole), Ok(()), "{action}");
    }
    let refused = |on: &str, action: &str, rest: &str| fault(on, action, rest).unwrap_err().join("; ");
    insta::assert_snapshot!(
        [
            refused("orders -> mail", "kind: abort, status: 503", ""),
            refused("orders -> mail", "kind: reset, when: after", ""),
            refused("ingress -> orders", "kind: poison", ""),
            refused("ingress -> orders", "kind: throttle, bytes-per-second: 10", whole),
            refused("orders -> db", "kind: abort, status: 503", whole),
            refused("orders -> db", "kind: delay, by: 1s", ""),
        ]
        .join("\n"),
        @r"
    `abort` cannot be done to messages, and `orders -> mail` carries them
    `reset` cannot be done to messages, and `orders -> mail` carries them
    `poison` can only be done to messages, and `ingress -> orders` carries none
    `throttle` is for bytes, and `ingress -> orders` carries requests
    `abort` needs requests, and `orders -> db` carries bytes
    `orders -> db` carries bytes, so no request can be told from another
    "
    );
}

#[test]
fn dead_letters_can_be_waited_for() {
    let wait =
        |edge: &str| in_containers(&format!("    wait-until:\n      - exchange: \"{edge}\"\n")).map(drop);
    assert_eq!(wait("mail -> dead-letters"), Ok(()));
    assert_eq!(
        wait("orders -> dead-letters").unwrap_err(),
        ["the system has no edge `orders -> dead-letters`"]
    );
}

#[test]
fn a_flow_for_another_runtime_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, only: &str, edge: &str| {
        let step = format!(
            "{only}steps:\n  - name: s\n    request: {{path: /}}\n    wait-until:\n      - exchange: \"{edge}\"\n"
        );
        std::fs::write(folder.path().join(format!("{name}.yaml")), format!("flow: {name}\n{step}")).unwrap();
    };
    write("everywhere", "", "gateway -> orders");
    write("containers", "only: [docker]\n", "orders -> rabbit");
    let mut system = system();
    system.folder = folder.path().to_owned();
    system.flows = vec!["*.yaml".to_owned()];
    let names: Vec<String> = load_all(&system).unwrap().into_iter().map(|flow| flow.name).collect();
    assert_eq!(names, ["everywhere"]);
}
