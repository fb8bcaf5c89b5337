//! What a system file says about containers, brokers and systems that run already.

use std::path::Path;

use insta::assert_snapshot;
use seaworthy_core::system::{Call, Overrides, PortProtocol, RunKind, System, SystemFileError};

use crate::support::shown;

const FILE: &str = r#"version: 1
name: shop
services:
  orders:
    process: {cargo: orders}
    ports: {http: http}
    env: {PORT: "${port.http}"}
    calls: {mail: MAIL_URL}
    health: {ready: /ready}
    after: [mail]
    on:
      docker:
        build: {context: images/orders, cargo: orders, args: {BASE: "${env.BASE:-scratch}"}}
        calls:
          db: {env: DATABASE_URL, value: "postgres://${host}:${port}/orders"}
          rabbit: {env: BROKER_URL, value: "amqp://${host}:${port}"}
          mail: {broker: events}
        env: {EVENTS: "${broker.events.in}"}
        after: [mail, db, rabbit]
  mail:
    process: {cargo: mail}
    ports: {http: http}
    env: {PORT: "${port.http}"}
    on:
      docker:
        build: images/mail
        env: {EVENTS: "${broker.events.out}"}
  db:
    only: [docker]
    image: "${env.DB:-postgres:15}"
    ports: {sql: 5432/tcp}
    volumes: [/var/lib/postgresql/data]
    telemetry: none
  rabbit:
    only: [docker]
    image: rabbitmq:3
    ports: {amqp: 5672/tcp}
    telemetry: none
brokers:
  events: {service: rabbit, url: "amqp://${host}:${port}", dead-letters: {mail: mail.dead}}
ingress: {orders: {}}
facts:
  budgets: {"orders -> mail": 1s, "orders -> db": 1s}
  readiness: ["orders -> db"]
  idempotent: ["orders -> db POST /x", "orders -> mail POST /mail"]
  sagas:
    - {name: s, owner: orders, steps: [{forward: "orders -> db POST /x"}, {forward: "orders -> mail POST /mail"}]}
attach:
  edges: {"orders -> db": 127.0.0.1:7101}
"#;

fn on(runtime: RunKind, text: &str) -> Result<System, SystemFileError> {
    System::parse(text, Path::new("seaworthy.yaml"), &Overrides { on: runtime, env: Vec::new() })
}

fn edges(system: &System) -> Vec<String> {
    system.edges().iter().map(ToString::to_string).collect()
}

#[test]
fn services_of_another_runtime_are_left_out_with_all_that_speaks_of_them() {
    let system = on(RunKind::Process, FILE).unwrap();
    assert_eq!(system.on, RunKind::Process);
    assert_eq!(system.services.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["mail", "orders"]);
    assert_eq!(edges(&system), ["ingress -> orders", "orders -> mail"]);
    assert!(system.brokers.is_empty() && system.facts.readiness.is_empty());
    assert_eq!(system.facts.budgets.len(), 1);
    assert_eq!(system.services["orders"].after, ["mail"]);
    assert_eq!((system.facts.idempotent.len(), system.facts.sagas.len()), (1, 0));
    assert!(system.attach.edges.is_empty());
}

#[test]
fn on_the_runtime_they_are_for_they_are_there() {
    let system = on(RunKind::Docker, FILE).unwrap();
    assert_eq!(edges(&system), ["ingress -> orders", "orders -> db", "orders -> mail", "orders -> rabbit"]);
    let mail = "orders -> mail".parse().unwrap();
    assert_eq!(system.message_edges().get(&mail), Some(&"events"));
    assert_eq!(system.services["orders"].calls["mail"], Call::Broker { broker: "events".to_owned() });
    assert_eq!(system.protocol(&"orders -> db".parse().unwrap()), Some(PortProtocol::Tcp));
    assert_eq!(system.services["db"].ports["sql"].number, Some(5432));
    let build = system.services["orders"].build.as_ref().unwrap().details();
    assert_eq!((build.context.as_str(), build.cargo.as_deref()), ("images/orders", Some("orders")));
    assert_eq!(system.services["mail"].build.as_ref().unwrap().details().context, "images/mail");
    let dead: Vec<String> = system.dead_letter_edges().iter().map(ToString::to_string).collect();
    assert_eq!(dead, ["mail -> dead-letters"]);
}

#[test]
fn a_file_of_a_service_may_lie_beside_the_system_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seaworthy.yaml");
    let with = |from: &str| {
        FILE.replace("    volumes:", &format!("    files: {{/init/a.sql: {from}}}\n    volumes:"))
    };
    std::fs::write(folder.path().join("a.sql"), "select '${not.ours}';").unwrap();
    std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
    let load = |from: &str| {
        std::fs::write(&file, with(from)).unwrap();
        System::load(&file, &Overrides { on: RunKind::Docker, env: Vec::new() })
    };
    let system = load("{from: a.sql}").unwrap();
    let text = &system.services["db"].files["/init/a.sql"];
    let filled = seaworthy_core::system::interpolate::resolve(text, &|_| None).unwrap();
    assert_eq!(filled, "select '${not.ours}';", "its placeholders are its own");
    let refused =
        |from: &str| shown(&load(from).unwrap_err()).replace(&folder.path().display().to_string(), "FOLDER");
    assert_snapshot!("file that is not there", refused("{from: b.sql}"));
    assert_snapshot!("file that is no text", refused("{from: binary}"));
    assert_snapshot!("file with a key too many", refused("{from: a.sql, mode: 1}"));
}

#[test]
fn what_cannot_be_on_containers_is_told_with_its_place() {
    let refused = |part: &str, by: &str| {
        assert!(FILE.contains(part), "{part}");
        shown(&on(RunKind::Docker, &FILE.replacen(part, by, 1)).unwrap_err())
    };
    assert_snapshot!("no such broker", refused("{broker: events}", "{broker: evnts}"));
    assert_snapshot!("broker that is no service", refused("{service: rabbit,", "{service: rabit,"));
    assert_snapshot!("broker of another kind", refused("url: \"amqp://", "url: \"nats://"));
    assert_snapshot!("dead letters of nobody", refused("{mail: mail.dead}", "{male: mail.dead}"));
    assert_snapshot!(
        "exchange of one who takes no part",
        refused("${broker.events.out}", "${broker.events.in}")
    );
    assert_snapshot!("side that there is not", refused("${broker.events.out}", "${broker.events.up}"));
    assert_snapshot!("volume that is no folder", refused("[/var/lib/postgresql/data]", "[data]"));
    assert_snapshot!("port with a bad number", refused("5432/tcp", "99999/tcp"));
    assert_snapshot!("build with an unknown key", refused("cargo: orders, args", "crate: orders, args"));
    assert_snapshot!("broker call with an address", refused("{broker: events}", "{broker: events, env: X}"));
    assert_snapshot!("readiness of one that cannot be asked", refused("    health: {ready: /ready}\n", ""));
}

#[test]
fn addresses_of_a_system_that_runs_are_those_of_its_edges() {
    let file = r#"version: 1
name: shop
services:
  orders: {url: "http://127.0.0.1:7001", ports: {http: http}, calls: {mail: MAIL_URL}}
  mail: {url: "http://127.0.0.1:7002", ports: {http: http}}
ingress: {orders: {}}
attach:
  receiver: 127.0.0.1:4318
  edges: {"ingress -> orders": 127.0.0.1:7101, "orders -> mail": 127.0.0.1:7102}
"#;
    let system = on(RunKind::Attach, file).unwrap();
    assert_eq!(system.attach.edges.len(), 2);
    let refused =
        |part: &str, by: &str| shown(&on(RunKind::Attach, &file.replacen(part, by, 1)).unwrap_err());
    assert_snapshot!("address of no edge", refused("orders -> mail", "orders -> male"));
    assert_snapshot!("one address for two edges", refused("127.0.0.1:7102", "127.0.0.1:7101"));
    assert_snapshot!("address open to all", refused("127.0.0.1:7102", "0.0.0.0:7102"));
    let mapped = refused("127.0.0.1:7102", "\"[::ffff:0.0.0.0]:7102\"");
    assert!(mapped.contains("would listen to the whole network"), "{mapped}");
    assert_snapshot!("address without a port", refused("127.0.0.1:7102", "127.0.0.1:0"));
}
